"""Lots, allocations and round trips as they are derived: late fills, dust, turns, marks, and derived anew."""

from __future__ import annotations

from decimal import Decimal

import psycopg2
import pytest

from quietmaker.core.orders import ExitReason, Intent
from quietmaker.core.units import Liquidity, Side
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ports import LedgerFact
from tests.ledger.conftest import run_sql
from tests.ledger.derivations import TRIPS, begin, derived, query
from tests.ledger.makers import (
    PRODUCTS,
    SYMBOL,
    at,
    dust_left,
    entry,
    exit_of,
    fill_of,
    mark,
)
from tests.ledger.prompt import PromptLedger

FLAT = 2 * 1000
"""Bid plus ask of a market that stands at ten cents."""


@pytest.fixture
def ledger(postgres_ledger: PromptLedger) -> PromptLedger:
    """Return a ledger with a run begun."""
    begin(postgres_ledger)
    return postgres_ledger


def intend(ledger: PromptLedger, *intents: Intent) -> None:
    for intent in intents:
        ledger.write_intent(intent)


def column(url: str, names: str, table: str = "round_trips") -> list[tuple[object, ...]]:
    return query(url, f"SELECT {names} FROM {table} ORDER BY 1")


def founding_trade(ledger: PromptLedger) -> None:
    """Buy in two parts, sell at the same price in an unmoved market."""
    bought = entry("e1", price=1000)
    sold = exit_of("x1", "e1", reason=ExitReason.TIMEOUT_LOSS, when=610)
    intend(ledger, bought, sold)
    ledger.write([fill_of(bought, "a", size=400, fee="0.03"), mark("a", FLAT)])
    ledger.write([fill_of(bought, "b", size=600, fee="0.045", when=3), mark("b", FLAT)])
    ledger.write([mark(t, FLAT, seconds=60) for t in ("a", "b")])
    taken = fill_of(sold, "c", fee="0.08", when=620, liquidity=Liquidity.TAKER)
    ledger.write([taken, mark("c", FLAT)])


def test_the_founding_trade_was_fees_and_nothing_else(
    ledger: PromptLedger, database_url: str
) -> None:
    founding_trade(ledger)
    split = "net, fees, spread_captured, price_move, adverse_selection, exit_reason, closing_order"
    assert column(database_url, split) == [
        (Decimal("-0.155"), Decimal("0.155"), 0, 0, 0, "timeout_loss", "x1")
    ]
    derived(database_url)


def test_adverse_selection_is_the_move_within_a_minute_of_the_entry(
    ledger: PromptLedger, database_url: str
) -> None:
    bought, sold = entry("e1", price=990), exit_of("x1", "e1", price=980, when=300)
    intend(ledger, bought, sold)
    ledger.write([fill_of(bought, "a", fee="0"), mark("a", 1984)])
    ledger.write([fill_of(sold, "b", fee="0", when=400), mark("b", 1964)])
    assert column(database_url, "adverse_selection") == [(None,)], "nobody saw the market then"
    ledger.write([mark("a", 1974, seconds=60)])
    assert column(database_url, "price_move, adverse_selection") == [
        (Decimal("-0.01"), Decimal("-0.005"))
    ]
    assert column(database_url, "adverse_selection, adverse_trips", "symbol_days") == [
        (Decimal("-0.005"), 1)
    ]
    derived(database_url)


def test_what_was_left_within_a_minute_needs_no_later_mark(
    ledger: PromptLedger, database_url: str
) -> None:
    bought, sold = entry("e1", price=990), exit_of("x1", "e1", price=980, when=20)
    intend(ledger, bought, sold)
    ledger.write([fill_of(bought, "a"), fill_of(sold, "b", when=30)])
    assert column(database_url, "adverse_selection") == [(None,)], "no mid was seen"
    ledger.write([mark("a", 1984), mark("b", 1964)])
    assert column(database_url, "adverse_selection = price_move") == [(True,)]


def test_a_mark_that_comes_after_the_trip_splits_it_anew_and_leaves_its_net(
    ledger: PromptLedger, database_url: str
) -> None:
    bought, sold = entry("e1", price=990), exit_of("x1", "e1", price=1000, when=20)
    intend(ledger, bought, sold)
    ledger.write([fill_of(bought, "a"), fill_of(sold, "b", when=30)])
    before = column(database_url, "net, spread_captured + price_move")
    ledger.write([mark("a", 1990)])
    assert column(database_url, "net, spread_captured + price_move") == before
    assert column(database_url, "spread_captured") == [(Decimal("0.012"),)]
    derived(database_url)


def test_a_late_fill_changes_what_came_after_it_and_nothing_before(
    ledger: PromptLedger, database_url: str
) -> None:
    for n in range(3):
        bought, sold = entry(f"e{n}", when=100 * n), exit_of(f"x{n}", f"e{n}", when=100 * n + 1)
        intend(ledger, bought, sold)
        fills = [
            fill_of(bought, f"a{n}", when=100 * n + 10),
            fill_of(sold, f"b{n}", when=100 * n + 20),
        ]
        ledger.write(fills)
    first = query(database_url, TRIPS)[0]
    late = entry("late", size=500, when=100)
    intend(ledger, late)
    ledger.write([fill_of(late, "l", size=500, when=105)])
    found = query(database_url, TRIPS)
    assert found[0] == first
    assert [row[1] for row in found] == ["e0"], "the late one is in the way of the others"
    assert column(database_url, "remaining", "lots WHERE remaining > 0") == [(Decimal(5),)]
    derived(database_url)
    leaving = exit_of("x9", "late", size=500, when=300)
    intend(ledger, leaving)
    ledger.write([fill_of(leaving, "z", size=500, when=310)])
    assert [row[1] for row in query(database_url, TRIPS)] == ["e0", "late"]
    derived(database_url)


def test_an_entry_that_fills_on_after_its_exit_opens_a_second_round_trip(
    ledger: PromptLedger, database_url: str
) -> None:
    bought, sold = entry("e1"), exit_of("x1", "e1")
    intend(ledger, bought, sold)
    for n in range(2):  # all at the same moment
        ledger.write([fill_of(bought, f"t{n}a", size=500), fill_of(sold, f"t{n}b", size=500)])
    assert column(database_url, "trip_id, id") == [("t0b", "e1"), ("t1b", "e1")]
    assert column(database_url, "client_id, trips", "executions WHERE trips > 0") == [("x1", 2)]
    derived(database_url)


def test_a_fill_that_turns_a_position_over_closes_one_and_opens_another(
    ledger: PromptLedger, database_url: str
) -> None:
    bought, sold = entry("e1", size=400), entry("s1", side=Side.SELL, price=1000, size=1000)
    back = exit_of("x1", "s1", side=Side.BUY, size=600)
    intend(ledger, bought, sold, back)
    ledger.write([fill_of(bought, "a"), fill_of(sold, "b", when=3), fill_of(back, "c", when=4)])
    assert column(database_url, "closed_ns, id, entry, size, exit_reason") == [
        (at(3), "e1", "BUY", Decimal(4), "paired"),
        (at(4), "s1", "SELL", Decimal(6), "break_even_plus"),
    ]
    derived(database_url)


@pytest.mark.parametrize("late", [False, True])
def test_dust_ends_a_round_trip_whenever_it_is_told(
    ledger: PromptLedger, database_url: str, late: bool
) -> None:
    bought, sold = entry("e1"), exit_of("x1", "e1", size=999)
    again, leaving = entry("e2", when=10), exit_of("x2", "e2", size=1001, when=12)
    intend(ledger, bought, sold, again, leaving)
    left = dust_left("b", 1)
    first: list[LedgerFact] = [fill_of(bought, "a"), fill_of(sold, "b", when=3)]
    second: list[LedgerFact] = [fill_of(again, "c", when=11), fill_of(leaving, "d", when=13)]
    told = [first, second]
    told.insert(2 if late else 1, [left])
    for facts in told:
        ledger.write(facts)
    assert column(database_url, "closed_ns, id, size, dust") == [
        (at(3), "e1", Decimal("9.99"), Decimal("0.01")),
        (at(13), "e2", Decimal("10.01"), Decimal(0)),
    ]
    derived(database_url)


def test_a_late_fill_between_an_exit_and_the_word_of_its_dust_belongs_to_what_is_over(
    ledger: PromptLedger, database_url: str
) -> None:
    bought, sold = entry("e1"), exit_of("x1", "e1", size=999)
    small, late = entry("e2", size=1, when=4), entry("e3", size=1, when=3)
    intend(ledger, bought, sold, small, late)
    ledger.write([fill_of(bought, "a"), fill_of(sold, "b", when=3), fill_of(small, "s", when=5)])
    ledger.write([dust_left("s", 2)])
    assert column(database_url, "id, dust") == [("e1", Decimal("0.02"))]
    ledger.write([fill_of(late, "l", when=4)])
    assert column(database_url, "id, dust") == [("e1", Decimal("0.03"))]
    derived(database_url)


def test_increments_that_changed_are_derived_exactly(
    ledger: PromptLedger, database_url: str
) -> None:
    intend(ledger, entry("e1"), exit_of("x1", "e1"))
    ledger.write([fill_of(entry("e1"), "a")])
    run_sql(
        database_url,
        "INSERT INTO fills (trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns) VALUES"
        " ('b', 'x1', 'TNSR-USD', 'SELL', 0.100000000001, 9.99999999, 0.000000001, 'MAKER',"
        " 1800000000000000000)",
    )
    run_sql(database_url, "UPDATE derivations SET method = 99")
    ledger.close()
    PostgresLedger(lambda: database_url).close()
    assert column(database_url, "open_price, close_price, size, net", "allocations") == [
        (
            Decimal("0.099"),
            Decimal("0.100000000001"),
            Decimal("9.99999999"),
            Decimal("0.100000000001") * Decimal("9.99999999")
            - Decimal("0.099") * Decimal("9.99999999")
            - Decimal("0.2475") * Decimal("9.99999999") / 10
            - Decimal("0.000000001"),
        )
    ]
    derived(database_url)


def test_a_derivation_that_gives_up_loses_no_fill_and_says_so(
    ledger: PromptLedger, database_url: str
) -> None:
    run_sql(database_url, "ALTER TABLE lots ADD CONSTRAINT never CHECK (price < 0)")
    intend(ledger, entry("e1"))
    ledger.write([fill_of(entry("e1"), "a", size=300)])
    assert column(database_url, "kind", "alerts") == [("not_derived",)]
    held = ledger.books(PRODUCTS).symbols[SYMBOL]
    assert ([lot.lots for lot in held.lots], held.round_trip) == ([300], "e1"), "from the fills"
    run_sql(database_url, "ALTER TABLE lots DROP CONSTRAINT never")
    ledger.close()
    PostgresLedger(lambda: database_url).close()
    assert column(database_url, "remaining", "lots") == [(Decimal(3),)]
    derived(database_url)


def test_books_of_the_schema_before_are_derived_when_they_are_opened(
    ledger: PromptLedger, database_url: str
) -> None:
    founding_trade(ledger)
    before = derived(database_url)
    run_sql(database_url, "TRUNCATE allocations, round_trips, lots, derivations, symbol_days")
    run_sql(
        database_url,
        "UPDATE executions SET trips = 0, pnl = NULL, exit_reason = NULL, hold_seconds = NULL",
    )
    ledger.close()
    PostgresLedger(lambda: database_url).close()
    assert derived(database_url) == before


def test_derived_rows_that_cannot_be_true_are_refused(
    ledger: PromptLedger, database_url: str
) -> None:
    founding_trade(ledger)
    for statement in (
        "UPDATE allocations SET net = net + 1",
        "UPDATE lots SET remaining = size + 1",
        "UPDATE round_trips SET net = net + 1",
        "UPDATE symbol_days SET wins = trips + 1",
        "INSERT INTO lots SELECT * FROM lots LIMIT 1",
    ):
        with pytest.raises(psycopg2.Error):
            run_sql(database_url, statement)
