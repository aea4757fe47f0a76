"""Round trips: a position from its first fill to flat, and where its result came from.

gross = sum over sells of price*size - sum over buys of price*size. With the mid at each fill,
``spread_captured = sum over buys of (mid - price)*size + sum over sells of (price - mid)*size`` and
``price_move = gross - spread_captured``, so that the parts sum to the whole exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from quietmaker.core.commands import RoundTrip
from quietmaker.core.orders import ExitReason
from quietmaker.core.positions import Closed
from quietmaker.core.product import Product
from quietmaker.core.units import (
    PPB,
    ROUNDED,
    ZERO,
    Instant,
    Lots,
    Rate,
    Side,
    minus,
    plus,
    times,
)


class Sums:
    """The sums over closed units, in ticks and tick-lots; fees in quote. Memory does not grow."""

    __slots__ = (
        "_last_entry",
        "_last_exit",
        "closed_at",
        "entry",
        "exit",
        "fees",
        "fills",
        "gross",
        "lots",
        "makers",
        "sign",
        "twice_spread",
    )

    def __init__(self) -> None:
        """Start with nothing closed."""
        self.lots = self.entry = self.exit = self.gross = self.twice_spread = 0
        self.fees = ZERO
        self.sign = 0
        self.fills = self.makers = 0
        self.closed_at = 0
        self._last_entry = self._last_exit = ""

    def add(self, part: Closed) -> None:
        """Count closed units. The parts of one fill follow one another, as first in, first out has it."""
        lot, size = part.lot, part.lot.lots
        self.sign = lot.entry.sign
        self.lots += size
        self.entry += lot.price * size
        self.exit += part.exit_price * size
        self.gross += self.sign * (part.exit_price - lot.price) * size
        captured = (lot.twice_mid - 2 * lot.price) + (2 * part.exit_price - part.exit_twice_mid)
        self.twice_spread += self.sign * captured * size
        self.fees = plus(self.fees, plus(lot.fee, part.exit_fee))
        self.closed_at = max(self.closed_at, part.at)
        if lot.trade_id != self._last_entry:
            self._last_entry = lot.trade_id
            self.fills += 1
            self.makers += lot.maker
        if part.exit_trade != self._last_exit:
            self._last_exit = part.exit_trade
            self.fills += 1
            self.makers += part.exit_maker

    def net(self, product: Product) -> Decimal:
        """Return the net result in quote: the one P&L function."""
        return minus(product.notional(self.gross, 1), self.fees)


class RoundTripBuilder:
    """Adds up what was closed since the position opened.

    Attributes:
        id: client id of the entry that opened it.
        opened_at: time of its first fill.
        sums: what was closed so far.
    """

    __slots__ = ("id", "opened_at", "sums")

    def __init__(self, *, round_trip: str, opened_at: Instant) -> None:
        """Begin a round trip, named by the client id of the entry that opened it."""
        self.id = round_trip
        self.opened_at = opened_at
        self.sums = Sums()

    @property
    def lots(self) -> int:
        """Return the lots closed so far."""
        return self.sums.lots

    def add(self, parts: Iterable[Closed]) -> None:
        """Count closed units."""
        for part in parts:
            self.sums.add(part)

    def finish(
        self,
        product: Product,
        *,
        reason: ExitReason,
        closing_order: str,
        strategy_tag: str,
        config_sha: str,
        dust: int,
    ) -> RoundTrip:
        """Return the finished round trip.

        Raises:
            ValueError: if nothing was closed.
        """
        sums = self.sums
        if not sums.lots:
            raise ValueError(f"round trip {self.id} closed nothing")
        gross = product.notional(sums.gross, 1)
        spread = times(product.notional(sums.twice_spread, 1), Decimal("0.5"))
        net = sums.net(product)
        entry_value = product.notional(sums.entry, 1)
        return RoundTrip(
            id=self.id,
            symbol=product.symbol,
            entry=Side.BUY if sums.sign > 0 else Side.SELL,
            lots=Lots(sums.lots),
            opened_at=self.opened_at,
            closed_at=Instant(sums.closed_at),
            exit_reason=reason,
            entry_value=entry_value,
            exit_value=product.notional(sums.exit, 1),
            fees=sums.fees,
            spread_captured=spread,
            price_move=minus(gross, spread),
            net=net,
            net_return=_as_rate(net, entry_value),
            maker_fills=sums.makers,
            taker_fills=sums.fills - sums.makers,
            dust=Lots(dust),
            closing_order=closing_order,
            strategy_tag=strategy_tag,
            config_sha=config_sha,
        )


def net_of(parts: Iterable[Closed], product: Product) -> Decimal:
    """Return the net result of closed units in quote."""
    sums = Sums()
    for part in parts:
        sums.add(part)
    return sums.net(product)


def unrealised(
    product: Product, *, entry: Side, cost: int, fees: Decimal, lots: int, price: int
) -> Decimal:
    """Return what leaving a position at a price would earn before the exit fee, in quote."""
    gross = product.notional(entry.sign * (price * lots - cost), 1)
    return minus(gross, fees)


def _as_rate(net: Decimal, value: Decimal) -> Rate:
    if not value:
        return Rate(0)
    return Rate(int(ROUNDED.divide(ROUNDED.multiply(net, Decimal(PPB)), value)))
