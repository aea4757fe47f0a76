-- What is held: bounded by what is open, not by the length of the history.

-- name: lots
SELECT l.symbol, l.side, l.trade_id, l.client_id, l.remaining, l.price, l.fee_remaining, l.opened_at,
       i.strategy_tag, d.trip, d.flaw
FROM lots l
JOIN order_intents i ON i.client_id = l.client_id
LEFT JOIN derivations d ON d.symbol = l.symbol
WHERE l.remaining > 0
ORDER BY l.symbol, l.opened_ns, l.trade_id COLLATE "C" LIMIT %(limit)s

-- name: exits
SELECT i.client_id, s.order_id, i.symbol, i.side, i.price, i.size, coalesce(e.filled, 0), s.state, i.exit_reason,
       i.passive_order_id
FROM order_states s
JOIN order_intents i ON i.client_id = s.client_id
LEFT JOIN executions e ON e.client_id = s.client_id
WHERE NOT s.settled AND i.purpose = 'exit' AND i.symbol = ANY(%(symbols)s)
ORDER BY i.decided_ns, i.client_id COLLATE "C"
