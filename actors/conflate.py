"""Conflation before the mailbox: a slot per symbol, written by the stream's thread, read by the trader.

Inboxes are unbounded, and a bounded one would block the socket. So the stream's thread overwrites the
latest touch, widens the range of the trades and sends at most one `MarketMoved`; a trader that was
busy sees the newest touch, never an older one. Order events do not pass here: none may be lost.

A trader that rests leaves its quiet box here. Inside, it is not woken: nothing would be decided, and it
takes what the slot holds before whatever it handles next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from actors.protocol import MarketMoved
from quietmaker.core.candles import BUCKET
from quietmaker.core.events import DataLost, TouchChanged
from quietmaker.core.market import CandleBar, TradePrint
from quietmaker.core.trader import Quiet
from quietmaker.core.units import Instant, Ticks

MOVED: Final = MarketMoved()


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What was collected, in the order in which it is to be told.

    Attributes:
        candles: buckets as the exchange stated them.
        lost: the latest loss of trust since the last drain.
        touch: the latest touch, None when none came or the book was lost after it.
        trades: (time, price) of the lowest and highest trade of each candle bucket: all that a range
            needs, and bounded however many trades there were.
    """

    candles: tuple[CandleBar, ...]
    lost: DataLost | None
    touch: TouchChanged | None
    trades: tuple[tuple[Instant, Ticks], ...]


NOTHING: Final = News(candles=(), lost=None, touch=None, trades=())


Tapped: TypeAlias = TouchChanged | DataLost | TradePrint
Tap: TypeAlias = deque[Tapped]
"""Bounded: what nobody takes in time goes, the oldest first."""


class MarketSlot:
    """The latest of one symbol's market. Thread-safe; one lock, held for a few assignments.

    Attributes:
        overwritten: touches that a newer one replaced before the trader came by.
        tap: takes everything besides, in order, for shadow trading; None while nobody wants it.
    """

    __slots__ = (
        "_candles",
        "_express",
        "_lost",
        "_mutex",
        "_outstanding",
        "_quiet",
        "_ranges",
        "_standing",
        "_touch",
        "_wake",
        "overwritten",
        "tap",
    )

    def __init__(self, wake: Callable[[], bool]) -> None:
        """Start empty.

        Args:
            wake: tells the trader `MarketMoved`; returns whether it could.
        """
        self._wake = wake
        self._mutex = threading.Lock()
        self._outstanding = False
        self._touch: TouchChanged | None = None
        self._lost: DataLost | None = None
        self._ranges: dict[int, tuple[tuple[Instant, Ticks], tuple[Instant, Ticks]]] = {}
        self._candles: list[CandleBar] = []
        self._quiet: Quiet | None = None
        self._express: Callable[[MarketMoved], bool] | None = None
        self._standing: TouchChanged | DataLost | None = None
        self.overwritten = 0
        self.tap: Tap | None = None

    def put_touch(self, touch: TouchChanged) -> None:
        """Take a new touch; it replaces the one that nobody has read yet."""
        tap = self.tap  # read once: it may be taken away at any moment
        if tap is not None:
            tap.append(touch)
        with self._mutex:
            if self._touch is not None and self._outstanding:
                self.overwritten += 1
            self._touch = self._standing = touch
            if self._quiet is not None and inside(self._quiet, touch):
                return
            wake = self._claim()
        if wake:
            self._do_wake()

    def put_lost(self, lost: DataLost) -> None:
        """Take a loss of trust; the touch before it is void."""
        tap = self.tap
        if tap is not None:
            tap.append(lost)
        with self._mutex:
            self._lost = self._standing = lost
            self._touch = None
            wake = self._claim()
        if wake:
            self._do_wake()

    def put_trade(self, at: Instant, price: Ticks) -> None:
        """Widen the range of the trade's bucket."""
        bucket = at // BUCKET
        mark = (at, price)
        with self._mutex:
            low, high = self._ranges.get(bucket, (mark, mark))
            if price < low[1]:
                low = mark
            if price > high[1]:
                high = mark
            self._ranges[bucket] = (low, high)
            if self._quiet is not None and at < self._quiet[5]:
                return  # no candle that decides can change
            wake = self._claim()
        if wake:
            self._do_wake()

    def put_candle(self, bar: CandleBar) -> None:
        """Take a bucket as the exchange states it; a restatement replaces what nobody has read yet."""
        with self._mutex:
            self._candles = [held for held in self._candles if held.start != bar.start]
            self._candles.append(bar)
            wake = self._claim()
        if wake:
            self._do_wake()

    def drain(self) -> News:
        """Take everything; whatever comes next wakes the trader again."""
        with self._mutex:
            self._outstanding, self._quiet = False, None
            if not (self._touch or self._lost or self._ranges or self._candles):
                return NOTHING
            news = News(
                candles=tuple(self._candles),
                lost=self._lost,
                touch=self._touch,
                trades=tuple(
                    mark for marks in self._ranges.values() for mark in dict.fromkeys(marks)
                ),
            )
            self._touch = self._lost = None
            self._ranges.clear()
            self._candles.clear()
        return news

    def rest(self, quiet: Quiet | None) -> None:
        """Wake the trader for nothing inside its quiet box, until it drains again."""
        with self._mutex:
            self._quiet = None if self._outstanding else quiet

    def attach(self, express: Callable[[MarketMoved], bool]) -> None:
        """Begin anew for a trader that has seen nothing: what stands is news to it.

        Args:
            express: has the trader handle `MarketMoved` at once, in the stream's thread; returns False
                when it is to be told instead.
        """
        with self._mutex:
            self._express = express
            self._outstanding, self._quiet = False, None
            match self._standing:
                case TouchChanged():
                    self._touch = self._standing
                case DataLost():
                    self._lost = self._standing
                case None:
                    pass

    def standing(self) -> TouchChanged | DataLost | None:
        """Return the latest touch, or the loss of trust since; None before the first."""
        return self._standing

    def _claim(self) -> bool:
        claimed, self._outstanding = not self._outstanding, True
        return claimed

    def _do_wake(self) -> None:
        express = self._express
        if express is not None and express(MOVED):
            return
        if not self._wake():
            with self._mutex:
                self._outstanding = False


def inside(quiet: Quiet, touch: TouchChanged) -> bool:
    """Return whether a touch is one at which the trader decides nothing."""
    bid_low, bid_high, ask_low, ask_high, since, until = quiet
    return (
        bid_low <= (touch.bid if touch.bid_size else 0) <= bid_high
        and ask_low <= (touch.ask if touch.ask_size else 0) <= ask_high
        and since <= touch.now < until
    )
