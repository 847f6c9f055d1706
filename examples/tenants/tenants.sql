-- A table of contracts for all tenants, of which each sees its own.

CREATE TABLE contract (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       name  NOT NULL DEFAULT current_user,
    title        text  NOT NULL,
    pdf          bytea NOT NULL,
    signers      jsonb NOT NULL,
    signature_id uuid  DEFAULT ignisign_id()
);

ALTER TABLE contract ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON contract USING (tenant = current_user);

-- One login for the application, which becomes a tenant for a transaction.
CREATE ROLE tenants_app LOGIN NOINHERIT;
