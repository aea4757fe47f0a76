-- What the operator reads. Every query is bounded by a limit or a time span that an index serves.

-- name: open_orders
SELECT i.client_id, s.order_id, i.symbol, i.side, i.price, i.size, coalesce(e.filled, 0) AS filled, s.state,
       i.purpose, i.exit_reason, i.passive_order_id, i.strategy_tag, i.decided_at
FROM order_states s
JOIN order_intents i ON i.client_id = s.client_id
LEFT JOIN executions e ON e.client_id = s.client_id
WHERE NOT s.settled
ORDER BY i.decided_ns DESC LIMIT %(limit)s

-- name: positions
SELECT symbol, size FROM holdings WHERE size <> 0 ORDER BY symbol LIMIT %(limit)s

-- name: cash_flows
SELECT i.symbol, sum(CASE i.side WHEN 'BUY' THEN -e.notional ELSE e.notional END - e.fees) AS cash
FROM executions e JOIN order_intents i ON i.client_id = e.client_id
GROUP BY i.symbol ORDER BY i.symbol LIMIT %(limit)s

-- name: mode
SELECT mode FROM meta

-- name: round_trips
SELECT id, symbol, entry, size, opened_at, closed_at, hold_seconds, exit_reason, entry_value, exit_value, fees,
       spread_captured, price_move, net, maker_fills, taker_fills, dust, closing_order, strategy_tag, config_sha,
       trip_id, adverse_selection, adverse_horizon_ns
FROM round_trips
WHERE closed_ns >= %(since)s AND closed_ns < %(until)s
  AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
  AND (%(strategy)s::text IS NULL OR strategy_tag = %(strategy)s)
ORDER BY closed_ns DESC, id LIMIT %(limit)s

-- name: fills
SELECT f.trade_id, f.client_id, s.order_id, f.symbol, f.side, f.price, f.size, f.fee, f.liquidity, f.at,
       i.purpose, i.exit_reason, i.strategy_tag, i.passive_order_id, m.horizons, m.mids
FROM fills f
JOIN order_intents i ON i.client_id = f.client_id
JOIN order_states s ON s.client_id = f.client_id
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(horizon_ns ORDER BY horizon_ns), '{}') AS horizons,
           coalesce(array_agg(mid::numeric ORDER BY horizon_ns), '{}') AS mids
    FROM fill_marks WHERE trade_id = f.trade_id) m
WHERE f.at_ns >= %(since)s AND f.at_ns < %(until)s
  AND (%(symbol)s::text IS NULL OR f.symbol = %(symbol)s)
  AND (%(strategy)s::text IS NULL OR i.strategy_tag = %(strategy)s)
ORDER BY f.at_ns DESC, f.trade_id COLLATE "C" DESC LIMIT %(limit)s

-- name: trade_records
SELECT order_id, client_id, symbol, side, order_time, price, size, notional_usd, fees_usd, pnl_usd, status, source,
       strategy_tag, passive_order_id, purpose, exit_reason, hold_seconds, config_sha
FROM trade_records
WHERE order_time >= at_instant(%(since)s) AND order_time < at_instant(%(until)s)
  AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
  AND (%(strategy)s::text IS NULL OR strategy_tag = %(strategy)s)
ORDER BY order_time DESC, order_id LIMIT %(limit)s

-- name: pnl_by_day
SELECT to_char(closed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS key, split_part(symbol, '-', 2), count(*),
       count(*) FILTER (WHERE net > 0),
       sum(net), sum(fees), sum(spread_captured), sum(price_move),
       coalesce(sum(adverse_selection), 0), count(adverse_selection)
FROM round_trips WHERE closed_ns >= %(since)s AND closed_ns < %(until)s GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT %(limit)s

-- name: capital
-- What each currency held before a moment: money that came otherwise, and what round trips had earned by then.
-- What was there when the books began counts from the beginning, although it is booked with the first tie-out.
SELECT c.currency, sum(c.amount) + coalesce((
    SELECT sum(net) FROM round_trips
    WHERE split_part(symbol, '-', 2) = c.currency AND closed_ns < %(since)s), 0)
FROM cash_movements c WHERE c.kind = 'opening' OR c.at_ns < %(since)s
GROUP BY c.currency ORDER BY c.currency LIMIT %(limit)s

-- name: pnl_by_symbol
SELECT symbol AS key, split_part(symbol, '-', 2), count(*),
       count(*) FILTER (WHERE net > 0),
       sum(net), sum(fees), sum(spread_captured), sum(price_move),
       coalesce(sum(adverse_selection), 0), count(adverse_selection)
FROM round_trips WHERE closed_ns >= %(since)s AND closed_ns < %(until)s GROUP BY 1, 2 ORDER BY sum(net), 1, 2 LIMIT %(limit)s

-- name: pnl_by_exit_reason
SELECT exit_reason::text AS key, split_part(symbol, '-', 2), count(*),
       count(*) FILTER (WHERE net > 0),
       sum(net), sum(fees), sum(spread_captured), sum(price_move),
       coalesce(sum(adverse_selection), 0), count(adverse_selection)
FROM round_trips WHERE closed_ns >= %(since)s AND closed_ns < %(until)s GROUP BY 1, 2 ORDER BY sum(net), 1, 2 LIMIT %(limit)s

-- name: pnl_by_config
SELECT config_sha::text AS key, split_part(symbol, '-', 2), count(*),
       count(*) FILTER (WHERE net > 0),
       sum(net), sum(fees), sum(spread_captured), sum(price_move),
       coalesce(sum(adverse_selection), 0), count(adverse_selection)
FROM round_trips WHERE closed_ns >= %(since)s AND closed_ns < %(until)s GROUP BY 1, 2 ORDER BY sum(net), 1, 2 LIMIT %(limit)s

-- name: derived_drift
-- What the derived tables say against what the facts sum to; empty when they agree.
(SELECT 'executions' AS what, client_id AS id FROM (
    SELECT client_id, count(*)::int AS fills, sum(size) AS filled, sum(price * size) AS notional, sum(fee) AS fees,
           max(at_ns) AS last_ns FROM fills GROUP BY client_id) f
 FULL JOIN executions e USING (client_id)
 WHERE (f.fills, f.filled, f.notional, f.fees, f.last_ns)
       IS DISTINCT FROM (e.fills, e.filled::numeric, e.notional::numeric, e.fees::numeric, e.last_ns))
UNION ALL
(SELECT 'holdings', symbol FROM (
    SELECT symbol, sum(CASE side WHEN 'BUY' THEN size ELSE -size END) AS size FROM fills GROUP BY symbol) f
 FULL JOIN holdings h USING (symbol) WHERE f.size IS DISTINCT FROM h.size::numeric)
UNION ALL
(SELECT 'results', client_id FROM (
    SELECT closing_order AS client_id, count(*)::int AS trips, sum(net) AS pnl FROM round_trips GROUP BY 1) t
 FULL JOIN executions e USING (client_id)
 WHERE (coalesce(t.trips, 0), t.pnl) IS DISTINCT FROM (coalesce(e.trips, 0), e.pnl))
UNION ALL
-- Every fill opened or closed exactly its size, up to where its symbol is derived.
(SELECT 'lots', f.trade_id FROM fills f
 LEFT JOIN lots l ON l.trade_id = f.trade_id
 LEFT JOIN (SELECT close_trade_id, sum(size) AS size, sum(close_fee) AS fee FROM allocations GROUP BY 1) c
   ON c.close_trade_id = f.trade_id
 WHERE (coalesce(l.size, 0) + coalesce(c.size, 0), coalesce(l.fee, 0) + coalesce(c.fee, 0)) <> (f.size, f.fee))
UNION ALL
(SELECT 'lots', l.trade_id FROM lots l
 LEFT JOIN (SELECT open_trade_id, sum(size) AS size, sum(open_fee) AS fee FROM allocations GROUP BY 1) a
   ON a.open_trade_id = l.trade_id
 WHERE (l.size - coalesce(a.size, 0), l.fee - coalesce(a.fee, 0)) <> (l.remaining::numeric, l.fee_remaining::numeric))
UNION ALL
(SELECT 'holdings', symbol FROM (
    SELECT symbol, sum(CASE side WHEN 'BUY' THEN remaining ELSE -remaining END) AS size
    FROM lots WHERE remaining > 0 GROUP BY symbol) l
 FULL JOIN holdings h USING (symbol) WHERE coalesce(l.size, 0) <> coalesce(h.size, 0))
UNION ALL
(SELECT 'round_trips', trip_id FROM (
    SELECT trip_id, sum(size) AS size, sum(net) AS net, sum(open_fee + close_fee) AS fees
    FROM allocations WHERE trip_id IS NOT NULL GROUP BY trip_id) a
 FULL JOIN round_trips t USING (trip_id)
 WHERE (a.size, a.net, a.fees) IS DISTINCT FROM (t.size::numeric, t.net::numeric, t.fees::numeric))
UNION ALL
(SELECT 'symbol_days', concat_ws(' ', symbol, day, source) FROM (
    SELECT symbol, utc_day(closed_ns) AS day, 'passivemm' AS source, count(*) AS trips,
           count(*) FILTER (WHERE net > 0) AS wins, sum(net) AS net, sum(fees) AS fees, sum(entry_value) AS value,
           sum(spread_captured) AS spread, sum(price_move) AS move, coalesce(sum(adverse_selection), 0) AS adverse,
           count(adverse_selection) AS known
    FROM round_trips GROUP BY 1, 2
    UNION ALL
    SELECT symbol, utc_day(at_ns), 'imported:' || source, count(*), count(*) FILTER (WHERE pnl > 0), sum(pnl),
           sum(fees), sum(entry_value), NULL, NULL, 0, 0
    FROM imported_trades WHERE pnl IS NOT NULL GROUP BY 1, 2, 3) t
 FULL JOIN symbol_days d USING (symbol, day, source)
 WHERE (t.trips, t.wins, t.net, t.fees, t.value, t.spread, t.move, t.adverse, t.known)
       IS DISTINCT FROM (d.trips, d.wins, d.net::numeric, d.fees::numeric, d.entry_value::numeric,
                         d.spread_captured::numeric, d.price_move::numeric, d.adverse_selection::numeric,
                         d.adverse_trips))
UNION ALL
(SELECT 'derivations', symbol FROM (SELECT symbol, max(at_ns) AS newest FROM fills GROUP BY symbol) f
 FULL JOIN derivations d USING (symbol)
 WHERE d.flaw IS NOT NULL OR f.newest IS DISTINCT FROM d.last_ns)
LIMIT %(limit)s
