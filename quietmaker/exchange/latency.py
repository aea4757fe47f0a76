"""How long requests and answers are under way."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from quietmaker.core.units import MILLISECOND, Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Delays between us and the exchange, in nanoseconds.

    Attributes:
        entry: from sending an order to its arrival.
        cancel: from sending a cancellation to its arrival.
        response: from the exchange to us, for answers and for the user stream.
        jitter: greatest uniform addition to each of them; 0 for none.
    """

    entry: Nanos
    cancel: Nanos
    response: Nanos
    jitter: Nanos

    def __post_init__(self) -> None:
        """Refuse a message that would arrive before it was sent."""
        if min(self.entry, self.cancel, self.response, self.jitter) < 0:
            raise ValueError(f"latency must not be negative: {self}")


INSTANT: Final = Latency(entry=Nanos(0), cancel=Nanos(0), response=Nanos(0), jitter=Nanos(0))
"""Everything arrives when it is sent."""

TYPICAL: Final = Latency(
    entry=Nanos(10 * MILLISECOND),
    cancel=Nanos(10 * MILLISECOND),
    response=Nanos(10 * MILLISECOND),
    jitter=Nanos(5 * MILLISECOND),
)
"""A client in the exchange's region: an assumption to set by measurement, not a measurement."""


class Wire:
    """One direction of traffic: gives each message its time of arrival.

    An `ordered` wire never lets a message overtake another (a stream). The others may, but only
    through jitter: parallel requests of constant latency arrive in the order they were sent.
    """

    __slots__ = ("_jitter", "_last", "_ordered", "_rng")

    def __init__(self, *, jitter: Nanos, rng: random.Random, ordered: bool) -> None:
        """Start with nothing under way."""
        self._jitter: int = jitter
        self._rng = rng
        self._ordered = ordered or jitter == 0
        self._last = 0

    def arrival(self, at: int, delay: int) -> int:
        """Return when a message that leaves at `at` arrives."""
        due = at + delay
        if self._jitter:
            due += self._rng.randrange(self._jitter + 1)
        if self._ordered:
            if due < self._last:
                return self._last
            self._last = due
        return due
