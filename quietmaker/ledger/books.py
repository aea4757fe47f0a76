"""Rebuild one symbol's books from what was stored: the same function for every kind of ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quietmaker.core.orders import ExitReason, Fill, Working
from quietmaker.core.positions import replay
from quietmaker.core.units import Instant
from quietmaker.ports import SymbolBooks


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFill:
    """A fill with what its order and the market add to it.

    Attributes:
        twice_mid: bid plus ask at the fill, in ticks; those of the order's decision where no mark was stored.
        passive_order_id: the entry of the round trip that its order belongs to.
    """

    fill: Fill
    twice_mid: int
    passive_order_id: str


def rebuild(
    symbol: str,
    *,
    orders: Sequence[Working],
    fills: Sequence[StoredFill],
    last_closed: Instant | None,
    reason_of: Callable[[str], ExitReason | None],
) -> SymbolBooks:
    """Return the books.

    Args:
        symbol: the product.
        orders: orders that are not settled.
        fills: every fill since the symbol was last flat (more do no harm).
        last_closed: when its latest round trip closed; what is still held from before is dust.
        reason_of: the exit rule last decided on for a round trip.
    """
    position, _ = replay((stored.fill, stored.twice_mid) for stored in fills)
    round_trip = None
    if position.lots:
        opening = [
            stored
            for stored in fills
            if stored.fill.side is position.entry
            and (last_closed is None or stored.fill.at > last_closed)
        ]
        first = min(opening, key=lambda s: (s.fill.at, s.fill.trade_id), default=None)
        round_trip = first.passive_order_id if first is not None else None
    return SymbolBooks(
        symbol=symbol,
        orders=tuple(orders),
        lots=position.open_lots(),
        round_trip=round_trip,
        reason=reason_of(round_trip) if round_trip is not None else None,
    )
