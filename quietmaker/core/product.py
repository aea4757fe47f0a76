"""A product: the one place where decimal prices and sizes become ticks and lots, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from quietmaker.core.units import EXACT, Lots, Ticks, times


class OffGridError(ValueError):
    """A price or size that is not a whole number of the product's increments."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """What the exchange says of one product.

    Attributes:
        symbol: Coinbase's product id, such as ``TNSR-USD``.
        base: the currency that is bought and sold.
        quote: the currency in which it is priced and fees are paid.
        tick: price increment, in quote per base.
        lot: size increment, in base.
        min_size: least order size, in base.
        max_size: greatest order size, in base.
        min_notional: least order value (price times size), in quote.
        untradable: why orders are not taken now (``delisted``, ``cancel_only`` ...); empty when they are.
        tick_value: quote value of one tick on one lot: notional is ticks times lots times this.
        tick_value_ratio: the tick value as an integer ratio.
        min_lots: least order size in lots, rounded up.
        max_lots: greatest order size in lots, rounded down.
        min_value: least order value in tick-lots, rounded up.
    """

    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_size: Decimal
    max_size: Decimal
    min_notional: Decimal
    untradable: str
    tick_value: Decimal = field(init=False, repr=False, compare=False)
    tick_value_ratio: tuple[int, int] = field(init=False, repr=False, compare=False)
    min_lots: Lots = field(init=False, repr=False, compare=False)
    max_lots: Lots = field(init=False, repr=False, compare=False)
    min_value: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse increments that no price or size could be a multiple of; derive the rest once."""
        if self.tick <= 0 or self.lot <= 0:
            raise ValueError(f"{self.symbol}: tick {self.tick} and lot {self.lot} must be positive")
        tick_value = times(self.tick, self.lot)
        derive = object.__setattr__  # the class is frozen
        derive(self, "tick_value", tick_value)
        derive(self, "tick_value_ratio", tick_value.as_integer_ratio())
        derive(self, "min_lots", Lots(_ceil_div(self.min_size, self.lot)))
        derive(self, "max_lots", Lots(int(EXACT.divide_int(self.max_size, self.lot))))
        derive(self, "min_value", _ceil_div(self.min_notional, tick_value))

    def ticks(self, price: Decimal) -> Ticks:
        """Convert a price to ticks.

        Raises:
            OffGridError: if it is not a whole number of ticks.
        """
        return Ticks(_whole(price, self.tick, self.symbol, "price"))

    def lots(self, size: Decimal) -> Lots:
        """Convert a size to lots.

        Raises:
            OffGridError: if it is not a whole number of lots.
        """
        return Lots(_whole(size, self.lot, self.symbol, "size"))

    def floor_lots(self, size: Decimal) -> Lots:
        """Convert a size to lots, rounded down."""
        return Lots(int(size // self.lot))

    def price(self, ticks: Ticks | int) -> Decimal:
        """Convert ticks to a price."""
        return times(Decimal(ticks), self.tick)

    def size(self, lots: Lots | int) -> Decimal:
        """Convert lots to a size."""
        return times(Decimal(lots), self.lot)

    def notional(self, ticks: Ticks | int, lots: Lots | int) -> Decimal:
        """Return the exact value of ``lots`` at ``ticks``, in quote."""
        return times(Decimal(ticks * lots), self.tick_value)

    def value_up(self, amount: Decimal) -> int:
        """Convert an amount of quote currency to whole tick-lots, rounded up."""
        return _ceil_div(amount, self.tick_value)

    def least_lots(self, ticks: Ticks | int) -> Lots:
        """Return the least size the exchange takes at a price: minimum size and minimum notional."""
        by_value = -(-self.min_value // max(ticks, 1))  # rounding up twice is rounding up once
        return Lots(max(self.min_lots, by_value, 1))


def _ceil_div(amount: Decimal, unit: Decimal) -> int:
    # Decimal's // truncates towards zero, so that -(-a // b) does not round up as it does for ints.
    count, rest = EXACT.divmod(amount, unit)
    return int(count) + (rest > 0)


def _whole(value: Decimal, increment: Decimal, symbol: str, what: str) -> int:
    count = int(value // increment)
    if times(Decimal(count), increment) != value:
        raise OffGridError(f"{symbol}: {what} {value} is not a multiple of {increment}")
    return count
