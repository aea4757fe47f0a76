-- The statements of the writing ledger. Each block is named; `%s` is the list of rows of one insert.

-- name: meta_claim
INSERT INTO meta (mode) VALUES (%(mode)s) ON CONFLICT (one) DO NOTHING

-- name: meta_mode
SELECT mode FROM meta

-- name: meta_ledger
SELECT ledger_id FROM meta

-- name: journal_begin
INSERT INTO journal_applied (journal, seq) VALUES (%(journal)s, 0) ON CONFLICT (journal) DO NOTHING

-- name: journal_position
SELECT seq FROM journal_applied WHERE journal = %(journal)s

-- name: journal_lock
-- The lock also waits for a commit whose answer was lost: what it stored is then seen.
SELECT seq FROM journal_applied WHERE journal = %(journal)s FOR UPDATE

-- name: journal_advance
UPDATE journal_applied SET seq = %(seq)s, at = now() WHERE journal = %(journal)s

-- name: run_begin
INSERT INTO runs (mode, config_sha, version, started_ns)
VALUES (%(mode)s, %(config_sha)s, %(version)s, %(at)s) RETURNING run

-- name: run_end
UPDATE runs SET ended_ns = %(at)s, end_reason = %(reason)s WHERE run = %(run)s AND ended_ns IS NULL

-- name: intents_insert
WITH stored AS (
    INSERT INTO order_intents (
        client_id, symbol, side, price, size, post_only, time_in_force, expire_ns, purpose, exit_reason,
        strategy_tag, passive_order_id, decided_ns, bid, ask, inputs, run, config_sha)
    VALUES %s
    ON CONFLICT (client_id) DO NOTHING
    RETURNING client_id, decided_ns)
INSERT INTO order_states (client_id, state, sent_ns)
SELECT client_id, 'pending', decided_ns FROM stored
RETURNING client_id

-- name: intents_stored
SELECT client_id, symbol, side, price, size, post_only, time_in_force, expire_ns, purpose, exit_reason,
       strategy_tag, passive_order_id, decided_ns, bid, ask, inputs::text
FROM order_intents WHERE client_id = ANY(%(ids)s)

-- name: events_insert
INSERT INTO order_events (client_id, at_ns, what, order_id, reason, cancel_reason, filled) VALUES %s
ON CONFLICT DO NOTHING
RETURNING seq, client_id, at_ns, what, order_id, filled

-- name: states_lock
SELECT client_id, state, order_id, sent_ns, final FROM order_states
WHERE client_id = ANY(%(ids)s) ORDER BY client_id FOR UPDATE

-- name: states_update
UPDATE order_states AS s SET state = v.state, order_id = v.order_id, sent_ns = v.sent_ns::bigint,
    final = v.final::numeric
FROM (VALUES %s) AS v (client_id, state, order_id, sent_ns, final)
WHERE s.client_id = v.client_id
RETURNING s.client_id

-- name: states_settle
-- An order whose fills make up its size has ended, whether or not the exchange's word of it arrived.
UPDATE order_states AS s SET settled = true
FROM order_intents i LEFT JOIN executions e ON e.client_id = i.client_id
WHERE s.client_id = ANY(%(ids)s) AND i.client_id = s.client_id AND NOT s.settled
  AND (coalesce(e.filled, 0) >= i.size
       OR s.state IN ('filled', 'cancelled', 'expired', 'failed')
          AND coalesce(e.filled, 0) >= coalesce(s.final, CASE s.state WHEN 'filled' THEN i.size ELSE 0 END))

-- name: states_unsettle
-- The exchange stated a greater total than had been known, or that an order was filled that had been given up.
UPDATE order_states AS s SET settled = false
FROM order_intents i LEFT JOIN executions e ON e.client_id = i.client_id
WHERE s.client_id = ANY(%(ids)s) AND i.client_id = s.client_id AND s.settled
  AND coalesce(e.filled, 0)
      < least(i.size, coalesce(s.final, CASE s.state WHEN 'filled' THEN i.size ELSE 0 END))

-- name: fills_insert
INSERT INTO fills (trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns) VALUES %s
ON CONFLICT (trade_id) DO NOTHING
RETURNING trade_id, symbol, at_ns

-- name: fills_stored
SELECT trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns
FROM fills WHERE trade_id = ANY(%(ids)s)

-- name: marks_insert
INSERT INTO fill_marks (trade_id, horizon_ns, mid) VALUES %s
ON CONFLICT (trade_id, horizon_ns) DO NOTHING
RETURNING trade_id, horizon_ns

-- name: marks_stored
SELECT trade_id, horizon_ns, mid FROM fill_marks WHERE trade_id = ANY(%(ids)s)

-- name: dust_insert
INSERT INTO dust_left AS d (trade_id, symbol, at_ns, size) VALUES %s
ON CONFLICT (trade_id) DO NOTHING
RETURNING trade_id, symbol, (SELECT f.at_ns FROM fills f WHERE f.trade_id = d.trade_id)

-- name: holds_insert
INSERT INTO holds (symbol, side, since_ns, gate, detail) VALUES %s
ON CONFLICT (symbol, side, since_ns) DO NOTHING
RETURNING symbol, side

-- name: holds_prune
DELETE FROM holds h USING (
    SELECT symbol, side, since_ns,
           row_number() OVER (PARTITION BY symbol, side ORDER BY since_ns DESC) AS age FROM holds) ranked
WHERE ranked.age > %(keep)s
  AND h.symbol = ranked.symbol AND h.side = ranked.side AND h.since_ns = ranked.since_ns

-- name: alerts_insert
INSERT INTO alerts (symbol, at_ns, kind, detail) VALUES %s
ON CONFLICT DO NOTHING
RETURNING id

-- name: refused_insert
INSERT INTO refused_facts (digest, kind, fact, error)
VALUES (md5(%(fact)s), %(kind)s, %(fact)s, %(error)s)
ON CONFLICT (digest) DO NOTHING

-- name: differences_insert
INSERT INTO difference_notes (kind, subject, at_ns, ours, theirs, detail, resolution) VALUES %s
ON CONFLICT DO NOTHING
RETURNING seq

-- name: cash_insert
INSERT INTO cash_movements (reference, currency, amount, kind, at_ns, evidence, inferred) VALUES %s
ON CONFLICT (reference) DO NOTHING
RETURNING reference

-- name: cash_stored
SELECT reference, currency, amount, kind, at_ns, evidence::text, inferred
FROM cash_movements WHERE reference = ANY(%(ids)s)

-- name: balances_insert
INSERT INTO balance_snapshots (currency, at_ns, available, hold) VALUES %s
ON CONFLICT (currency, at_ns) DO NOTHING
RETURNING currency

-- name: tie_outs_insert
INSERT INTO tie_outs (at_ns, verdict, fills, orders, balances, differences, detail, next_ns, flows, opened_ns)
SELECT v.at_ns, v.verdict, v.fills, v.orders, v.balances, v.differences, v.detail, v.next_ns::bigint,
       v.flows::json, v.opened_ns::bigint
FROM (VALUES %s) AS v (
    at_ns, verdict, fills, orders, balances, differences, detail, next_ns, flows, opened_ns)
ON CONFLICT (at_ns) DO NOTHING
RETURNING id

-- name: modes_insert
INSERT INTO modes (at_ns, scope, source, mode, reason, imposed_by, until_ns)
SELECT v.at_ns, v.scope, v.source, v.mode, v.reason, v.imposed_by, v.until_ns::bigint
FROM (VALUES %s) AS v (at_ns, scope, source, mode, reason, imposed_by, until_ns)
ON CONFLICT DO NOTHING
RETURNING id

-- name: reloads_insert
WITH told (at_ns, trigger, asked_by, result, generation, config_sha, changes, waiting, problems, settings) AS (
    VALUES %s),
chosen AS (
    INSERT INTO config_history (config_sha, first_ns, settings)
    SELECT DISTINCT ON (config_sha) config_sha, at_ns, settings::json
    FROM told WHERE settings IS NOT NULL ORDER BY config_sha, at_ns
    ON CONFLICT (config_sha) DO NOTHING)
INSERT INTO config_reloads (at_ns, trigger, asked_by, result, generation, config_sha, changes, waiting, problems)
SELECT at_ns, trigger, asked_by, result, generation, config_sha, changes::json, waiting::json, problems::json
FROM told
ON CONFLICT (at_ns) DO NOTHING
RETURNING id

-- name: actions_insert
INSERT INTO operator_actions (at_ns, operator, action, arguments, outcome)
SELECT v.at_ns, v.operator, v.action, v.arguments::json, v.outcome
FROM (VALUES %s) AS v (at_ns, operator, action, arguments, outcome)
WHERE NOT EXISTS (
    SELECT FROM operator_actions a
    WHERE a.at_ns = v.at_ns AND a.operator = v.operator AND a.action = v.action
      AND a.arguments::text = v.arguments AND a.outcome = v.outcome)
RETURNING id

-- name: breakers_insert
INSERT INTO breakers (at_ns, scope, breaker, phase, armed_ns, until_ns, trips, reason)
SELECT v.at_ns, v.scope, v.breaker, v.phase, v.armed_ns, v.until_ns::bigint, v.trips, v.reason
FROM (VALUES %s) AS v (at_ns, scope, breaker, phase, armed_ns, until_ns, trips, reason)
ON CONFLICT DO NOTHING
RETURNING id

-- name: equities_insert
INSERT INTO equities (money, at_ns, capital, result, peak)
VALUES %s
ON CONFLICT DO NOTHING
RETURNING at_ns
