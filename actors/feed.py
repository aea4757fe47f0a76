"""The market feed: owns the market stream, keeps the books, conflates for the traders.

The books live where the stream's thread can reach them (`intake`). The actor starts and stops the stream,
notices silence, and asks for fresh snapshots. A book that breaks is first told to its trader, then asked
for again (G10: stop quoting, then heal).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from actors.base import BaseActor, Surroundings
from actors.conflate import MarketSlot
from actors.intake import Intake
from actors.protocol import (
    BookBroke,
    BookDoubted,
    ClockCompared,
    FeedMessage,
    SymbolsChanged,
    UserStreamHeard,
)
from quietmaker.core.events import DataLost, Tick
from quietmaker.core.market import (
    StaleReason,
)
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Nanos
from quietmaker.ports import Clock, MarketStream
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

CHANNEL_SILENCE: Final = Nanos(10 * SECOND)
"""No event of any symbol for so long on a busy channel: it is dead, whatever the socket says."""
BUSY: Final = 120
"""Events in a minute from which on ten seconds without any cannot be chance: one in 10^8."""
BUSY_WINDOW: Final = Nanos(60 * SECOND)
SYMBOL_SILENCE: Final = Nanos(120 * SECOND)
"""Thin products are quiet for minutes; a book that changes nothing for longer is asked for again."""
RESYNC_PAUSE: Final = Nanos(5 * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLinks:
    """What the feed works with.

    Attributes:
        slots: of the symbols that are traded, which come and go.
        products: at least of these.
    """

    stream: MarketStream
    products: Mapping[str, Product]
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
        self._add(self.intake.lines)  # a symbol may have come while no feed was there
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
            case SymbolsChanged():
                self._add(self.intake.follow())
            case UserStreamHeard():
                self._holding(StaleReason.USER_STREAM, holds=not message.ready)
            case Tick():
                if not self._links.stream.alive:
                    raise RuntimeError("the thread of the market stream died")
                self._count(self.intake.count())
                self._listen()
            case _:
                assert_never(message)

    def _add(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._links.stream.add(self._links.products[symbol])

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
