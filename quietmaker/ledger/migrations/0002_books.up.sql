-- The books beside the orders: what the journal brought, cash, tie-outs, configurations, operators, imports.

-- How far a journal was applied; written in the transaction that stores what it brought: exactly once.
CREATE TABLE journal_applied (
    journal uuid PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq >= 0),
    at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- Money that came or went without an execution of ours. `reference` names it once: an id of the exchange, or
-- what it was inferred from.
CREATE TABLE cash_movements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference word NOT NULL UNIQUE,
    currency word NOT NULL,
    amount amount NOT NULL CHECK (amount <> 0),
    kind text NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'correction')),
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    evidence json NOT NULL,
    inferred boolean NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    CHECK (kind <> 'deposit' OR amount > 0),
    CHECK (kind <> 'withdrawal' OR amount < 0)
);
CREATE INDEX cash_movements_of_currency ON cash_movements (currency, at_ns DESC);

CREATE TABLE balance_snapshots (
    currency word NOT NULL,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    available amount NOT NULL,
    hold not_negative NOT NULL,
    PRIMARY KEY (currency, at_ns)
);
CREATE INDEX balance_snapshots_by_time ON balance_snapshots (at_ns);

-- What the ledger and the exchange say differently. Both sides stay as they were first seen: one that changes
-- is resolved, and another begins.
CREATE TABLE differences (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind word NOT NULL,
    subject word NOT NULL,
    ours text NOT NULL,
    theirs text NOT NULL,
    detail text NOT NULL,
    first_ns bigint NOT NULL,
    first_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(first_ns)) STORED,
    last_ns bigint NOT NULL CHECK (last_ns >= first_ns),
    last_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(last_ns)) STORED,
    times integer NOT NULL DEFAULT 1 CHECK (times > 0),
    resolved_ns bigint CHECK (resolved_ns >= last_ns),
    resolved_at timestamptz GENERATED ALWAYS AS (at_instant(resolved_ns)) STORED,
    resolution word,
    CHECK ((resolved_ns IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX differences_open ON differences (kind, subject) WHERE resolved_ns IS NULL;
CREATE INDEX differences_by_time ON differences (first_ns DESC);

CREATE FUNCTION keep_evidence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.resolved_ns IS NOT NULL
       OR (NEW.id, NEW.kind, NEW.subject, NEW.ours, NEW.theirs, NEW.first_ns)
          IS DISTINCT FROM (OLD.id, OLD.kind, OLD.subject, OLD.ours, OLD.theirs, OLD.first_ns) THEN
        RAISE EXCEPTION 'a difference is evidence: % refused', TG_OP
            USING ERRCODE = 'restrict_violation', HINT = 'Resolve it, and store another one.';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evidence_stays BEFORE UPDATE OR DELETE ON differences
    FOR EACH ROW EXECUTE FUNCTION keep_evidence();
CREATE TRIGGER append_only BEFORE TRUNCATE ON differences FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE tie_outs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    verdict text NOT NULL CHECK (verdict IN ('clean', 'different', 'inconclusive')),
    fills integer NOT NULL CHECK (fills >= 0),
    orders integer NOT NULL CHECK (orders >= 0),
    balances integer NOT NULL CHECK (balances >= 0),
    differences integer NOT NULL CHECK (differences >= 0),
    detail text NOT NULL,
    CHECK ((verdict = 'different') = (differences > 0))
);
CREATE INDEX tie_outs_by_time ON tie_outs (at_ns DESC);

-- Why a symbol may or may not be traded, from when on. The first state of a symbol has no `from_state`.
CREATE TABLE filter_transitions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol word NOT NULL,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    from_state text CHECK (from_state IN ('eligible', 'excluded', 'probation', 'denied')),
    to_state text NOT NULL CHECK (to_state IN ('eligible', 'excluded', 'probation', 'denied')),
    rule word NOT NULL,
    value amount,
    threshold amount,
    sample integer CHECK (sample >= 0),
    reason text NOT NULL,
    config_sha word NOT NULL,
    CHECK (from_state <> to_state)
);
CREATE INDEX filter_transitions_of_symbol ON filter_transitions (symbol, id DESC);
CREATE INDEX filter_transitions_by_time ON filter_transitions (at_ns DESC);

-- The effective settings behind each `config_sha`.
CREATE TABLE config_history (
    config_sha word PRIMARY KEY,
    first_ns bigint NOT NULL,
    first_at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(first_ns)) STORED,
    settings json NOT NULL
);

CREATE TABLE operator_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    operator word NOT NULL,
    action word NOT NULL,
    arguments json NOT NULL,
    outcome word NOT NULL
);
CREATE INDEX operator_actions_by_time ON operator_actions (at_ns DESC);

-- Executed orders of a predecessor. The same content is imported once, and an order of a source once.
CREATE TABLE import_batches (
    batch integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin word NOT NULL,
    digest word NOT NULL UNIQUE,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    read integer NOT NULL CHECK (read >= 0),
    imported integer NOT NULL CHECK (imported >= 0),
    refused integer NOT NULL CHECK (refused >= 0),
    CHECK (imported + refused <= read)
);

CREATE TABLE imported_trades (
    source text NOT NULL CHECK (source <> ''),
    order_id text NOT NULL CHECK (order_id <> ''),
    batch integer NOT NULL REFERENCES import_batches (batch) ON DELETE CASCADE,
    symbol text NOT NULL CHECK (symbol <> ''),
    side order_side NOT NULL,
    at_ns bigint NOT NULL,
    order_time timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    price positive NOT NULL,
    size positive NOT NULL,
    fees amount NOT NULL,
    status word NOT NULL,
    pnl numeric CHECK (pnl > '-Infinity' AND pnl < 'Infinity'),  -- set where it closed a round trip
    entry_value positive,  -- what the units that it closed had cost, without fees
    hold_seconds numeric CHECK (hold_seconds >= 0),
    PRIMARY KEY (source, order_id),
    CHECK ((pnl IS NULL) = (entry_value IS NULL))
);
CREATE INDEX imported_trades_of_symbol ON imported_trades (symbol, order_time);
CREATE INDEX imported_trades_by_time ON imported_trades (order_time);
CREATE INDEX imported_trades_of_batch ON imported_trades (batch);

CREATE TABLE import_refusals (
    batch integer NOT NULL REFERENCES import_batches (batch) ON DELETE CASCADE,
    line integer NOT NULL CHECK (line > 0),
    reason word NOT NULL,
    content text NOT NULL,
    PRIMARY KEY (batch, line)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cash_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON filter_transitions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON config_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
