"""Where entries would rest, as functions of the touch.

All prices are monotone in the touch (a higher bid or ask never lowers a wanted price): the quiet box
in `quiet.py` relies on it.
"""

from __future__ import annotations

from typing import Final

from quietmaker.core.params import QuoteParams
from quietmaker.core.units import PPB, Side

_BUY: Final = Side.BUY


def wanted_price(
    quote: QuoteParams, side: Side, level: int, *, bid: int, ask: int, skew: int, own: int | None
) -> int:
    """Return the price at which a level would rest.

    Args:
        quote: the configuration.
        side: the side to quote.
        level: 0 is nearest the touch.
        bid, ask: the touch.
        skew: ticks by which both sides move down (long inventory) or up (short).
        own: price of our own best quote on this side, when quotes improve: a touch that is our own is
            not outbid.
    """
    # Each side spelled out, without `min`, `max` or a sign: this runs several times in every decision.
    if side is _BUY:
        price = bid if own == bid else bid + quote.improve_ticks
        if price >= ask:
            price = ask - 1
        if skew > 0:
            price -= skew
        if level:
            price -= level * max(1, bid * quote.level_spacing // PPB)
    else:
        price = ask if own == ask else ask - quote.improve_ticks
        if price <= bid:
            price = bid + 1
        if skew < 0:
            price -= skew
        if level:
            price += level * max(1, ask * quote.level_spacing // PPB)
    return price if price > 1 else 1


def in_band(quote: QuoteParams, price: int) -> bool:
    """Return whether an entry may rest at a price."""
    above = quote.price_floor is None or price >= quote.price_floor
    return above and (quote.price_ceiling is None or price <= quote.price_ceiling)


def skew_ticks(quote: QuoteParams, *, inventory: int, cap: int, mid: int) -> int:
    """Return how far quotes move away from more inventory, in ticks; positive moves bids down.

    Args:
        quote: the configuration.
        inventory: value of the position in tick-lots, positive when long.
        cap: value of a full position in tick-lots.
        mid: price in ticks.
    """
    if not quote.inventory_skew or not inventory or cap <= 0:
        return 0
    size = mid * quote.inventory_skew * abs(inventory) // (cap * PPB)
    return size if inventory > 0 else -size
