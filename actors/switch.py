"""The kill switch: flags, not messages. `stop` and every message queue behind a backlog; these do not."""

from __future__ import annotations

import threading
from collections.abc import Mapping


class KillSwitch:
    """What stops entries at the gateway; exits and cancellations go on. Thread-safe.

    `set` is for good: the process ends. What is held can be let go again. `shut` stops exits as well: it is
    for a process that ends with traders which nobody can tell, and that would replace a cancelled exit.

    Attributes:
        is_shut: whether no order at all is sent any more.
        halted: why the account is halted, empty while it is not.
    """

    def __init__(self) -> None:
        """Let entries pass."""
        self._set = threading.Event()
        self._reason = ""
        self._held: Mapping[str | None, str] = {}
        self.is_shut = False
        self.halted = ""

    def set(self, reason: str) -> None:
        """Stop entries for good, from any thread; the first reason is kept."""
        if not self._set.is_set():
            self._reason = reason
            self._set.set()

    def shut(self, reason: str) -> None:
        """Stop every order for good, exits too; cancellations go on."""
        self.set(reason)
        self.is_shut = True

    def hold(self, stops: Mapping[str | None, str], *, halted: str) -> None:
        """Hold the entries of these scopes, and of no others: a symbol, or None for the account.

        Args:
            stops: why, by scope.
            halted: why the account is halted, empty when it is not.
        """
        self._held = dict(stops)  # replaced, never changed: readers take no lock
        self.halted = halted

    @property
    def is_set(self) -> bool:
        """Return whether entries are stopped for good."""
        return self._set.is_set()

    @property
    def reason(self) -> str:
        """Return why they are stopped for good, empty while they are not."""
        return self._reason

    def stops(self, symbol: str) -> str:
        """Return why no entry of a symbol may be sent now, empty when it may."""
        if self._set.is_set():
            return self._reason
        held = self._held
        return held.get(None, "") or held.get(symbol, "")
