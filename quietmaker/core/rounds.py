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
from quietmaker.core.units import EXACT, PPB, ROUNDED, ZERO, Instant, Lots, Rate, Side


class RoundTripBuilder:
    """Adds up what was closed since the position opened."""

    __slots__ = ("_parts", "id", "opened_at")

    def __init__(self, *, round_trip: str, opened_at: Instant) -> None:
        """Begin a round trip, named by the client id of the entry that opened it."""
        self.id = round_trip
        self.opened_at = opened_at
        self._parts: list[Closed] = []

    @property
    def lots(self) -> int:
        """Return the lots closed so far."""
        return sum(part.lot.lots for part in self._parts)

    def add(self, parts: Iterable[Closed]) -> None:
        """Count closed units."""
        self._parts.extend(parts)

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
        if not self._parts:
            raise ValueError(f"round trip {self.id} closed nothing")
        entry = self._parts[0].lot.entry
        split = _Split(product, self._parts)
        exits = {part.exit_trade: part.exit_maker for part in self._parts}
        entries = {part.lot.trade_id: part.lot.maker for part in self._parts}
        makers = sum(exits.values()) + sum(entries.values())
        return RoundTrip(
            id=self.id,
            symbol=product.symbol,
            entry=entry,
            lots=Lots(self.lots),
            opened_at=self.opened_at,
            closed_at=Instant(max(part.at for part in self._parts)),
            exit_reason=reason,
            entry_value=split.entry_value,
            exit_value=split.exit_value,
            fees=split.fees,
            spread_captured=split.spread,
            price_move=EXACT.subtract(split.gross, split.spread),
            net=split.net,
            net_return=_as_rate(split.net, split.entry_value),
            maker_fills=makers,
            taker_fills=len(exits) + len(entries) - makers,
            dust=Lots(dust),
            closing_order=closing_order,
            strategy_tag=strategy_tag,
            config_sha=config_sha,
        )


class _Split:
    """The sums over closed units, in quote."""

    __slots__ = ("entry_value", "exit_value", "fees", "gross", "net", "spread")

    def __init__(self, product: Product, parts: list[Closed]) -> None:
        entry = exit_ = twice_spread = 0
        fees = ZERO
        for part in parts:
            lot, size = part.lot, part.lot.lots
            entry += lot.price * size
            exit_ += part.exit_price * size
            fees = EXACT.add(fees, EXACT.add(lot.fee, part.exit_fee))
            captured = (lot.twice_mid - 2 * lot.price) + (2 * part.exit_price - part.exit_twice_mid)
            twice_spread += lot.entry.sign * captured * size
        sign = parts[0].lot.entry.sign
        self.entry_value = product.notional(entry, 1)
        self.exit_value = product.notional(exit_, 1)
        self.gross = product.notional(sign * (exit_ - entry), 1)
        self.spread = EXACT.multiply(product.notional(twice_spread, 1), Decimal("0.5"))
        self.fees = fees
        self.net = EXACT.subtract(self.gross, fees)


def net_of(parts: Iterable[Closed], product: Product) -> Decimal:
    """Return the net result of closed units in quote: the one P&L function."""
    held = list(parts)
    return _Split(product, held).net if held else ZERO


def unrealised(
    product: Product, *, entry: Side, cost: int, fees: Decimal, lots: int, price: int
) -> Decimal:
    """Return what leaving a position at a price would earn before the exit fee, in quote."""
    gross = product.notional(entry.sign * (price * lots - cost), 1)
    return EXACT.subtract(gross, fees)


def _as_rate(net: Decimal, value: Decimal) -> Rate:
    if not value:
        return Rate(0)
    return Rate(int(ROUNDED.divide(ROUNDED.multiply(net, Decimal(PPB)), value)))
