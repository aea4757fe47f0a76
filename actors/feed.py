"""The market feed: owns the market stream, keeps the books, conflates for the traders.

The books live where the stream's thread can reach them without a mailbox in between (`Intake`): a
delta may not be dropped, and a backlog of deltas would be a backlog of stale touches. The actor starts
and stops the stream, notices silence, and asks for fresh snapshots.

A book that breaks is first told to its trader, then asked for again (G10: stop quoting, then heal).
What speaks against all books at once (clocks that disagree, orders of which nothing is heard) holds
their touches back: the books are kept up meanwhile and told again when it is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from actors.base import BaseActor, Surroundings
from actors.conflate import MarketSlot
from actors.protocol import BookBroke, BookDoubted, ClockCompared, FeedMessage, UserStreamHeard
from quietmaker.core.book import Book, BookOutcome, Touch
from quietmaker.core.events import DataLost, Tick, TouchChanged
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
from quietmaker.ports import Clock, MarketStream
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import MarketKind, Metrics

CHANNEL_SILENCE: Final = Nanos(10 * SECOND)
"""No event of any symbol for so long on a busy channel: it is dead, whatever the socket says."""
BUSY: Final = 120
"""Events in a minute from which on ten seconds without any cannot be chance: one in 10^8."""
BUSY_WINDOW: Final = Nanos(60 * SECOND)
SYMBOL_SILENCE: Final = Nanos(120 * SECOND)
"""Thin products are quiet for minutes; a book that changes nothing for longer is asked for again."""
RESYNC_PAUSE: Final = Nanos(5 * SECOND)
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
        self.lines = {symbol: Line(slot, now) for symbol, slot in slots.items()}
        self.heard: int = now
        self._heard_at = clock.now()
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

    def lose(self, symbol: str, reason: StaleReason) -> None:
        """Tell the trader that its book is not to be trusted, then have it asked for."""
        with self._mutex:
            self._lose(self.lines[symbol], symbol, reason)

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
            heard = self._heard_at
        for kind, number in counts.items():
            if number:
                self._metrics.market_event(kind, heard, number)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLinks:
    """What the feed works with."""

    stream: MarketStream
    slots: Mapping[str, MarketSlot]
    metrics: Metrics
    clock: Clock


class MarketFeed(BaseActor[FeedMessage]):
    """Owns the market stream.

    Attributes:
        intake: what the stream's thread calls.
    """

    def __init__(self, around: Surroundings, links: FeedLinks) -> None:
        """Prepare; nothing is delivered yet."""
        super().__init__(around)
        self._links = links
        self._log = Log("feed")
        self._asked: dict[str, Nanos] = {}
        self._window: Nanos = around.monotonic()
        self._events = 0
        self._busy = False
        self.intake = Intake(
            links.slots, clock=links.clock, broke=self._tell_self, metrics=links.metrics
        )

    def begin(self) -> None:
        """Let the stream deliver; touches wait until the user feed says that it hears."""
        self.intake.hold(StaleReason.USER_STREAM)
        self._links.stream.start(self.guarded(self.intake))

    def finish(self) -> None:
        """Let it deliver no more; books of this life are worth nothing."""
        self._links.stream.stop()
        self.intake.count()
        for line in self.intake.lines.values():
            line.slot.put_lost(
                DataLost(now=self._links.clock.now(), reason=StaleReason.DISCONNECTED)
            )

    def receive(self, message: FeedMessage) -> None:
        """Ask for snapshots, and listen for silence."""
        match message:
            case BookBroke():
                self._resync(message.symbol)
            case BookDoubted():
                self.intake.lose(message.symbol, StaleReason.DOUBTED)
            case ClockCompared():
                self._holding(StaleReason.CLOCK_SKEW, holds=message.skewed)
            case UserStreamHeard():
                self._holding(StaleReason.USER_STREAM, holds=not message.ready)
            case Tick():
                if not self._links.stream.alive:
                    raise RuntimeError("the thread of the market stream died")
                self._count(self.intake.count())
                self._listen()
            case _:
                assert_never(message)

    def _tell_self(self, message: BookBroke) -> None:
        if self.actor_ref.is_alive():
            self.actor_ref.tell(message)

    def _resync(self, symbol: str) -> None:
        """Ask for a snapshot, not again before a pause; a tick comes back to what is still broken."""
        now, asked = self.around.monotonic(), self._asked.get(symbol)
        if asked is not None and now - asked < RESYNC_PAUSE:
            return
        self._asked[symbol] = now
        self._links.stream.resync(symbol)

    def _holding(self, reason: StaleReason, *, holds: bool) -> None:
        if holds is self.intake.holds(reason):
            return
        if holds:
            self._links.metrics.market_data_lost(reason)
            self._log.warning(
                Event.MARKET_DATA_LOST, f"every symbol: {reason.value}", reason=reason
            )
            self.intake.hold(reason)
        else:
            self._log.info(Event.MARKET_DATA_RESUMED, f"every symbol: after {reason.value}")
            self.intake.release(reason)

    def _count(self, events: int) -> None:
        """Judge by the last whole minute whether the channel is a busy one; thin products are quiet."""
        now = self.around.monotonic()
        self._events += events
        if now - self._window >= BUSY_WINDOW:
            self._busy = self._events >= BUSY
            self._window, self._events = now, 0

    def _listen(self) -> None:
        now, intake = self.around.monotonic(), self.intake
        quiet = [line for line in intake.lines.values() if not line.down]
        if quiet and self._busy and now - intake.heard > CHANNEL_SILENCE:
            self._silent(intake.lines)
            return
        self._silent(
            symbol for symbol, line in intake.lines.items() if now - line.heard > SYMBOL_SILENCE
        )
        for symbol, line in intake.lines.items():
            if line.lost is not None and not line.down:
                self._resync(symbol)

    def _silent(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            line = self.intake.lines[symbol]
            if line.lost is None and not line.down:
                self.intake.lose(symbol, StaleReason.SILENT)
            elif not line.down:
                self._resync(symbol)


def _known(at: Instant, now: Instant) -> Instant:
    """Return the exchange's time of a trade, but never one from the future: it would stay for good."""
    return at if at <= now else now
