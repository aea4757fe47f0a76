"""The order-churn budget: how many entries the whole account may send in a minute.

An exchange complains of accounts that place and cancel much and trade little, and takes their access
away. Its threshold is not published, so ours is a setting and well below. Exits and cancellations
never ask for it: what protects money is not rationed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from quietmaker.core.units import SECOND, Nanos

WINDOW: Final = Nanos(60 * SECOND)


class ChurnBudget:
    """At most so many entries in any minute. Thread-safe: every lane asks it."""

    def __init__(self, per_minute: int, *, monotonic: Callable[[], Nanos]) -> None:
        """Start with nothing sent."""
        self.per_minute = per_minute
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._sent: deque[Nanos] = deque()

    def sent(self) -> int:
        """Return how many were sent within the last minute."""
        now = self._monotonic()
        with self._mutex:
            return sum(now - at < WINDOW for at in self._sent)

    def take(self) -> bool:
        """Return whether one more entry may be sent now, and count it if so."""
        now = self._monotonic()
        with self._mutex:
            while self._sent and now - self._sent[0] >= WINDOW:
                self._sent.popleft()
            if len(self._sent) >= self.per_minute:
                return False
            self._sent.append(now)
            return True
