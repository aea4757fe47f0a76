"""A start took ten minutes and filled the disk: maintenance set 586 600 rows to what they were already.

What it looked for was true again after it had run, so it ran on everything at each start. What a start does
to the books it does once; a second one changes nothing, and what is pruned is gone after the first time.

Incident W7.
"""

from __future__ import annotations

from quietmaker.ledger.postgres import PostgresLedger
from tests.ledger.derivations import begin, derived, query, quiet
from tests.ledger.makers import PRODUCTS, entry, exit_of, fill_of
from tests.ledger.prompt import PromptLedger

CHANGED = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"


def rows_changed(url: str) -> int:
    """Return how many rows were ever written."""
    quiet(url)
    ((changed,),) = query(url, CHANGED)
    return int(str(changed))


def test_a_second_start_changes_no_row(database_url: str) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    begin(ledger)
    for number in range(20):
        buy = entry(f"e{number}", when=number * 10)
        sell = exit_of(f"x{number}", f"e{number}", when=number * 10 + 3)
        for intent in (buy, sell):
            ledger.write_intent(intent)
        ledger.write([fill_of(buy, f"b{number}", when=number * 10 + 1)])
        ledger.write([fill_of(sell, f"s{number}", when=number * 10 + 4)])
    ledger.close()
    books, before = derived(database_url), rows_changed(database_url)
    for _ in range(3):
        PostgresLedger(lambda: database_url).close()
    assert rows_changed(database_url) == before
    assert derived(database_url) == books
