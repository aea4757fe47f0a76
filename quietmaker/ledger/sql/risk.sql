-- What the risk guard reads: how breakers and equities stand, and what trading came to. Of breakers the last
-- word recorded stands, not the one of the latest time: a clock can be set back between two runs.

-- name: breakers
SELECT DISTINCT ON (breaker, coalesce(scope, '')) scope, breaker, phase, armed_ns, until_ns, trips, reason
FROM breakers ORDER BY breaker, coalesce(scope, ''), id DESC

-- name: equities
SELECT DISTINCT ON (money) money, capital, result, peak FROM equities ORDER BY money, at_ns DESC

-- name: lost
SELECT s.symbol, coalesce((
    SELECT sum(r.net) FROM round_trips r WHERE r.symbol = s.symbol AND r.closed_ns >= s.since), 0)
FROM unnest(%(symbols)s::text[], %(since)s::bigint[]) AS s (symbol, since)

-- name: account
SELECT split_part(symbol, '-', 2), sum(net) FROM round_trips WHERE closed_ns >= %(since)s GROUP BY 1

-- name: total
-- Imported trades are not ours: their days have no split.
SELECT split_part(symbol, '-', 2), sum(net)::numeric FROM symbol_days
WHERE spread_captured IS NOT NULL GROUP BY 1

-- name: open
SELECT symbol, sum(net) FROM allocations WHERE trip_id IS NULL GROUP BY 1

-- name: held
SELECT symbol, sum(CASE side WHEN 'BUY' THEN remaining ELSE -remaining END) FROM lots
WHERE remaining > 0 GROUP BY 1

-- name: capital
SELECT currency, sum(amount)::numeric FROM cash_movements GROUP BY 1

-- name: recent
SELECT s.symbol, r.closed_ns, r.net
FROM unnest(%(symbols)s::text[]) AS s (symbol)
CROSS JOIN LATERAL (
    SELECT closed_ns, net, trip_id FROM round_trips WHERE symbol = s.symbol
    ORDER BY closed_ns DESC, trip_id COLLATE "C" DESC LIMIT %(limit)s) r
ORDER BY s.symbol, r.closed_ns DESC, r.trip_id COLLATE "C" DESC
