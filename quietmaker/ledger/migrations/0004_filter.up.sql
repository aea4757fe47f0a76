-- The symbol filter: the operator's word, and the round trips of shadow trading.

-- The latest row of a symbol counts. Without an end a denial lasts until it is taken back.
CREATE TABLE symbol_overrides (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol word NOT NULL,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    include boolean NOT NULL,
    reason word NOT NULL,
    until_ns bigint CHECK (until_ns > at_ns),
    until timestamptz GENERATED ALWAYS AS (at_instant(until_ns)) STORED,
    operator word NOT NULL
);
CREATE INDEX symbol_overrides_of_symbol ON symbol_overrides (symbol, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON symbol_overrides
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What excluded symbols would have earned. Nothing refers to it, and no sum of real results reads it.
CREATE TABLE shadow_trips (
    symbol word NOT NULL,
    entry order_side NOT NULL,
    size positive NOT NULL,
    opened_ns bigint NOT NULL,
    opened_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(opened_ns)) STORED,
    closed_ns bigint NOT NULL CHECK (closed_ns >= opened_ns),
    closed_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(closed_ns)) STORED,
    exit_reason exit_rule NOT NULL,
    entry_value positive NOT NULL,
    exit_value positive NOT NULL,
    fees amount NOT NULL,
    spread_captured amount NOT NULL,
    price_move amount NOT NULL,
    net amount NOT NULL,
    maker_fills integer NOT NULL CHECK (maker_fills >= 0),
    taker_fills integer NOT NULL CHECK (taker_fills >= 0),
    strategy_tag word NOT NULL,
    config_sha word NOT NULL,
    PRIMARY KEY (symbol, closed_ns, opened_ns),
    CHECK (net = spread_captured + price_move - fees)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 1000);
CREATE INDEX shadow_trips_by_time ON shadow_trips (closed_ns);
