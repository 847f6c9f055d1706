-- On the database that signs, as a superuser: what a reporting database gets.
-- wal_level has to be logical.

-- No documents, proofs, e-mail addresses or names; neither queue nor credentials.
-- A table that is partitioned (../partitioning) is published as what it was before.
CREATE PUBLICATION ignisign_reports
    FOR TABLE ignisign.request (id, owner, server, signature_method, signer_count, signed_count,
                                signature_request_id, status, proof_status, created_at, sent_at, closed_at),
              ignisign.signer (request, n, signer_profile_id, approver, signed_at),
              ignisign.event (request, at, id, source, kind, previous)
    WITH (publish_via_partition_root = true);

-- A subscription copies as this role, the rows of everybody: just these columns.
SELECT 'CREATE ROLE reports LOGIN REPLICATION BYPASSRLS'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reports') \gexec
GRANT USAGE ON SCHEMA ignisign TO reports;
SELECT format('GRANT SELECT (%s) ON %I.%I TO reports',
              (SELECT string_agg(quote_ident(c), ', ') FROM unnest(attnames) c), schemaname, tablename)
FROM pg_publication_tables WHERE pubname = 'ignisign_reports' \gexec
