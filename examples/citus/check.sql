-- Tells which tables of the extension could be distributed by the request's id: those
-- whose every key and unique index has that column, as Citus demands.  It runs
-- anywhere.

SELECT c.relname AS table,
       CASE WHEN c.relname = 'request' THEN 'id' ELSE a.attname END AS distributed_by,
       coalesce(string_agg(i.indexrelid::regclass::text, ', ' ORDER BY i.indexrelid::regclass::text)
           FILTER (WHERE NOT EXISTS (SELECT FROM pg_attribute k
                                     WHERE k.attrelid = i.indexrelid AND k.attname IN ('request', CASE WHEN c.relname = 'request' THEN 'id' END))),
           '') AS unique_without_it
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'request' AND a.attnum > 0
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique
WHERE c.relnamespace = 'ignisign'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
GROUP BY 1, 2
ORDER BY 2 NULLS LAST, 1;
