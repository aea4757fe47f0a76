-- The predecessor's trades. An import is stored whole or not at all; the same content is stored once.

-- name: lock
-- Matching many rows takes its time, while the transaction is open and silent.
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL statement_timeout = 0;
LOCK TABLE import_batches IN SHARE ROW EXCLUSIVE MODE

-- name: batch_of
SELECT batch FROM import_batches WHERE digest = %(digest)s

-- name: refusals_of
SELECT line, reason, content FROM import_refusals WHERE batch = %(batch)s ORDER BY line

-- name: batch_insert
INSERT INTO import_batches (origin, digest, at_ns, read, imported, refused)
VALUES (%(origin)s, %(digest)s, %(at)s, %(read)s, %(imported)s, %(refused)s) RETURNING batch

-- name: stored
SELECT batch, source, order_id, symbol, side, at_ns, price, size, fees, status, pnl, entry_value, hold_seconds
FROM imported_trades WHERE symbol = ANY(%(symbols)s) OR order_id = ANY(%(ids)s)

-- name: trades_delete
DELETE FROM imported_trades WHERE (source, order_id) IN %(keys)s

-- name: trades_insert
INSERT INTO imported_trades (
    batch, source, order_id, symbol, side, at_ns, price, size, fees, status, pnl, entry_value, hold_seconds)
VALUES %s

-- name: refusals_insert
INSERT INTO import_refusals (batch, line, reason, content) VALUES %s
