-- Partitions ignisign.attempt, ignisign.event and ignisign.proof by time, with
-- pg_partman, and moves the rows that are there.  As a superuser; README.md has more.

\set ON_ERROR_STOP on
BEGIN;

-- Moved rows are no news: no trigger is to tell of them.
SET LOCAL session_replication_role = replica;

\ir parents.sql

CREATE SCHEMA IF NOT EXISTS partman;
CREATE EXTENSION IF NOT EXISTS pg_partman SCHEMA partman;

-- What partitions get that the table itself has not: its key.
CREATE TABLE partman.template_attempt (LIKE ignisign.attempt, PRIMARY KEY (request, started_at, id));
CREATE TABLE partman.template_event (LIKE ignisign.event, PRIMARY KEY (request, at, id));
CREATE TABLE partman.template_proof (LIKE ignisign.proof, PRIMARY KEY (request, document, proof_type, signer));

-- Interval, and how long what is in a partition is kept; NULL: for ever.
CREATE TEMPORARY TABLE plan (name text, key text, width text, retention text) ON COMMIT DROP;
INSERT INTO plan VALUES
    ('attempt', 'started_at', '1 month', '3 months'),
    ('event',   'at',         '1 month', NULL),
    ('proof',   'fetched_at', '1 year',  NULL);

DO $do$
DECLARE
    here record;
    first timestamptz;
BEGIN
    FOR here IN SELECT *, name || '_old' AS old, to_regclass('ignisign.' || name || '_old') IS NOT NULL AS move FROM plan LOOP
        first := now();
        IF here.move THEN
            EXECUTE format('SELECT min(%I) FROM ignisign.%I', here.key, here.old) INTO first;
        END IF;
        PERFORM partman.create_parent(
            p_parent_table    => 'ignisign.' || here.name,
            p_control         => here.key,
            p_type            => CASE WHEN (SELECT extversion LIKE '4.%' FROM pg_extension WHERE extname = 'pg_partman')
                                      THEN 'native' ELSE 'range' END,
            p_interval        => here.width,
            p_start_partition => first::text,
            p_template_table  => 'partman.template_' || here.name);
        IF here.move THEN
            EXECUTE format('INSERT INTO ignisign.%I OVERRIDING SYSTEM VALUE SELECT * FROM ignisign.%I', here.name, here.old);
            EXECUTE format('DROP TABLE ignisign.%I', here.old);
        END IF;
    END LOOP;
END
$do$;

UPDATE partman.part_config c
SET infinite_time_partitions = true, retention = p.retention, retention_keep_table = false
FROM plan p WHERE c.parent_table = 'ignisign.' || p.name;

COMMIT;

ANALYZE ignisign.attempt, ignisign.event, ignisign.proof;
