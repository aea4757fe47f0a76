"""Five-minute candles and the range of the last five closed ones.

A bucket in which nothing traded has no candle: it is a hole, and stays one. The window is therefore
counted in buckets of time (25 minutes up to the start of the current bucket), never in rows: five
rows of a thin product can span an hour.
"""

from __future__ import annotations

from typing import Final

from quietmaker.core.market import CandleBar
from quietmaker.core.units import SECOND, Instant, Nanos, Ticks

BUCKET: Final = Nanos(300 * SECOND)
WINDOW: Final = 5
_NO_BUCKET: Final = -1


class Candles:
    """The candles that matter for the next decision; memory is bounded by the window."""

    __slots__ = ("_bucket", "_closed", "_high", "_low", "_seen", "_window")

    def __init__(self) -> None:
        """Start with no candle at all: insufficient data, never calm."""
        self._closed: dict[int, tuple[int, int]] = {}
        self._bucket = _NO_BUCKET
        self._low = 0
        self._high = 0
        self._window = (0, Ticks(0), Ticks(0))
        self._seen = _NO_BUCKET  # the bucket that `_window` was worked out in

    def on_trade(self, now: Instant, price: Ticks) -> None:
        """Count a trade into the bucket of its time; a late one is counted where it belongs."""
        bucket = now // BUCKET
        if bucket == self._bucket:
            if price > self._high:
                self._high = price
            elif price < self._low:
                self._low = price
            return
        if bucket < self._bucket:
            self._merge(bucket, price, price)
            return
        self._close()
        self._bucket = bucket
        self._low = self._high = price

    def load(self, bar: CandleBar) -> None:
        """Take a bucket as the exchange states it, widening what the tape showed of it."""
        bucket = bar.start // BUCKET
        if bucket > self._bucket:
            self._close()
            self._bucket, self._low, self._high = bucket, bar.low, bar.high
        elif bucket == self._bucket:
            self._low, self._high = min(self._low, bar.low), max(self._high, bar.high)
        else:
            self._merge(bucket, bar.low, bar.high)

    def window(self, now: Instant) -> tuple[int, Ticks, Ticks]:
        """Return (candles present, lowest low, highest high) of the last five closed buckets.

        With no candle present the prices are 0 and mean nothing.
        """
        current = now // BUCKET
        if current != self._seen or current > self._bucket:
            self._window = self._work_out(current)
            self._seen = current
        return self._window

    def _work_out(self, current: int) -> tuple[int, Ticks, Ticks]:
        count, low, high = 0, 0, 0
        for bucket in range(current - WINDOW, current):
            bar = (self._low, self._high) if bucket == self._bucket else self._closed.get(bucket)
            if bar is None:
                continue
            low = bar[0] if count == 0 else min(low, bar[0])
            high = bar[1] if count == 0 else max(high, bar[1])
            count += 1
        return count, Ticks(low), Ticks(high)

    def _close(self) -> None:
        if self._bucket != _NO_BUCKET:
            self._merge(self._bucket, self._low, self._high)

    def _merge(self, bucket: int, low: int, high: int) -> None:
        known = self._closed.get(bucket)
        if known is not None:
            low, high = min(low, known[0]), max(high, known[1])
        self._closed[bucket] = (low, high)
        self._seen = _NO_BUCKET
        if len(self._closed) > WINDOW + 1:
            del self._closed[min(self._closed)]


def next_boundary(now: Instant) -> Instant:
    """Return the first instant of the next bucket: the moment at which the window moves."""
    return Instant(now - now % BUCKET + BUCKET)
