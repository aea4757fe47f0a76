"""How fast to connect again, and how fast to send: never as fast as possible."""

from __future__ import annotations

import random
from collections import deque
from typing import Final

from quietmaker.core.units import SECOND, Nanos

FIRST: Final = Nanos(SECOND // 4)
LONGEST: Final = Nanos(30 * SECOND)
PER_SECOND: Final = 8
"""Connections, and messages, that the exchange allows an address within a second."""


class Backoff:
    """Pauses that double, each with jitter, until something went well."""

    def __init__(
        self, *, first: Nanos = FIRST, longest: Nanos = LONGEST, random: random.Random
    ) -> None:
        """Begin with the shortest pause.

        Args:
            first: the shortest pause.
            longest: the longest pause.
            random: where the jitter comes from.
        """
        self._first = first
        self._longest = longest
        self._random = random
        self._next: int = first

    def pause(self) -> Nanos:
        """Return the next pause: between half of it and the whole, so that clients spread out."""
        whole = self._next
        self._next = min(2 * whole, self._longest)
        return Nanos(whole - self._random.randrange(whole // 2 + 1))

    def reset(self) -> None:
        """Begin with the shortest pause again: the last attempt went well."""
        self._next = self._first


class Pace:
    """At most so many within any second. Used by one thread."""

    def __init__(self, per_second: int = PER_SECOND) -> None:
        """Nothing was sent yet."""
        self._sent: deque[int] = deque(maxlen=per_second)
        self._most = per_second

    def wait(self, now: Nanos) -> Nanos:
        """Return how long to wait before the next one; 0 is not at all."""
        if len(self._sent) < self._most:
            return Nanos(0)
        return Nanos(max(self._sent[0] + SECOND - now, 0))

    def take(self, now: Nanos) -> None:
        """Count one that goes out now."""
        self._sent.append(now)
