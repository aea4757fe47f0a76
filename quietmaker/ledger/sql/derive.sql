-- Deriving lots, allocations and round trips. Everything is per symbol and paged.

-- name: claim
INSERT INTO derivations (symbol, version, method)
VALUES (%(symbol)s, coalesce((SELECT max(version) FROM derivations), 1), %(method)s)
ON CONFLICT (symbol) DO NOTHING

-- name: state_lock
SELECT d.version, d.method, d.last_ns, d.last_trade, d.trip, d.trip_opened_ns, i.strategy_tag, d.flaw
FROM derivations d LEFT JOIN order_intents i ON i.client_id = d.trip
WHERE d.symbol = %(symbol)s FOR UPDATE OF d

-- name: state
SELECT last_ns, last_trade, trip, flaw IS NULL AND method = %(method)s AND last_ns IS NOT NULL
FROM derivations WHERE symbol = %(symbol)s
UNION ALL
SELECT NULL, NULL, NULL, false FROM holdings h
WHERE h.symbol = %(symbol)s AND NOT EXISTS (SELECT FROM derivations d WHERE d.symbol = h.symbol)

-- name: state_store
UPDATE derivations SET version = %(version)s, method = %(method)s, last_ns = %(last_ns)s,
    last_trade = %(last_trade)s, trip = %(trip)s, trip_opened_ns = %(trip_opened_ns)s, flaw = NULL
WHERE symbol = %(symbol)s

-- name: state_flawed
UPDATE derivations SET flaw = %(flaw)s WHERE symbol = %(symbol)s

-- name: symbols_to_derive
-- Symbols that were never derived, or by another method, or whose derivation gave up.
SELECT h.symbol FROM holdings h LEFT JOIN derivations d ON d.symbol = h.symbol
WHERE d.symbol IS NULL OR d.method <> %(method)s OR d.flaw IS NOT NULL OR d.last_ns IS NULL
ORDER BY h.symbol

-- name: last_flat
-- The last moment before an execution at which nothing was held, or a position turned into the other direction.
SELECT closed_ns, trip_id FROM round_trips
WHERE symbol = %(symbol)s AND (closed_ns, trip_id COLLATE "C") < (%(at)s, %(trade_id)s) AND dust = 0
ORDER BY closed_ns DESC, trip_id COLLATE "C" DESC LIMIT 1

-- name: rewind_allocations
WITH gone AS (
    DELETE FROM allocations
    WHERE symbol = %(symbol)s AND (closed_ns, close_trade_id COLLATE "C") > (%(at)s, %(trade_id)s)
    RETURNING open_trade_id, size, open_fee)
UPDATE lots l SET remaining = l.remaining + g.size, fee_remaining = l.fee_remaining + g.fee
FROM (SELECT open_trade_id, sum(size) AS size, sum(open_fee) AS fee FROM gone GROUP BY 1) g
WHERE l.trade_id = g.open_trade_id AND (l.opened_ns, l.trade_id COLLATE "C") <= (%(at)s, %(trade_id)s)

-- name: rewind_trips
DELETE FROM round_trips WHERE symbol = %(symbol)s AND (closed_ns, trip_id COLLATE "C") > (%(at)s, %(trade_id)s)

-- name: rewind_lots
DELETE FROM lots WHERE symbol = %(symbol)s AND (opened_ns, trade_id COLLATE "C") > (%(at)s, %(trade_id)s)

-- name: lot_of
SELECT l.client_id, l.opened_ns, i.strategy_tag
FROM lots l JOIN order_intents i ON i.client_id = l.client_id WHERE l.trade_id = %(trade_id)s

-- name: fills_after
SELECT f.trade_id, f.client_id, f.side, f.price, f.size, f.fee, f.liquidity, f.at_ns,
       i.bid, i.ask, i.exit_reason, i.strategy_tag, i.config_sha, m.mid, l.mid, d.trade_id IS NOT NULL
FROM fills f
JOIN order_intents i ON i.client_id = f.client_id
LEFT JOIN fill_marks m ON m.trade_id = f.trade_id AND m.horizon_ns = 0
LEFT JOIN fill_marks l ON l.trade_id = f.trade_id AND l.horizon_ns = %(horizon)s
LEFT JOIN dust_left d ON d.trade_id = f.trade_id
WHERE f.symbol = %(symbol)s AND (f.at_ns, f.trade_id COLLATE "C") > (%(at)s, %(trade_id)s)
ORDER BY f.at_ns, f.trade_id COLLATE "C"
LIMIT %(limit)s

-- name: open_lots
SELECT t.trade_id, t.client_id, t.side, t.price, t.remaining, t.fee_remaining, t.opened_ns, f.liquidity,
       i.bid, i.ask, i.strategy_tag, i.config_sha, m.mid, l.mid
FROM lots t
JOIN fills f ON f.trade_id = t.trade_id
JOIN order_intents i ON i.client_id = t.client_id
LEFT JOIN fill_marks m ON m.trade_id = t.trade_id AND m.horizon_ns = 0
LEFT JOIN fill_marks l ON l.trade_id = t.trade_id AND l.horizon_ns = %(horizon)s
WHERE t.symbol = %(symbol)s AND t.remaining > 0
ORDER BY t.opened_ns, t.trade_id COLLATE "C"

-- name: parts_open
-- What was closed of the open round trip, oldest first, with what is known of both fills.
SELECT a.trip_id, a.side, a.size, a.open_fee, a.close_fee,
       o.trade_id, o.client_id, o.price, o.liquidity, o.at_ns, p.bid, p.ask, p.strategy_tag, p.config_sha,
       p.exit_reason, om.mid, ol.mid,
       c.trade_id, c.client_id, c.price, c.liquidity, c.at_ns, q.bid, q.ask, q.strategy_tag, q.config_sha,
       q.exit_reason, cm.mid, NULL
FROM allocations a
JOIN fills o ON o.trade_id = a.open_trade_id
JOIN order_intents p ON p.client_id = o.client_id
LEFT JOIN fill_marks om ON om.trade_id = o.trade_id AND om.horizon_ns = 0
LEFT JOIN fill_marks ol ON ol.trade_id = o.trade_id AND ol.horizon_ns = %(horizon)s
JOIN fills c ON c.trade_id = a.close_trade_id
JOIN order_intents q ON q.client_id = c.client_id
LEFT JOIN fill_marks cm ON cm.trade_id = c.trade_id AND cm.horizon_ns = 0
WHERE a.symbol = %(symbol)s AND a.trip_id IS NULL
ORDER BY a.closed_ns, a.close_trade_id COLLATE "C", a.opened_ns, a.open_trade_id COLLATE "C"

-- name: parts_of_trips
SELECT a.trip_id, a.side, a.size, a.open_fee, a.close_fee,
       o.trade_id, o.client_id, o.price, o.liquidity, o.at_ns, p.bid, p.ask, p.strategy_tag, p.config_sha,
       p.exit_reason, om.mid, ol.mid,
       c.trade_id, c.client_id, c.price, c.liquidity, c.at_ns, q.bid, q.ask, q.strategy_tag, q.config_sha,
       q.exit_reason, cm.mid, NULL
FROM allocations a
JOIN fills o ON o.trade_id = a.open_trade_id
JOIN order_intents p ON p.client_id = o.client_id
LEFT JOIN fill_marks om ON om.trade_id = o.trade_id AND om.horizon_ns = 0
LEFT JOIN fill_marks ol ON ol.trade_id = o.trade_id AND ol.horizon_ns = %(horizon)s
JOIN fills c ON c.trade_id = a.close_trade_id
JOIN order_intents q ON q.client_id = c.client_id
LEFT JOIN fill_marks cm ON cm.trade_id = c.trade_id AND cm.horizon_ns = 0
WHERE a.trip_id = ANY(%(ids)s)
ORDER BY a.closed_ns, a.close_trade_id COLLATE "C", a.opened_ns, a.open_trade_id COLLATE "C"

-- name: trips_of_fills
SELECT t.trip_id, t.symbol, t.id, t.opened_ns, t.strategy_tag, t.spread_captured, t.price_move, t.adverse_selection,
       t.adverse_horizon_ns
FROM round_trips t
WHERE t.trip_id IN (
    SELECT trip_id FROM allocations WHERE open_trade_id = ANY(%(ids)s) AND trip_id IS NOT NULL
    UNION
    SELECT trip_id FROM allocations WHERE close_trade_id = ANY(%(ids)s) AND trip_id IS NOT NULL)
ORDER BY t.trip_id
FOR UPDATE

-- name: split_update
UPDATE round_trips AS t SET spread_captured = v.spread::numeric, price_move = v.move::numeric,
    adverse_selection = v.adverse::numeric, adverse_horizon_ns = v.horizon::bigint
FROM (VALUES %s) AS v (trip_id, spread, move, adverse, horizon)
WHERE t.trip_id = v.trip_id
RETURNING t.trip_id

-- name: lots_insert
INSERT INTO lots (trade_id, client_id, symbol, side, size, remaining, price, fee, fee_remaining, opened_ns, version)
VALUES %s RETURNING trade_id

-- name: lots_update
UPDATE lots AS l SET remaining = v.remaining::numeric, fee_remaining = v.fee::numeric
FROM (VALUES %s) AS v (trade_id, remaining, fee)
WHERE l.trade_id = v.trade_id
RETURNING l.trade_id

-- name: trips_insert
INSERT INTO round_trips (
    trip_id, id, symbol, entry, size, opened_ns, closed_ns, exit_reason, entry_value, exit_value, fees,
    spread_captured, price_move, adverse_selection, adverse_horizon_ns, net, net_return_ppb, maker_fills, taker_fills,
    dust, closing_order, strategy_tag, config_sha, version)
VALUES %s RETURNING trip_id

-- name: allocations_close
UPDATE allocations SET trip_id = %(trip_id)s WHERE symbol = %(symbol)s AND trip_id IS NULL

-- name: allocations_insert
INSERT INTO allocations (
    open_trade_id, close_trade_id, symbol, side, size, open_price, close_price, open_fee, close_fee, net, trip_id,
    opened_ns, closed_ns, version)
VALUES %s RETURNING close_trade_id
