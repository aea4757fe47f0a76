DROP VIEW hold_episodes, trade_records;
DROP TABLE closings, holdings, executions, order_states, refused_facts, alerts, holds, round_trips, fill_marks,
    fills, order_events, order_intents, runs, meta;
DROP FUNCTION sum_round_trip(), sum_fill(), refuse_change(), at_instant(bigint);
DROP DOMAIN exit_rule, order_side, word, not_negative, positive, amount;
