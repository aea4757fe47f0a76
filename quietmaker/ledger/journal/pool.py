"""Segments ahead of need: made, used again once the database holds what they say, or removed."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
from bisect import insort
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from uuid import UUID

from quietmaker.ledger.journal.disk import Disk
from quietmaker.ledger.journal.format import BLOCK, SALT, Description
from quietmaker.ledger.journal.segment import SUFFIX, UNFINISHED, Segment, name_of

AHEAD: Final = 3
"""Segments that are kept ready. The first one is for everybody, the others are the reserve."""
NO_SALT: Final = bytes(SALT)


class SegmentPool:
    """The segments that are ready. Thread-safe.

    Attributes:
        full: why no further one can be made, empty while it can.
        durable: number of the last durable record, kept by the journal; new segments state it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        journal: UUID,
        ledger: UUID,
        ready: Iterable[Segment],
        newest: int,
        disk: Disk,
        segment_bytes: int,
    ) -> None:
        """Begin with those that are ready.

        Args:
            folder: of the journal.
            journal, ledger: what every segment says of itself.
            ready: by number.
            newest: the greatest number that was ever given.
            disk: where they lie.
            segment_bytes: how large each is.
        """
        self._folder, self._journal, self._ledger = folder, journal, ledger
        self._ready = sorted(ready, key=lambda each: each.about.number)
        self._numbers = itertools.count(newest + 1)
        self._disk, self._size = disk, segment_bytes
        self._mutex = threading.Lock()
        self._making = threading.Lock()
        self._latest = 0
        self._closed = False
        self.full = ""
        self.durable = 0

    def take(self) -> Segment:
        """Return the next segment.

        Raises:
            OSError: if none is ready, and none can be made.
        """
        while (segment := self._next()) is not None:
            if segment.about.number > self._latest:
                break
            self.drop(
                segment
            )  # made while a later one was: out of order, its records would be void
        if segment is None:
            if self.full:  # making is tried again by `prepare`, not with every record
                raise OSError(errno.ENOSPC, self.full)
            segment = self._make()
        self._latest = segment.about.number
        return segment

    def _next(self) -> Segment | None:
        with self._mutex:
            return self._ready.pop(0) if self._ready else None

    def prepare(self) -> None:
        """Make segments ahead, or say why that cannot be done."""
        with self._making:
            while not self._closed and len(self._ready) < AHEAD:
                try:
                    segment = self._make()
                except OSError as error:
                    spare = len(self._ready) * self._size / (1 << 20)
                    self.full = (
                        f"no further segment can be made in {self._folder} ({error}); {spare:g} MiB are in"
                        f" reserve for exits: make room on the disk"
                    )
                    return
                self._add(segment)
            self.full = ""

    def give_back(self, segment: Segment) -> None:
        """Take a segment of which nothing is needed any more."""
        if self._closed or not segment.sound or len(self._ready) >= AHEAD:
            self.drop(segment)
            return
        number = next(self._numbers)
        try:
            making = segment.path.with_suffix(UNFINISHED)
            self._disk.rename(segment.path, making)
            self._add(self._describe(making, segment.handle, number))
        except OSError:
            self.drop(segment)

    def drop(self, segment: Segment) -> None:
        """Remove a segment; one that cannot be removed is found again at the next start."""
        os.close(segment.handle)
        with contextlib.suppress(OSError):
            self._disk.remove(segment.path)

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        with self._making, self._mutex:
            self._closed = True
            while self._ready:
                os.close(self._ready.pop().handle)

    def _add(self, segment: Segment) -> None:
        with self._mutex:
            # One that was made while nobody could wait for it comes too late: segments follow in order.
            if not self._closed and segment.about.number > self._latest:
                insort(self._ready, segment, key=lambda each: each.about.number)
                return
        self.drop(segment)

    def _make(self) -> Segment:
        number = next(self._numbers)
        making = self._folder / name_of(number).replace(SUFFIX, UNFINISHED)
        try:
            self._disk.make(making, self._size)
            handle = self._disk.open(making)
        except OSError:
            with contextlib.suppress(OSError):
                self._disk.remove(making)
            raise
        try:
            return self._describe(making, handle, number)
        except OSError:
            os.close(handle)
            with contextlib.suppress(OSError):
                self._disk.remove(making)
            raise

    def _describe(self, making: Path, handle: int, number: int) -> Segment:
        """Say what a file is from now on, and give it its name once that is on the disk."""
        salt = os.urandom(SALT)
        while salt == NO_SALT:
            salt = os.urandom(SALT)
        about = Description(
            number=number,
            salt=salt,
            journal=self._journal,
            ledger=self._ledger,
            size=self._size,
            base=self.durable,
        )
        self._disk.write(handle, about.pack(), 0)
        self._disk.sync(handle)
        path = self._folder / name_of(number)
        self._disk.rename(making, path)
        return Segment(path=path, handle=handle, about=about, end=BLOCK)
