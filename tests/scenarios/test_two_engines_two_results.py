"""One trade had lost $14.91 by one engine and $0.14 by the other; a third column said $276.53.

Profit and loss was computed while trades came in, again at night, and copied between columns that meant
different things. There is one function; trader, ledger, view and report show what it says, and in whatever
order executions become known it says the same.

Incidents A2, A3.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import permutations

import pytest

from quietmaker.core.orders import ExitReason
from quietmaker.core.units import add
from quietmaker.ledger.reading.reports import PnlBy, Reports, Wanted
from tests.ledger.derivations import begin, derived, query
from tests.ledger.makers import PRODUCTS, entry, exit_of, fill_of, mark, trip_of
from tests.ledger.prompt import PromptLedger

BUY = entry("e1", price=990)
SELL = exit_of("x1", "e1", price=991, reason=ExitReason.TIMEOUT_LOSS, when=3)
FILLS = (
    fill_of(BUY, "t1", size=333, fee="0.0123", when=2),
    fill_of(BUY, "t2", size=667, price=989, fee="0.0247", when=2.5),
    fill_of(SELL, "t3", size=501, fee="0.0201", when=4),
    fill_of(SELL, "t4", size=499, price=992, fee="0.02", when=5),
)


def told(url: str, order: tuple[int, ...]) -> PromptLedger:
    """Return a ledger that heard of the executions in this order."""
    ledger = PromptLedger(lambda: url, products=PRODUCTS)
    begin(ledger)
    for intent in (BUY, SELL):
        ledger.write_intent(intent)
    for number in order:
        ledger.write([FILLS[number]])
    return ledger


def test_every_place_that_shows_a_result_shows_the_same(database_url: str) -> None:
    ledger = told(database_url, (0, 1, 2, 3))
    core = trip_of(list(FILLS), opened_by="e1", closed_by="x1", reason=ExitReason.TIMEOUT_LOSS)
    reports = Reports(lambda: database_url)
    (trip,) = reports.round_trips(Wanted())
    (allocated,) = query(database_url, "SELECT sum(net) FROM allocations")
    (recorded,) = query(database_url, "SELECT sum(pnl_usd) FROM trade_records")
    (day,) = query(database_url, "SELECT net FROM symbol_days")
    sums = [line.net for by in PnlBy for line in reports.pnl(by)]
    assert {trip.net, allocated[0], recorded[0], day[0], *sums} == {core.net}
    cash = add(*reports.cash_flows().values())
    assert cash == core.net, "and it is the money that moved"
    reports.close()
    ledger.close()


@pytest.mark.parametrize("first", range(4))
def test_executions_in_any_order_come_to_the_same(
    new_database: Callable[[], str], first: int
) -> None:
    expected = None
    for order in permutations(range(4)):
        if order[0] != first or order[1] > order[2]:
            continue
        url = new_database()
        ledger = told(url, order)
        found = derived(url)
        assert expected is None or found == expected
        expected = found
        ledger.close()


def test_results_are_kept_in_one_place_and_nobody_can_write_them_elsewhere(
    database_url: str,
) -> None:
    columns = query(
        database_url,
        "SELECT c.table_name, c.column_name FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
        " AND c.column_name ~ '(pnl|profit|^net$)' ORDER BY 1, 2",
    )
    facts = {"fills", "order_intents", "order_events", "fill_marks"}
    assert not {str(table) for table, _ in columns} & facts, "no fact carries a result"


def test_a_loss_that_is_all_fees_is_said_to_be_all_fees(database_url: str) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    begin(ledger)
    buy, sell = entry("e9", price=990), exit_of("x9", "e9", price=990)
    for intent in (buy, sell):
        ledger.write_intent(intent)
    ledger.write([fill_of(buy, "a", fee="0.0775", when=2), mark("a", 1_980)])
    ledger.write([fill_of(sell, "b", fee="0.0775", when=3), mark("b", 1_980)])
    reports = Reports(lambda: database_url)
    (trip,) = reports.round_trips(Wanted())
    assert (trip.net, trip.fees) == (Decimal("-0.155"), Decimal("0.155"))
    assert trip.spread_captured + trip.price_move == 0
    reports.close()
    ledger.close()
