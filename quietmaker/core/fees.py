"""Fee rates, and the prices at which a position leaves without a loss.

Break-even, exact (m, t = maker and taker rate; C = cost of the entry fills, F = fees actually paid
on them, Q = quantity). Leaving a long as maker at p yields ``p*Q*(1-m)``, so ``p >= (C+F)/(Q*(1-m))``.
Covering a short (sold first, out of inventory) costs ``p*Q*(1+m)``, so ``p <= (C-F)/(Q*(1+m))``.
A long rounds up to the tick and a short down, so that rounding never turns into a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.product import Product
from quietmaker.core.units import PPB, Liquidity, Rate, Side, Ticks, ratio, times

_MAKER: Final = Liquidity.MAKER
_BUY: Final = Side.BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """The account's rates, as the exchange states them."""

    maker: Rate
    taker: Rate

    def of(self, liquidity: Liquidity) -> Rate:
        """Return the rate that a fill of this liquidity pays."""
        return self.maker if liquidity is _MAKER else self.taker


def fee_on(notional: Decimal, fee: Rate) -> Decimal:
    """Return the exact fee on a notional, in quote."""
    return times(notional, ratio(fee))


def break_even(
    product: Product,
    *,
    entry: Side,
    cost: int,
    fees: Decimal,
    lots: int,
    exit_fee: Rate,
    profit: Rate,
) -> Ticks:
    """Return the worst exit price, in ticks, that earns at least ``profit`` on the entry cost.

    Args:
        product: gives the value of a tick on a lot.
        entry: the side that opened the position.
        cost: exact value of the entry fills, in tick-lots (sum of price times size).
        fees: fees actually paid on them, in quote.
        lots: quantity held, positive.
        exit_fee: the rate the exit will pay.
        profit: wanted net return on the cost; 0 for break-even itself.

    Raises:
        ValueError: if nothing is held.
    """
    if lots <= 0:
        raise ValueError(f"{product.symbol}: a position of {lots} lots has no break-even price")
    # All over a common denominator, so that one integer division rounds once.
    value, per_value = product.tick_value_ratio
    paid, per_paid = fees.as_integer_ratio()
    if entry is _BUY:
        need = cost * value * per_paid * (PPB + profit) + paid * per_value * PPB
        return Ticks(-(-need // (lots * value * per_paid * (PPB - exit_fee))))
    have = cost * value * per_paid * (PPB - profit) - paid * per_value * PPB
    return Ticks(have // (lots * value * per_paid * (PPB + exit_fee)))
