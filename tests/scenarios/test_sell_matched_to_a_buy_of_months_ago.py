"""A sell of today was matched to a buy of months ago: a loss of $16.45 in the books, five cents in truth.

The link between a sell and its buy was written down once, overwritten by a reconciliation, and what was
left of a buy never went down. Executions are facts that nothing changes; which of them belong together is
derived from them, first in, first out, as often as one likes.

Incident A1.
"""

from __future__ import annotations

from decimal import Decimal

import psycopg2
import pytest

from quietmaker.core.orders import Intent
from tests.ledger.derivations import begin, query
from tests.ledger.makers import entry, exit_of, fill_of
from tests.ledger.prompt import PromptLedger

MONTHS = 150 * 86_400.0


def round_trip(
    ledger: PromptLedger, name: str, *, bought: int, sold: int, when: float
) -> tuple[Intent, Intent]:
    """Buy and sell everything again."""
    buy = entry(f"e-{name}", price=bought, when=when)
    sell = exit_of(f"x-{name}", f"e-{name}", price=sold, when=when + 10)
    for intent in (buy, sell):
        ledger.write_intent(intent)
    ledger.write([fill_of(buy, f"{name}-1", price=bought, fee="0.02", when=when + 5)])
    ledger.write([fill_of(sell, f"{name}-2", price=sold, fee="0.02", when=when + 20)])
    return buy, sell


@pytest.fixture
def traded(postgres_ledger: PromptLedger) -> PromptLedger:
    """Return a ledger with an old round trip at twice the price and one of today."""
    begin(postgres_ledger)
    round_trip(postgres_ledger, "old", bought=2_000, sold=2_010, when=0)
    round_trip(postgres_ledger, "new", bought=1_000, sold=999, when=MONTHS)
    return postgres_ledger


def test_a_sell_closes_what_is_held_and_nothing_that_was_sold_before(
    traded: PromptLedger, database_url: str
) -> None:
    del traded
    assert query(
        database_url,
        "SELECT open_trade_id, close_trade_id, size FROM allocations ORDER BY closed_ns",
    ) == [("old-1", "old-2", Decimal(10)), ("new-1", "new-2", Decimal(10))]
    assert query(database_url, "SELECT net FROM round_trips ORDER BY closed_ns DESC LIMIT 1") == [
        (Decimal("-0.041"),)
    ]
    assert query(database_url, "SELECT sum(remaining) FROM lots") == [(0,)]


def test_what_is_left_of_a_buy_goes_down_with_every_sell(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    begin(postgres_ledger)
    buy, sell = entry("e1"), exit_of("x1", "e1")
    for intent in (buy, sell):
        postgres_ledger.write_intent(intent)
    postgres_ledger.write([fill_of(buy, "t1", when=2)])
    left = []
    for number in range(4):
        part = fill_of(sell, f"s{number}", size=250, fee="0.01", when=3 + number)
        postgres_ledger.write([part])
        left += [row[0] for row in query(database_url, "SELECT remaining FROM lots")]
    assert left == [Decimal("7.5"), Decimal(5), Decimal("2.5"), Decimal(0)]


def test_telling_everything_again_links_nothing_anew(
    traded: PromptLedger, database_url: str
) -> None:
    before = query(database_url, "SELECT * FROM allocations ORDER BY closed_ns")
    for name, when in (("old", 0.0), ("new", MONTHS)):
        price = {"old": 2_000, "new": 1_000}[name]
        buy = entry(f"e-{name}", price=price, when=when)
        traded.write([fill_of(buy, f"{name}-1", price=price, fee="0.02", when=when + 5)])
    assert query(database_url, "SELECT * FROM allocations ORDER BY closed_ns") == before


def test_nobody_can_rewrite_an_execution(traded: PromptLedger, database_url: str) -> None:
    del traded
    connection = psycopg2.connect(database_url)
    with pytest.raises(psycopg2.Error, match="append-only"), connection.cursor() as cursor:
        cursor.execute("UPDATE fills SET price = 1")
    connection.close()
