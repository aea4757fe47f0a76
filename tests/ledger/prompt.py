"""Ledgers that bring everything into the books at once, and raise what these refuse: for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError
from quietmaker.ledger.journal.folder import JournalPlace
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ports import LedgerFact
from tests.ledger.makers import at

SEGMENT: int = 1 << 16


class FactsRefused(LedgerError):  # noqa: N818
    """The books refuse facts."""


def place(folder: Path, *, now: Callable[[], Instant] = lambda: at(0)) -> JournalPlace:
    """Return a place for a journal, with small segments."""
    return JournalPlace(folder=folder, now=now, segment_bytes=SEGMENT)


class PromptLedger(JournaledLedger):
    """On PostgreSQL, with a journal in a folder of its own unless one is given."""

    def __init__(
        self, url: Callable[[], str], *, products: Mapping[str, Product], folder: Path | None = None
    ) -> None:
        """Open."""
        self._temporary = tempfile.TemporaryDirectory() if folder is None else None
        where = Path(self._temporary.name) if self._temporary is not None else folder
        assert where is not None
        self.database = PostgresLedger(url)
        self.notes: list[str] = []
        super().__init__(self.database, place(where), products=products, tell=self.notes.append)

    def write_intent(self, intent: Intent) -> None:
        """Write, and have it in the books."""
        super().write_intent(intent)
        self.apply()

    def write(self, facts: Iterable[LedgerFact]) -> int:
        """Write, and have it in the books."""
        number = super().write(facts)
        if refused := self.apply().refused:
            raise FactsRefused("; ".join(refused))
        return number

    def close(self) -> None:
        """Close, and remove the folder that is ours."""
        super().close()
        if self._temporary is not None:
            self._temporary.cleanup()


class PromptMemory(MemoryLedger):
    """In memory."""

    def write(self, facts: Iterable[LedgerFact]) -> int:
        """Write, and have it in the books."""
        number = super().write(facts)
        if refused := self.apply().refused:
            raise FactsRefused("; ".join(refused))
        return number
