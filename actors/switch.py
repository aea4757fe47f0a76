"""The kill switch: a flag, not a message. `stop` and every message queue behind a backlog; this does not."""

from __future__ import annotations

import threading


class KillSwitch:
    """Once set, no entry order is sent any more; exits and cancellations go on. Thread-safe."""

    def __init__(self) -> None:
        """Let entries pass."""
        self._set = threading.Event()
        self._reason = ""

    def set(self, reason: str) -> None:
        """Stop entries for good, from any thread; the first reason is kept."""
        if not self._set.is_set():
            self._reason = reason
            self._set.set()

    @property
    def is_set(self) -> bool:
        """Return whether entries are stopped."""
        return self._set.is_set()

    @property
    def reason(self) -> str:
        """Return why, empty while they are not."""
        return self._reason
