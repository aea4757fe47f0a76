"""Marks: the mid at each of our fills, and some time after it. What nobody saw stays unknown.

A mark is told only if the book was to be trusted at its moment and the moment is just past: a late one, or
one of a book that was stale then, would be taken for the truth. Nothing here survives a restart.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from quietmaker.core.orders import Fill
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.ports import FillMarked

HORIZONS: Final = tuple(Nanos(seconds * SECOND) for seconds in (5, 30, 60, 300))
LATEST: Final = Nanos(2 * SECOND)
"""A mid that is seen longer after its moment is not the mid of that moment."""
_AT_FILL: Final = Nanos(0)
_MOST: Final = 8_192
"""Marks that may be outstanding; what comes beyond stays unknown."""


class _Due(NamedTuple):
    """A mark to come. `lots` are signed by side; `began` is twice the mid at the fill, 0 if unknown."""

    at: int
    trade_id: str
    horizon: Nanos
    lots: int
    began: int


class Marks:
    """The marks of one symbol that are still to come."""

    def __init__(
        self,
        product: Product,
        put: Callable[[FillMarked], object],
        moved: Callable[[str, Nanos, Decimal, Decimal], object],
    ) -> None:
        """Tell marks by `put`, and by `moved` what the mid did since the fill.

        Args:
            product: whose marks they are.
            put: takes a mark.
            moved: takes symbol, horizon, what the move of the mid is worth, positive in our favour, and
                the value of the execution at the mid.
        """
        self._product = product
        self._put = put
        self._moved = moved
        self._due: list[_Due] = []

    def __len__(self) -> int:
        """Return how many are outstanding."""
        return len(self._due)

    def filled(self, fill: Fill, *, now: Instant, twice_mid: int | None) -> None:
        """Mark a fill that is told now, and remember what comes.

        Args:
            fill: the execution, whose time may be long past.
            now: the time.
            twice_mid: bid plus ask now; None while the book is not to be trusted.
        """
        happened = min(fill.at, now)  # the exchange's clock may be ahead of ours
        began = twice_mid if twice_mid is not None and now - happened <= LATEST else None
        if began is not None:
            self._tell(fill.trade_id, _AT_FILL, began)
        for horizon in HORIZONS:
            if happened + horizon > now and len(self._due) < _MOST:
                lots = fill.side.sign * fill.size
                due = _Due(happened + horizon, fill.trade_id, horizon, lots, began or 0)
                heapq.heappush(self._due, due)

    def blind(self, until: Instant) -> None:
        """Know that the book was not to be trusted until then: what was due meanwhile stays unknown."""
        while self._due and self._due[0].at < until:
            heapq.heappop(self._due)

    def seen(self, *, now: Instant, twice_mid: int | None) -> None:
        """Tell what is due, by the touch that stands."""
        while self._due and self._due[0].at <= now:
            due = heapq.heappop(self._due)
            if twice_mid is not None and now - due.at <= LATEST:
                self._tell(due.trade_id, due.horizon, twice_mid)
                if due.began:
                    twice = self._product.notional(twice_mid - due.began, due.lots)
                    notional = self._product.notional(due.began, abs(due.lots)) / 2
                    self._moved(self._product.symbol, due.horizon, twice / 2, notional)

    def _tell(self, trade_id: str, horizon: Nanos, twice_mid: int) -> None:
        self._put(
            FillMarked(
                trade_id=trade_id, symbol=self._product.symbol, horizon=horizon, twice_mid=twice_mid
            )
        )
