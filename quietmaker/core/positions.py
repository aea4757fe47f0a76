"""A position as lots: units with their cost, fees and the mid they were bought at.

Lots close first in, first out. A fee is split over a lot's parts so that the parts always sum to
what was paid: whatever a part takes, the rest keeps the remainder.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.units import Instant, Side, Ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Units that one fill opened and that are still held.

    Attributes:
        trade_id: the fill.
        order: client id of the entry order.
        lots: units left, positive; `entry` tells the direction.
        fee: the part of the fill's fee that belongs to the units left, in quote.
        twice_mid: bid plus ask at the fill, in ticks (the mid doubled stays an integer).
        maker: whether the fill added liquidity.
    """

    trade_id: str
    order: str
    entry: Side
    price: Ticks
    lots: int
    fee: Decimal
    twice_mid: int
    at: Instant
    maker: bool
