"""Fakes for actors that are driven by hand: a clock, an exchange that answers as told, lists to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

from actors.address import DeadLetters
from actors.base import Failure, Surroundings
from actors.board import Board
from actors.capital import AccountCaps, Capital
from quietmaker.core.evidence import Execution
from quietmaker.core.fees import FeeRates
from quietmaker.core.market import CandleBar, MarketEvent
from quietmaker.core.orders import Fill, Intent, OrderState
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, ZERO, Instant, Lots, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import (
    Accepted,
    Balance,
    CancelOutcome,
    OrderReport,
    SubmitOutcome,
    Unknown,
    UserEvent,
    UserFill,
)
from quietmaker.telemetry.metrics import Metrics
from tests.kit.makers import FEES, START, make_product

M = TypeVar("M")


class Told(Generic[M]):
    """Somebody who can be told, and remembers."""

    def __init__(self, *, there: bool = True) -> None:
        self.messages: list[M] = []
        self.there = there

    def tell(self, message: M, /) -> bool:
        if self.there:
            self.messages.append(message)
        return self.there

    def take(self) -> list[M]:
        messages, self.messages = self.messages, []
        return messages


class HandClock:
    """Time by hand, both kinds in step."""

    def __init__(self, now: int = START) -> None:
        self.at = now

    def now(self) -> Instant:
        return Instant(self.at)

    def monotonic(self) -> Nanos:
        return Nanos(self.at)

    def advance(self, nanos: int) -> Instant:
        self.at += nanos
        return self.now()


@dataclass(slots=True)
class FakeExchange:
    """Answers what the test put in; `calls` tells what was asked, in order.

    Attributes:
        down: every call raises, and a submit ends as unknown.
        sent: every order that was submitted, repetitions included.
        submits: outcomes of the next submits; accepted when empty.
        booked: executions of our orders.
        others: further executions on the account.
        meanwhile: happens while the balances are asked for.
        refusals: reasons for which cancellations are refused, by client id.
        asked_since: from when an order was last looked for, by client id.
    """

    products_now: dict[str, Product] = field(default_factory=lambda: {"X-USD": make_product()})
    orders: dict[str, OrderReport] = field(default_factory=dict)
    booked: list[UserFill] = field(default_factory=list)
    others: list[Execution] = field(default_factory=list)
    submits: list[SubmitOutcome] = field(default_factory=list)
    sent: list[Intent] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    bars: tuple[CandleBar, ...] = ()
    money: dict[str, Balance] = field(default_factory=dict)
    rates: FeeRates = FEES
    down: bool = False
    calls: list[tuple[str, Any]] = field(default_factory=list)
    clock: HandClock = field(default_factory=HandClock)
    skew: int = 0
    meanwhile: Callable[[], None] = lambda: None
    asked_since: dict[str, Instant] = field(default_factory=dict)

    def _called(self, what: str, arg: Any = None) -> None:
        self.calls.append((what, arg))
        if self.down:
            raise QuietmakerError("the exchange cannot be reached")

    def submit(self, intent: Intent) -> SubmitOutcome:
        self.calls.append(("submit", intent.client_id))
        self.sent.append(intent)
        if self.down:
            return Unknown(detail="the exchange cannot be reached")
        return self.submits.pop(0) if self.submits else Accepted(order_id=f"o-{intent.client_id}")

    def cancel(self, client_ids: Sequence[str]) -> Sequence[CancelOutcome]:
        self._called("cancel", tuple(client_ids))
        return [CancelOutcome(client_id=c, reason=self.refusals.get(c)) for c in client_ids]

    def order(self, client_id: str, *, since: Instant) -> OrderReport | None:
        self._called("order", client_id)
        self.asked_since[client_id] = since
        return self.orders.get(client_id)

    def open_orders(self) -> Sequence[OrderReport]:
        self._called("open_orders")
        return [report for report in self.orders.values() if report.state is OrderState.OPEN]

    def fills(self, since: Instant) -> Sequence[UserFill]:
        self._called("fills", since)
        return [told for told in self.booked if told.fill.at >= since]

    def executions(self, since: Instant, until: Instant) -> Sequence[Execution]:
        self._called("executions", (since, until))
        told = [execution_of(each.fill, self.products_now) for each in self.booked]
        return [each for each in (*told, *self.others) if since <= each.at < until]

    def balances(self) -> Mapping[str, Balance]:
        self._called("balances")
        self.meanwhile()
        return self.money

    def products(self) -> Mapping[str, Product]:
        self._called("products")
        return self.products_now

    def fees(self) -> FeeRates:
        self._called("fees")
        return self.rates

    def candles(self, symbol: str) -> Sequence[CandleBar]:
        self._called("candles", symbol)
        return self.bars

    def time(self) -> Instant:
        self._called("time")
        return Instant(self.clock.now() + self.skew)

    def asked(self, what: str) -> list[Any]:
        """Return the arguments of the calls of one kind."""
        return [arg for name, arg in self.calls if name == what]


class FakeMarketStream:
    """A market that delivers what the test says, in the test's thread."""

    def __init__(self) -> None:
        self.tell: Callable[[MarketEvent], None] | None = None
        self.alive = True
        self.resynced: list[str] = []
        self.added: list[str] = []
        self.removed: list[str] = []
        self.stopped = False

    def start(self, listener: Callable[[MarketEvent], None]) -> None:
        self.tell = listener

    def resync(self, symbol: str) -> None:
        self.resynced.append(symbol)

    def add(self, product: Product) -> None:
        self.added.append(product.symbol)

    def remove(self, symbol: str) -> None:
        self.removed.append(symbol)

    def stop(self) -> None:
        self.tell = None
        self.stopped = True


class FakeUserStream:
    """A user stream that delivers what the test says, in the test's thread."""

    def __init__(self) -> None:
        self.tell: Callable[[UserEvent], None] | None = None
        self.alive = True
        self.stopped = False

    def start(self, listener: Callable[[UserEvent], None]) -> None:
        self.tell = listener

    def stop(self) -> None:
        self.tell = None
        self.stopped = True


def report(
    client_id: str, state: OrderState, *, filled: int = 0, symbol: str = "X-USD", reason: str = ""
) -> OrderReport:
    """Return an order as the exchange has it."""
    return OrderReport(
        order_id=f"o-{client_id}",
        client_id=client_id,
        symbol=symbol,
        state=state,
        filled=Lots(filled),
        reason=reason,
    )


def execution_of(fill: Fill, products: Mapping[str, Product]) -> Execution:
    """Return an execution of ours in decimals."""
    product = products[fill.symbol]
    return Execution(
        trade_id=fill.trade_id,
        client_id=fill.client_id,
        symbol=fill.symbol,
        side=fill.side,
        price=product.price(fill.price),
        size=product.size(fill.size),
        fee=fill.fee,
        liquidity=fill.liquidity,
        at=fill.at,
    )


def usd(available: str, hold: str = "0") -> Balance:
    """Return a balance in dollars."""
    return Balance(currency="USD", available=Decimal(available), hold=Decimal(hold))


def around(name: str, clock: HandClock, failures: list[Failure] | None = None) -> Surroundings:
    """Return what an actor is given."""
    reports = [] if failures is None else failures
    return Surroundings(
        name=name, monotonic=clock.monotonic, report=reports.append, dead=DeadLetters()
    )


def make_capital(
    products: Mapping[str, Product],
    clock: HandClock,
    *,
    board: Board | None = None,
    money: str | None = "1000000",
) -> Capital:
    """Return capital with as much of every currency; None: nobody knows how much."""
    capital = Capital(
        products,
        board or Board(),
        turn=lambda: Nanos(60 * SECOND),
        caps=lambda _: AccountCaps(exposure=Decimal(1_000_000), orders=1_000),
        now=clock.now,
    )
    capital.rates(FEES)
    if money is not None:
        currencies = {c for each in products.values() for c in (each.quote, each.base)}
        known = {c: Balance(currency=c, available=Decimal(money), hold=ZERO) for c in currencies}
        capital.observe(known, capital.mark(currencies), {})
    return capital


def make_metrics() -> Metrics:
    """Return metrics of their own registry."""
    return Metrics(version="test", revision="test", mode="paper", now=lambda: START)
