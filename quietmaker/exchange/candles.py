"""Candles of what was traded: a bucket without a trade has none.

Two rings per symbol, of one and of thirty minutes, hold what every longer bucket is put together from.
Where a source states a bucket instead of its trades it gives low and high only: such a bucket opens at
its low, closes at its high and has no volume.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from quietmaker.core.candles import BUCKET
from quietmaker.core.market import CandleBar
from quietmaker.core.units import SECOND, Instant, Lots, Nanos, Ticks

KEPT: Final = 350
"""Buckets that can be asked for: as many as Coinbase answers with."""
MINUTE: Final = Nanos(60 * SECOND)
HALF_HOUR: Final = Nanos(30 * MINUTE)
_MINUTES_KEPT: Final = KEPT * 15
_HALF_HOURS_KEPT: Final = KEPT * 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """A bucket of any length; `start` is its first instant."""

    start: Instant
    low: Ticks
    high: Ticks
    open: Ticks
    close: Ticks
    volume: Lots


class _Bucket:
    """A bucket that still changes."""

    __slots__ = ("close", "high", "low", "open", "volume")

    def __init__(self, opened: int, low: int, high: int, close: int, volume: int) -> None:
        self.open = opened
        self.low = low
        self.high = high
        self.close = close
        self.volume = volume


class _Ring:
    """The recent buckets of one length of one symbol, by number."""

    __slots__ = ("_kept", "buckets", "span")

    def __init__(self, span: Nanos, kept: int) -> None:
        self.span = span
        self.buckets: dict[int, _Bucket] = {}
        self._kept = kept

    def trade(self, at: int, price: int, size: int) -> None:
        number = at // self.span
        bucket = self.buckets.get(number)
        if bucket is None:
            self._add(number, _Bucket(price, price, price, price, size))
            return
        bucket.low = min(bucket.low, price)
        bucket.high = max(bucket.high, price)
        bucket.close = price
        bucket.volume += size

    def widen(self, start: int, low: int, high: int) -> None:
        number = start // self.span
        bucket = self.buckets.get(number)
        if bucket is None:
            self._add(number, _Bucket(low, low, high, high, 0))
            return
        bucket.low = min(bucket.low, low)
        bucket.high = max(bucket.high, high)

    def _add(self, number: int, bucket: _Bucket) -> None:
        self.buckets[number] = bucket
        if len(self.buckets) > self._kept:
            del self.buckets[min(self.buckets)]


class CandleStore:
    """The recent buckets of all symbols, from trades and from bars that the source states."""

    __slots__ = ("_announced", "_rings")

    def __init__(self, *, now: Instant) -> None:
        """Start without candles; buckets that closed before `now` will not be announced."""
        self._rings: dict[str, tuple[_Ring, _Ring]] = {}
        self._announced = now // BUCKET

    def on_trade(self, symbol: str, at: int, price: int, size: int) -> None:
        """Count a trade into the buckets of its time."""
        for ring in self._of(symbol):
            ring.trade(at, price, size)

    def load(self, bar: CandleBar) -> None:
        """Widen a five-minute bucket by what the source states of it."""
        for ring in self._of(bar.symbol):
            ring.widen(bar.start, bar.low, bar.high)

    def bars(self, symbol: str, at: Instant) -> tuple[CandleBar, ...]:
        """Return the last five-minute buckets of a symbol, oldest first, as stated at `at`."""
        candles = self.series(symbol, BUCKET, start=0, end=at, most=KEPT)
        return tuple(_bar(symbol, at, candle) for candle in candles)

    def closed(self, now: Instant) -> list[CandleBar]:
        """Return the bars whose bucket ended since the last call."""
        current = now // BUCKET
        if current <= self._announced:
            return []
        start, end = self._announced * BUCKET, current * BUCKET - 1
        bars = [
            _bar(symbol, now, candle)
            for symbol in self._rings
            for candle in self.series(symbol, BUCKET, start=start, end=end, most=KEPT)
        ]
        self._announced = current
        return bars

    def series(
        self, symbol: str, span: Nanos, *, start: int, end: int, most: int
    ) -> tuple[Candle, ...]:
        """Return the last `most` buckets that begin in a stretch of time, oldest first, holes left out.

        Args:
            symbol: the product.
            span: length of a bucket: any multiple of a minute up to fifteen, or of half an hour.
            start: the first instant at which a bucket may begin.
            end: the last instant at which a bucket may begin.
            most: how many.
        """
        rings = self._rings.get(symbol)
        if rings is None:
            return ()
        ring = rings[1] if span >= HALF_HOUR else rings[0]
        first = -(-start // span) * span // ring.span
        last = (end // span + 1) * span // ring.span
        numbers = sorted(number for number in ring.buckets if first <= number < last)
        parts = ((number * ring.span // span * span, ring.buckets[number]) for number in numbers)
        return tuple(_joined(parts))[-most:]

    def _of(self, symbol: str) -> tuple[_Ring, _Ring]:
        rings = self._rings.get(symbol)
        if rings is None:
            rings = (_Ring(MINUTE, _MINUTES_KEPT), _Ring(HALF_HOUR, _HALF_HOURS_KEPT))
            self._rings[symbol] = rings
        return rings


def _joined(parts: Iterable[tuple[int, _Bucket]]) -> Iterator[Candle]:
    """Put consecutive parts with the same start together."""
    begin: int | None = None
    whole = _Bucket(0, 0, 0, 0, 0)
    for start, part in parts:
        if start != begin:
            if begin is not None:
                yield _candle(begin, whole)
            begin = start
            whole = _Bucket(part.open, part.low, part.high, part.close, part.volume)
            continue
        whole.low = min(whole.low, part.low)
        whole.high = max(whole.high, part.high)
        whole.close = part.close
        whole.volume += part.volume
    if begin is not None:
        yield _candle(begin, whole)


def _candle(start: int, bucket: _Bucket) -> Candle:
    return Candle(
        start=Instant(start),
        low=Ticks(bucket.low),
        high=Ticks(bucket.high),
        open=Ticks(bucket.open),
        close=Ticks(bucket.close),
        volume=Lots(bucket.volume),
    )


def _bar(symbol: str, at: Instant, candle: Candle) -> CandleBar:
    return CandleBar(symbol=symbol, at=at, start=candle.start, low=candle.low, high=candle.high)
