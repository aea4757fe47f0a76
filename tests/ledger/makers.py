"""Messages for the ledger's tests: one product, times in seconds, every field that matters by keyword."""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.commands import CancelReason, DustLeft, RoundTrip
from quietmaker.core.orders import ExitReason, Fill, Intent, Move, Purpose, TimeInForce
from quietmaker.core.positions import Closed, replay
from quietmaker.core.product import Product
from quietmaker.core.rounds import RoundTripBuilder
from quietmaker.core.units import SECOND, Instant, Liquidity, Lots, Nanos, Side, Ticks
from quietmaker.ports import FillMarked, OrderFact

SYMBOL = "TNSR-USD"
PRODUCT = Product(
    symbol=SYMBOL,
    base="TNSR",
    quote="USD",
    tick=Decimal("0.0001"),
    lot=Decimal("0.01"),
    min_size=Decimal("1"),
    max_size=Decimal("1000000"),
    min_notional=Decimal("1"),
    untradable="",
)
PRODUCTS = {SYMBOL: PRODUCT}
EPOCH = 1_700_000_000


def at(seconds: float) -> Instant:
    """Return a moment, in seconds after a fixed day."""
    return Instant(EPOCH * SECOND + int(seconds * SECOND))


def entry(
    client_id: str, *, side: Side = Side.BUY, price: int = 990, size: int = 1000, when: float = 0.0
) -> Intent:
    """Return a post-only entry."""
    return Intent(
        client_id=client_id,
        symbol=SYMBOL,
        side=side,
        price=Ticks(price),
        size=Lots(size),
        post_only=True,
        time_in_force=TimeInForce.GTC,
        expire_at=None,
        purpose=Purpose.ENTRY,
        exit_reason=None,
        strategy_tag="passive-v1",
        passive_order_id=client_id,
        decided_at=at(when),
        bid=Ticks(985),
        ask=Ticks(1001),
        inputs=(("volatility", "0.013"), ("bid_size", "10"), ("a", "first comes second")),
        config_sha="c0ffee",
    )


def exit_of(
    client_id: str,
    opened_by: str,
    *,
    reason: ExitReason = ExitReason.BREAK_EVEN_PLUS,
    side: Side = Side.SELL,
    price: int = 1000,
    size: int = 1000,
    when: float = 1.0,
) -> Intent:
    """Return a bounded exit that expires."""
    return Intent(
        client_id=client_id,
        symbol=SYMBOL,
        side=side,
        price=Ticks(price),
        size=Lots(size),
        post_only=True,
        time_in_force=TimeInForce.GTD,
        expire_at=at(when + 60),
        purpose=Purpose.EXIT,
        exit_reason=reason,
        strategy_tag="passive-v1",
        passive_order_id=opened_by,
        decided_at=at(when),
        bid=Ticks(985),
        ask=Ticks(1001),
        inputs=(),
        config_sha="c0ffee",
    )


def fill_of(
    intent: Intent,
    trade_id: str,
    *,
    size: int | None = None,
    price: int | None = None,
    fee: str = "0.2475",
    when: float = 2.0,
    liquidity: Liquidity = Liquidity.MAKER,
) -> Fill:
    """Return an execution of an order, all of it unless said otherwise."""
    return Fill(
        trade_id=trade_id,
        client_id=intent.client_id,
        symbol=intent.symbol,
        side=intent.side,
        price=Ticks(price) if price is not None else intent.price,
        size=Lots(size) if size is not None else intent.size,
        fee=Decimal(fee),
        liquidity=liquidity,
        at=at(when),
    )


def moved(
    intent: Intent,
    what: Move | str,
    *,
    when: float = 1.0,
    order_id: str | None = None,
    filled: int | None = None,
    cancel_reason: CancelReason | None = None,
) -> OrderFact:
    """Return an event of an order."""
    return OrderFact(
        at=at(when),
        client_id=intent.client_id,
        symbol=intent.symbol,
        what=what.value if isinstance(what, Move) else what,
        order_id=order_id,
        reason="",
        cancel_reason=cancel_reason,
        filled=Lots(filled) if filled is not None else None,
    )


def dust_left(after: str, lots: int, *, when: float = 5.0) -> DustLeft:
    """Return the trader's word that a round trip was over after an execution, and left this much."""
    return DustLeft(symbol=SYMBOL, now=at(when), trade_id=after, lots=Lots(lots))


def mark(trade_id: str, twice_mid: int, *, seconds: int = 0) -> FillMarked:
    """Return the market some time after a fill."""
    horizon = Nanos(seconds * SECOND)
    return FillMarked(trade_id=trade_id, symbol=SYMBOL, horizon=horizon, twice_mid=twice_mid)


def trip_of(fills: list[Fill], *, opened_by: str, closed_by: str, reason: ExitReason) -> RoundTrip:
    """Return the round trip that fills make, by the core's own arithmetic."""
    parts: tuple[Closed, ...]
    _, parts = replay((fill, 985 + 1001) for fill in fills)
    builder = RoundTripBuilder(round_trip=opened_by, opened_at=min(fill.at for fill in fills))
    builder.add(parts)
    return builder.finish(
        PRODUCT,
        reason=reason,
        closing_order=closed_by,
        strategy_tag="passive-v1",
        config_sha="c0ffee",
        dust=0,
    )
