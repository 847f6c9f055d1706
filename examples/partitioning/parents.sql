-- Makes ignisign.attempt, ignisign.event and ignisign.proof partitioned tables, by time.
--
-- partition.sql includes this file.  By itself, it prepares a new database for a dump
-- of one that has partitions.
--
-- All that belongs to a table, and all that refers to it, is taken over: columns,
-- checks, row security, privileges, comments, triggers, views and functions.  Keys are
-- the partitions' own: so a proof's need not have its time in it, and a dump can
-- attach the partitions to tables that are there already.
--
-- The old tables are left as ignisign.attempt_old and so on, if they have rows.

\set ON_ERROR_STOP on

DO $do$
DECLARE
    here record;
    next_id bigint;
    sequence_comment text;
    has_rows boolean;
    redo text[];
    command text;
BEGIN
    -- Definitions are to be printed with all names qualified.
    PERFORM set_config('search_path', 'pg_catalog', true);

    IF EXISTS (SELECT FROM pg_publication_rel p JOIN pg_class c ON c.oid = p.prrelid
               WHERE c.relnamespace = 'ignisign'::regnamespace AND c.relname IN ('attempt', 'event', 'proof')) THEN
        RAISE EXCEPTION 'a publication has one of the tables'
            USING HINT = 'Drop it, and make it and its subscriptions again afterwards.';
    END IF;

    -- All or none, so that there is no deadlock with the worker or with who reads.
    FOR try IN 1 .. 1200 LOOP
        BEGIN
            LOCK TABLE ignisign.requests, ignisign.attempt, ignisign.event IN ACCESS EXCLUSIVE MODE NOWAIT;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF try = 1200 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.05);
        END;
    END LOOP;

    FOR here IN
        SELECT c.oid, t.name, t.key, c.relowner::regrole AS owner, obj_description(c.oid, 'pg_class') AS comment,
               pg_get_serial_sequence('ignisign.' || t.name, a.attname) AS sequence
        FROM (VALUES ('attempt', 'started_at'), ('event', 'at'), ('proof', 'fetched_at')) AS t (name, key)
        JOIN pg_class c ON c.relname = t.name AND c.relnamespace = 'ignisign'::regnamespace AND c.relkind = 'r'
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> ''
    LOOP
        -- What is to be done again: triggers, policies, indexes but keys, privileges,
        -- and what refers to the table.
        SELECT array_agg(d.definition ORDER BY d.n) INTO redo FROM (
            SELECT 1 AS n, pg_get_triggerdef(t.oid) AS definition
            FROM pg_trigger t WHERE t.tgrelid = here.oid AND NOT t.tgisinternal
            UNION ALL
            SELECT 1, format('CREATE POLICY %I ON ignisign.%I AS %s FOR %s TO %s USING (%s)', p.policyname, here.name,
                             p.permissive, p.cmd, (SELECT string_agg(quote_ident(r), ', ') FROM unnest(p.roles) r), p.qual)
                      || coalesce(' WITH CHECK (' || p.with_check || ')', '')
            FROM pg_policies p WHERE p.schemaname = 'ignisign' AND p.tablename = here.name
            UNION ALL
            SELECT 1, pg_get_indexdef(i.indexrelid)
            FROM pg_index i WHERE i.indrelid = here.oid AND NOT i.indisprimary
            UNION ALL
            SELECT 1, format('GRANT %s ON ignisign.%I TO %s%s', a.privilege_type, here.name,
                             CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                             CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = here.oid AND a.grantee <> c.relowner
            UNION ALL
            SELECT 1, format('GRANT %s (%I) ON ignisign.%I TO %s%s', a.privilege_type, c.attname, here.name,
                             CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                             CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM pg_attribute c, aclexplode(c.attacl) a WHERE c.attrelid = here.oid
            UNION ALL
            SELECT DISTINCT 2, format('CREATE OR REPLACE VIEW %s %s AS %s', v.oid::regclass,
                                      'WITH (' || array_to_string(v.reloptions, ', ') || ')', pg_get_viewdef(v.oid))
            FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v'
            WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = here.oid
            UNION ALL
            SELECT DISTINCT 2, pg_get_functiondef(d.objid)
            FROM pg_depend d
            WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = here.oid
        ) d;

        IF here.sequence IS NOT NULL THEN
            EXECUTE format('SELECT last_value + is_called::integer, obj_description(%L::regclass, ''pg_class'') FROM %1$s', here.sequence)
                INTO next_id, sequence_comment;
            EXECUTE format('ALTER EXTENSION ignisign DROP SEQUENCE %s', here.sequence);
            EXECUTE format('ALTER TABLE ignisign.%I ALTER id DROP IDENTITY', here.name);
        END IF;
        EXECUTE format('ALTER EXTENSION ignisign DROP TABLE ignisign.%I', here.name);
        FOR command IN
            SELECT format('ALTER INDEX ignisign.%I RENAME TO %I', c.relname, c.relname || '_old')
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = here.oid
        LOOP
            EXECUTE command;
        END LOOP;
        EXECUTE format('ALTER TABLE ignisign.%I RENAME TO %I', here.name, here.name || '_old');

        -- As a member of the extension it is not in a dump, but its partitions are, and
        -- what is granted from now on.
        EXECUTE format('CREATE TABLE ignisign.%I (LIKE ignisign.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)'
                       ' PARTITION BY RANGE (%I)', here.name, here.name || '_old', here.key);
        EXECUTE format('ALTER TABLE ignisign.%I OWNER TO %s', here.name, here.owner);
        EXECUTE format('ALTER TABLE ignisign.%I ENABLE ROW LEVEL SECURITY', here.name);
        EXECUTE format('COMMENT ON TABLE ignisign.%I IS %L', here.name, here.comment);
        EXECUTE format('ALTER EXTENSION ignisign ADD TABLE ignisign.%I', here.name);
        IF here.sequence IS NOT NULL THEN
            EXECUTE format('ALTER TABLE ignisign.%I ALTER id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME %s START %s)',
                           here.name, here.sequence, next_id);
            EXECUTE format('COMMENT ON SEQUENCE %s IS %L', here.sequence, sequence_comment);
            EXECUTE format('ALTER EXTENSION ignisign ADD SEQUENCE %s', here.sequence);
            -- As pg_extension_config_dump() does, which only the extension's own scripts
            -- may call: a dump keeps where the sequence is.
            UPDATE pg_extension
            SET extconfig = extconfig || here.sequence::regclass::oid, extcondition = extcondition || ''::text
            WHERE extname = 'ignisign';
        END IF;

        FOREACH command IN ARRAY redo LOOP
            EXECUTE command;
        END LOOP;

        EXECUTE format('SELECT EXISTS (SELECT FROM ignisign.%I)', here.name || '_old') INTO has_rows;
        IF NOT has_rows THEN
            EXECUTE format('DROP TABLE ignisign.%I', here.name || '_old');
        END IF;
    END LOOP;
END
$do$;
