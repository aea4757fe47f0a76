-- What a tie-out reads: bounded by its window and by what is open, not by the length of the history.

-- name: checkpoint
SELECT next_ns, flows::text, opened_ns FROM tie_outs WHERE next_ns IS NOT NULL ORDER BY at_ns DESC LIMIT 1

-- name: oldest
SELECT min(at_ns) FROM fills

-- name: open_differences
SELECT kind, subject, ours, theirs, detail FROM differences WHERE resolved_ns IS NULL ORDER BY id LIMIT %(limit)s

-- name: executions
SELECT trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns
FROM fills WHERE at_ns >= %(since)s AND at_ns < %(until)s

-- name: executions_by_id
SELECT trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns
FROM fills WHERE trade_id = ANY(%(ids)s)

-- name: orders
-- Those that are not settled, with the last moment at which anything was heard or asked of them.
SELECT s.client_id, i.symbol, coalesce(e.filled, 0), s.state,
       greatest(s.sent_ns, e.last_ns, (SELECT max(v.at_ns) FROM order_events v WHERE v.client_id = s.client_id))
FROM order_states s
JOIN order_intents i ON i.client_id = s.client_id
LEFT JOIN executions e ON e.client_id = s.client_id
WHERE NOT s.settled

-- name: known
SELECT i.client_id, greatest(i.decided_ns, (SELECT max(v.at_ns) FROM order_events v WHERE v.client_id = i.client_id))
FROM order_intents i WHERE i.client_id = ANY(%(ids)s)

-- name: flows
SELECT symbol, fills, base, quote FROM flows

-- name: movements
SELECT currency, sum(amount) FROM cash_movements GROUP BY currency

-- name: moved_since
SELECT currency, sum(amount) FROM cash_movements WHERE kind <> 'opening' GROUP BY currency

-- name: stored_movements
SELECT reference FROM cash_movements WHERE reference = ANY(%(references)s)

-- name: accept
INSERT INTO difference_notes (kind, subject, at_ns, ours, theirs, detail, resolution)
SELECT kind, subject, %(at)s, ours, theirs, detail, %(resolution)s
FROM differences WHERE kind = %(kind)s AND subject = %(subject)s AND resolved_ns IS NULL
