"""The books of all symbols, where the stream's thread reaches them without a mailbox in between.

A delta may not be dropped, and a backlog of deltas would be a backlog of stale touches. What speaks against
all books at once (clocks that disagree, orders of which nothing is heard) holds their touches back: the
books are kept up meanwhile and told again when it is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, assert_never

from actors.conflate import MarketSlot
from actors.protocol import BookBroke
from quietmaker.core.book import Book, BookOutcome, Touch
from quietmaker.core.events import DataLost, TouchChanged
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
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.ports import Clock
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import MarketKind, Metrics

REPEAT_AFTER: Final = Nanos(SECOND // 5)
"""A touch that stands is told again after so long, so that its trader knows how fresh it is."""
_DOWN: Final = frozenset({StaleReason.DISCONNECTED, StaleReason.NOT_ONLINE})
"""Reasons for which a snapshot comes by itself, and only then."""


class Line:
    """One symbol's market, as the stream's thread sees it.

    Attributes:
        heard: monotonic time of its latest event.
        deep: a book was told; from then on only a book counts, and a mere touch heals nothing.
        lost: why the book cannot be trusted, None when it can.
        down: the source says that nothing will come until it reconnects; silence is then no news.
        quote: the latest touch that can be trusted, None before the first and after a loss.
        told_at: when a touch was last told.
    """

    __slots__ = ("book", "deep", "down", "heard", "lost", "quote", "slot", "told_at")

    def __init__(self, slot: MarketSlot, now: Nanos) -> None:
        """Start without a book."""
        self.book = Book()
        self.slot = slot
        self.heard: int = now
        self.lost: StaleReason | None = None
        self.quote: Touch | TouchQuote | None = None
        self.told_at: int = 0
        self.deep = False
        self.down = False


class Intake:
    """The callback of the market stream. Runs in the stream's thread; books and slots, nothing else.

    The actor reaches into the same books when it notices silence; a lock keeps the two apart.

    Attributes:
        lines: by symbol.
        heard: monotonic time of the latest event.
    """

    def __init__(
        self,
        slots: Mapping[str, MarketSlot],
        *,
        clock: Clock,
        broke: Callable[[BookBroke], None],
        metrics: Metrics,
    ) -> None:
        """Listen for these symbols.

        Args:
            slots: by symbol; events of others are passed over.
            clock: for the time at which something was heard.
            broke: told, after the trader, that a book needs a snapshot.
            metrics: counts events.
        """
        now = clock.monotonic()
        self._slots = slots
        self.lines = {symbol: Line(slot, now) for symbol, slot in slots.items()}
        self.heard: int = now
        self._heard_at = clock.now()
        self._lag: int | None = None
        self._holds: set[StaleReason] = set()
        self._counts = dict.fromkeys(MarketKind, 0)
        self._mutex = threading.Lock()
        self._clock = clock
        self._broke = broke
        self._metrics = metrics
        self._log = Log("feed")

    def __call__(self, event: MarketEvent) -> None:
        """Take one event."""
        line = self.lines.get(event.symbol)
        if line is not None:
            with self._mutex:
                self._take(line, event)

    def follow(self) -> tuple[str, ...]:
        """Listen for the symbols that have a slot now, and for no others; return the new ones."""
        with self._mutex:
            now, slots = self._clock.monotonic(), dict(self._slots)
            lines = {s: line for s, line in self.lines.items() if line.slot is slots.get(s)}
            new = tuple(symbol for symbol in slots if symbol not in lines)
            self.lines = {**lines, **{symbol: Line(slots[symbol], now) for symbol in new}}
        return new

    def lose(self, symbol: str, reason: StaleReason) -> None:
        """Tell the trader that its book is not to be trusted, then have it asked for."""
        with self._mutex:
            line = self.lines.get(symbol)
            if line is not None:
                self._lose(line, symbol, reason)

    def hold(self, reason: StaleReason) -> None:
        """Tell every trader that touches are kept back from now on."""
        with self._mutex:
            if reason in self._holds:
                return
            self._holds.add(reason)
            lost = DataLost(now=self._clock.now(), reason=reason)
            for line in self.lines.values():
                if line.lost is None:
                    line.slot.put_lost(lost)

    def release(self, reason: StaleReason) -> None:
        """Let touches pass again, if nothing else holds them, and tell those that stand."""
        with self._mutex:
            if reason not in self._holds:
                return
            self._holds.discard(reason)
            now = self._clock.now()
            for line in self.lines.values():
                if line.quote is not None and not self._holds:
                    _put(line.slot, line.quote, now)

    def count(self) -> int:
        """Hand the counts of events to the metrics, a few times a second; return how many there were."""
        with self._mutex:
            counts, self._counts = self._counts, dict.fromkeys(MarketKind, 0)
            heard, lag = self._heard_at, self._lag
        for kind, number in counts.items():
            if number:
                self._metrics.market_event(kind, heard, number)
        if lag is not None:
            self._metrics.market_lag(Nanos(lag))
        return sum(counts.values())

    def holds(self, reason: StaleReason) -> bool:
        """Return whether touches are kept back for this reason."""
        return reason in self._holds

    def _take(self, line: Line, event: MarketEvent) -> None:
        now = self._heard_at = self._clock.now()
        self.heard = line.heard = self._clock.monotonic()
        match event:
            case BookDelta():  # first, because nearly everything is one
                self._counts[MarketKind.DELTA] += 1
                self._lag = now - event.at
                self._judge(line, event.symbol, line.book.delta(event), now)
            case TouchQuote():
                self._counts[MarketKind.TOUCH] += 1
                if not line.deep:
                    self._touch(line, event.symbol, event, now)
            case BookSnapshot():
                self._counts[MarketKind.SNAPSHOT] += 1
                line.deep = True
                self._judge(line, event.symbol, line.book.snapshot(event), now)
            case TradePrint():
                self._counts[MarketKind.TRADE] += 1
                line.slot.put_trade(_known(event.at, now), event.price)
                tap = line.slot.tap
                if tap is not None:
                    tap.append(event)
            case CandleBar():
                self._counts[MarketKind.CANDLE] += 1
                line.slot.put_candle(event)
            case FeedLost(reason=reason):
                line.down = reason in _DOWN
                self._lose(line, event.symbol, reason)
            case _:
                assert_never(event)

    def _lose(self, line: Line, symbol: str, reason: StaleReason) -> None:
        line.book.lose(reason)
        line.quote = None
        if line.lost is not reason:
            line.lost = reason
            self._metrics.market_data_lost(reason)
            self._log.warning(
                Event.MARKET_DATA_LOST, f"{symbol}: {reason.value}", symbol=symbol, reason=reason
            )
        line.slot.put_lost(DataLost(now=self._clock.now(), reason=reason))
        if not line.down:
            self._broke(BookBroke(symbol=symbol, reason=reason))

    def _judge(self, line: Line, symbol: str, outcome: BookOutcome, now: Instant) -> None:
        match outcome:
            case BookOutcome.APPLIED:
                self._touch(line, symbol, line.book.touch(), now)
            case BookOutcome.CROSSED:
                self._lose(line, symbol, StaleReason.CROSSED)
            case BookOutcome.INVALID:
                self._lose(line, symbol, StaleReason.GAP)
            case BookOutcome.STALE:
                pass  # no snapshot yet, or none since it was lost: asked for already
            case _:
                assert_never(outcome)

    def _touch(self, line: Line, symbol: str, touch: Touch | TouchQuote, now: Instant) -> None:
        line.down = False
        before, line.quote = line.quote, touch
        if before is not None and now - line.told_at < REPEAT_AFTER and _same(before, touch):
            return  # most changes of a book are behind its touch
        line.told_at = now
        if line.lost is not None:
            self._log.info(
                Event.MARKET_DATA_RESUMED, f"{symbol}: after {line.lost.value}", symbol=symbol
            )
            line.lost = None
        if not self._holds:
            _put(line.slot, touch, now)


def _same(one: Touch | TouchQuote, other: Touch | TouchQuote) -> bool:
    """Return whether no decision can differ: none looks at the sizes, but for whether there is any."""
    return (
        one.bid == other.bid
        and one.ask == other.ask
        and bool(one.bid_size) is bool(other.bid_size)
        and bool(one.ask_size) is bool(other.ask_size)
    )


def _put(slot: MarketSlot, touch: Touch | TouchQuote, now: Instant) -> None:
    slot.put_touch(
        TouchChanged(
            now=now,
            bid=touch.bid,
            bid_size=touch.bid_size,
            ask=touch.ask,
            ask_size=touch.ask_size,
        )
    )


def _known(at: Instant, now: Instant) -> Instant:
    """Return the exchange's time of a trade, but never one from the future: it would stay for good."""
    return at if at <= now else now
