"""What tie-outs tell the books, and what they read there: the same in memory and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from quietmaker.core.differences import Difference, DifferenceKind, Verdict
from quietmaker.core.evidence import (
    Account,
    Books,
    CashKind,
    Checkpoint,
    Execution,
    Flow,
    LiveOrder,
)
from quietmaker.core.findings import BalanceSeen, CashMoved, DifferenceNoted, TieOutDone
from quietmaker.core.orders import Move
from quietmaker.core.units import Liquidity, Side
from quietmaker.errors import LedgerUnavailable
from quietmaker.ledger import migrate
from quietmaker.ledger.tie_out import PostgresTieOutBooks
from quietmaker.ports import Ledger, TieOutBooks
from tests.ledger.makers import PRODUCTS, SYMBOL, at, entry, exit_of, fill_of, moved
from tests.ledger.prompt import FactsRefused, PromptLedger, PromptMemory

NOTHING = Account(executions=(), orders=(), totals={})


@pytest.fixture(params=["memory", "postgres"])
def both(request: pytest.FixtureRequest) -> Iterator[tuple[Ledger, TieOutBooks]]:
    """Return each kind of ledger, with a run, and its reader."""
    if request.param == "memory":
        memory = PromptMemory()
        begin(memory)
        yield memory, memory.tie_out_books(PRODUCTS)
        return
    url = request.getfixturevalue("database_url")
    ledger = PromptLedger(lambda: url, products=PRODUCTS)
    begin(ledger)
    reader = PostgresTieOutBooks(lambda: url)
    yield ledger, reader
    reader.close()
    ledger.close()


def begin(ledger: Ledger) -> None:
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))


def read(
    reader: TieOutBooks,
    *,
    since: float = 0,
    until: float = 100,
    account: Account = NOTHING,
    references: tuple[str, ...] = (),
) -> Books:
    return reader.read(at(since), at(until), account=account, references=references)


def difference(ours: str = "1", theirs: str = "2", subject: str = "t1") -> Difference:
    return Difference(
        kind=DifferenceKind.EXECUTION_DIFFERS,
        subject=subject,
        ours=ours,
        theirs=theirs,
        detail="d",
    )


def noted(when: float, each: Difference, resolution: str | None = None) -> DifferenceNoted:
    return DifferenceNoted(at=at(when), difference=each, resolution=resolution)


def moved_cash(reference: str, amount: str, currency: str = "USD") -> CashMoved:
    return CashMoved(
        at=at(5),
        reference=reference,
        currency=currency,
        amount=Decimal(amount),
        kind=CashKind.DEPOSIT if Decimal(amount) > 0 else CashKind.WITHDRAWAL,
        evidence=(("before", "1"), ("after", "2")),
        inferred=True,
    )


def done(
    when: float, checkpoint: Checkpoint | None, verdict: Verdict = Verdict.CLEAN
) -> TieOutDone:
    return TieOutDone(
        at=at(when),
        verdict=verdict,
        fills=1,
        orders=2,
        balances=3,
        differences=0,
        detail="",
        checkpoint=checkpoint,
        opened_at=at(1),
    )


def test_an_empty_ledger_has_nothing_to_begin_with(both: tuple[Ledger, TieOutBooks]) -> None:
    start = both[1].start()
    assert (start.checkpoint, start.oldest, start.differences) == (None, None, ())
    books = read(both[1])
    assert (books.executions, books.orders, books.flows, books.movements) == ((), (), {}, {})


def test_executions_orders_and_flows_are_read_in_decimals(both: tuple[Ledger, TieOutBooks]) -> None:
    ledger, reader = both
    bought, sold = entry("e1"), exit_of("x1", "e1", size=400)
    for intent in (bought, sold):
        ledger.write_intent(intent)
    ledger.write(
        [
            moved(bought, Move.ACCEPTED, when=2, order_id="o1"),
            fill_of(bought, "t1", when=3),
            moved(sold, Move.ACCEPTED, when=4, order_id="o2"),
            fill_of(sold, "t2", size=150, fee="0.01", when=200),
        ]
    )
    outside = Execution(
        trade_id="t2",
        client_id="x1",
        symbol=SYMBOL,
        side=Side.SELL,
        price=Decimal("0.1"),
        size=Decimal("1.5"),
        fee=Decimal("0.01"),
        liquidity=Liquidity.MAKER,
        at=at(200),
    )
    account = Account(
        executions=(outside, replace(outside, trade_id="f1", client_id="hand")),
        orders=(),
        totals={},
    )
    books = read(reader, account=account)
    (inside,) = books.executions
    assert inside.text() == "TNSR-USD BUY 10 at 0.099, fee 0.2475, order e1"
    assert (inside.at, inside.liquidity) == (at(3), Liquidity.MAKER)
    assert books.by_id == {"t2": outside}
    assert books.known == {"x1": at(4)}
    assert books.orders == (
        LiveOrder(
            client_id="x1",
            symbol=SYMBOL,
            filled=Decimal("1.5"),
            heard_at=books.orders[0].heard_at,
            is_open=True,
        ),
    )
    assert books.flows == {
        SYMBOL: Flow(fills=2, base=Decimal("8.5"), quote=Decimal("-0.99") + Decimal("-0.1075"))
    }
    assert reader.start().oldest == at(3)


def test_a_difference_is_open_until_it_is_resolved(both: tuple[Ledger, TieOutBooks]) -> None:
    ledger, reader = both
    one, other = difference(), difference(subject="t2")
    ledger.write([noted(1, one), noted(1, other), noted(2, one)])
    assert set(reader.start().differences) == {one, other}
    # In one batch too, what is told last holds.
    ledger.write([noted(3, one, "agrees"), noted(4, one), noted(5, other, "agrees")])
    assert reader.start().differences == (one,)
    assert read(reader).differences == (one,)


def test_movements_add_up_by_currency_and_are_stored_once(both: tuple[Ledger, TieOutBooks]) -> None:
    ledger, reader = both
    first = moved_cash("a", "10")
    ledger.write([first, moved_cash("b", "-2.5"), moved_cash("c", "7", "X")])
    ledger.write([first])
    books = read(reader, references=("a", "nobody"))
    assert books.movements == {"USD": Decimal("7.5"), "X": Decimal(7)}
    assert books.stored == frozenset({"a"})
    with pytest.raises(FactsRefused):
        ledger.write([moved_cash("a", "11")])
    with pytest.raises(FactsRefused):
        ledger.write([replace(moved_cash("z", "1"), amount=Decimal(0))])


def test_the_window_goes_on_where_the_last_conclusion_left_it(
    both: tuple[Ledger, TieOutBooks],
) -> None:
    ledger, reader = both
    flows = {SYMBOL: Flow(fills=3, base=Decimal("1.5"), quote=Decimal("-0.123456789"))}
    ledger.write(
        [
            done(10, Checkpoint(since=at(5), flows={})),
            done(20, Checkpoint(since=at(15), flows=flows)),
            done(30, None, Verdict.INCONCLUSIVE),
        ]
    )
    assert reader.start().checkpoint == Checkpoint(since=at(15), flows=flows)
    assert (read(reader).opened_at, read(reader).checkpoint) == (at(1), reader.start().checkpoint)


def test_balances_are_kept_as_they_were_seen(both: tuple[Ledger, TieOutBooks]) -> None:
    ledger, _ = both
    seen = BalanceSeen(at=at(1), currency="USD", available=Decimal("9.5"), hold=Decimal("0.5"))
    ledger.write([seen, replace(seen, at=at(2))])
    ledger.write([seen])


def test_nothing_is_read_while_the_ledger_is_away() -> None:
    ledger = PromptMemory()
    ledger.available = False
    with pytest.raises(LedgerUnavailable):
        ledger.tie_out_books(PRODUCTS).start()


# --- on PostgreSQL ------------------------------------------------------------------------------


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall()
    connection.close()
    return found


def test_both_sides_stay_as_evidence_when_the_difference_becomes_another(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    begin(postgres_ledger)
    one, other = difference("1", "2"), difference("1", "3")
    notes = [noted(1, one), noted(2, one), noted(3, other), noted(4, other, "agrees")]
    postgres_ledger.write(notes)
    postgres_ledger.write(notes)  # told again: nothing happens twice
    found = query(
        database_url, "SELECT ours, theirs, times, resolution FROM differences ORDER BY id"
    )
    assert found == [("1", "2", 2, "other evidence"), ("1", "3", 1, "agrees")]


def test_flows_of_executions_from_before_they_were_kept_are_summed_up_by_the_migration(
    empty_url: str,
) -> None:
    ledger = PromptLedger(lambda: empty_url, products=PRODUCTS)
    begin(ledger)
    ledger.write_intent(entry("e1"))
    ledger.write([fill_of(entry("e1"), "t1", size=30), fill_of(entry("e1"), "t2", size=70)])
    ledger.close()
    before = query(empty_url, "SELECT * FROM flows")
    migrate.downgrade(empty_url, revision="0002")
    migrate.upgrade(empty_url)
    assert query(empty_url, "SELECT * FROM flows") == before
    assert [row[:3] for row in before] == [(SYMBOL, 2, Decimal("1.00"))]
