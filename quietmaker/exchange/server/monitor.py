"""What the server tells of itself; who builds it decides where that goes."""

from __future__ import annotations

from typing import Protocol


class Monitor(Protocol):
    """Takes log lines and counts. Called in the event loop: it must not block."""

    def log(self, event: str, message: str) -> None:
        """Tell of something rare that an operator wants to know; `event` is a fixed word."""

    def count(self, name: str, label: str) -> None:
        """Count something; `name` is fixed and `label` one of few words."""


class Tally:
    """Counts in memory, for ``/admin`` and tests; log lines go on to another monitor if there is one."""

    def __init__(self, then: Monitor | None = None) -> None:
        """Start at zero."""
        self._then = then
        self.counts: dict[tuple[str, str], int] = {}

    def log(self, event: str, message: str) -> None:
        """Pass a line on, and count it."""
        self.count("log", event)
        if self._then is not None:
            self._then.log(event, message)

    def count(self, name: str, label: str) -> None:
        """Count."""
        self.counts[name, label] = self.counts.get((name, label), 0) + 1
        if self._then is not None:
            self._then.count(name, label)
