-- Which modes were imposed and lifted: the latest row of a source and scope is what stands, `run` is nothing.
CREATE TABLE modes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    scope word,  -- a symbol; NULL is the whole account
    source word NOT NULL CHECK (source IN ('operator', 'breaker', 'roster')),
    mode word NOT NULL CHECK (mode IN ('run', 'pause', 'drain', 'flatten', 'halt')),
    reason word NOT NULL,
    imposed_by word NOT NULL,
    until_ns bigint CHECK (until_ns > at_ns),
    until timestamptz GENERATED ALWAYS AS (at_instant(until_ns)) STORED
);
CREATE UNIQUE INDEX modes_of_scope ON modes (source, coalesce(scope, ''), at_ns DESC);
CREATE INDEX modes_by_time ON modes (at_ns DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON modes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
