"""Decimal text to whole increments, exactly: what every wire decoder does with prices and sizes.

The common case (plain digits, an increment that is a power of ten) costs one split and one `int`.
Everything else (exponents, signs, increments such as 0.05) goes through `Decimal` and is as exact.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from quietmaker.core.product import OffGridError

_MOST_DIGITS: Final = 40
"""Longer numbers are no prices or sizes; refusing them bounds the work that a line can ask for."""


class NumberError(ValueError):
    """Text that is not a finite, non-negative decimal number of sensible length."""


def number(text: str) -> Decimal:
    """Convert decimal text to a finite, non-negative `Decimal`.

    Raises:
        NumberError: if it is anything else.
    """
    if len(text) > _MOST_DIGITS or not text.isascii() or "_" in text or text != text.strip():
        raise NumberError(f"{text[:_MOST_DIGITS]!r} is not a decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise NumberError(f"{text!r} is not a decimal number") from None
    if not value.is_finite() or value < 0 or abs(value.adjusted()) > _MOST_DIGITS:
        raise NumberError(f"{text!r} is not a finite non-negative number")
    return value


class Grid:
    """The multiples of one increment.

    Attributes:
        increment: the increment itself.
        decimals: of the increment; 0 for whole numbers.
        step: the increment in units of its last decimal: 5 for 0.05, 1 for powers of ten.
    """

    __slots__ = ("decimals", "increment", "step")

    def __init__(self, increment: Decimal) -> None:
        """Prepare for an increment.

        Raises:
            ValueError: if it is not positive and finite.
        """
        if not increment.is_finite() or increment <= 0:
            raise ValueError(f"an increment must be positive, not {increment}")
        self.increment = increment
        _, digits, exponent = increment.normalize().as_tuple()
        assert isinstance(exponent, int)
        self.decimals = max(0, -exponent)
        self.step = int("".join(map(str, digits)) + "0" * max(0, exponent))

    def units(self, text: str) -> int:
        """Convert decimal text to a whole number of increments.

        Raises:
            NumberError: if the text is not a finite non-negative number.
            OffGridError: if it is not a multiple of the increment.
        """
        whole, _, part = text.partition(".")
        missing = self.decimals - len(part)
        if missing < 0:  # recorders pad with zeros: "61737.63000000" on a tick of 0.01
            part = part.rstrip("0")
            missing = self.decimals - len(part)
        digits = whole + part
        if missing < 0 or len(text) > _MOST_DIGITS or not digits.isdigit() or not digits.isascii():
            return self.of(number(text))
        scaled = int(digits + "0" * missing)
        if self.step == 1:
            return scaled
        count, rest = divmod(scaled, self.step)
        if rest:
            raise OffGridError(f"{text} is not a multiple of {self.increment}")
        return count

    def of(self, value: Decimal) -> int:
        """Convert a value to a whole number of increments.

        Raises:
            OffGridError: if it is not a multiple of the increment.
        """
        numerator, denominator = value.as_integer_ratio()
        top, bottom = self.increment.as_integer_ratio()
        count, rest = divmod(numerator * bottom, denominator * top)
        if rest:
            raise OffGridError(f"{value} is not a multiple of {self.increment}")
        return count
