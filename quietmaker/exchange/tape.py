"""A market source played against the clock of the day.

Rebasing. A source has its own time: a recording lies in the past, a synthetic market starts at an
arbitrary moment. The tape maps it onto the clock, so that an event happens when its `at` is now:

- warm-up: the first `span` of the source is given out at once, at its own pace in time, so that it
  ends at the moment of the warm-up: history of the last `span`, candles and books included;
- live: what follows starts when the tape begins, `speed` source seconds in each second of the clock;
- a stated candle keeps its place in that order; its start is floored to the five-minute grid of the
  clock, on which the source's own grid need not lie.

When the source ends, the market goes silent: each symbol's feed is lost (DISCONNECTED). A looping
tape then starts the next lap, a broken one (`failure`) does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from typing import assert_never

from quietmaker.core.candles import BUCKET
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.units import NEVER, Instant, Nanos
from quietmaker.errors import SourceError
from quietmaker.ports import MarketSource


class Rebase:
    """A linear map from the source's time to the clock's."""

    __slots__ = ("_denominator", "_numerator", "_origin", "_wall")

    def __init__(self, *, origin: int, wall: int, speed: Decimal) -> None:
        """Map `origin` to `wall` and run at `speed` from there."""
        self._origin = origin
        self._wall = wall
        self._numerator, self._denominator = speed.as_integer_ratio()

    def time(self, at: int) -> Instant:
        """Return the clock's time of a moment of the source."""
        return Instant(self._wall + (at - self._origin) * self._denominator // self._numerator)

    def event(self, event: MarketEvent) -> MarketEvent:
        """Return the event at the clock's time."""
        at = self.time(event.at)
        match event:
            case TouchQuote():
                return TouchQuote(
                    symbol=event.symbol,
                    at=at,
                    bid=event.bid,
                    bid_size=event.bid_size,
                    ask=event.ask,
                    ask_size=event.ask_size,
                )
            case TradePrint():
                return TradePrint(
                    symbol=event.symbol,
                    at=at,
                    price=event.price,
                    size=event.size,
                    aggressor=event.aggressor,
                )
            case BookDelta():
                return BookDelta(symbol=event.symbol, at=at, changes=event.changes)
            case BookSnapshot():
                return BookSnapshot(symbol=event.symbol, at=at, bids=event.bids, asks=event.asks)
            case CandleBar():
                start = Instant(self.time(event.start) // BUCKET * BUCKET)
                return CandleBar(
                    symbol=event.symbol, at=at, start=start, low=event.low, high=event.high
                )
            case FeedLost():
                return FeedLost(symbol=event.symbol, at=at, reason=event.reason)
            case _:
                assert_never(event)


class Tape:
    """The source as it plays.

    Attributes:
        due: when the next event happens; NEVER before `begin` and after the end.
        ended: whether the source ran out and every feed was given up.
        failure: why the source broke off, when it did.
    """

    def __init__(self, source: MarketSource, *, speed: Decimal, loop: bool) -> None:
        """Open the source.

        Raises:
            ValueError: if the speed is not positive.
        """
        if not speed > 0:
            raise ValueError(f"speed {speed} must be positive")
        self._source = source
        self._symbols = tuple(source.info().products)
        self._speed = speed
        self._loop = loop
        self._lost: deque[str] = deque()
        self._rebase = Rebase(origin=0, wall=0, speed=speed)
        self.due: int = NEVER
        self.ended = False
        self.failure: SourceError | None = None
        self._lap = source.events()
        self._head = self._pull()
        self._origin: int = 0 if self._head is None else self._head.at

    def warm_up(self, until: Instant, span: Nanos) -> Iterator[MarketEvent]:
        """Yield the first `span` of the source as the past that ends at `until`."""
        self._origin += span
        past = Rebase(origin=self._origin, wall=until, speed=Decimal(1))
        while self._head is not None and self._head.at < self._origin:
            event = self._head
            self._head = self._pull()
            yield past.event(event)

    def begin(self, now: Instant) -> None:
        """Let the rest of the source happen from now on."""
        self._rebase = Rebase(origin=self._origin, wall=now, speed=self._speed)
        self._look(now)

    def take(self) -> MarketEvent:
        """Return the event that is due at `due`, and look at the next."""
        at = Instant(self.due)
        if self._lost:
            symbol = self._lost.popleft()
            if not self._lost:
                self._end_lap(at)
            return FeedLost(symbol=symbol, at=at, reason=StaleReason.DISCONNECTED)
        assert self._head is not None
        event = self._rebase.event(self._head)
        self._head = self._pull()
        self._look(at)
        return event

    def _look(self, now: Instant) -> None:
        """Find when the next event is due: the head of the lap, or at its end the losses."""
        if self._head is not None:
            self.due = self._rebase.time(self._head.at)
            return
        self._lost.extend(self._symbols)
        self.due = now
        if not self._lost:
            self._end_lap(now)

    def _end_lap(self, now: Instant) -> None:
        if self._loop and self.failure is None:
            self._lap = self._source.events()
            self._head = self._pull()
            if self._head is not None:
                self._rebase = Rebase(origin=self._head.at, wall=now, speed=self._speed)
                self.due = now
                return
        self.due = NEVER
        self.ended = True

    def _pull(self) -> MarketEvent | None:
        try:
            return next(self._lap, None)
        except SourceError as error:
            self.failure = error
            return None
