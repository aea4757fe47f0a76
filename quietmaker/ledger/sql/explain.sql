-- The story of one trade: every question is served by an index, however long the history.

-- name: named
-- What an id may name: an order of ours by either id, an execution, an imported order.
SELECT 'client_id', client_id, NULL FROM order_intents WHERE client_id = %(id)s
UNION ALL
SELECT 'order_id', client_id, NULL FROM order_states WHERE order_id = %(id)s
UNION ALL
SELECT 'trade_id', client_id, trade_id FROM fills WHERE trade_id = %(id)s
LIMIT 1

-- name: trips_of
-- The round trips in which an order opened or closed something, or only one execution of it.
SELECT a.trip_id FROM fills f JOIN allocations a ON a.open_trade_id = f.trade_id
WHERE f.client_id = %(client_id)s AND (%(trade_id)s::text IS NULL OR f.trade_id = %(trade_id)s)
  AND a.trip_id IS NOT NULL
UNION
SELECT a.trip_id FROM fills f JOIN allocations a ON a.close_trade_id = f.trade_id
WHERE f.client_id = %(client_id)s AND (%(trade_id)s::text IS NULL OR f.trade_id = %(trade_id)s)
  AND a.trip_id IS NOT NULL

-- name: trips
SELECT id, symbol, entry, size, opened_at, closed_at, hold_seconds, exit_reason, entry_value, exit_value, fees,
       spread_captured, price_move, net, maker_fills, taker_fills, dust, closing_order, strategy_tag, config_sha,
       trip_id, adverse_selection, adverse_horizon_ns
FROM round_trips WHERE trip_id = ANY(%(trips)s) ORDER BY closed_ns, trip_id

-- name: orders_in
SELECT DISTINCT f.client_id FROM allocations a
JOIN fills f ON f.trade_id IN (a.open_trade_id, a.close_trade_id)
WHERE a.trip_id = ANY(%(trips)s) LIMIT %(limit)s

-- name: orders_for
-- The orders that were decided on for positions, also those that never executed.
SELECT client_id FROM order_intents WHERE passive_order_id = ANY(%(ids)s)
ORDER BY decided_ns DESC LIMIT %(limit)s

-- name: orders
SELECT i.client_id, s.order_id, i.run, i.symbol, i.side, i.price, i.size, i.post_only, i.time_in_force, i.expire_at,
       i.purpose, i.exit_reason, i.strategy_tag, i.passive_order_id, i.source, i.decided_at, i.bid, i.ask,
       i.inputs::text, i.config_sha, s.state, s.settled
FROM order_intents i JOIN order_states s ON s.client_id = i.client_id
WHERE i.client_id = ANY(%(ids)s) ORDER BY i.decided_ns, i.client_id COLLATE "C"

-- name: events
SELECT client_id, at, what, order_id, reason, cancel_reason, filled FROM order_events
WHERE client_id = ANY(%(ids)s) ORDER BY seq

-- name: fills
SELECT f.client_id, f.trade_id, f.at, f.price, f.size, f.fee, f.liquidity, m.horizons, m.mids
FROM fills f
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(horizon_ns ORDER BY horizon_ns), '{}') AS horizons,
           coalesce(array_agg(mid::numeric ORDER BY horizon_ns), '{}') AS mids
    FROM fill_marks WHERE trade_id = f.trade_id) m
WHERE f.client_id = ANY(%(ids)s) ORDER BY f.at_ns, f.trade_id COLLATE "C"

-- name: held
-- What of these orders' executions is still held.
SELECT client_id, sum(remaining), sum(fee_remaining) FROM lots
WHERE client_id = ANY(%(ids)s) AND remaining > 0 GROUP BY client_id ORDER BY client_id

-- name: alerts
SELECT at, kind, detail FROM alerts
WHERE symbol = %(symbol)s AND at_ns >= %(since)s AND at_ns <= %(until)s ORDER BY at_ns, id LIMIT %(limit)s

-- name: imported
SELECT source, order_id, batch, symbol, side, order_time, price, size, fees, status, pnl, entry_value, hold_seconds
FROM imported_trades WHERE order_id = %(id)s ORDER BY source LIMIT %(limit)s

-- name: refused_import
SELECT r.batch, r.line, r.reason FROM import_refusals r
WHERE r.content::json ->> 'order_id' = %(id)s ORDER BY r.batch DESC, r.line LIMIT %(limit)s

-- name: recent
-- Ids that a wrong one may have meant, the latest of each kind.
(SELECT 'client_id', client_id FROM order_intents ORDER BY decided_ns DESC LIMIT %(limit)s)
UNION ALL
(SELECT 'order_id', s.order_id FROM (
    SELECT client_id FROM order_intents ORDER BY decided_ns DESC LIMIT %(limit)s) i
 JOIN order_states s ON s.client_id = i.client_id WHERE s.order_id IS NOT NULL)
UNION ALL
(SELECT 'trade_id', trade_id FROM fills ORDER BY at_ns DESC LIMIT %(limit)s)

-- name: counts
-- How much there is to look at, up to a limit that answers at once.
SELECT 'orders', (SELECT count(*) FROM (SELECT 1 FROM order_intents LIMIT %(limit)s) a)
UNION ALL
SELECT 'executions', (SELECT count(*) FROM (SELECT 1 FROM fills LIMIT %(limit)s) b)
UNION ALL
SELECT 'imported orders', (SELECT count(*) FROM (SELECT 1 FROM imported_trades LIMIT %(limit)s) c)
