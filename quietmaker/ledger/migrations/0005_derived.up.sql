-- What is derived from immutable fills by one P&L function: lots, allocations, round trips, sums of days.
-- Every derived row can be dropped and derived again; `version` says by which derivation it was made.

-- A fact, not derivable from fills: after this execution a round trip was over although so much was left,
-- because the exchange takes no order that small and none was working.
CREATE TABLE dust_left (
    trade_id text PRIMARY KEY REFERENCES fills (trade_id),
    symbol word NOT NULL,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    size positive NOT NULL
);

-- How far each symbol is derived, and its open round trip. `flaw` says why the derivation gave up: the fills
-- are stored all the same, and the next attempt begins from nothing.
CREATE TABLE derivations (
    symbol word PRIMARY KEY,
    version integer NOT NULL CHECK (version > 0),
    method integer NOT NULL CHECK (method > 0),
    last_ns bigint,
    last_trade text REFERENCES fills (trade_id),
    trip text REFERENCES order_intents (client_id),
    trip_opened_ns bigint,
    flaw word,
    CHECK ((last_ns IS NULL) = (last_trade IS NULL)),
    CHECK ((trip IS NULL) = (trip_opened_ns IS NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Units that one fill opened. Of a fill that closed a position first, `size` is the rest.
CREATE TABLE lots (
    trade_id text PRIMARY KEY REFERENCES fills (trade_id),
    client_id text NOT NULL,
    symbol word NOT NULL,
    side order_side NOT NULL,
    size positive NOT NULL,
    remaining not_negative NOT NULL,
    price positive NOT NULL,
    fee amount NOT NULL,
    fee_remaining amount NOT NULL,
    opened_ns bigint NOT NULL,
    opened_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(opened_ns)) STORED,
    version integer NOT NULL CHECK (version > 0),
    CHECK (remaining <= size),
    CHECK (remaining > 0 OR fee_remaining = 0)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX lots_of_symbol ON lots (symbol, opened_ns, trade_id COLLATE "C");
CREATE INDEX lots_open ON lots (symbol) WHERE remaining > 0;

-- The trades before are dropped with their table and come back from the fills: only dust cannot.
INSERT INTO dust_left (trade_id, symbol, at_ns, size)
SELECT DISTINCT ON (f.trade_id) f.trade_id, f.symbol, f.at_ns, t.dust
FROM round_trips t
CROSS JOIN LATERAL (
    SELECT trade_id, symbol, at_ns FROM fills WHERE symbol = t.symbol AND at_ns <= t.closed_ns
    ORDER BY at_ns DESC, trade_id COLLATE "C" DESC LIMIT 1) f
WHERE t.dust > 0
ORDER BY f.trade_id, t.closed_ns DESC;
DROP VIEW trade_records;
DROP TABLE round_trips, closings;
DROP FUNCTION sum_round_trip();

-- `trip_id` is the execution that closed it: an order may close several, an execution closes one. `id` is the
-- entry that opened it, which may open another one by filling on.
CREATE TABLE round_trips (
    trip_id text PRIMARY KEY REFERENCES fills (trade_id),
    id text NOT NULL REFERENCES order_intents (client_id),
    symbol word NOT NULL,
    entry order_side NOT NULL,
    size positive NOT NULL,
    opened_ns bigint NOT NULL,
    opened_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(opened_ns)) STORED,
    closed_ns bigint NOT NULL CHECK (closed_ns >= opened_ns),
    closed_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(closed_ns)) STORED,
    hold_seconds numeric NOT NULL GENERATED ALWAYS AS ((closed_ns - opened_ns) / 1000000000.0) STORED,
    exit_reason exit_rule NOT NULL,
    entry_value positive NOT NULL,
    exit_value positive NOT NULL,
    fees amount NOT NULL,
    spread_captured amount NOT NULL,
    price_move amount NOT NULL,
    adverse_selection amount,  -- part of price_move; NULL while a mark that it needs is unknown
    adverse_horizon_ns bigint NOT NULL CHECK (adverse_horizon_ns > 0),
    net amount NOT NULL,
    net_return_ppb bigint NOT NULL,
    maker_fills integer NOT NULL CHECK (maker_fills >= 0),
    taker_fills integer NOT NULL CHECK (taker_fills >= 0),
    dust not_negative NOT NULL,
    closing_order text NOT NULL REFERENCES order_intents (client_id),
    strategy_tag word NOT NULL,
    config_sha word NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    CHECK (maker_fills + taker_fills >= 2),
    CHECK (net = spread_captured + price_move - fees),
    CHECK (net = CASE entry WHEN 'BUY' THEN exit_value - entry_value ELSE entry_value - exit_value END - fees)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 1000);
CREATE INDEX round_trips_by_time ON round_trips (closed_ns DESC);
CREATE INDEX round_trips_of_symbol ON round_trips (symbol, closed_ns DESC, trip_id COLLATE "C" DESC)
    INCLUDE (net, entry_value);
CREATE INDEX round_trips_of_entry ON round_trips (id);
CREATE INDEX round_trips_of_closing ON round_trips (closing_order);

-- Which units closed which, first in, first out. `trip_id` is NULL while the round trip is open.
CREATE TABLE allocations (
    open_trade_id text NOT NULL REFERENCES lots (trade_id),
    close_trade_id text NOT NULL REFERENCES fills (trade_id),
    symbol word NOT NULL,
    side order_side NOT NULL,
    size positive NOT NULL,
    open_price positive NOT NULL,
    close_price positive NOT NULL,
    open_fee amount NOT NULL,
    close_fee amount NOT NULL,
    net amount NOT NULL,
    trip_id text REFERENCES round_trips (trip_id),
    opened_ns bigint NOT NULL,
    closed_ns bigint NOT NULL CHECK (closed_ns >= opened_ns),
    closed_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(closed_ns)) STORED,
    version integer NOT NULL CHECK (version > 0),
    PRIMARY KEY (close_trade_id, open_trade_id),
    CHECK (open_trade_id <> close_trade_id),
    CHECK (net = CASE side WHEN 'BUY' THEN close_price - open_price ELSE open_price - close_price END * size
                 - open_fee - close_fee)
);
CREATE INDEX allocations_of_lot ON allocations (open_trade_id);
CREATE INDEX allocations_of_trip ON allocations (trip_id);
CREATE INDEX allocations_of_symbol ON allocations (symbol, closed_ns, close_trade_id COLLATE "C");
CREATE INDEX allocations_open ON allocations (symbol) WHERE trip_id IS NULL;

-- Sums of the round trips that closed on a UTC day, and of imported ones under their own source: what a question
-- over many days is answered from, whatever the number of trades.
CREATE TABLE symbol_days (
    symbol text NOT NULL,
    day date NOT NULL,
    source text NOT NULL,
    trips integer NOT NULL CHECK (trips > 0),
    wins integer NOT NULL CHECK (wins BETWEEN 0 AND trips),
    entry_value amount NOT NULL,
    net amount NOT NULL,
    fees amount NOT NULL,
    spread_captured amount,
    price_move amount,
    adverse_selection amount NOT NULL,
    adverse_trips integer NOT NULL CHECK (adverse_trips BETWEEN 0 AND trips),  -- those whose part is known
    PRIMARY KEY (symbol, day, source),
    CHECK ((spread_captured IS NULL) = (source LIKE 'imported:%')),
    CHECK ((price_move IS NULL) = (source LIKE 'imported:%'))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX symbol_days_by_day ON symbol_days (day);

CREATE FUNCTION utc_day(ns bigint) RETURNS date LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN date '1970-01-01' + floor(ns / 86400000000000.0)::integer;
CREATE FUNCTION day_end(ns bigint) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (floor(ns / 86400000000000.0)::bigint + 1) * 86400000000000;

-- The result of an order that closed round trips, beside what it executed.
ALTER TABLE executions
    ADD COLUMN trips integer NOT NULL DEFAULT 0 CHECK (trips >= 0),
    ADD COLUMN pnl numeric CHECK (pnl > '-Infinity' AND pnl < 'Infinity'),
    ADD COLUMN exit_reason text,
    ADD COLUMN hold_seconds numeric,
    ADD CHECK ((trips = 0) = (pnl IS NULL));
CREATE INDEX executions_closing ON executions (order_time) INCLUDE (symbol, pnl) WHERE pnl IS NOT NULL;
ALTER TABLE executions SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE order_states SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
ALTER TABLE holdings SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE order_events SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE fills SET (autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE FUNCTION add_trips() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO symbol_days AS d (symbol, day, source, trips, wins, entry_value, net, fees, spread_captured,
        price_move, adverse_selection, adverse_trips)
    SELECT symbol, utc_day(closed_ns), 'passivemm', count(*), count(*) FILTER (WHERE net > 0), sum(entry_value),
           sum(net), sum(fees), sum(spread_captured), sum(price_move), coalesce(sum(adverse_selection), 0),
           count(adverse_selection)
    FROM added GROUP BY symbol, utc_day(closed_ns) ORDER BY 1, 2
    ON CONFLICT (symbol, day, source) DO UPDATE SET
        trips = d.trips + excluded.trips,
        wins = d.wins + excluded.wins,
        entry_value = d.entry_value + excluded.entry_value,
        net = d.net + excluded.net,
        fees = d.fees + excluded.fees,
        spread_captured = d.spread_captured + excluded.spread_captured,
        price_move = d.price_move + excluded.price_move,
        adverse_selection = d.adverse_selection + excluded.adverse_selection,
        adverse_trips = d.adverse_trips + excluded.adverse_trips;
    UPDATE executions e SET trips = s.trips, pnl = s.pnl, exit_reason = s.reason, hold_seconds = s.held
    FROM (SELECT t.closing_order, count(*) AS trips, trim_scale(sum(t.net)) AS pnl, max(t.exit_reason) AS reason,
                 max(t.hold_seconds) AS held
          FROM round_trips t WHERE t.closing_order IN (SELECT closing_order FROM added) GROUP BY 1) s
    WHERE e.client_id = s.closing_order;
    RETURN NULL;
END $$;

CREATE FUNCTION remove_trips() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH r AS (
        SELECT symbol, utc_day(closed_ns) AS day, count(*)::integer AS trips,
               (count(*) FILTER (WHERE net > 0))::integer AS wins, sum(entry_value) AS entry_value, sum(net) AS net,
               sum(fees) AS fees, sum(spread_captured) AS spread_captured, sum(price_move) AS price_move,
               coalesce(sum(adverse_selection), 0) AS adverse, count(adverse_selection)::integer AS adverse_trips
        FROM removed GROUP BY 1, 2),
    emptied AS (
        DELETE FROM symbol_days d USING r
        WHERE (d.symbol, d.day, d.source) = (r.symbol, r.day, 'passivemm') AND d.trips = r.trips)
    UPDATE symbol_days d SET
        trips = d.trips - r.trips,
        wins = d.wins - r.wins,
        entry_value = d.entry_value - r.entry_value,
        net = d.net - r.net,
        fees = d.fees - r.fees,
        spread_captured = d.spread_captured - r.spread_captured,
        price_move = d.price_move - r.price_move,
        adverse_selection = d.adverse_selection - r.adverse,
        adverse_trips = d.adverse_trips - r.adverse_trips
    FROM r WHERE (d.symbol, d.day, d.source) = (r.symbol, r.day, 'passivemm') AND d.trips <> r.trips;
    UPDATE executions e SET trips = coalesce(s.trips, 0), pnl = s.pnl, exit_reason = s.reason, hold_seconds = s.held
    FROM (SELECT DISTINCT closing_order FROM removed) r
    LEFT JOIN LATERAL (
        SELECT count(*) AS trips, trim_scale(sum(t.net)) AS pnl, max(t.exit_reason) AS reason,
               max(t.hold_seconds) AS held
        FROM round_trips t WHERE t.closing_order = r.closing_order HAVING count(*) > 0) s ON true
    WHERE e.client_id = r.closing_order;
    RETURN NULL;
END $$;

CREATE TRIGGER trips_added AFTER INSERT ON round_trips REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_trips();
CREATE TRIGGER trips_removed AFTER DELETE ON round_trips REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION remove_trips();
-- An update takes the old row away and adds the new one; triggers fire in the order of their names.
CREATE TRIGGER trips_changed_1 AFTER UPDATE ON round_trips REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION remove_trips();
CREATE TRIGGER trips_changed_2 AFTER UPDATE ON round_trips REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_trips();

-- An import comes and goes as a whole; its rows do not change.
CREATE INDEX imported_trades_closing ON imported_trades (symbol, at_ns) WHERE pnl IS NOT NULL;
CREATE FUNCTION add_imported() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO symbol_days AS d (symbol, day, source, trips, wins, entry_value, net, fees, adverse_selection,
        adverse_trips)
    SELECT symbol, utc_day(at_ns), 'imported:' || source, count(*), count(*) FILTER (WHERE pnl > 0),
           sum(entry_value), sum(pnl), sum(fees), 0, 0
    FROM added WHERE pnl IS NOT NULL GROUP BY 1, 2, 3
    ON CONFLICT (symbol, day, source) DO UPDATE SET
        trips = d.trips + excluded.trips,
        wins = d.wins + excluded.wins,
        entry_value = d.entry_value + excluded.entry_value,
        net = d.net + excluded.net,
        fees = d.fees + excluded.fees;
    RETURN NULL;
END $$;

CREATE FUNCTION remove_imported() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH r AS (
        SELECT symbol, utc_day(at_ns) AS day, 'imported:' || source AS source, count(*)::integer AS trips,
               (count(*) FILTER (WHERE pnl > 0))::integer AS wins, sum(entry_value) AS entry_value, sum(pnl) AS net,
               sum(fees) AS fees
        FROM removed WHERE pnl IS NOT NULL GROUP BY 1, 2, 3),
    emptied AS (
        DELETE FROM symbol_days d USING r
        WHERE (d.symbol, d.day, d.source) = (r.symbol, r.day, r.source) AND d.trips = r.trips)
    UPDATE symbol_days d SET
        trips = d.trips - r.trips,
        wins = d.wins - r.wins,
        entry_value = d.entry_value - r.entry_value,
        net = d.net - r.net,
        fees = d.fees - r.fees
    FROM r WHERE (d.symbol, d.day, d.source) = (r.symbol, r.day, r.source) AND d.trips <> r.trips;
    RETURN NULL;
END $$;

CREATE TRIGGER imports_added AFTER INSERT ON imported_trades REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_imported();
CREATE TRIGGER imports_removed AFTER DELETE ON imported_trades REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION remove_imported();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON imported_trades
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dust_left
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO symbol_days (symbol, day, source, trips, wins, entry_value, net, fees, adverse_selection, adverse_trips)
SELECT symbol, utc_day(at_ns), 'imported:' || source, count(*), count(*) FILTER (WHERE pnl > 0), sum(entry_value),
       sum(pnl), sum(fees), 0, 0
FROM imported_trades WHERE pnl IS NOT NULL GROUP BY 1, 2, 3;

-- Orders that never executed, and the events of those that are over, may go when they are old: only by a
-- transaction that says so, and never an order with a fill, which refers to it.
CREATE FUNCTION refuse_change_but_pruning() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('quietmaker.pruning', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'A correction is a new row.';
END $$;
DROP TRIGGER append_only ON order_intents;
DROP TRIGGER append_only ON order_events;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_intents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_but_pruning();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_but_pruning();
DROP INDEX order_intents_of_position;
CREATE INDEX order_intents_of_position ON order_intents (passive_order_id, decided_ns DESC);
CREATE INDEX order_intents_by_time ON order_intents (decided_ns);

-- One row is one executed order. order_time is its last execution: for a closing order, the moment at which
-- the round trip closed. pnl_usd is set on the closing row only, so that a trade counts once. Amounts are in
-- the product's quote currency. The outer joins find exactly one row each: a question that asks nothing of
-- them is answered without them.
CREATE VIEW trade_records AS
SELECT coalesce(s.order_id, e.client_id) AS order_id,
       e.client_id,
       e.symbol,
       i.side::text AS side,
       e.order_time,
       trim_scale(e.notional / e.filled) AS price,
       e.filled::numeric AS size,
       e.notional::numeric AS notional_usd,
       trim_scale(e.fees) AS fees_usd,
       e.pnl AS pnl_usd,
       CASE WHEN e.filled >= i.size THEN 'FILLED' ELSE upper(s.state) END AS status,
       i.source::text AS source,
       i.strategy_tag::text AS strategy_tag,
       i.passive_order_id::text AS passive_order_id,
       i.purpose,
       coalesce(i.exit_reason::text, e.exit_reason) AS exit_reason,
       e.hold_seconds,
       i.config_sha::text AS config_sha
FROM executions e
LEFT JOIN order_intents i ON i.client_id = e.client_id
LEFT JOIN order_states s ON s.client_id = e.client_id
UNION ALL
SELECT order_id,
       NULL,
       symbol,
       side::text,
       order_time,
       price::numeric,
       size::numeric,
       trim_scale(price * size),
       trim_scale(fees),
       pnl,
       status::text,
       source,
       'imported',
       NULL,
       NULL,
       NULL,
       hold_seconds,
       NULL
FROM imported_trades;
COMMENT ON VIEW trade_records IS 'One row per executed order; pnl_usd is set on the row that closes a round trip.';

-- What the mid did after each fill, in favour of it (positive) or against it; NULL is unknown.
CREATE VIEW fill_markouts AS
SELECT f.trade_id, f.client_id, f.symbol, f.side::text AS side, f.price::numeric AS price, f.size::numeric AS size,
       f.at, i.purpose, m.mid::numeric AS mid,
       d.sign * (m5.mid - m.mid) * f.size AS markout_5s,
       d.sign * (m30.mid - m.mid) * f.size AS markout_30s,
       d.sign * (m60.mid - m.mid) * f.size AS markout_60s,
       d.sign * (m300.mid - m.mid) * f.size AS markout_300s
FROM fills f
CROSS JOIN LATERAL (SELECT CASE f.side WHEN 'BUY' THEN 1 ELSE -1 END AS sign) d
LEFT JOIN order_intents i ON i.client_id = f.client_id
LEFT JOIN fill_marks m ON m.trade_id = f.trade_id AND m.horizon_ns = 0
LEFT JOIN fill_marks m5 ON m5.trade_id = f.trade_id AND m5.horizon_ns = 5000000000
LEFT JOIN fill_marks m30 ON m30.trade_id = f.trade_id AND m30.horizon_ns = 30000000000
LEFT JOIN fill_marks m60 ON m60.trade_id = f.trade_id AND m60.horizon_ns = 60000000000
LEFT JOIN fill_marks m300 ON m300.trade_id = f.trade_id AND m300.horizon_ns = 300000000000;
COMMENT ON VIEW fill_markouts IS 'Value of the mid''s move after each fill, in quote: positive in our favour.';
