DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana_ro') THEN
        -- The role stays: other databases of this server may grant it rights.
        ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM grafana_ro;
        REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM grafana_ro;
    END IF;
END $$;

DROP VIEW trade_records, fill_markouts;
DROP TRIGGER append_only ON imported_trades;
DROP TRIGGER imports_added ON imported_trades;
DROP TRIGGER imports_removed ON imported_trades;
DROP FUNCTION add_imported(), remove_imported();
DROP INDEX imported_trades_closing;

CREATE TABLE old_round_trips (
    id word NOT NULL REFERENCES order_intents (client_id),
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
    net amount NOT NULL,
    net_return_ppb bigint NOT NULL,
    maker_fills integer NOT NULL CHECK (maker_fills >= 0),
    taker_fills integer NOT NULL CHECK (taker_fills >= 0),
    dust not_negative NOT NULL,
    closing_order text NOT NULL REFERENCES order_intents (client_id),
    strategy_tag word NOT NULL,
    config_sha word NOT NULL,
    PRIMARY KEY (id, closed_ns),
    CHECK (net = spread_captured + price_move - fees),
    CHECK (net = CASE entry WHEN 'BUY' THEN exit_value - entry_value ELSE entry_value - exit_value END - fees)
);
CREATE TABLE closings (
    client_id text PRIMARY KEY REFERENCES order_intents (client_id),
    trips integer NOT NULL,
    pnl amount NOT NULL,
    exit_reason exit_rule NOT NULL,
    hold_seconds numeric NOT NULL,
    config_sha word NOT NULL
);
CREATE FUNCTION sum_round_trip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO closings AS c (client_id, trips, pnl, exit_reason, hold_seconds, config_sha)
    VALUES (NEW.closing_order, 1, NEW.net, NEW.exit_reason, NEW.hold_seconds, NEW.config_sha)
    ON CONFLICT (client_id) DO UPDATE SET
        trips = c.trips + 1,
        pnl = c.pnl + excluded.pnl,
        hold_seconds = greatest(c.hold_seconds, excluded.hold_seconds);
    RETURN NULL;
END $$;
CREATE TRIGGER round_trips_summed AFTER INSERT ON old_round_trips FOR EACH ROW EXECUTE FUNCTION sum_round_trip();
INSERT INTO old_round_trips (id, symbol, entry, size, opened_ns, closed_ns, exit_reason, entry_value, exit_value, fees,
    spread_captured, price_move, net, net_return_ppb, maker_fills, taker_fills, dust, closing_order, strategy_tag,
    config_sha)
SELECT id, symbol, entry, size, opened_ns, closed_ns, exit_reason, entry_value, exit_value, fees, spread_captured,
       price_move, net, net_return_ppb, maker_fills, taker_fills, dust, closing_order, strategy_tag, config_sha
FROM round_trips ORDER BY closed_ns, trip_id COLLATE "C"
ON CONFLICT DO NOTHING;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON old_round_trips
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

DROP TABLE allocations, round_trips, lots, derivations, dust_left, symbol_days;
DROP FUNCTION add_trips(), remove_trips(), utc_day(bigint), day_end(bigint);
ALTER TABLE old_round_trips RENAME TO round_trips;
ALTER INDEX old_round_trips_pkey RENAME TO round_trips_pkey;
CREATE INDEX round_trips_by_time ON round_trips (closed_ns DESC);
CREATE INDEX round_trips_of_symbol ON round_trips (symbol, closed_ns DESC);

ALTER TABLE executions DROP COLUMN trips, DROP COLUMN pnl, DROP COLUMN exit_reason, DROP COLUMN hold_seconds;
ALTER TABLE executions RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE order_states RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE holdings RESET (fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE order_events RESET (autovacuum_vacuum_insert_scale_factor);
ALTER TABLE fills RESET (autovacuum_vacuum_insert_scale_factor);

DROP INDEX order_intents_of_position, order_intents_by_time;
CREATE INDEX order_intents_of_position ON order_intents (passive_order_id, decided_ns DESC) WHERE purpose = 'exit';
DROP TRIGGER append_only ON order_intents;
DROP TRIGGER append_only ON order_events;
DROP FUNCTION refuse_change_but_pruning();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_intents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE VIEW trade_records AS
SELECT coalesce(s.order_id, e.client_id) AS order_id,
       e.client_id,
       e.symbol,
       i.side,
       e.order_time,
       trim_scale(e.notional / e.filled) AS price,
       e.filled AS size,
       e.notional AS notional_usd,
       trim_scale(e.fees) AS fees_usd,
       trim_scale(c.pnl) AS pnl_usd,
       CASE WHEN e.filled >= i.size THEN 'FILLED' ELSE upper(s.state) END AS status,
       i.source,
       i.strategy_tag,
       i.passive_order_id,
       i.purpose,
       coalesce(i.exit_reason, c.exit_reason) AS exit_reason,
       c.hold_seconds,
       coalesce(c.config_sha, i.config_sha) AS config_sha
FROM executions e
JOIN order_intents i ON i.client_id = e.client_id
JOIN order_states s ON s.client_id = e.client_id
LEFT JOIN closings c ON c.client_id = e.client_id;
COMMENT ON VIEW trade_records IS 'One row per executed order; pnl_usd is set on the row that closes a round trip.';
