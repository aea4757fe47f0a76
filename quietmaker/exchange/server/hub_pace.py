"""Pacing of the channels: what happens every so often."""

from __future__ import annotations

from quietmaker.core.units import Nanos


class Every:
    """Something that happens at a fixed interval, late rather than twice."""

    __slots__ = ("_interval", "_next")

    def __init__(self, interval: Nanos, now: int) -> None:
        """Happen first one interval from now."""
        self._interval = interval
        self._next = now + interval

    def due(self, now: int) -> bool:
        """Return whether it is time, and wait for the next time."""
        if now < self._next:
            return False
        missed = (now - self._next) // self._interval
        self._next += (missed + 1) * self._interval
        return True
