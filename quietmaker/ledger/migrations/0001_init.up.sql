-- The books. Facts (intents, events, fills, marks, round trips, alerts) are append-only; what is derived from
-- them (order_states, executions, holdings, closings) is kept in the same transaction and can be recomputed.
-- Prices and sizes are decimals: increments may change over months, a decimal stays what it was.
-- Every moment is stored as whole nanoseconds; the timestamptz beside it is generated from that number.

CREATE DOMAIN amount AS numeric CHECK (VALUE > '-Infinity' AND VALUE < 'Infinity');
CREATE DOMAIN positive AS numeric CHECK (VALUE > 0 AND VALUE < 'Infinity');
CREATE DOMAIN not_negative AS numeric CHECK (VALUE >= 0 AND VALUE < 'Infinity');
CREATE DOMAIN word AS text CHECK (VALUE <> '');
CREATE DOMAIN order_side AS text CHECK (VALUE IN ('BUY', 'SELL'));
CREATE DOMAIN exit_rule AS text CHECK (VALUE IN (
    'break_even_plus', 'take_profit', 'trailing_stop', 'max_lifetime', 'timeout_loss', 'stop_loss',
    'flatten', 'halt', 'paired'));

-- Microseconds are below 2^53, so the conversion through double precision is exact to the microsecond.
CREATE FUNCTION at_instant(ns bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN to_timestamp((ns / 1000)::double precision / 1000000);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'A correction is a new row.';
END $$;

-- One row; runs refer to its mode, so that a paper and a live run can never share a database.
CREATE TABLE meta (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    mode text NOT NULL UNIQUE CHECK (mode IN ('paper', 'live')),
    ledger_id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE runs (
    run integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mode text NOT NULL REFERENCES meta (mode),
    config_sha word NOT NULL,
    version word NOT NULL,
    started_ns bigint NOT NULL,
    started_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(started_ns)) STORED,
    ended_ns bigint CHECK (ended_ns >= started_ns),
    ended_at timestamptz GENERATED ALWAYS AS (at_instant(ended_ns)) STORED,
    end_reason text,
    CHECK ((ended_ns IS NULL) = (end_reason IS NULL))
);

CREATE TABLE order_intents (
    client_id word PRIMARY KEY,
    run integer NOT NULL REFERENCES runs (run),
    symbol word NOT NULL,
    side order_side NOT NULL,
    price positive NOT NULL,
    size positive NOT NULL,
    post_only boolean NOT NULL,
    time_in_force text NOT NULL CHECK (time_in_force IN ('GTC', 'GTD', 'IOC')),
    expire_ns bigint,
    expire_at timestamptz GENERATED ALWAYS AS (at_instant(expire_ns)) STORED,
    purpose text NOT NULL CHECK (purpose IN ('entry', 'exit')),
    exit_reason exit_rule,
    strategy_tag word NOT NULL,
    passive_order_id word NOT NULL REFERENCES order_intents (client_id),
    source word NOT NULL DEFAULT 'passivemm',
    decided_ns bigint NOT NULL,
    decided_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(decided_ns)) STORED,
    bid not_negative NOT NULL,
    ask not_negative NOT NULL,
    inputs json NOT NULL,  -- json, not jsonb: the inputs are shown in the order in which they were decided on
    config_sha word NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (client_id, symbol, side),  -- fills refer to all three: none on the wrong side or symbol
    CHECK ((time_in_force = 'GTD') = (expire_ns IS NOT NULL)),
    CHECK (NOT (post_only AND time_in_force = 'IOC')),
    CHECK ((purpose = 'exit') = (exit_reason IS NOT NULL)),
    CHECK (purpose = 'exit' OR passive_order_id = client_id)
);
CREATE INDEX order_intents_of_position ON order_intents (passive_order_id, decided_ns DESC) WHERE purpose = 'exit';

CREATE TABLE order_events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_id text NOT NULL REFERENCES order_intents (client_id),
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    what word NOT NULL,
    order_id word,
    reason text NOT NULL,
    cancel_reason word,
    filled not_negative  -- total executed size, where the exchange states it
);
CREATE UNIQUE INDEX order_events_once ON order_events
    (client_id, at_ns, what, coalesce(order_id, ''), reason, coalesce(cancel_reason, ''), coalesce(filled, -1));

CREATE TABLE fills (
    trade_id word PRIMARY KEY,
    client_id text NOT NULL,
    symbol text NOT NULL,
    side order_side NOT NULL,
    price positive NOT NULL,
    size positive NOT NULL,
    fee amount NOT NULL,
    liquidity text NOT NULL CHECK (liquidity IN ('MAKER', 'TAKER')),
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    written_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (client_id, symbol, side) REFERENCES order_intents (client_id, symbol, side)
);
CREATE INDEX fills_of_order ON fills (client_id);
CREATE INDEX fills_of_symbol ON fills (symbol, at_ns DESC, trade_id COLLATE "C" DESC);
CREATE INDEX fills_by_time ON fills (at_ns);

-- The mid some time after a fill; horizon 0 is the mid at the fill.
CREATE TABLE fill_marks (
    trade_id text NOT NULL REFERENCES fills (trade_id),
    horizon_ns bigint NOT NULL CHECK (horizon_ns >= 0),
    mid positive NOT NULL,
    PRIMARY KEY (trade_id, horizon_ns)
);

-- An entry that goes on filling after its position was closed opens a second round trip: the id alone would
-- not tell them apart.
CREATE TABLE round_trips (
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
CREATE INDEX round_trips_by_time ON round_trips (closed_ns DESC);
CREATE INDEX round_trips_of_symbol ON round_trips (symbol, closed_ns DESC);

-- Why a side was not quoted, from when (gate NULL: it was quoted). The writer keeps the newest rows only.
CREATE TABLE holds (
    symbol word NOT NULL,
    side order_side NOT NULL,
    since_ns bigint NOT NULL,
    since timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(since_ns)) STORED,
    gate word,
    detail text NOT NULL,
    PRIMARY KEY (symbol, side, since_ns)
);

CREATE TABLE alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text NOT NULL,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    kind word NOT NULL,
    detail text NOT NULL
);
CREATE UNIQUE INDEX alerts_once ON alerts (symbol, at_ns, kind, md5(detail));

-- Facts that the constraints refused, or that contradict a stored one: kept as evidence, never dropped.
CREATE TABLE refused_facts (
    digest text PRIMARY KEY,
    kind word NOT NULL,
    fact text NOT NULL,
    error text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now()
);

-- Derived: where each order stands, the fold of its events over the core's transition table. It is settled
-- once it ended and every fill that the exchange states is here.
CREATE TABLE order_states (
    client_id text PRIMARY KEY REFERENCES order_intents (client_id),
    state text NOT NULL CHECK (state IN (
        'pending', 'open', 'cancel_pending', 'unknown', 'filled', 'cancelled', 'expired', 'failed')),
    order_id text,
    sent_ns bigint NOT NULL,
    final not_negative,
    settled boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80);
CREATE INDEX order_states_open ON order_states (client_id) WHERE NOT settled;
CREATE UNIQUE INDEX order_states_order_id ON order_states (order_id) WHERE order_id IS NOT NULL;

-- Derived: the sum of an order's fills.
CREATE TABLE executions (
    client_id text PRIMARY KEY REFERENCES order_intents (client_id),
    symbol text NOT NULL,
    fills integer NOT NULL,
    filled positive NOT NULL,
    notional positive NOT NULL,
    fees amount NOT NULL,
    last_ns bigint NOT NULL,
    order_time timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(last_ns)) STORED
) WITH (fillfactor = 80);
CREATE INDEX executions_of_symbol ON executions (symbol, order_time);
CREATE INDEX executions_by_time ON executions (order_time);

-- Derived: base currency bought less sold, from the first fill on.
CREATE TABLE holdings (
    symbol text PRIMARY KEY,
    size amount NOT NULL
);

-- Derived: what the round trips that an order closed came to.
CREATE TABLE closings (
    client_id text PRIMARY KEY REFERENCES order_intents (client_id),
    trips integer NOT NULL,
    pnl amount NOT NULL,
    exit_reason exit_rule NOT NULL,
    hold_seconds numeric NOT NULL,
    config_sha word NOT NULL
);

CREATE FUNCTION sum_fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO executions AS e (client_id, symbol, fills, filled, notional, fees, last_ns)
    VALUES (NEW.client_id, NEW.symbol, 1, NEW.size, NEW.price * NEW.size, NEW.fee, NEW.at_ns)
    ON CONFLICT (client_id) DO UPDATE SET
        fills = e.fills + 1,
        filled = e.filled + excluded.filled,
        notional = e.notional + excluded.notional,
        fees = e.fees + excluded.fees,
        last_ns = greatest(e.last_ns, excluded.last_ns);
    INSERT INTO holdings AS h (symbol, size)
    VALUES (NEW.symbol, CASE NEW.side WHEN 'BUY' THEN NEW.size ELSE -NEW.size END)
    ON CONFLICT (symbol) DO UPDATE SET size = h.size + excluded.size;
    RETURN NULL;
END $$;
CREATE TRIGGER fills_summed AFTER INSERT ON fills FOR EACH ROW EXECUTE FUNCTION sum_fill();

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
CREATE TRIGGER round_trips_summed AFTER INSERT ON round_trips FOR EACH ROW EXECUTE FUNCTION sum_round_trip();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON meta
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_intents
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fill_marks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON round_trips
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON refused_facts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One row is one executed order. order_time is its last execution: for a closing order, the moment at which
-- the round trip closed. pnl_usd is set on the closing row only, so that a trade counts once. Amounts are in
-- the product's quote currency.
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

CREATE VIEW hold_episodes AS
SELECT symbol, side, gate, detail, since,
       lead(since) OVER (PARTITION BY symbol, side ORDER BY since_ns) AS until
FROM holds;
