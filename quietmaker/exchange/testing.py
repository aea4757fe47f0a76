"""Time by hand: drives a paper exchange without a thread and without waiting."""

from __future__ import annotations

from collections.abc import Callable

from quietmaker.core.units import Instant, Nanos


class ManualClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: int) -> None:
        """Start at a time."""
        self._now = now

    def now(self) -> Instant:
        """Return the time it was moved to."""
        return Instant(self._now)

    def monotonic(self) -> Nanos:
        """Return the same time."""
        return Nanos(self._now)

    def advance(self, span: int) -> None:
        """Move on."""
        self._now += span


class ManualPacer:
    """A pacer whose time passes in `run`, and while a caller naps."""

    def __init__(self, clock: ManualClock) -> None:
        """Move this clock."""
        self._clock = clock
        self._step: Callable[[], Nanos] | None = None

    def start(self, step: Callable[[], Nanos]) -> None:
        """Keep the step for `run`."""
        self._step = step

    def wake(self) -> None:
        """Do nothing: `run` comes by."""

    def nap(self, span: Nanos) -> None:
        """Let that much time pass."""
        self._clock.advance(span)

    @property
    def alive(self) -> bool:
        """Return whether there is a step to call."""
        return self._step is not None

    def close(self) -> None:
        """Step no more."""
        self._step = None

    def run(self, span: int = 0) -> None:
        """Let time pass, stepping whenever the exchange asked to be woken, and at the end."""
        end = self._clock.now() + span
        while self._step is not None:
            pause = self._step()
            left = end - self._clock.now()
            if left <= 0 and pause > 0:
                return
            self._clock.advance(min(pause, max(left, 0)))
