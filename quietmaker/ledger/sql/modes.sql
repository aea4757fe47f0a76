-- The modes that stand: the latest word of each source on each scope, unless it lifted. Latest is what was
-- recorded last, not what has the latest time: a clock can be set back between two runs.

-- name: standing
SELECT * FROM (
    SELECT DISTINCT ON (source, coalesce(scope, '')) scope, source, mode, reason, imposed_by, at_ns, until_ns
    FROM modes ORDER BY source, coalesce(scope, ''), id DESC) AS latest
WHERE mode <> 'run'
