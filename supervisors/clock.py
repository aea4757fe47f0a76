"""The one place where the operating system is asked for the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from quietmaker.core.units import Instant, Nanos


class SystemClock:
    """UTC anchored to the monotonic clock: it never runs backwards, however the machine's is set.

    The price is that a correction of the machine's clock is not followed; the clock actor measures the
    skew to the exchange and stops quoting when it grows, and a restart takes a new anchor.
    """

    def __init__(
        self,
        *,
        utc: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Take the anchor."""
        self._monotonic = monotonic
        self._offset = utc() - monotonic()

    def now(self) -> Instant:
        """Return the time of day in UTC."""
        return Instant(self._offset + self._monotonic())

    def monotonic(self) -> Nanos:
        """Return nanoseconds of the monotonic clock."""
        return Nanos(self._monotonic())


def thread_cpu() -> Nanos:
    """Return the processor time that the calling thread has used."""
    return Nanos(time.thread_time_ns())


def utc() -> datetime:
    """Return the time of day, for a command that asks once."""
    return datetime.now(UTC)
