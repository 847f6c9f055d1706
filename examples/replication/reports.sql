-- On the reporting database, which needs no extension: plain tables, and views.

CREATE SCHEMA ignisign;

CREATE TABLE ignisign.request (
    id uuid PRIMARY KEY,
    owner name NOT NULL,
    server name NOT NULL,
    signature_method text NOT NULL,
    signer_count integer NOT NULL,
    signed_count integer NOT NULL,
    signature_request_id text,
    status text,
    proof_status text,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    closed_at timestamptz
);

CREATE TABLE ignisign.signer (
    request uuid NOT NULL,
    n integer NOT NULL,
    signer_profile_id text,
    approver boolean NOT NULL,
    signed_at timestamptz,
    PRIMARY KEY (request, n)
);

CREATE TABLE ignisign.event (
    request uuid NOT NULL,
    at timestamptz NOT NULL,
    id bigint NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    previous text,
    PRIMARY KEY (request, at, id)
);

CREATE INDEX request_created_at ON ignisign.request (created_at);

-- Each day's requests, and what became of them.
CREATE VIEW requests_by_day AS
SELECT created_at::date AS day, owner,
       count(*) AS requests,
       count(*) FILTER (WHERE status = 'COMPLETED' AND signed_count = signer_count) AS signed,
       count(*) FILTER (WHERE closed_at IS NULL) AS open,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY closed_at - sent_at)
           FILTER (WHERE signed_count = signer_count) AS median_time
FROM ignisign.request
GROUP BY 1, 2;

-- Who lets others wait.
CREATE VIEW waiting AS
SELECT r.id, r.owner, count(*) AS signers, now() - r.sent_at AS since
FROM ignisign.request r JOIN ignisign.signer s ON s.request = r.id
WHERE r.closed_at IS NULL AND r.sent_at IS NOT NULL AND s.signed_at IS NULL
GROUP BY r.id;
