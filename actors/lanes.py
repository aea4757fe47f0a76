"""Worker threads for blocking calls: what has one key is done in order, different keys run together.

A request to the exchange blocks for a network's while. One at a time would let every symbol wait for
the slowest; the symbol is the key, so that the requests of one symbol keep their order.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, Protocol

Job = Callable[[], None]
GIVE_WAY: Final = 0.0002
"""Seconds; a thread is woken within half of it."""


def give_way() -> None:
    """Leave the interpreter to the lane that was just given an order.

    Threads share it: a sender that goes on at once keeps it for a whole switch interval, and the order
    waits until then (measured: 390 of 1,100 microseconds from a change of the book to its order).
    """
    time.sleep(GIVE_WAY)


class Runner(Protocol):
    """Runs jobs somewhere."""

    def run(self, key: str, job: Job) -> None:
        """Run a job after all earlier ones of its key."""

    def close(self) -> None:
        """Drop what has not begun. Idempotent; does not wait."""


class Lanes:
    """A fixed number of daemon threads."""

    def __init__(self, count: int, *, name: str) -> None:
        """Start the threads."""
        self._closed = threading.Event()
        self._queues: list[SimpleQueue[Job | None]] = [SimpleQueue() for _ in range(count)]
        for number, jobs in enumerate(self._queues):
            threading.Thread(
                target=self._work, args=(jobs,), name=f"{name}-{number}", daemon=True
            ).start()

    def run(self, key: str, job: Job) -> None:
        """Queue a job in the lane of its key. The job must not raise; guard it."""
        self._queues[zlib.crc32(key.encode()) % len(self._queues)].put(job)

    def close(self) -> None:
        """Drop what has not begun."""
        self._closed.set()
        for jobs in self._queues:
            jobs.put(None)

    def _work(self, jobs: SimpleQueue[Job | None]) -> None:
        while (job := jobs.get()) is not None:
            if self._closed.is_set():
                return
            job()


class Inline:
    """Runs every job at once, in the caller's thread: for tests."""

    def run(self, key: str, job: Job) -> None:
        """Run it."""
        del key
        job()

    def close(self) -> None:
        """Do nothing."""
