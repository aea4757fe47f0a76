-- Every reload of the configuration: who asked for it, what came of it, and what was new.
CREATE TABLE config_reloads (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ns bigint NOT NULL UNIQUE,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    trigger word NOT NULL,
    asked_by word NOT NULL,
    result word NOT NULL CHECK (result IN ('applied', 'unchanged', 'rejected')),
    generation integer NOT NULL CHECK (generation > 0),
    config_sha word NOT NULL,  -- in force after it
    changes json NOT NULL,
    waiting json NOT NULL,  -- needs a restart
    problems json NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON config_reloads
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
