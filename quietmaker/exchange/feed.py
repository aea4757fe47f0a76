"""The two streams of the paper exchange: what was told, in order, and to whom.

Events are put under the exchange's lock and delivered outside of it, by the stream's own thread, one
at a time. Nobody listening means nothing kept: a stream has no memory, queries have.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    TouchQuote,
)
from quietmaker.core.units import Instant
from quietmaker.exchange.candles import CandleStore
from quietmaker.exchange.venue import Venue
from quietmaker.ports import UserEvent

E = TypeVar("E")


class Ear(Generic[E]):
    """A listener, as long as it listens: what was put for it before it left is not told after."""

    __slots__ = ("_listener", "open")

    def __init__(self, listener: Callable[[E], None]) -> None:
        """Listen."""
        self._listener = listener
        self.open = True

    def tell(self, event: E) -> None:
        """Tell it, unless it left."""
        if self.open:
            self._listener(event)


class Feed:
    """Puts a snapshot before everything else of a symbol, and its candles right behind."""

    def __init__(self, candles: CandleStore) -> None:
        """Start with nobody listening."""
        self._candles = candles
        self._market: Ear[MarketEvent] | None = None
        self._user: Ear[UserEvent] | None = None
        self._told: set[str] = set()
        self._outbox: deque[Callable[[], None]] = deque()
        self._delivering = threading.RLock()

    def attach_market(self, listener: Callable[[MarketEvent], None]) -> None:
        """Tell this listener of the market from now on; every symbol needs its snapshot first."""
        self.detach_market()
        self._told.clear()
        self._market = Ear(listener)

    def attach_user(self, listener: Callable[[UserEvent], None]) -> None:
        """Tell this listener of orders from now on."""
        self.detach_user()
        self._user = Ear(listener)

    def detach_market(self) -> None:
        """Tell nobody of the market from now on."""
        if self._market is not None:
            self._market.open = False
            self._market = None

    def detach_user(self) -> None:
        """Tell nobody of orders from now on."""
        if self._user is not None:
            self._user.open = False
            self._user = None

    def quiesce(self) -> None:
        """Return once no callback runs any more; not under the exchange's lock."""
        with self._delivering:
            return

    def on_user(self, event: UserEvent) -> None:
        """Tell of an order."""
        if self._user is not None:
            self._outbox.append(partial(self._user.tell, event))

    def on_market(self, event: MarketEvent, venue: Venue) -> None:
        """Tell of the market, after the venue took it."""
        if self._market is None:
            return
        told = event.symbol in self._told
        match event:
            case BookSnapshot():
                self._told.add(event.symbol)
                self._put(event)
                if not told:
                    self._put_candles(event.symbol, event.at)
            case TouchQuote() | BookDelta():
                if told:
                    self._put(event)
                elif venue.seen:
                    self.snapshot(venue, event.at)
            case FeedLost():
                self._told.discard(event.symbol)
                self._put(event)
            case _:
                if told:
                    self._put(event)

    def on_candle(self, bar: CandleBar) -> None:
        """Tell of a bucket that closed."""
        if bar.symbol in self._told:
            self._put(bar)

    def snapshot(self, venue: Venue, at: Instant) -> None:
        """Tell the displayed book as it stands, then the candles."""
        self._told.discard(venue.symbol)
        if self._market is None or not venue.seen:
            return
        bids, asks = venue.book()
        self._told.add(venue.symbol)
        self._put(BookSnapshot(symbol=venue.symbol, at=at, bids=bids, asks=asks))
        self._put_candles(venue.symbol, at)

    def deliver(self) -> None:
        """Run the callbacks of everything that was put, oldest first."""
        while True:
            with self._delivering:
                try:
                    call = self._outbox.popleft()
                except IndexError:
                    return
                call()

    def _put_candles(self, symbol: str, at: Instant) -> None:
        for bar in self._candles.bars(symbol, at):
            self._put(bar)

    def _put(self, event: MarketEvent) -> None:
        if self._market is not None:
            self._outbox.append(partial(self._market.tell, event))
