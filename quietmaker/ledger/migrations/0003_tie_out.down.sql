DROP TRIGGER fills_flowed ON fills;
DROP FUNCTION sum_flows();
DROP TABLE flows;
DROP INDEX tie_outs_concluded;
DROP INDEX tie_outs_once;
ALTER TABLE tie_outs DROP COLUMN next_ns, DROP COLUMN flows, DROP COLUMN opened_ns;
DROP TABLE difference_notes;
DROP FUNCTION note_difference();
-- The earlier schema has no word for these: they are what the operator booked.
ALTER TABLE cash_movements DROP CONSTRAINT cash_movements_kind_check;
ALTER TABLE cash_movements DISABLE TRIGGER append_only;
UPDATE cash_movements SET kind = 'correction' WHERE kind IN ('opening', 'foreign');
ALTER TABLE cash_movements ENABLE TRIGGER append_only;
ALTER TABLE cash_movements ADD CONSTRAINT cash_movements_kind_check
    CHECK (kind IN ('deposit', 'withdrawal', 'correction'));
