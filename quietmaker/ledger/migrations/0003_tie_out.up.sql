-- What a tie-out needs: differences as they were noted, what executions sum to, and where the next window begins.

-- The balances that the books began with, and executions of orders that are not ours, are movements of money too.
ALTER TABLE cash_movements DROP CONSTRAINT cash_movements_kind_check;
ALTER TABLE cash_movements ADD CONSTRAINT cash_movements_kind_check
    CHECK (kind IN ('opening', 'deposit', 'withdrawal', 'foreign', 'correction'));

-- Each time that a difference was found or resolved, as it was told; `differences` follows from it.
CREATE TABLE difference_notes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind word NOT NULL,
    subject word NOT NULL,
    at_ns bigint NOT NULL,
    at timestamptz NOT NULL GENERATED ALWAYS AS (at_instant(at_ns)) STORED,
    ours text NOT NULL,
    theirs text NOT NULL,
    detail text NOT NULL,
    resolution word  -- NULL while it is found
);
CREATE UNIQUE INDEX difference_notes_once ON difference_notes
    (kind, subject, at_ns, md5(ours), md5(theirs), coalesce(resolution, ''));

CREATE FUNCTION note_difference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.resolution IS NOT NULL THEN
        UPDATE differences SET resolved_ns = greatest(NEW.at_ns, last_ns), resolution = NEW.resolution
        WHERE kind = NEW.kind AND subject = NEW.subject AND resolved_ns IS NULL;
        RETURN NULL;
    END IF;
    -- Other evidence is another difference: the first one keeps what was seen.
    UPDATE differences SET resolved_ns = greatest(NEW.at_ns, last_ns), resolution = 'other evidence'
    WHERE kind = NEW.kind AND subject = NEW.subject AND resolved_ns IS NULL
      AND (ours, theirs) IS DISTINCT FROM (NEW.ours, NEW.theirs);
    INSERT INTO differences AS d (kind, subject, ours, theirs, detail, first_ns, last_ns)
    VALUES (NEW.kind, NEW.subject, NEW.ours, NEW.theirs, NEW.detail, NEW.at_ns, NEW.at_ns)
    ON CONFLICT (kind, subject) WHERE resolved_ns IS NULL
    DO UPDATE SET last_ns = greatest(d.last_ns, excluded.last_ns), times = d.times + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER differences_noted AFTER INSERT ON difference_notes
    FOR EACH ROW EXECUTE FUNCTION note_difference();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON difference_notes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Where the next window begins, what all executions before it summed to, and since when balances are followed.
ALTER TABLE tie_outs
    ADD COLUMN next_ns bigint,
    ADD COLUMN flows json,
    ADD COLUMN opened_ns bigint,
    ADD CONSTRAINT tie_outs_checkpoint CHECK ((next_ns IS NULL) = (flows IS NULL));
CREATE UNIQUE INDEX tie_outs_once ON tie_outs (at_ns);
CREATE INDEX tie_outs_concluded ON tie_outs (at_ns DESC) WHERE next_ns IS NOT NULL;

-- Derived: what the executions of a symbol changed both currencies by, fees included.
CREATE TABLE flows (
    symbol text PRIMARY KEY,
    fills bigint NOT NULL,
    base amount NOT NULL,
    quote amount NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION sum_flows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flows AS f (symbol, fills, base, quote)
    SELECT symbol, count(*), sum(CASE side WHEN 'BUY' THEN size ELSE -size END),
           sum(CASE side WHEN 'BUY' THEN -price * size ELSE price * size END - fee)
    FROM stored GROUP BY symbol ORDER BY symbol
    ON CONFLICT (symbol) DO UPDATE SET
        fills = f.fills + excluded.fills, base = f.base + excluded.base, quote = f.quote + excluded.quote;
    RETURN NULL;
END $$;
CREATE TRIGGER fills_flowed AFTER INSERT ON fills REFERENCING NEW TABLE AS stored
    FOR EACH STATEMENT EXECUTE FUNCTION sum_flows();
INSERT INTO flows (symbol, fills, base, quote)
SELECT symbol, count(*), sum(CASE side WHEN 'BUY' THEN size ELSE -size END),
       sum(CASE side WHEN 'BUY' THEN -price * size ELSE price * size END - fee)
FROM fills GROUP BY symbol;
