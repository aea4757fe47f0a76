"""A small market and account to match against, and shorthand for orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import Fill, Intent, Move, Purpose, TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Nanos, Rate, Side, Ticks, rate
from quietmaker.exchange.answers import CancelAnswer, Result, SubmitAnswer
from quietmaker.exchange.latency import INSTANT, Latency
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.models import FILL_MODELS, FillModel
from quietmaker.exchange.orders import Order
from quietmaker.exchange.venue import Venue
from quietmaker.ports import Accepted, CancelOutcome, Rejected, UserFill, UserOrder

SYMBOL = "TNSR-USD"
FEES = FeeRates(maker=rate("0.0025"), taker=rate("0.004"))
LONG_AGO = Instant(10**18)

PRODUCT = Product(
    symbol=SYMBOL,
    base="TNSR",
    quote="USD",
    tick=Decimal("0.001"),
    lot=Decimal("0.1"),
    min_size=Decimal("0.1"),
    max_size=Decimal(1_000_000),
    min_notional=Decimal("0.01"),
    untradable="",
)
OTHER = replace(PRODUCT, symbol="AERO-USD", base="AERO")
BALANCES: Mapping[str, Decimal] = {"USD": Decimal(1000), "TNSR": Decimal(1000)}


def intent(
    client_id: str,
    side: Side,
    price: int,
    size: int,
    *,
    symbol: str = SYMBOL,
    post_only: bool = True,
    time_in_force: TimeInForce = TimeInForce.GTC,
    expire_at: int | None = None,
) -> Intent:
    """Return an order with the fields that matching looks at."""
    return Intent(
        client_id=client_id,
        symbol=symbol,
        side=side,
        price=Ticks(price),
        size=Lots(size),
        post_only=post_only,
        time_in_force=time_in_force,
        expire_at=None if expire_at is None else Instant(expire_at),
        purpose=Purpose.ENTRY,
        exit_reason=None,
        strategy_tag="passivemm",
        passive_order_id=client_id,
        decided_at=Instant(0),
        bid=Ticks(1),
        ask=Ticks(2),
        inputs=(),
        config_sha="c0ffee",
    )


def buy(client_id: str, price: int, size: int, **more: object) -> Intent:
    """Return a post-only buy."""
    return replace(intent(client_id, Side.BUY, price, size), **more)  # type: ignore[arg-type]


def sell(client_id: str, price: int, size: int, **more: object) -> Intent:
    """Return a post-only sell."""
    return replace(intent(client_id, Side.SELL, price, size), **more)  # type: ignore[arg-type]


def ioc(client_id: str, side: Side, price: int, size: int) -> Intent:
    """Return a bounded taker."""
    return intent(client_id, side, price, size, post_only=False, time_in_force=TimeInForce.IOC)


def make_core(
    *,
    model: str | FillModel = "probabilistic",
    latency: Latency = INSTANT,
    product: Product = PRODUCT,
    balances: Mapping[str, Decimal] = BALANCES,
    seed: int = 7,
    retain: int = 100,
    history: int = 100,
    fees: FeeRates = FEES,
) -> MatchingCore:
    """Return a matching core with two products and a funded account."""
    return MatchingCore(
        products={product.symbol: product, OTHER.symbol: OTHER},
        balances=balances,
        fees=fees,
        model=FILL_MODELS[model] if isinstance(model, str) else model,
        latency=latency,
        seed=seed,
        session="test",
        retain=retain,
        history=history,
    )


@dataclass
class Desk:
    """A core, its first market, and everything that was heard of it."""

    core: MatchingCore
    heard: list[tuple[int, Result]] = field(default_factory=list)
    now: int = 0

    @property
    def venue(self) -> Venue:
        """Return the market of the product under test."""
        return self.core.symbol(SYMBOL)

    def run(self, until: int) -> None:
        """Let time pass and hear what is told."""
        self.now = max(self.now, until)
        while self.core.next_due <= until:
            at = self.core.next_due
            self.heard.extend((at, result) for result in self.core.advance(at))

    def touch(self, at: int, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        """Show a touch and hear what it did."""
        self.run(at)
        self.venue.on_touch(at, bid, bid_size, ask, ask_size)
        self.run(at)

    def trade(self, at: int, price: int, size: int, aggressor: Side) -> None:
        """Print a trade and hear what it did."""
        self.run(at)
        self.venue.on_trade(at, price, size, aggressor)
        self.run(at)

    def book(self, at: int, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Show a whole book."""
        self.run(at)
        self.venue.on_book_snapshot(
            at,
            [(Ticks(price), Lots(size)) for price, size in bids.items()],
            [(Ticks(price), Lots(size)) for price, size in asks.items()],
        )
        self.run(at)

    def delta(self, at: int, *changes: tuple[Side, int, int]) -> None:
        """Change levels."""
        self.run(at)
        self.venue.on_book_delta(at, [(s, Ticks(price), Lots(size)) for s, price, size in changes])
        self.run(at)

    def send(self, order: Intent | MarketOrder, at: int | None = None) -> Accepted | Rejected:
        """Send an order and return its answer once it is there (latency must be 0)."""
        at = self.now if at is None else at
        ticket = self.core.submit(at, order)
        self.run(at)
        return self.answer(ticket)

    def answer(self, ticket: int) -> Accepted | Rejected:
        """Return the answer to a submit."""
        [found] = [
            r.outcome for _, r in self.heard if isinstance(r, SubmitAnswer) and r.ticket == ticket
        ]
        return found

    def cancel(self, client_id: str, at: int | None = None) -> CancelOutcome:
        """Cancel an order and return the answer (latency must be 0)."""
        at = self.now if at is None else at
        ticket = self.core.cancel(at, client_id)
        self.run(at)
        [found] = [
            r.outcome for _, r in self.heard if isinstance(r, CancelAnswer) and r.ticket == ticket
        ]
        return found

    @property
    def fills(self) -> list[Fill]:
        """Return all executions heard of."""
        return [result.fill for _, result in self.heard if isinstance(result, UserFill)]

    def filled(self, client_id: str) -> int:
        """Return the lots of an order that executed."""
        return sum(fill.size for fill in self.fills if fill.client_id == client_id)

    def moves(self, client_id: str) -> list[Move]:
        """Return what the stream told of an order."""
        return [
            result.move
            for _, result in self.heard
            if isinstance(result, UserOrder) and result.client_id == client_id
        ]

    def order(self, client_id: str) -> Order:
        """Return an order that must be known."""
        found = self.core.order(client_id)
        assert found is not None
        return found


def desk(**options: object) -> Desk:
    """Return a desk on a market of 99 x 100 with 500 lots a side."""
    ready = Desk(make_core(**options))  # type: ignore[arg-type]
    ready.touch(0, 99, 500, 100, 500)
    return ready


def latency(entry: int = 0, cancel: int = 0, response: int = 0, jitter: int = 0) -> Latency:
    """Return a latency in nanoseconds."""
    return Latency(
        entry=Nanos(entry), cancel=Nanos(cancel), response=Nanos(response), jitter=Nanos(jitter)
    )


def per_mille(maker: int, taker: int) -> FeeRates:
    """Return fee rates."""
    return FeeRates(maker=Rate(maker * 1_000_000), taker=Rate(taker * 1_000_000))
