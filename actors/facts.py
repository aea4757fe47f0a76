"""The way of facts into the ledger: recorded in one order, numbered, before anybody acts on them.

It is no mailbox on purpose: what is queued in a mailbox vanishes with its actor, and this may not. Once
`put` returns, a kill loses nothing of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from quietmaker.ports import Ledger, LedgerFact


class FactLog:
    """Records facts and wakes who brings them into the books. Thread-safe."""

    def __init__(self, ledger: Ledger, wake: Callable[[], object]) -> None:
        """Record in a ledger.

        Args:
            ledger: the books.
            wake: tells the ledger writer that something came; called once until it has `seen` it.
        """
        self._ledger = ledger
        self._wake = wake
        self._mutex = threading.Lock()
        self._outstanding = False

    def put(self, *facts: LedgerFact) -> int:
        """Record facts behind all earlier ones; return the number of the last."""
        number = self._ledger.write(facts)
        with self._mutex:
            wake, self._outstanding = not self._outstanding, True
        if wake:
            self._wake()
        return number

    def seen(self) -> None:
        """Wake again from now on: whoever was woken is about to look."""
        with self._mutex:
            self._outstanding = False
