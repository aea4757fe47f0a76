"""The disk below a victim's journal: one can die at every step of it, it can be full, and lose its cache.

With the power cut, what was written and not synced is lost with the process, as it is when a machine stops:
writes are then kept back in memory until they are synced.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final
from unittest.mock import patch

from quietmaker.ledger.journal.disk import RealDisk
from quietmaker.ledger.journal.folder import JournalPlace
from supervisors import books

Pass = Callable[[str], None]
SEGMENT_BYTES: Final = 1 << 14
"""Small, so that segments end, and are used again, all the time."""


class VictimDisk(RealDisk):
    """The real one, with steps to die at.

    Attributes:
        full: set while nothing that needs further space can be done.
        cut: set when what is not synced dies with the process.
    """

    def __init__(self, passing: Pass) -> None:
        """Be as good as the real one."""
        self._passing = passing
        self.full = Event()
        self.cut = Event()
        self._mutex = Lock()
        self._kept: dict[int, list[tuple[int, bytes]]] = {}

    def make(self, path: Path, size: int) -> None:
        """Make a file, unless the disk is full."""
        if self.full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        RealDisk().make(path, size)  # its zeros are synced before it is closed
        self._passing("segment.made")

    def open(self, path: Path) -> int:
        """Open; what was kept back for a file that had the same number died with it."""
        handle = super().open(path)
        with self._mutex:
            self._kept.pop(handle, None)
        return handle

    def write(self, handle: int, data: bytes, offset: int) -> None:
        """Write in two halves, so that one can die with a torn record."""
        half = len(data) // 2
        self._put(handle, data[:half], offset)
        self._passing("journal.torn")
        self._put(handle, data[half:], offset + half)
        self._passing("journal.written")

    def sync(self, handle: int) -> None:
        """Sync; what was kept back reaches the disk now."""
        with self._mutex:
            kept = self._kept.pop(handle, [])
            for offset, data in kept:
                super().write(handle, data, offset)
        super().sync(handle)
        self._passing("journal.synced")

    def read(self, handle: int, size: int, offset: int) -> bytes:
        """Read what was written, kept back or not."""
        with self._mutex:
            found = bytearray(super().read(handle, size, offset))
            for at, data in self._kept.get(handle, []):
                first, last = max(at, offset), min(at + len(data), offset + len(found))
                if first < last:
                    found[first - offset : last - offset] = data[first - at : last - at]
        return bytes(found)

    def rename(self, path: Path, to: Path) -> None:
        """Rename."""
        super().rename(path, to)
        self._passing("segment.renamed")

    def _put(self, handle: int, data: bytes, offset: int) -> None:
        if not self.cut.is_set():
            super().write(handle, data, offset)
            return
        with self._mutex:
            self._kept.setdefault(handle, []).append((offset, bytes(data)))


def decorate_disk(passing: Pass) -> VictimDisk:
    """Put a disk below the journal, for the life of the process."""
    disk = VictimDisk(passing)

    def place(**how: Any) -> JournalPlace:
        return JournalPlace(**how, disk=disk, segment_bytes=SEGMENT_BYTES)

    patch.object(books, "JournalPlace", place).start()
    return disk
