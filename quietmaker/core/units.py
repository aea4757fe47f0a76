"""The units of the core: what an integer means is in its type.

Money is `Decimal` computed under `EXACT`, a context that raises rather than rounds: a sum that
does not fit is a defect to hear of, never a digit to lose.
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from enum import Enum
from typing import Final, NewType

Ticks = NewType("Ticks", int)
"""A price as a whole number of the product's price increments."""

Lots = NewType("Lots", int)
"""A size as a whole number of the product's base increments."""

Instant = NewType("Instant", int)
"""A moment: nanoseconds since 1970-01-01T00:00:00Z."""

Nanos = NewType("Nanos", int)
"""A span of time in nanoseconds."""

Rate = NewType("Rate", int)
"""A ratio (fee, spread, return) in parts per billion: 0.25 % is 2_500_000."""

PPB: Final = 1_000_000_000
SECOND: Final = Nanos(1_000_000_000)
MILLISECOND: Final = Nanos(1_000_000)
NEVER: Final = Instant(2**62 - 1)
"""Later than every event (in 2116): the deadline of something that has none. The largest number that
compiled code holds without an object."""

EXACT: Final = decimal.Context(
    prec=60,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
plus: Final = EXACT.add
minus: Final = EXACT.subtract
times: Final = EXACT.multiply
"""Exact arithmetic on money, bound once: looking a method up in a context costs more than the addition."""

ROUNDED: Final = decimal.Context(
    prec=60,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
"""For the few places where a ratio must be rounded; each says where the remainder goes."""

ZERO: Final = Decimal(0)


class Name(Enum):
    """Base of our enumerations: members hash by identity, many times faster than by name."""

    __hash__ = object.__hash__


class Side(Name):
    """The side of an order, a book level or a trade's aggressor."""

    BUY = "BUY"
    SELL = "SELL"

    sign: int
    """+1 for a buy and -1 for a sell: the direction in which inventory moves."""

    @property
    def opposite(self) -> Side:
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


Side.BUY.sign, Side.SELL.sign = 1, -1


class Liquidity(Name):
    """Whether a fill added liquidity (maker) or took it (taker)."""

    MAKER = "MAKER"
    TAKER = "TAKER"


def rate(value: Decimal | str | int) -> Rate:
    """Convert a ratio such as ``Decimal("0.0025")`` to parts per billion.

    Raises:
        ValueError: if the ratio has more than nine decimals; it would have to be rounded.
    """
    scaled = times(Decimal(value), Decimal(PPB))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{value} has more than nine decimals and cannot be a rate")
    return Rate(int(scaled))


def ratio(value: Rate) -> Decimal:
    """Convert a rate back to the ratio it stands for."""
    return EXACT.divide(Decimal(value), Decimal(PPB))


def seconds(value: Decimal | float | int | str) -> Nanos:
    """Convert a number of seconds to whole nanoseconds."""
    return Nanos(int(Decimal(str(value)) * SECOND))


def plain(value: Decimal) -> str:
    """Return a decimal with every digit, without exponent and without zeros at its end."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def add(*amounts: Decimal) -> Decimal:
    """Add amounts of money exactly.

    Raises:
        decimal.Inexact: if the sum needs more than sixty digits.
    """
    total = ZERO
    for amount in amounts:
        total = plus(total, amount)
    return total
