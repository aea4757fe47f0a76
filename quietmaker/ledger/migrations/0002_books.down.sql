DROP TABLE import_refusals, imported_trades, import_batches, operator_actions, config_history, filter_transitions,
    tie_outs, differences, balance_snapshots, cash_movements, journal_applied;
DROP FUNCTION keep_evidence();
