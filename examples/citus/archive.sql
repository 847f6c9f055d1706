-- On the coordinator of a Citus cluster, as a superuser: an archive of what is done,
-- distributed by the request's id.  The queue stays where the worker is.

\set ON_ERROR_STOP on
BEGIN;

CREATE SCHEMA ignisign_archive;
REVOKE ALL ON SCHEMA ignisign_archive FROM PUBLIC;

CREATE TABLE ignisign_archive.request (LIKE ignisign.request, PRIMARY KEY (id));
CREATE TABLE ignisign_archive.signer (LIKE ignisign.signer, PRIMARY KEY (request, n));
CREATE TABLE ignisign_archive.document (LIKE ignisign.document INCLUDING STORAGE, PRIMARY KEY (request, n));
CREATE TABLE ignisign_archive.proof (LIKE ignisign.proof INCLUDING STORAGE, PRIMARY KEY (request, document, proof_type, signer));
CREATE TABLE ignisign_archive.event (LIKE ignisign.event, PRIMARY KEY (request, at, id));
CREATE TABLE ignisign_archive.attempt (LIKE ignisign.attempt, PRIMARY KEY (request, started_at, id));

-- All that belongs to a request is on one node.
SELECT create_distributed_table('ignisign_archive.request', 'id');
SELECT create_distributed_table(('ignisign_archive.' || name)::regclass, 'request', colocate_with => 'ignisign_archive.request')
FROM unnest(ARRAY['signer', 'document', 'proof', 'event', 'attempt']) AS name;

-- Move up to that many requests that were closed so long ago and have nothing left to
-- be done; returns how many.  Copied and deleted in one transaction, which Citus
-- commits on all nodes or on none.
CREATE PROCEDURE ignisign_archive.move(closed_before interval, at_most integer DEFAULT 1000)
LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    name text;
BEGIN
    -- Who is about to ask something of such a request goes first.
    SELECT array_agg(id) INTO ids FROM (
        SELECT r.id FROM ignisign.request r
        WHERE r.closed_at < now() - closed_before
          AND NOT EXISTS (SELECT FROM ignisign.call c WHERE c.request = r.id)
          AND NOT EXISTS (SELECT FROM ignisign.delivery d WHERE d.request = r.id)
        ORDER BY r.closed_at LIMIT at_most FOR UPDATE SKIP LOCKED) r;

    -- What is copied comes from local tables only, so it is brought to the nodes like a COPY.
    INSERT INTO ignisign_archive.request SELECT * FROM ignisign.request WHERE id = ANY (ids);
    FOREACH name IN ARRAY ARRAY['signer', 'document', 'proof', 'event', 'attempt'] LOOP
        EXECUTE format('INSERT INTO ignisign_archive.%1$I SELECT * FROM ignisign.%1$I WHERE request = ANY ($1)', name) USING ids;
        EXECUTE format('DELETE FROM ignisign.%I WHERE request = ANY ($1)', name) USING ids;
    END LOOP;
    DELETE FROM ignisign.session WHERE request = ANY (ids);
    DELETE FROM ignisign.request WHERE id = ANY (ids);
    RAISE NOTICE 'moved % requests', coalesce(cardinality(ids), 0);
END
$$;

COMMIT;
