"""What the risk guard reads is the same in memory and in PostgreSQL, and what it stores comes back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from quietmaker.core.breakers import Breaker, BreakerState, Phase
from quietmaker.core.equity import Equity
from quietmaker.core.evidence import CashKind
from quietmaker.core.findings import CashMoved
from quietmaker.core.risk_desk import BreakerMoved, EquitySeen
from quietmaker.core.units import Instant
from quietmaker.ledger.memory_risk import MemoryRiskBooks
from quietmaker.ledger.risk_books import PostgresRiskBooks
from quietmaker.ports import Ledger, RiskBooks
from tests.ledger.makers import PRODUCTS, SYMBOL, at, entry, exit_of, fill_of
from tests.ledger.prompt import PromptMemory

Opened = tuple[Ledger, RiskBooks]


@pytest.fixture
def books(ledger: Ledger, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Return a ledger with a run, and its books as the guard reads them."""
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    if isinstance(ledger, PromptMemory):
        yield ledger, MemoryRiskBooks(ledger, PRODUCTS)
        return
    url = request.getfixturevalue("database_url")
    made = PostgresRiskBooks(lambda: url)
    yield ledger, made
    made.close()


def trip(ledger: Ledger, name: str, *, price: int, when: float, size: int = 1000) -> None:
    """Buy 10 at 0.099 and sell `size` lots of it at a price, 0.2475 of fees each."""
    bought = entry(f"e{name}", when=when)
    ledger.write_intent(bought)
    ledger.write([fill_of(bought, f"{name}-in", when=when + 1)])
    sold = exit_of(f"x{name}", f"e{name}", price=price, size=size, when=when + 2)
    ledger.write_intent(sold)
    ledger.write([fill_of(sold, f"{name}-out", size=size, when=when + 3)])


def cash(reference: str, amount: str, currency: str = "USD") -> CashMoved:
    return CashMoved(
        at=at(0),
        reference=reference,
        currency=currency,
        amount=Decimal(amount),
        kind=CashKind.DEPOSIT if Decimal(amount) > 0 else CashKind.WITHDRAWAL,
        evidence=(),
        inferred=True,
    )


def moved(when: float, phase: Phase, scope: str | None = SYMBOL) -> BreakerMoved:
    state = BreakerState(
        breaker=Breaker.DAILY_LOSS,
        phase=phase,
        armed_at=at(when),
        until=at(when + 60) if phase is Phase.TRIPPED else Instant(0),
        trips=2,
        reason="lost 6 of 5 today (risk.max_daily_loss)",
    )
    return BreakerMoved(at=at(when), scope=scope, state=state)


def test_results_count_from_the_moment_that_is_asked_for(books: Opened) -> None:
    ledger, reads = books
    trip(ledger, "a", price=1000, when=0)  # +0.01 * 10 - 0.495 of fees
    trip(ledger, "b", price=980, when=100)
    said = reads.results({SYMBOL: at(50)}, account_since=at(0), recent=10)
    assert said.lost == {SYMBOL: Decimal("-0.505")}
    assert said.account == {"USD": Decimal("-0.990")}
    assert said.total == {"USD": Decimal("-0.990")}
    assert [net for _, net in said.recent[SYMBOL]] == [Decimal("-0.505"), Decimal("-0.485")]
    assert not any(said.open.values())
    assert not any(said.held.values())


def test_what_was_closed_of_an_open_position_counts_and_so_does_what_is_held(books: Opened) -> None:
    ledger, reads = books
    trip(ledger, "a", price=1000, size=400, when=0)
    said = reads.results({SYMBOL: at(0)}, account_since=at(0), recent=10)
    assert said.held == {SYMBOL: Decimal(6)}
    assert said.open[SYMBOL] == Decimal("0.004") - Decimal("0.2475") * 4 / 10 - Decimal("0.2475")
    assert not any(said.lost.values())


def test_capital_is_what_came_less_what_went(books: Opened) -> None:
    ledger, reads = books
    ledger.write([cash("1", "1000"), cash("2", "-300"), cash("3", "5", "TNSR")])
    said = reads.results({SYMBOL: at(0)}, account_since=at(0), recent=10)
    assert said.capital == {"USD": Decimal(700), "TNSR": Decimal(5)}


def test_of_many_results_the_latest_are_told(books: Opened) -> None:
    ledger, reads = books
    for number in range(4):
        trip(ledger, str(number), price=1000 + number, when=10 * number)
    said = reads.results({SYMBOL: at(0)}, account_since=at(0), recent=2)
    assert [when for when, _ in said.recent[SYMBOL]] == [at(33), at(23)]


def test_breakers_and_equities_come_back_as_they_were_last_stored(books: Opened) -> None:
    ledger, reads = books
    equity = Equity(capital=Decimal(1000), result=Decimal("-3.5"), peak=Decimal(1002))
    halted, account = moved(3, Phase.HALTED), moved(4, Phase.TRIPPED, scope=None)
    ledger.write([moved(1, Phase.TRIPPED), moved(2, Phase.ARMED), halted, account])
    ledger.write([EquitySeen(at=at(1), money="USD", equity=equity.earned(Decimal(1)))])
    ledger.write([EquitySeen(at=at(2), money="USD", equity=equity)])
    memory = reads.remembered()
    assert memory.states == {
        (SYMBOL, Breaker.DAILY_LOSS): halted.state,
        (None, Breaker.DAILY_LOSS): account.state,
    }
    assert memory.equities == {"USD": equity}


def test_a_recovery_knows_the_latest_day_and_its_result(books: Opened) -> None:
    ledger, _ = books
    assert ledger.books(PRODUCTS).symbols[SYMBOL].latest is None
    trip(ledger, "a", price=1000, when=-86_400)
    trip(ledger, "b", price=1000, when=0)
    trip(ledger, "c", price=980, when=100)
    day = at(0) // (86_400 * 10**9)
    assert ledger.books(PRODUCTS).symbols[SYMBOL].latest == (day, Decimal("-0.990"))


def test_the_last_word_recorded_stands_whatever_the_clock_did(books: Opened) -> None:
    ledger, reads = books
    ledger.write([moved(100, Phase.ARMED)])
    ledger.write([moved(3, Phase.HALTED)])
    assert reads.remembered().states[SYMBOL, Breaker.DAILY_LOSS].phase is Phase.HALTED


def test_what_is_told_twice_is_stored_once(books: Opened) -> None:
    ledger, reads = books
    ledger.write([moved(1, Phase.TRIPPED)])
    ledger.write([moved(1, Phase.TRIPPED)])
    assert len(reads.remembered().states) == 1
