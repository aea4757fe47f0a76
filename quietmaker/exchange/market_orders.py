"""Market orders: priced on arrival, at what the market then displays.

A market order is an immediate-or-cancel order up to the price of the worst level that it needs, so
that it holds no more than it can cost. Beyond ten percent from the touch it takes nothing (Coinbase's
protection point). A buy for an amount of quote spends at most that amount, fees included; where it
walks through several levels, each lot is budgeted at the price of the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, Lots, Side, Ticks
from quietmaker.exchange.refusals import Refusal, check_product
from quietmaker.exchange.venue import Venue

PROTECTION: Final = 10
"""Percent of the touch that a market order may reach beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketOrder:
    """An order at whatever the market asks.

    Attributes:
        intent: everything but the price, immediate or cancel; of a buy for quote, the size neither.
        quote: what a buy may cost at most; None when the intent's size says how much.
    """

    intent: Intent
    quote: Decimal | None

    def priced(self, product: Product, venue: Venue, hold_factor: Decimal) -> Intent | Refusal:
        """Return the order as it arrives in this market.

        Args:
            product: what is ordered; it may be an alias of the venue's.
            venue: the market.
            hold_factor: what a lot costs, fee included, as a multiple of its value.
        """
        refusal = check_product(product) or (None if venue.seen else Refusal.NO_BOOK)
        if refusal is not None:
            return refusal
        levels = venue.takeable(self.intent.side, _protection(self.intent.side, venue))
        if not levels:
            return Refusal.NO_LIQUIDITY
        if self.quote is None:
            return replace(self.intent, price=Ticks(_worst(levels, self.intent.size)))
        price, size = _affordable(levels, product, self.quote, hold_factor)
        return replace(self.intent, price=Ticks(price), size=Lots(size))


def _protection(side: Side, venue: Venue) -> int:
    if side is Side.BUY:
        return venue.ask * (100 + PROTECTION) // 100
    return -(-venue.bid * (100 - PROTECTION) // 100)


def _worst(levels: Sequence[tuple[int, int]], size: int) -> int:
    """Return the price of the level at which an order of this size is filled, or of the last."""
    for price, lots in levels:
        size -= lots
        if size <= 0:
            return price
    return levels[-1][0]


def _affordable(
    levels: Sequence[tuple[int, int]], product: Product, quote: Decimal, hold_factor: Decimal
) -> tuple[int, int]:
    """Return the price and the most lots that the amount buys when each costs the last level's price."""
    best = (levels[0][0], 0)
    standing = 0
    for price, lots in levels:
        standing += lots
        each = EXACT.multiply(EXACT.multiply(Decimal(price), product.tick_value), hold_factor)
        affordable = int(quote // each)
        if affordable <= standing:
            return max(best, (price, affordable), key=_lots)
        best = (price, standing)
    # The amount is worth more than the market displays: what is left of it will be cancelled.
    return best[0], affordable


def _lots(plan: tuple[int, int]) -> int:
    return plan[1]
