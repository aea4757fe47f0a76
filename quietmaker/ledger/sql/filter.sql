-- The symbol filter: its evidence, what moved each symbol, and the operator's word.

-- name: trades
-- Whole days come from their sums, the one that a window begins in trade by trade; imported trades count too.
SELECT w.symbol, coalesce(sum(t.trips), 0)::bigint, coalesce(sum(t.wins), 0)::bigint, coalesce(sum(t.net), 0),
       coalesce(sum(t.entry_value), 0)
FROM unnest(%(symbols)s::text[], %(since)s::bigint[]) AS w (symbol, since_ns)
LEFT JOIN LATERAL (
    SELECT trips, wins, net::numeric, entry_value::numeric FROM symbol_days
    WHERE symbol = w.symbol AND day > utc_day(w.since_ns)
    UNION ALL
    SELECT count(*), count(*) FILTER (WHERE net > 0), sum(net), sum(entry_value) FROM round_trips
    WHERE symbol = w.symbol AND closed_ns >= w.since_ns AND closed_ns < day_end(w.since_ns)
    UNION ALL
    SELECT count(*), count(*) FILTER (WHERE pnl > 0), sum(pnl), sum(entry_value) FROM imported_trades
    WHERE symbol = w.symbol AND pnl IS NOT NULL AND at_ns >= w.since_ns AND at_ns < day_end(w.since_ns)) t ON true
GROUP BY w.symbol

-- name: shadow_trades
SELECT w.symbol, count(t.net), count(t.net) FILTER (WHERE t.net > 0), coalesce(sum(t.net), 0),
       coalesce(sum(t.entry_value), 0)
FROM unnest(%(symbols)s::text[], %(since)s::bigint[]) AS w (symbol, since_ns)
LEFT JOIN LATERAL (
    SELECT net::numeric, entry_value::numeric FROM shadow_trips
    WHERE symbol = w.symbol AND closed_ns >= w.since_ns) t ON true
GROUP BY w.symbol

-- name: transitions
SELECT symbol, at_ns, from_state, to_state, rule, value, threshold, sample, reason
FROM unnest(%(symbols)s::text[]) AS s (name)
CROSS JOIN LATERAL (
    SELECT * FROM filter_transitions WHERE symbol = s.name ORDER BY id DESC LIMIT %(limit)s) t
ORDER BY id

-- name: store_transition
INSERT INTO filter_transitions (
    symbol, at_ns, from_state, to_state, rule, value, threshold, sample, reason, config_sha)
SELECT %(symbol)s, %(at_ns)s, %(from_state)s, %(to_state)s, %(rule)s, %(value)s, %(threshold)s, %(sample)s,
       %(reason)s, %(config_sha)s
WHERE NOT EXISTS (
    SELECT FROM filter_transitions
    WHERE symbol = %(symbol)s AND at_ns = %(at_ns)s AND to_state = %(to_state)s)

-- name: overrides
SELECT DISTINCT ON (symbol) symbol, at_ns, include, reason, until_ns, operator
FROM symbol_overrides ORDER BY symbol, id DESC

-- name: store_override
INSERT INTO symbol_overrides (symbol, at_ns, include, reason, until_ns, operator)
VALUES (%(symbol)s, %(at_ns)s, %(include)s, %(reason)s, %(until_ns)s, %(operator)s)

-- name: store_shadow
INSERT INTO shadow_trips (
    symbol, entry, size, opened_ns, closed_ns, exit_reason, entry_value, exit_value, fees, spread_captured,
    price_move, net, maker_fills, taker_fills, strategy_tag, config_sha)
VALUES %s
ON CONFLICT DO NOTHING
RETURNING symbol

-- name: prune_shadow
DELETE FROM shadow_trips WHERE closed_ns < %(before)s

-- name: days
-- The closed trades of a symbol by UTC day, oldest first: how they age out of the look-back.
SELECT t.day - date '1970-01-01', sum(t.trips)::bigint, sum(t.wins)::bigint, sum(t.net), sum(t.entry_value)
FROM (
    SELECT day, trips, wins, net::numeric, entry_value::numeric FROM symbol_days
    WHERE symbol = %(symbol)s AND day > utc_day(%(since)s)
    UNION ALL
    SELECT utc_day(%(since)s), count(*), count(*) FILTER (WHERE net > 0), sum(net), sum(entry_value) FROM round_trips
    WHERE symbol = %(symbol)s AND closed_ns >= %(since)s AND closed_ns < day_end(%(since)s)
    UNION ALL
    SELECT utc_day(%(since)s), count(*), count(*) FILTER (WHERE pnl > 0), sum(pnl), sum(entry_value)
    FROM imported_trades
    WHERE symbol = %(symbol)s AND pnl IS NOT NULL AND at_ns >= %(since)s AND at_ns < day_end(%(since)s)) t
GROUP BY 1 HAVING sum(t.trips) > 0 ORDER BY 1

-- name: known_symbols
SELECT symbol FROM holdings
UNION SELECT symbol FROM symbol_overrides
UNION SELECT symbol FROM filter_transitions
ORDER BY symbol

-- name: history
SELECT symbol, at_ns, from_state, to_state, rule, value, threshold, sample, reason
FROM filter_transitions WHERE (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
ORDER BY id DESC LIMIT %(limit)s
