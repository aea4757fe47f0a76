-- Everything that is derived, anew from the facts. What was there is kept aside until it was compared.

-- name: symbols
SELECT symbol FROM fills GROUP BY symbol
UNION
SELECT symbol FROM derivations
UNION
SELECT symbol FROM holdings
UNION
SELECT symbol FROM symbol_days
ORDER BY symbol

-- name: next_version
SELECT coalesce(max(version), 0) + 1 FROM derivations

-- name: keep
SET LOCAL statement_timeout = 0;
CREATE TEMP TABLE was_lots ON COMMIT DROP AS SELECT * FROM lots WHERE symbol = %(symbol)s;
CREATE TEMP TABLE was_allocations ON COMMIT DROP AS SELECT * FROM allocations WHERE symbol = %(symbol)s;
CREATE TEMP TABLE was_round_trips ON COMMIT DROP AS SELECT * FROM round_trips WHERE symbol = %(symbol)s;
CREATE TEMP TABLE was_executions ON COMMIT DROP AS SELECT * FROM executions WHERE symbol = %(symbol)s;
CREATE TEMP TABLE was_holdings ON COMMIT DROP AS SELECT * FROM holdings WHERE symbol = %(symbol)s;
CREATE TEMP TABLE was_flows ON COMMIT DROP AS SELECT * FROM flows WHERE symbol = %(symbol)s;
CREATE TEMP TABLE was_symbol_days ON COMMIT DROP AS SELECT * FROM symbol_days WHERE symbol = %(symbol)s

-- name: clear
-- What is wrong must not be what the derivation goes on from, nor what triggers subtract from.
DELETE FROM symbol_days WHERE symbol = %(symbol)s;
DELETE FROM allocations WHERE symbol = %(symbol)s;
DELETE FROM round_trips WHERE symbol = %(symbol)s;
DELETE FROM lots WHERE symbol = %(symbol)s

-- name: sums
-- What triggers sum as executions come in, summed in one go.
DELETE FROM executions e WHERE symbol = %(symbol)s
    AND NOT EXISTS (SELECT FROM fills f WHERE f.client_id = e.client_id);
INSERT INTO executions AS e (client_id, symbol, fills, filled, notional, fees, last_ns)
SELECT client_id, symbol, count(*), sum(size), sum(price * size), sum(fee), max(at_ns)
FROM fills WHERE symbol = %(symbol)s GROUP BY client_id, symbol
ON CONFLICT (client_id) DO UPDATE SET symbol = excluded.symbol, fills = excluded.fills, filled = excluded.filled,
    notional = excluded.notional, fees = excluded.fees, last_ns = excluded.last_ns;
DELETE FROM holdings WHERE symbol = %(symbol)s;
INSERT INTO holdings (symbol, size)
SELECT symbol, sum(CASE side WHEN 'BUY' THEN size ELSE -size END) FROM fills WHERE symbol = %(symbol)s GROUP BY symbol;
DELETE FROM flows WHERE symbol = %(symbol)s;
INSERT INTO flows (symbol, fills, base, quote)
SELECT symbol, count(*), sum(CASE side WHEN 'BUY' THEN size ELSE -size END),
       sum(CASE side WHEN 'BUY' THEN -price * size ELSE price * size END - fee)
FROM fills WHERE symbol = %(symbol)s GROUP BY symbol

-- name: results
-- What triggers sum as round trips are derived, and as imported trades come in.
UPDATE executions SET trips = 0, pnl = NULL, exit_reason = NULL, hold_seconds = NULL
WHERE symbol = %(symbol)s AND trips > 0
  AND NOT EXISTS (SELECT FROM round_trips t WHERE t.closing_order = client_id);
UPDATE executions e SET trips = s.trips, pnl = s.pnl, exit_reason = s.reason, hold_seconds = s.held
FROM (SELECT closing_order, count(*) AS trips, trim_scale(sum(net)) AS pnl, max(exit_reason) AS reason,
             max(hold_seconds) AS held
      FROM round_trips WHERE symbol = %(symbol)s GROUP BY 1) s
WHERE e.client_id = s.closing_order;
DELETE FROM symbol_days WHERE symbol = %(symbol)s;
INSERT INTO symbol_days (symbol, day, source, trips, wins, entry_value, net, fees, spread_captured, price_move,
    adverse_selection, adverse_trips)
SELECT symbol, utc_day(closed_ns), 'passivemm', count(*), count(*) FILTER (WHERE net > 0), sum(entry_value),
       sum(net), sum(fees), sum(spread_captured), sum(price_move), coalesce(sum(adverse_selection), 0),
       count(adverse_selection)
FROM round_trips WHERE symbol = %(symbol)s GROUP BY 1, 2
UNION ALL
SELECT symbol, utc_day(at_ns), 'imported:' || source, count(*), count(*) FILTER (WHERE pnl > 0), sum(entry_value),
       sum(pnl), sum(fees), NULL, NULL, 0, 0
FROM imported_trades WHERE symbol = %(symbol)s AND pnl IS NOT NULL GROUP BY 1, 2, 3

-- name: differing
-- Rows that are not what they were, the version aside: table and key.
WITH now_and_then AS (
    SELECT 'lots' AS what, l.trade_id AS key, to_jsonb(l) - 'version' AS row, 1 AS present FROM lots l
    WHERE symbol = %(symbol)s
    UNION ALL SELECT 'lots', l.trade_id, to_jsonb(l) - 'version', -1 FROM was_lots l
    UNION ALL SELECT 'allocations', a.close_trade_id || ' ' || a.open_trade_id, to_jsonb(a) - 'version', 1
    FROM allocations a WHERE symbol = %(symbol)s
    UNION ALL SELECT 'allocations', a.close_trade_id || ' ' || a.open_trade_id, to_jsonb(a) - 'version', -1
    FROM was_allocations a
    UNION ALL SELECT 'round_trips', t.trip_id, to_jsonb(t) - 'version', 1 FROM round_trips t WHERE symbol = %(symbol)s
    UNION ALL SELECT 'round_trips', t.trip_id, to_jsonb(t) - 'version', -1 FROM was_round_trips t
    UNION ALL SELECT 'executions', e.client_id, to_jsonb(e), 1 FROM executions e WHERE symbol = %(symbol)s
    UNION ALL SELECT 'executions', e.client_id, to_jsonb(e), -1 FROM was_executions e
    UNION ALL SELECT 'holdings', h.symbol, to_jsonb(h), 1 FROM holdings h WHERE symbol = %(symbol)s
    UNION ALL SELECT 'holdings', h.symbol, to_jsonb(h), -1 FROM was_holdings h
    UNION ALL SELECT 'flows', f.symbol, to_jsonb(f), 1 FROM flows f WHERE symbol = %(symbol)s
    UNION ALL SELECT 'flows', f.symbol, to_jsonb(f), -1 FROM was_flows f
    UNION ALL SELECT 'symbol_days', d.day || ' ' || d.source, to_jsonb(d), 1 FROM symbol_days d WHERE symbol = %(symbol)s
    UNION ALL SELECT 'symbol_days', d.day || ' ' || d.source, to_jsonb(d), -1 FROM was_symbol_days d)
SELECT DISTINCT what, key FROM (
    SELECT what, key, row FROM now_and_then GROUP BY what, key, row HAVING sum(present) <> 0) changed
ORDER BY what, key LIMIT %(limit)s
