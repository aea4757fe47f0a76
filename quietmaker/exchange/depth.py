"""The displayed book of a symbol whose source tells all levels.

Unlike `core.book`, which a trader distrusts from the first doubt on, the exchange goes on with what
its source tells: a recorded book that crosses for a moment heals by its own deltas, and matching
waits while it is crossed (`venue`, rule 3).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from quietmaker.core.units import Lots, Ticks


class Ladder:
    """One side of a book: levels by price, and the best one without a search.

    Prices are multiplied by `sign` inside, so that the best key is the least on either side: +1 for
    asks, -1 for bids. Removed prices stay in the heap until they reach its top or outnumber the rest.
    """

    __slots__ = ("_heap", "_sign", "sizes")

    def __init__(self, sign: int) -> None:
        """Start empty."""
        self.sizes: dict[int, int] = {}
        self._heap: list[int] = []
        self._sign = sign

    def replace(self, levels: Iterable[tuple[Ticks, Lots]]) -> None:
        """Forget everything and take these levels."""
        self.sizes = {price: size for price, size in levels if size > 0}
        self._rebuild()

    def set(self, price: int, size: int) -> None:
        """Set the absolute size of a level; 0 removes it."""
        if size <= 0:
            self.sizes.pop(price, None)
            return
        if price not in self.sizes:
            heapq.heappush(self._heap, self._sign * price)
            self.sizes[price] = size
            if len(self._heap) > 2 * len(self.sizes) + 64:
                self._rebuild()
            return
        self.sizes[price] = size

    def best(self) -> tuple[int, int] | None:
        """Return the price and size of the best level."""
        heap, sizes, sign = self._heap, self.sizes, self._sign
        while heap:
            price = sign * heap[0]
            size = sizes.get(price)
            if size is not None:
                return price, size
            heapq.heappop(heap)
        return None

    def through(self, limit: int) -> list[tuple[int, int]]:
        """Return the levels that an order with this limit would meet, best first."""
        sign = self._sign
        bound = sign * limit
        keys = sorted(sign * price for price in self.sizes if sign * price <= bound)
        return [(sign * key, self.sizes[sign * key]) for key in keys]

    def levels(self) -> tuple[tuple[Ticks, Lots], ...]:
        """Return all levels, best first."""
        sign = self._sign
        ordered = sorted(self.sizes.items(), key=lambda level: sign * level[0])
        return tuple((Ticks(price), Lots(size)) for price, size in ordered)

    def top(self, most: int) -> list[tuple[Ticks, Lots]]:
        """Return at most so many levels, best first, without sorting the others."""
        sign = self._sign
        best = heapq.nsmallest(most, (sign * price for price in self.sizes))
        return [(Ticks(sign * key), Lots(self.sizes[sign * key])) for key in best]

    def _rebuild(self) -> None:
        self._heap = [self._sign * price for price in self.sizes]
        heapq.heapify(self._heap)
