"""The order book of one symbol, and the check that its feed lost nothing.

Rules that hold here:

* A snapshot or delta is applied whole or not at all.
* Before a snapshot, and after anything that broke trust, every delta is refused until the next one.
* A book whose best bid reaches its best ask after a whole delta is not a market: it is stale.

Levels live in a dict a side, the best price beside it. A heap of the prices that were ever added
finds the next best when the best level goes; its dead entries are skipped when they surface, and it
is rebuilt when they outnumber the living, so that every change costs amortised O(log levels) and a
change away from the best costs a dict write. On a recorded book of 46,000 levels re-finding the
best took 1 microsecond this way and 560 by scanning the dict; a change took 0.6 in the mean.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from quietmaker.core.market import BookDelta, BookSnapshot, StaleReason
from quietmaker.core.units import Lots, Side, Ticks

_SLACK: Final = 64
"""Dead heap entries that are always tolerated: rebuilding a small heap would cost more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The best bid and ask. A side with size 0 is empty and its price means nothing."""

    bid: Ticks
    bid_size: Lots
    ask: Ticks
    ask_size: Lots


class BookOutcome(Enum):
    """What became of a snapshot or delta."""

    APPLIED = "applied"
    CROSSED = "book_crossed"
    """Applied whole, and the bid reached the ask: the book is stale until its next snapshot."""
    STALE = "stale"
    """Refused, nothing changed: no snapshot yet, or none since the book went stale."""
    INVALID = "invalid"
    """Refused, nothing changed: a price is not positive, or a size is negative (0 in a snapshot)."""


class _Levels:
    """One side. Prices are stored times `sign`, so that the best is always the least key."""

    __slots__ = ("best", "heap", "sign", "sizes")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.sizes: dict[int, int] = {}
        self.heap: list[int] = []
        self.best: int | None = None

    def reset(self, levels: tuple[tuple[Ticks, Lots], ...]) -> None:
        sign = self.sign
        self.sizes = {price * sign: size for price, size in levels}
        self.heap = sorted(self.sizes)
        self.best = self.heap[0] if self.heap else None

    def put(self, price: int, size: int) -> None:
        key = price * self.sign
        sizes = self.sizes
        if size:
            if key not in sizes:
                heapq.heappush(self.heap, key)
                if self.best is None or key < self.best:
                    self.best = key
                if len(self.heap) > 2 * len(sizes) + _SLACK:
                    self._rebuild(key)
            sizes[key] = size
        elif sizes.pop(key, 0) and key == self.best:
            self._find_best()

    def _find_best(self) -> None:
        heap, sizes = self.heap, self.sizes
        while heap and heap[0] not in sizes:
            heapq.heappop(heap)
        self.best = heap[0] if heap else None

    def _rebuild(self, incoming: int) -> None:
        self.heap = [*self.sizes, incoming]
        heapq.heapify(self.heap)


class Book:
    """The displayed book of one symbol."""

    __slots__ = ("_asks", "_bids", "_stale")

    def __init__(self) -> None:
        """Start without a snapshot: every delta is refused."""
        self._bids = _Levels(-1)
        self._asks = _Levels(1)
        self._stale: StaleReason | None = StaleReason.DISCONNECTED

    @property
    def stale(self) -> StaleReason | None:
        """Return why the book is not to be trusted; None when it is."""
        return self._stale

    def apply(self, event: BookSnapshot | BookDelta) -> BookOutcome:
        """Apply a snapshot or delta, whole or not at all."""
        if isinstance(event, BookSnapshot):
            return self.snapshot(event)
        return self.delta(event)

    def snapshot(self, event: BookSnapshot) -> BookOutcome:
        """Replace the book. Trust returns with it, unless it is crossed itself."""
        for side in (event.bids, event.asks):
            for price, size in side:
                if price <= 0 or size <= 0:
                    return BookOutcome.INVALID
        self._bids.reset(event.bids)
        self._asks.reset(event.asks)
        self._stale = None
        return self._judge()

    def delta(self, event: BookDelta) -> BookOutcome:
        """Apply every change of a delta, then judge the book once."""
        if self._stale is not None:
            return BookOutcome.STALE
        changes = event.changes
        for _, price, size in changes:
            if price <= 0 or size < 0:
                return BookOutcome.INVALID
        bids, asks = self._bids.put, self._asks.put
        buy = Side.BUY
        for side, price, size in changes:
            if side is buy:
                bids(price, size)
            else:
                asks(price, size)
        return self._judge()

    def lose(self, reason: StaleReason) -> None:
        """Distrust the book until its next snapshot. The first reason is kept."""
        if self._stale is None:
            self._stale = reason

    def touch(self) -> Touch:
        """Return the best bid and ask as they stand, also of a stale book: ask `stale` first."""
        bid, ask = self._bids.best, self._asks.best
        return Touch(
            bid=Ticks(0 if bid is None else -bid),
            bid_size=Lots(0 if bid is None else self._bids.sizes[bid]),
            ask=Ticks(0 if ask is None else ask),
            ask_size=Lots(0 if ask is None else self._asks.sizes[ask]),
        )

    def size_at(self, side: Side, price: Ticks) -> Lots:
        """Return the displayed size of a level; 0 where there is none."""
        if side is Side.BUY:
            return Lots(self._bids.sizes.get(-price, 0))
        return Lots(self._asks.sizes.get(price, 0))

    def levels(self, side: Side) -> Iterator[tuple[Ticks, Lots]]:
        """Yield the levels of a side, best first. Sorts the whole side: not for every event."""
        levels = self._bids if side is Side.BUY else self._asks
        for key in sorted(levels.sizes):
            yield Ticks(key * levels.sign), Lots(levels.sizes[key])

    def depth(self, side: Side) -> int:
        """Return the number of levels of a side."""
        return len(self._bids.sizes if side is Side.BUY else self._asks.sizes)

    def _judge(self) -> BookOutcome:
        bid, ask = self._bids.best, self._asks.best
        if bid is not None and ask is not None and -bid >= ask:
            self._stale = StaleReason.CROSSED
            return BookOutcome.CROSSED
        return BookOutcome.APPLIED


class SequenceOutcome(Enum):
    """How a frame's number stands to the ones before it."""

    NEXT = "next"
    GAP = "gap"
    """Numbers are missing before this one: something was dropped. Counting goes on from here."""
    REPEAT = "repeat"
    """The number of the frame before, again: ignore the frame."""
    REGRESS = "regress"
    """A number from the past: ignore the frame."""


class SequenceCheck:
    """Frame numbers of one connection: from 0, one more each, over all channels and products.

    Source: the exchange's recorded behaviour; its documentation says "per product" and is wrong.
    """

    __slots__ = ("expected",)

    def __init__(self) -> None:
        """Expect 0, the first number of a connection."""
        self.expected = 0

    def see(self, number: int) -> SequenceOutcome:
        """Judge the next frame's number."""
        if number == self.expected:
            self.expected = number + 1
            return SequenceOutcome.NEXT
        if number > self.expected:
            self.expected = number + 1
            return SequenceOutcome.GAP
        if number == self.expected - 1:
            return SequenceOutcome.REPEAT
        return SequenceOutcome.REGRESS
