-- The catalogue of the ledger's own schema: what a backup copies, and in which order it can be loaded.

-- name: tables
SELECT c.relname,
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
       (SELECT coalesce(array_agg(a.attname::text ORDER BY k.place), '{}') FROM pg_index i
        CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
        WHERE i.indrelid = c.oid AND i.indisprimary),
       (SELECT coalesce(array_agg(a.attname::text), '{}') FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attcollation <> 0)
FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> %(except_)s
ORDER BY c.relname

-- name: references
SELECT DISTINCT r.conrelid::regclass::text, r.confrelid::regclass::text
FROM pg_constraint r
WHERE r.contype = 'f' AND r.connamespace = current_schema()::regnamespace AND r.conrelid <> r.confrelid

-- name: sequences
SELECT t.relname, quote_ident(n.nspname) || '.' || quote_ident(s.relname),
       pg_sequence_last_value(s.oid)
FROM pg_class s
JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('i', 'a')
JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace
ORDER BY t.relname
