"""Segments are taken in the order of their numbers, whoever makes them: a later one voids an earlier."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

from quietmaker.ledger.journal.disk import RealDisk
from quietmaker.ledger.journal.pool import SegmentPool

WAIT = 5.0


class SlowDisk(RealDisk):
    """Makes the first file only once somebody else makes the second, and lets that one wait for the first."""

    def __init__(self) -> None:
        """Wait for nobody yet."""
        self.made = 0
        self.first_began, self.second_began = threading.Event(), threading.Event()
        self.first_is_ready = threading.Event()

    def make(self, path: Path, size: int) -> None:
        """Make a file of zeros."""
        self.made += 1
        mine = self.made
        super().make(path, size)
        if mine == 1:
            self.first_began.set()
            assert self.second_began.wait(WAIT)
        elif mine == 2:
            self.second_began.set()
            assert self.first_is_ready.wait(WAIT)


def test_a_segment_that_was_made_while_a_later_one_was_is_never_taken_after_it(
    tmp_path: Path,
) -> None:
    disk, ids = SlowDisk(), uuid4()
    pool = SegmentPool(
        tmp_path,
        journal=ids,
        ledger=ids,
        ready=(),
        newest=0,
        disk=disk,
        segment_bytes=1 << 14,
    )
    add = pool._add

    def noticed(segment: object) -> None:
        add(segment)  # type: ignore[arg-type]
        disk.first_is_ready.set()

    pool._add = noticed  # type: ignore[method-assign]
    ahead = threading.Thread(target=pool.prepare)
    ahead.start()
    assert disk.first_began.wait(WAIT)
    numbers = [pool.take().about.number]  # nothing is ready: it makes one of its own
    ahead.join(WAIT)
    numbers += [pool.take().about.number for _ in range(3)]
    assert numbers == sorted(numbers)
    assert numbers[0] == 2, "the first was begun before"
    pool.close()
