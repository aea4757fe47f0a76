"""The fact queue: facts for the ledger, in one order, numbered, and alive through a restart of the writer.

It is no mailbox on purpose: what is queued behind a crash in a mailbox vanishes, and this may not.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from quietmaker.ports import LedgerFact


class FactQueue:
    """Facts on their way to the ledger. Thread-safe."""

    def __init__(self, wake: Callable[[], object]) -> None:
        """Start empty at number 0.

        Args:
            wake: tells the ledger writer that something came; called once until the next `batch`.
        """
        self._wake = wake
        self._mutex = threading.Lock()
        self._facts: deque[LedgerFact] = deque()
        self._last = 0
        self._outstanding = False

    def put(self, *facts: LedgerFact) -> int:
        """Queue facts behind all earlier ones; return the number of the last."""
        with self._mutex:
            self._facts.extend(facts)
            self._last += len(facts)
            number = self._last
            wake, self._outstanding = not self._outstanding, True
        if wake:
            self._wake()
        return number

    def batch(self, most: int) -> list[LedgerFact]:
        """Return the oldest facts without removing them."""
        with self._mutex:
            self._outstanding = False
            return [self._facts[index] for index in range(min(most, len(self._facts)))]

    def stored(self, count: int) -> None:
        """Remove the oldest facts: they are in the ledger."""
        with self._mutex:
            for _ in range(count):
                self._facts.popleft()

    @property
    def last(self) -> int:
        """Return the number of the newest fact that was ever queued."""
        return self._last

    def __len__(self) -> int:
        """Return how many facts wait."""
        return len(self._facts)
