-- What recovery reads: bounded by what is open, not by the length of the history.

-- name: open_orders
SELECT i.client_id, i.symbol, i.side, i.price, i.size, i.post_only, i.time_in_force, i.expire_ns, i.purpose,
       i.exit_reason, i.strategy_tag, i.passive_order_id, i.decided_ns, i.bid, i.ask, i.inputs::text, i.config_sha,
       s.state, s.sent_ns, s.final
FROM order_states s JOIN order_intents i ON i.client_id = s.client_id
WHERE NOT s.settled AND i.symbol = ANY(%(symbols)s)
ORDER BY i.decided_ns, i.client_id COLLATE "C"

-- name: fills_of_orders
SELECT client_id, trade_id, size FROM fills WHERE client_id = ANY(%(ids)s)

-- name: last_exit_reason
SELECT exit_reason FROM order_intents
WHERE passive_order_id = %(id)s AND purpose = 'exit' ORDER BY decided_ns DESC LIMIT 1

-- name: latest_day
-- Imported trades are not ours: their days have no split.
SELECT day - date '1970-01-01', net::numeric FROM symbol_days
WHERE symbol = %(symbol)s AND spread_captured IS NOT NULL ORDER BY day DESC LIMIT 1

-- name: symbols_in_use
SELECT symbol FROM holdings WHERE size <> 0
UNION
SELECT i.symbol FROM order_states s JOIN order_intents i ON i.client_id = s.client_id WHERE NOT s.settled
ORDER BY symbol

-- name: latest_fill
SELECT max(at_ns) FROM fills
