-- The modes that stand: the latest word of each source on each scope, unless it lifted.

-- name: standing
SELECT * FROM (
    SELECT DISTINCT ON (source, coalesce(scope, '')) scope, source, mode, reason, imposed_by, at_ns, until_ns
    FROM modes ORDER BY source, coalesce(scope, ''), at_ns DESC) AS latest
WHERE mode <> 'run'
