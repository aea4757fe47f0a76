-- The books against themselves, and what the last comparison with the exchange said.

-- name: patiently
SET LOCAL statement_timeout = 0

-- name: flows_drift
SELECT symbol FROM (
    SELECT symbol, count(*) AS fills, sum(CASE side WHEN 'BUY' THEN size ELSE -size END) AS base,
           sum(CASE side WHEN 'BUY' THEN -price * size ELSE price * size END - fee) AS quote
    FROM fills GROUP BY symbol) f
FULL JOIN flows s USING (symbol)
WHERE (f.fills, f.base, f.quote) IS DISTINCT FROM (s.fills, s.base::numeric, s.quote::numeric)
ORDER BY symbol LIMIT %(limit)s

-- name: unsettled_drift
-- An order that is settled has every execution that the exchange states; one that ended without is not settled.
SELECT s.client_id FROM order_states s
JOIN order_intents i ON i.client_id = s.client_id
LEFT JOIN executions e ON e.client_id = s.client_id
WHERE s.settled AND coalesce(e.filled, 0)
      < least(i.size, coalesce(s.final, CASE s.state WHEN 'filled' THEN i.size ELSE 0 END))
ORDER BY s.client_id LIMIT %(limit)s

-- name: open_differences
SELECT kind, subject, ours, theirs, detail, first_at, last_at, times FROM differences
WHERE resolved_ns IS NULL ORDER BY first_ns, id LIMIT %(limit)s

-- name: last_tie_out
SELECT at, verdict, fills, orders, balances, differences, detail FROM tie_outs ORDER BY at_ns DESC LIMIT 1

-- name: refused_facts
SELECT count(*), max(refused_at) FROM refused_facts

-- name: entered_since
SELECT i.symbol, count(*)
FROM unnest(%(symbols)s::text[], %(since)s::bigint[]) AS w (symbol, since_ns)
JOIN order_intents i ON i.symbol = w.symbol AND i.purpose = 'entry' AND i.decided_ns > w.since_ns
JOIN executions e ON e.client_id = i.client_id
GROUP BY i.symbol
