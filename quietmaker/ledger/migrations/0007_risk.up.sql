-- Every move of every circuit breaker: the latest row of a scope and breaker is how it stands.
CREATE TABLE breakers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    scope word,  -- a symbol; NULL is the whole account
    breaker word NOT NULL,
    phase word NOT NULL CHECK (phase IN ('armed', 'tripped', 'halted')),
    armed_ns bigint NOT NULL,
    until_ns bigint,
    until timestamptz GENERATED ALWAYS AS (at_instant(until_ns)) STORED,
    trips integer NOT NULL CHECK (trips >= 0),
    reason text NOT NULL,
    CHECK ((phase = 'tripped') = (until_ns IS NOT NULL))
);
CREATE UNIQUE INDEX breakers_of_scope ON breakers (breaker, coalesce(scope, ''), at_ns DESC);
CREATE INDEX breakers_by_time ON breakers (at_ns DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON breakers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Equity as the risk guard saw it, about once a minute: what was put in, what trading made of it, and the peak
-- on the scale of that capital.
CREATE TABLE equities (
    money word NOT NULL,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    capital amount NOT NULL,
    result amount NOT NULL,
    peak not_negative NOT NULL,
    PRIMARY KEY (money, at_ns)
);
CREATE INDEX equities_by_time ON equities (at_ns);
