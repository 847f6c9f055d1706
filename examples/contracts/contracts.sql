-- A row in this table is a contract that is signed.

CREATE TABLE contract (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title        text  NOT NULL,
    pdf          bytea NOT NULL,
    signers      jsonb NOT NULL,
    signature_id uuid  DEFAULT ignisign_id() UNIQUE,
    state        text  NOT NULL DEFAULT 'asked',
    signed_at    timestamptz,
    signed_pdf   bytea
);

CREATE TRIGGER sign AFTER INSERT ON contract FOR EACH ROW
    EXECUTE FUNCTION ignisign_sign_trigger('title', 'pdf', 'signers', 'signature_id');

-- What became of a contract, in words of its own.  It is signed when all have signed
-- who were asked; COMPLETED alone does not say so.
CREATE FUNCTION contract_changed(request uuid, event jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s record;
BEGIN
    SELECT * INTO s FROM ignisign_status(request);
    UPDATE contract SET
        state = CASE
            WHEN s.status = 'COMPLETED' AND s.signed = s.signers THEN 'signed'
            WHEN s.closed_at IS NOT NULL OR event ->> 'event' = 'dead' THEN 'failed'
            ELSE 'asked'
        END,
        signed_at = CASE WHEN s.signed = s.signers THEN coalesce(signed_at, (event ->> 'at')::timestamptz) END,
        signed_pdf = ignisign_proof(request)
    WHERE signature_id = request;
END
$$;

-- After a change of the status, a proof, or when Ignisign refused.
SELECT ignisign_on(kind, 'contract_changed(uuid, jsonb)')
FROM unnest(ARRAY['status', 'proof', 'dead']) AS kind;
