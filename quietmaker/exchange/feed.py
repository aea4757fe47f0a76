"""The two streams of the paper exchange: what was told, in order, and to whom.

Events are put under the exchange's lock and delivered outside of it, by the stream's own thread, one
at a time. Nobody listening means nothing kept: a stream has no memory, queries have.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

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

MarketListener = Callable[[MarketEvent], None]
UserListener = Callable[[UserEvent], None]


class Feed:
    """Puts a snapshot before everything else of a symbol, and its candles right behind."""

    def __init__(self, candles: CandleStore) -> None:
        """Start with nobody listening."""
        self._candles = candles
        self._listeners: tuple[MarketListener, UserListener] | None = None
        self._told: set[str] = set()
        self._outbox: deque[Callable[[], None]] = deque()
        self._delivering = threading.RLock()

    def attach(self, *, market: MarketListener, user: UserListener) -> None:
        """Tell these listeners from now on; every symbol needs its snapshot first."""
        self._outbox.clear()
        self._told.clear()
        self._listeners = (market, user)

    def detach(self) -> None:
        """Tell nobody from now on."""
        self._listeners = None
        self._outbox.clear()

    def quiesce(self) -> None:
        """Return once no callback runs any more; not under the exchange's lock."""
        with self._delivering:
            return

    def on_user(self, event: UserEvent) -> None:
        """Tell of an order."""
        if self._listeners is not None:
            user = self._listeners[1]
            self._outbox.append(lambda: user(event))

    def on_market(self, event: MarketEvent, venue: Venue) -> None:
        """Tell of the market, after the venue took it."""
        if self._listeners is None:
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
        if self._listeners is None or not venue.seen:
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
        if self._listeners is not None:
            market = self._listeners[0]
            self._outbox.append(lambda: market(event))
