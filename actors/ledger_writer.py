"""The ledger writer: facts from the queue into the ledger, in order, again and again until they are in.

The queue outlives this actor, so that a crash here loses nothing. Books are read here too, between two
batches: whoever asks knows exactly which facts are in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from actors.address import Tellable
from actors.base import BaseActor, Surroundings
from actors.facts import FactQueue
from actors.protocol import BooksRead, FactsQueued, LedgerMessage, ReadBooks, ReconcilerMessage
from quietmaker.core.events import Tick
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import FactsRefused, LedgerUnavailable
from quietmaker.ports import Ledger, LedgerFact
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import LedgerOperation, Metrics

BATCH: Final = 500
FIRST_PAUSE: Final = Nanos(SECOND // 4)
LONGEST_PAUSE: Final = Nanos(5 * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterLinks:
    """What the writer works with."""

    ledger: Ledger
    facts: FactQueue
    reconciler: Tellable[ReconcilerMessage]
    metrics: Metrics


class LedgerWriter(BaseActor[LedgerMessage]):
    """Writes facts and reads books."""

    def __init__(self, around: Surroundings, links: WriterLinks) -> None:
        """Prepare; what waits in the queue is written with the first message."""
        super().__init__(around)
        self._links = links
        self._log = Log("ledger")
        self._wanted: list[ReadBooks] = []
        self._pause: Nanos | None = None
        self._again_at = 0

    def begin(self) -> None:
        """Write what an earlier life left."""
        self._write()

    def finish(self) -> None:
        """Write what came last."""
        self._again_at = 0
        self._write()

    def receive(self, message: LedgerMessage) -> None:
        """Write what waits, then read what was asked for."""
        match message:
            case FactsQueued():
                self._write()
            case ReadBooks():
                self._wanted.append(message)
                self._write()
            case Tick():
                if self._wanted or len(self._links.facts):
                    self._write()
            case _:
                assert_never(message)

    @property
    def away(self) -> bool:
        """Return whether the ledger could not be reached at the last try."""
        return self._pause is not None

    def _write(self) -> None:
        if self.away and self.around.monotonic() < self._again_at:
            return
        facts = self._links.facts
        try:
            while batch := facts.batch(BATCH):
                self._store(batch)
                facts.stored(len(batch))
            self._read()
        except LedgerUnavailable as error:
            self._wait(error)
        else:
            self._resumed()
        self._links.metrics.outbox(len(facts))

    def _store(self, batch: list[LedgerFact]) -> None:
        began = self.around.monotonic()
        done = False
        try:
            self._links.ledger.write(batch)
            done = True
        except FactsRefused as error:
            # They were set aside as evidence, all others are stored.
            done = True
            self._log.error(Event.ALERT, f"the books refuse facts: {error}")
        finally:
            seconds = (self.around.monotonic() - began) / SECOND
            self._links.metrics.ledger_write(LedgerOperation.FACTS, seconds, ok=done)

    def _read(self) -> None:
        while self._wanted:
            asked = self._wanted[0]
            upto = self._links.facts.last
            if len(self._links.facts):
                return  # something came meanwhile, and with it a message: it is written first
            books = self._links.ledger.books(asked.products)
            self._wanted.pop(0)
            self._links.reconciler.tell(BooksRead(token=asked.token, upto=upto, books=books))

    def _wait(self, error: LedgerUnavailable) -> None:
        if self._pause is None:
            self._log.error(
                Event.LEDGER_UNAVAILABLE,
                f"entries stop; {len(self._links.facts)} facts wait: {error}",
            )
        self._pause = (
            FIRST_PAUSE if self._pause is None else Nanos(min(2 * self._pause, LONGEST_PAUSE))
        )
        self._again_at = self.around.monotonic() + self._pause

    def _resumed(self) -> None:
        if self._pause is not None:
            self._pause = None
            self._log.info(Event.LEDGER_RECOVERED, "every waiting fact is stored")
