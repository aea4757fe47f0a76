-- Letting go of what is old. Each statement looks at a bounded number of rows. What profit and loss is derived
-- from (orders with executions, fills, marks, dust) is never among them: foreign keys would refuse it too.

-- name: allow
SET LOCAL quietmaker.pruning = 'on'

-- name: unfilled_seen
-- Orders in the order of their decision, and whether one may go: it is over, nothing executed, nothing refers to it.
SELECT w.client_id, w.decided_ns,
       s.settled AND NOT EXISTS (SELECT FROM executions e WHERE e.client_id = w.client_id)
       AND NOT EXISTS (SELECT FROM order_intents o
                       WHERE o.passive_order_id = w.client_id AND o.client_id <> w.client_id)
FROM (SELECT client_id, decided_ns FROM order_intents
      WHERE decided_ns < %(before)s AND (decided_ns, client_id COLLATE "C") > (%(at)s, %(id)s)
      ORDER BY decided_ns, client_id COLLATE "C" LIMIT %(limit)s) w
JOIN order_states s ON s.client_id = w.client_id
ORDER BY w.decided_ns, w.client_id COLLATE "C"

-- name: unfilled_events
DELETE FROM order_events WHERE client_id = ANY(%(ids)s)

-- name: unfilled_states
DELETE FROM order_states WHERE client_id = ANY(%(ids)s)

-- name: unfilled_intents
DELETE FROM order_intents WHERE client_id = ANY(%(ids)s)

-- name: events_seen
SELECT e.seq, e.at_ns, s.settled
FROM (SELECT seq, at_ns, client_id FROM order_events WHERE seq > %(at)s ORDER BY seq LIMIT %(limit)s) e
JOIN order_states s ON s.client_id = e.client_id
ORDER BY e.seq

-- name: events_delete
DELETE FROM order_events WHERE seq = ANY(%(ids)s)

-- name: balances
DELETE FROM balance_snapshots WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM balance_snapshots WHERE at_ns < %(before)s ORDER BY at_ns LIMIT %(limit)s))

-- name: alerts
DELETE FROM alerts WHERE id = ANY(ARRAY(
    SELECT id FROM (SELECT id, at_ns FROM alerts ORDER BY id LIMIT %(limit)s) oldest WHERE at_ns < %(before)s))

-- name: tie_outs
-- The latest conclusion is where the next one begins: it stays however old.
DELETE FROM tie_outs WHERE id = ANY(ARRAY(
    SELECT id FROM tie_outs WHERE at_ns < %(before)s
    AND at_ns < (SELECT max(at_ns) FROM tie_outs WHERE next_ns IS NOT NULL)
    ORDER BY at_ns LIMIT %(limit)s))

-- name: equities
-- The latest of each money holds its peak: it stays however old.
DELETE FROM equities WHERE ctid = ANY(ARRAY(
    SELECT e.ctid FROM equities e WHERE e.at_ns < %(before)s
    AND e.at_ns < (SELECT max(l.at_ns) FROM equities l WHERE l.money = e.money)
    ORDER BY e.at_ns LIMIT %(limit)s))
