"""The ledger writer: what was recorded goes into the books, in order, again and again until it is in.

It is recorded already, so a crash here loses nothing. Books are read here too: whoever asks knows exactly
which facts are in them.

While the books cannot be brought up to date, or the journal has no room, every trader is told: entries
stop, exits go on. Told again with every tick, because a trader may have been away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from actors.address import Tellable
from actors.base import BaseActor, Surroundings
from actors.facts import FactLog
from actors.protocol import BooksRead, FactsQueued, LedgerMessage, ReadBooks, ReconcilerMessage
from quietmaker.core.events import LedgerChanged, Tick
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import LedgerUnavailable
from quietmaker.ports import Clock, Ledger
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import LedgerOperation, Metrics

FIRST_PAUSE: Final = Nanos(SECOND // 4)
LONGEST_PAUSE: Final = Nanos(5 * SECOND)
SOON: Final = 500
"""Reading the books brings so many records in by itself; more of them are brought in before, in steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterLinks:
    """What the writer works with.

    Attributes:
        traders: tells every trader that is there.
        started: hears that the writer began: questions to an earlier life are lost.
        again: has the writer called again once it has handled what waits in its inbox.
        gather: waits a moment for more to come; every transaction takes disk and interpreter from orders.
    """

    ledger: Ledger
    facts: FactLog
    reconciler: Tellable[ReconcilerMessage]
    traders: Callable[[LedgerChanged], object]
    started: Callable[[], object]
    again: Callable[[], object]
    gather: Callable[[], None]
    clock: Clock
    metrics: Metrics


class LedgerWriter(BaseActor[LedgerMessage]):
    """Brings the books up to date and reads them."""

    def __init__(self, around: Surroundings, links: WriterLinks) -> None:
        """Prepare; what waits is written with the first message."""
        super().__init__(around)
        self._links = links
        self._log = Log("ledger")
        self._wanted: list[ReadBooks] = []
        self._pause: Nanos | None = None
        self._again_at = 0
        self._trouble: str | None = None
        """What the traders were told last; None before they were told anything."""

    def begin(self) -> None:
        """Write what an earlier life left, and tell how the ledger stands."""
        self._links.started()
        self._work()

    def finish(self) -> None:
        """Write what came last."""
        self._again_at = 0
        self._work()

    def receive(self, message: LedgerMessage) -> None:
        """Write what waits, then read what was asked for."""
        match message:
            case FactsQueued():
                if self._links.ledger.standing().backlog < SOON:
                    self._links.gather()
                self._work()
            case ReadBooks():
                self._wanted.append(message)
                self._work()
            case Tick():
                self._work()
                if self._trouble:
                    self._tell_traders(self._trouble)
            case _:
                assert_never(message)

    @property
    def away(self) -> bool:
        """Return whether the ledger could not be reached at the last try."""
        return self._pause is not None

    def _work(self) -> None:
        if self.away and self.around.monotonic() < self._again_at:
            return
        try:
            left = self._apply()
            if left:
                self._links.again()  # one step at a time: this actor gives signs of life in between
            if left <= SOON:
                self._read()
        except LedgerUnavailable:
            longer = FIRST_PAUSE if self._pause is None else Nanos(2 * self._pause)
            self._pause = min(longer, LONGEST_PAUSE)
            self._again_at = self.around.monotonic() + self._pause
        else:
            self._pause = None
        self._show()

    def _apply(self) -> int:
        """Take one step; return how much is left to do."""
        self._links.facts.seen()
        began, done = self.around.monotonic(), False
        waited = self._links.ledger.standing().backlog
        try:
            applied = self._links.ledger.apply()
            done = True
        finally:
            if waited or not done:
                seconds = (self.around.monotonic() - began) / SECOND
                self._links.metrics.ledger_write(LedgerOperation.FACTS, seconds, ok=done)
        for refused in applied.refused:
            # They were set aside as evidence, all others are stored.
            self._links.metrics.fact_refused()
            self._log.error(Event.ALERT, f"the books refuse a fact: {refused}")
        return applied.left if waited else 0

    def _read(self) -> None:
        while self._wanted:
            asked = self._wanted[0]
            books = self._links.ledger.books(asked.products)
            self._wanted.pop(0)
            self._links.reconciler.tell(
                BooksRead(token=asked.token, upto=books.upto, books=books.symbols)
            )

    def _show(self) -> None:
        """Set the metrics, and say when the ledger began or ceased to be in trouble."""
        standing = self._links.ledger.standing()
        self._links.metrics.ledger_stands(standing)
        before, now = self._trouble, standing.trouble
        if bool(before) is bool(now) and before is not None:
            self._trouble = now
            return
        self._tell_traders(now)
        if now:
            self._log.error(
                Event.LEDGER_UNAVAILABLE,
                f"entries stop, exits go on; {standing.backlog} records wait: {now}",
                records=standing.backlog,
            )
        elif before:
            self._log.info(Event.LEDGER_RECOVERED, "everything that waited is stored")

    def _tell_traders(self, trouble: str) -> None:
        self._trouble = trouble
        self._links.traders(LedgerChanged(now=self._links.clock.now(), trouble=trouble))
