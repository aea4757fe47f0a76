"""Five-minute candles of the tape: a bucket without a trade has none."""

from __future__ import annotations

from typing import Final

from quietmaker.core.candles import BUCKET
from quietmaker.core.market import CandleBar
from quietmaker.core.units import Instant, Ticks

KEPT: Final = 350
"""Buckets kept per symbol: as many as Coinbase answers with."""


class CandleStore:
    """Low and high of recent buckets, by symbol, from trades and from bars the source states."""

    __slots__ = ("_announced", "_buckets")

    def __init__(self, *, now: Instant) -> None:
        """Start without candles; buckets that closed before `now` will not be announced."""
        self._buckets: dict[str, dict[int, tuple[int, int]]] = {}
        self._announced = now // BUCKET

    def on_trade(self, symbol: str, at: int, price: int) -> None:
        """Count a trade into the bucket of its time."""
        self._widen(symbol, at // BUCKET, price, price)

    def load(self, bar: CandleBar) -> None:
        """Widen a bucket by what the source states of it."""
        self._widen(bar.symbol, bar.start // BUCKET, bar.low, bar.high)

    def bars(self, symbol: str, at: Instant) -> tuple[CandleBar, ...]:
        """Return the buckets of a symbol, oldest first, as stated at `at`."""
        buckets = self._buckets.get(symbol, {})
        return tuple(_bar(symbol, at, bucket, buckets[bucket]) for bucket in sorted(buckets))

    def closed(self, now: Instant) -> list[CandleBar]:
        """Return the bars whose bucket ended since the last call."""
        current = now // BUCKET
        if current <= self._announced:
            return []
        bars = [
            _bar(symbol, now, bucket, buckets[bucket])
            for symbol, buckets in self._buckets.items()
            for bucket in sorted(buckets)
            if self._announced <= bucket < current
        ]
        self._announced = current
        return bars

    def _widen(self, symbol: str, bucket: int, low: int, high: int) -> None:
        buckets = self._buckets.setdefault(symbol, {})
        known = buckets.get(bucket)
        if known is not None:
            buckets[bucket] = (min(low, known[0]), max(high, known[1]))
            return
        buckets[bucket] = (low, high)
        if len(buckets) > KEPT:
            del buckets[min(buckets)]


def _bar(symbol: str, at: Instant, bucket: int, span: tuple[int, int]) -> CandleBar:
    return CandleBar(
        symbol=symbol,
        at=at,
        start=Instant(bucket * BUCKET),
        low=Ticks(span[0]),
        high=Ticks(span[1]),
    )
