"""The clock: tells everybody that time passed, and measures how far the exchange's clock is from ours.

A decision learns the time from its event, so something must happen when nothing does. A tick is not
put into an inbox that is behind: it would only be old when it is read. Actors are ticked one after the
other over the whole period: all at once would want the interpreter together, and an order would wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from actors.address import Tellable
from actors.base import BaseActor, Surroundings
from actors.board import Board
from actors.protocol import ClockCompared, ClockMessage, FeedMessage
from quietmaker.core.events import Tick
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Clock, Exchange
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

PERIOD: Final = Nanos(SECOND // 5)
SKEW_EVERY: Final = Nanos(30 * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLinks:
    """What the clock works with.

    Attributes:
        ticks: those of this moment, at least one: each delivers a tick to an actor that is not behind.
        feed: hears whether the clocks agree; without that nothing is quoted.
        board: shows the skew.
        skew_limit: beyond this, times of orders and candles mean something else than they say.
    """

    clock: Clock
    exchange: Exchange
    ticks: Callable[[], Sequence[Callable[[Tick], None]]]
    feed: Tellable[FeedMessage]
    board: Board
    skew_limit: Nanos
    metrics: Metrics


class ClockActor(BaseActor[ClockMessage]):
    """Ticks.

    Attributes:
        skew: exchange's time less ours at the last measurement, None before the first.
    """

    def __init__(self, around: Surroundings, links: ClockLinks) -> None:
        """Prepare; `begin` starts the thread that ticks."""
        super().__init__(around)
        self._links = links
        self._log = Log("clock")
        self._over = threading.Event()
        self._measured: int | None = None
        self.skew: Nanos | None = None

    def begin(self) -> None:
        """Start to tick."""
        threading.Thread(target=self.guarded(self._run), name="ticker", daemon=True).start()

    def finish(self) -> None:
        """Tick no more."""
        self._over.set()

    def receive(self, message: ClockMessage) -> None:
        """Measure the skew when it is due."""
        del message
        now = self.around.monotonic()
        if self._measured is None or now - self._measured >= SKEW_EVERY:
            self._measured = now
            self._measure()

    def _run(self) -> None:
        clock = self._links.clock
        while True:
            ticks = self._links.ticks()
            pause = PERIOD / SECOND / len(ticks)
            for tick in ticks:
                if self._over.wait(pause):
                    return
                tick(Tick(now=clock.now()))

    def _measure(self) -> None:
        """Compare with the exchange; half of the request's time is taken to be its way there."""
        clock = self._links.clock
        before = clock.now()
        try:
            theirs = self._links.exchange.time()
        except QuietmakerError as error:
            self._log.warning(Event.ALERT, f"the exchange's time cannot be asked for: {error}")
            return
        after = clock.now()
        self.skew = Nanos(theirs - (before + after) // 2)
        uncertain = (after - before) // 2
        skewed = abs(self.skew) - uncertain > self._links.skew_limit
        self._links.metrics.wire.clock_skew(self.skew)
        self._links.board.skew = self.skew
        self._links.feed.tell(ClockCompared(skewed=skewed))
        if skewed:
            self._log.error(
                Event.ALERT,
                f"our clock is {-self.skew / SECOND:+.3f} s from the exchange's; synchronise this machine",
                skew_seconds=self.skew / SECOND,
            )
