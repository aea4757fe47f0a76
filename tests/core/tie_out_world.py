"""A small world for the tie-out: what happened on an account, and what both sides make of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import strategies as st

from quietmaker.core.evidence import (
    Account,
    Books,
    Checkpoint,
    Execution,
    LiveOrder,
    flows_after,
)
from quietmaker.core.tie_out import Comparison, compare
from quietmaker.core.units import SECOND, ZERO, Instant, Liquidity, Side, plus

NOW = Instant(1_800_000_000 * SECOND)
SINCE = Instant(NOW - 600 * SECOND)
OPENED = Instant(NOW - 5_000 * SECOND)
SYMBOLS = ("X-USD", "Y-USD", "X-EUR")
MARK = "qm"
CENT = Decimal("0.01")


def execution(
    trade_id: str,
    *,
    symbol: str = "X-USD",
    side: Side = Side.BUY,
    price: str = "100",
    size: str = "1",
    fee: str = "0.25",
    client_id: str = "qm1-a",
    age: float = 100,
) -> Execution:
    """Return an execution of so many seconds ago."""
    return Execution(
        trade_id=trade_id,
        client_id=client_id,
        symbol=symbol,
        side=side,
        price=Decimal(price),
        size=Decimal(size),
        fee=Decimal(fee),
        liquidity=Liquidity.MAKER,
        at=Instant(NOW - int(age * SECOND)),
    )


def live(
    client_id: str, *, filled: str = "0", age: float | None = None, is_open: bool = True
) -> LiveOrder:
    """Return an order; with an age it is one of the books."""
    heard = None if age is None else Instant(NOW - int(age * SECOND))
    return LiveOrder(
        client_id=client_id,
        symbol="X-USD",
        filled=Decimal(filled),
        heard_at=heard,
        is_open=is_open,
    )


@dataclass
class World:
    """Everything that happened; by itself, both sides agree on it.

    Attributes:
        before: executions of ours before the window.
        ours: executions of ours in the window.
        foreign: executions of others in the window.
        cash: the cash movements that the books hold.
        surprise: what came or went otherwise, by currency.
    """

    before: list[Execution] = field(default_factory=list)
    ours: list[Execution] = field(default_factory=list)
    foreign: list[Execution] = field(default_factory=list)
    cash: dict[str, Decimal] = field(
        default_factory=lambda: {"USD": Decimal(10_000), "X": Decimal(500), "Y": Decimal(50)}
    )
    surprise: dict[str, Decimal] = field(default_factory=dict)

    def books(self) -> Books:
        """Return what the ledger says."""
        return Books(
            executions=tuple(self.ours),
            orders=(),
            known={each.client_id: each.at for each in self.ours},
            flows=flows_after(flows_after({}, self.before), self.ours),
            movements=dict(self.cash),
            stored=frozenset(),
            by_id={each.trade_id: each for each in (*self.before, *self.ours)},
            opened_at=OPENED,
            checkpoint=Checkpoint(since=SINCE, flows=flows_after({}, self.before)),
            differences=(),
        )

    def account(self) -> Account:
        """Return what the exchange says."""
        totals = dict(self.cash)
        for each in (*self.before, *self.ours, *self.foreign):
            _add(totals, each.base, each.base_change)
            _add(totals, each.quote, each.quote_change)
        for currency, amount in self.surprise.items():
            _add(totals, currency, amount)
        return Account(executions=(*self.ours, *self.foreign), orders=(), totals=totals)

    def compare(self) -> Comparison:
        """Compare both as they are."""
        return tie(self.books(), self.account())


def tie(books: Books, account: Account) -> Comparison:
    """Compare at the time of the world."""
    return compare(books, account, since=SINCE, now=NOW, mark=MARK)


def _add(totals: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    totals[currency] = plus(totals.get(currency, ZERO), amount)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Return worlds with at least one execution of ours in the window."""

    def some(prefix: str, client: str, least: int, ages: tuple[int, int]) -> list[Execution]:
        count = draw(st.integers(least, 5))
        return [
            execution(
                f"{prefix}{number}",
                symbol=draw(st.sampled_from(SYMBOLS)),
                side=draw(st.sampled_from(Side)),
                price=str(draw(st.integers(1, 10_000)) * CENT),
                size=str(draw(st.integers(1, 1_000)) * CENT),
                fee=str(draw(st.integers(-50, 500)) * Decimal("1e-9")),
                client_id=f"{client}{draw(st.integers(0, 2))}",
                age=draw(st.integers(*ages)),
            )
            for number in range(count)
        ]

    return World(
        before=some("b", "qm1-", 0, (601, 4_000)),
        ours=some("t", "qm1-", 1, (6, 599)),
        foreign=some("f", "else", 0, (0, 599)),
        # Enough of everything, so that no position of ours is short of coins.
        cash={c: Decimal(1_000_000) for c in ("USD", "EUR", "X", "Y")},
    )


def changed(each: Execution, what: str) -> Execution:
    """Return an execution that differs by the smallest unit, or in its order."""
    match what:
        case "price":
            return replace(each, price=each.price + CENT)
        case "size":
            return replace(each, size=each.size + CENT)
        case "fee":
            return replace(each, fee=each.fee + Decimal("1e-9"))
        case "side":
            return replace(each, side=each.side.opposite)
        case _:
            return replace(each, client_id="qm1-other")
