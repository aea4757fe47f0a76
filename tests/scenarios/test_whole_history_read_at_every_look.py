"""Every look at a position read 7 089 rows, a gigabyte, and ran into its time-out four times an hour.

What was asked for was one symbol, what was fetched was everything. What recovery, orders and positions read
is bounded by what is open, however long the history is.

Incident W6.
"""

from __future__ import annotations

import re

from quietmaker.ledger import sql
from quietmaker.ledger.reading.reports import Reports
from tests.ledger.conftest import run_sql
from tests.ledger.derivations import begin, query, quiet
from tests.ledger.makers import PRODUCTS, SYMBOL, entry, exit_of, fill_of
from tests.ledger.prompt import PromptLedger

TRIPS = 2_000
HISTORY = f"""
INSERT INTO order_intents (client_id, run, symbol, side, price, size, post_only, time_in_force, expire_ns,
    purpose, exit_reason, strategy_tag, passive_order_id, decided_ns, bid, ask, inputs, config_sha)
SELECT 'old-e' || n, 1, '{SYMBOL}', 'BUY', 0.099, 10, true, 'GTC', NULL, 'entry', NULL, 'passive-v1',
       'old-e' || n, n * 1000, 0.098, 0.1, '[]', 'c0ffee' FROM generate_series(1, {TRIPS}) n;
INSERT INTO order_intents (client_id, run, symbol, side, price, size, post_only, time_in_force, expire_ns,
    purpose, exit_reason, strategy_tag, passive_order_id, decided_ns, bid, ask, inputs, config_sha)
SELECT 'old-x' || n, 1, '{SYMBOL}', 'SELL', 0.1, 10, true, 'GTC', NULL, 'exit', 'break_even_plus',
       'passive-v1', 'old-e' || n, n * 1000 + 5, 0.098, 0.1, '[]', 'c0ffee'
FROM generate_series(1, {TRIPS}) n;
INSERT INTO order_states (client_id, state, sent_ns, settled)
SELECT client_id, 'filled', decided_ns, true FROM order_intents;
INSERT INTO fills (trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns)
SELECT 't' || client_id, client_id, symbol, side, price, size, 0.001, 'MAKER', decided_ns + 1
FROM order_intents;
"""
READ = (
    "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables"
    " WHERE relname IN ('fills', 'order_intents', 'order_events', 'executions')"
)


def rows_read(url: str) -> int:
    """Return how many rows of the history were ever read."""
    quiet(url)
    ((read,),) = query(url, READ)
    return int(str(read))


def test_what_recovery_reads_does_not_grow_with_the_history(
    database_url: str,
) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    begin(ledger)
    ledger.close()
    run_sql(database_url, HISTORY)
    run_sql(database_url, "ANALYZE")
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    begin(ledger)
    for intent in (entry("e1", when=100), exit_of("x1", "e1", when=101)):
        ledger.write_intent(intent)
    ledger.write([fill_of(entry("e1"), "now", size=400, when=102)])
    ledger.close()

    before = rows_read(database_url)
    again = PromptLedger(lambda: database_url, products=PRODUCTS)
    books = again.books(PRODUCTS).symbols[SYMBOL]
    again.close()
    reports = Reports(lambda: database_url)
    (held,) = reports.positions()
    orders = reports.open_orders()
    reports.close()
    assert [lot.lots for lot in books.lots] == [400]
    assert {order.client_id for order in orders} == {"e1", "x1"}
    assert held.symbol == SYMBOL
    assert rows_read(database_url) - before < 100, f"of {4 * TRIPS}"
    query(database_url, "SELECT count(*) FROM (SELECT size FROM fills) AS everything")
    assert rows_read(database_url) - before >= 2 * TRIPS, "and reading everything would show"


def test_every_list_that_is_read_has_a_bound() -> None:
    for name, text in sql.load("reports.sql").items():
        bounded = re.search(r"LIMIT %\(limit\)s|= %\(\w+\)s|= ANY\(%\(\w+\)s\)|FROM meta", text)
        assert bounded, f"{name} reads without a bound"
