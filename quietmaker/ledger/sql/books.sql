-- What recovery reads: bounded by what is open, not by the length of the history.

-- name: open_orders
SELECT i.client_id, i.symbol, i.side, i.price, i.size, i.post_only, i.time_in_force, i.expire_ns, i.purpose,
       i.exit_reason, i.strategy_tag, i.passive_order_id, i.decided_ns, i.bid, i.ask, i.inputs::text,
       s.state, s.sent_ns, s.final
FROM order_states s JOIN order_intents i ON i.client_id = s.client_id
WHERE NOT s.settled AND i.symbol = ANY(%(symbols)s)
ORDER BY i.decided_ns, i.client_id COLLATE "C"

-- name: fills_of_orders
SELECT client_id, trade_id, size FROM fills WHERE client_id = ANY(%(ids)s)

-- name: held_symbols
SELECT symbol, size FROM holdings WHERE size <> 0 AND symbol = ANY(%(symbols)s)

-- name: fills_before
-- The newest fills of a symbol before a (time, trade id), newest first, with the touch of the decision and,
-- where it was stored, the mid at the fill.
SELECT f.trade_id, f.client_id, f.symbol, f.side, f.price, f.size, f.fee, f.liquidity, f.at_ns,
       i.passive_order_id, i.bid, i.ask, m.mid
FROM fills f
JOIN order_intents i ON i.client_id = f.client_id
LEFT JOIN fill_marks m ON m.trade_id = f.trade_id AND m.horizon_ns = 0
WHERE f.symbol = %(symbol)s AND (f.at_ns, f.trade_id COLLATE "C") < (%(at)s, %(trade_id)s)
ORDER BY f.at_ns DESC, f.trade_id COLLATE "C" DESC
LIMIT %(limit)s

-- name: last_closed
SELECT max(closed_ns) FROM round_trips WHERE symbol = %(symbol)s

-- name: last_exit_reason
SELECT exit_reason FROM order_intents
WHERE passive_order_id = %(id)s AND purpose = 'exit' ORDER BY decided_ns DESC LIMIT 1

-- name: symbols_in_use
SELECT symbol FROM holdings WHERE size <> 0
UNION
SELECT i.symbol FROM order_states s JOIN order_intents i ON i.client_id = s.client_id WHERE NOT s.settled
ORDER BY symbol

-- name: latest_fill
SELECT max(at_ns) FROM fills
