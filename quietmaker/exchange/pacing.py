"""How the paper exchange lets time pass: a thread of its own, or a test's hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from quietmaker.core.units import SECOND, Nanos


class Pacer(Protocol):
    """Calls a step again and again, and lets a caller wait."""

    def start(self, step: Callable[[], Nanos]) -> None:
        """Begin to call `step`, each time after the pause that it returned, or when woken."""

    def wake(self) -> None:
        """Call `step` now: something happened that it should deliver."""

    def nap(self, span: Nanos) -> None:
        """Let the calling thread wait for a simulated latency."""

    @property
    def alive(self) -> bool:
        """Return whether `step` is still called."""

    def close(self) -> None:
        """Call `step` no more; returns once it does not run any more. Idempotent."""


class ThreadPacer:
    """One daemon thread in real time."""

    def __init__(self, *, name: str = "paper-exchange") -> None:
        """Prepare the thread; `start` starts it."""
        self._name = name
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, step: Callable[[], Nanos]) -> None:
        """Begin to call `step`.

        Raises:
            RuntimeError: if it was started or closed before.
        """
        if self._thread is not None or self._closed.is_set():
            raise RuntimeError(f"{self._name} was started before; build a new exchange")
        self._thread = threading.Thread(
            target=self._run, args=(step,), name=self._name, daemon=True
        )
        self._thread.start()

    def wake(self) -> None:
        """Cut the current pause short."""
        self._wake.set()

    def nap(self, span: Nanos) -> None:
        """Sleep."""
        time.sleep(span / SECOND)

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def close(self) -> None:
        """End the thread, and wait for it unless it is the caller."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, step: Callable[[], Nanos]) -> None:
        while not self._closed.is_set():
            self._wake.clear()
            pause = step()
            if pause > 0:
                self._wake.wait(pause / SECOND)
