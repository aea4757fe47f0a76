"""Ask a callback for its state, and have an answer in time whatever it does.

A check that raises is an answer, and so is one that hangs: it runs in a thread of its own, at most one
at a time, and whoever asks waits only so long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from quietmaker.telemetry.guard import Captured

PATIENCE_SECONDS: Final = 0.8
"""Probes are answered within a second."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer."""

    reason: str


class _Run(Generic[T]):
    """One run of the callback."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: T | Failed = Failed("has not answered")


class Probe(Generic[T]):
    """Runs a callback on demand. Requests that come while it runs share its answer."""

    def __init__(
        self, name: str, callback: Callable[[], T], patience: float = PATIENCE_SECONDS
    ) -> None:
        """Ask ``callback``, and wait ``patience`` seconds for it."""
        self._name = name
        self._callback = callback
        self._patience = patience
        self._lock = threading.Lock()
        self._running: _Run[T] | None = None

    def ask(self) -> T | Failed:
        """Return the answer, or why there is none."""
        with self._lock:
            run = self._running
            if run is None or run.done.is_set():
                run = self._running = _Run()
                threading.Thread(
                    target=self._work, args=(run,), name=f"probe-{self._name}", daemon=True
                ).start()
        if not run.done.wait(self._patience):
            return Failed(f"{self._name} check has not answered within {self._patience:g} s")
        return run.result

    def _work(self, run: _Run[T]) -> None:
        with Captured() as capture:
            run.result = self._callback()
        if capture.error is not None:
            run.result = Failed(f"{self._name} check raised {capture}")
        run.done.set()
