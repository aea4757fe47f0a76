"""Fee rates, and the prices at which a position leaves without a loss.

Break-even, exact (m, t = maker and taker rate; C = cost of the entry fills, F = fees actually paid
on them, Q = quantity). Leaving a long as maker at p yields ``p*Q*(1-m)``, so ``p >= (C+F)/(Q*(1-m))``.
Covering a short (sold first, out of inventory) costs ``p*Q*(1+m)``, so ``p <= (C-F)/(Q*(1+m))``.
A long rounds up to the tick and a short down, so that rounding never turns into a loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, PPB, Liquidity, Lots, Rate, Side, Ticks, ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRates:
    """The account's rates, as the exchange states them."""

    maker: Rate
    taker: Rate

    def of(self, liquidity: Liquidity) -> Rate:
        """Return the rate that a fill of this liquidity pays."""
        return self.maker if liquidity is Liquidity.MAKER else self.taker


def fee_on(notional: Decimal, fee: Rate) -> Decimal:
    """Return the exact fee on a notional, in quote."""
    return EXACT.multiply(notional, ratio(fee))


def break_even(
    product: Product,
    *,
    entry: Side,
    cost: Decimal,
    fees: Decimal,
    lots: Lots,
    exit_fee: Rate,
    profit: Rate,
) -> Ticks:
    """Return the worst exit price, in ticks, that earns at least ``profit`` on the entry cost.

    Args:
        entry: the side that opened the position.
        cost: exact value of the entry fills, in quote.
        fees: fees actually paid on them, in quote.
        lots: quantity held, positive.
        exit_fee: the rate the exit will pay.
        profit: wanted net return on ``cost``; 0 for break-even itself.
    """
    if lots <= 0:
        raise ValueError(f"{product.symbol}: a position of {lots} lots has no break-even price")
    wanted = EXACT.multiply(cost, ratio(profit))
    per_tick = EXACT.multiply(Decimal(lots), product.tick_value)
    if entry is Side.BUY:
        need = EXACT.add(EXACT.add(cost, fees), wanted)
        return Ticks(_ceil_div(need, EXACT.multiply(per_tick, ratio(Rate(PPB - exit_fee)))))
    have = EXACT.subtract(EXACT.subtract(cost, fees), wanted)
    return Ticks(_floor_div(have, EXACT.multiply(per_tick, ratio(Rate(PPB + exit_fee)))))


def _floor_div(amount: Decimal, unit: Decimal) -> int:
    n, nd = amount.as_integer_ratio()
    d, dd = unit.as_integer_ratio()
    return (n * dd) // (nd * d)


def _ceil_div(amount: Decimal, unit: Decimal) -> int:
    return -_floor_div(-amount, unit)
