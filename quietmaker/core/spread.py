"""The time-weighted average spread of one symbol over a window that slides.

It is sampled: what is seen stands until the next look, but never for longer than `LONGEST`, so that a gap
adds nothing. The window is made of slices; the two widest count as the third widest, so that one wide moment
moves nothing, however wide it was and wherever it lies. Too little seen is no average.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from quietmaker.core.filter_rules import Spread
from quietmaker.core.outcomes import ratio_of
from quietmaker.core.units import PPB, SECOND, Nanos

SLICES: Final = 60
LONGEST: Final = Nanos(5 * SECOND)
"""A spread that was seen stands no longer than this without another look."""
COVERAGE: Final = 10
"""An average needs one part in so many of the window."""


class SpreadTracker:
    """Watches one symbol."""

    __slots__ = ("_current", "_index", "_seen_at", "_slices", "_width")

    def __init__(self, window: Nanos) -> None:
        """Begin with nothing seen.

        Args:
            window: how far back the average reaches.
        """
        self._width = max(window // SLICES, 1)
        self._slices: list[list[int]] = [[0, 0] for _ in range(SLICES)]
        """Time watched in nanoseconds, and the spread in parts per billion times that time."""
        self._index = 0
        self._current: int | None = None
        self._seen_at = 0

    def look(self, now: int, bid: int, ask: int) -> None:
        """See the touch; 0, or a crossed one, is no spread."""
        self._advance(now)
        good = 0 < bid < ask
        self._current = 2 * (ask - bid) * PPB // (bid + ask) if good else None

    def lose(self, now: int) -> None:
        """See nothing from now on: the book is not to be trusted."""
        self._advance(now)
        self._current = None

    def average(self, now: int) -> Spread:
        """Return the average of what was seen within the window."""
        self._advance(now)
        kept = [(time, total) for time, total in self._slices if time]
        watched = sum(time for time, _ in kept)
        seconds = watched // SECOND
        if watched * COVERAGE < self._width * SLICES or len(kept) < 3:
            return Spread(average=None, watched=seconds)
        means = sorted(total // time for time, total in kept)
        cap = means[-3]
        total = sum(min(total, cap * time) for time, total in kept)
        return Spread(
            average=ratio_of(Decimal(total // watched), Decimal(PPB)),
            watched=seconds,
        )

    def _advance(self, now: int) -> None:
        """Count what stood since the last look, and let slices that slid out go."""
        if now <= self._seen_at:
            return
        before, self._seen_at = self._seen_at, now
        index = now // self._width
        for step in range(min(index - self._index, SLICES)):
            self._slices[(index - step) % SLICES] = [0, 0]
        self._index = index
        if self._current is not None and before:
            stood = min(now - before, LONGEST)
            current = self._slices[index % SLICES]
            current[0] += stood
            current[1] += stood * self._current
