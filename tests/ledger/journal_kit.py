"""A journal in a folder, a disk that fails as told, and how much of what was written can be read again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from quietmaker.core.units import Instant
from quietmaker.ledger.journal.disk import RealDisk
from quietmaker.ledger.journal.folder import JournalPlace, OpenJournal
from quietmaker.ledger.journal.journal import Journal, Written

LEDGER = UUID(int=7)
SMALL = 1 << 14


def full() -> OSError:
    """Return what a full disk says."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def broken() -> OSError:
    """Return what a broken disk says."""
    return OSError(errno.EIO, os.strerror(errno.EIO))


@dataclass
class BadDisk(RealDisk):
    """A disk that works until it is told to fail.

    Attributes:
        makes, writes, syncs: take the call's file before it happens, and may raise.
        synced: how often something was synced.
        before_sync: happens while somebody waits for the disk.
    """

    makes: Callable[[Path], None] = lambda path: None
    writes: Callable[[int, int], None] = lambda handle, offset: None
    syncs: Callable[[int], None] = lambda handle: None
    synced: list[int] = field(default_factory=list)

    def make(self, path: Path, size: int) -> None:
        self.makes(path)
        super().make(path, size)

    def write(self, handle: int, data: bytes, offset: int) -> None:
        self.writes(handle, offset)
        super().write(handle, data, offset)

    def sync(self, handle: int) -> None:
        self.syncs(handle)
        super().sync(handle)
        self.synced.append(handle)


@dataclass
class Home:
    """A folder for a journal, opened again and again.

    Attributes:
        applied: the number that the database holds everything up to.
    """

    folder: Path
    disk: BadDisk = field(default_factory=BadDisk)
    segment_bytes: int = SMALL
    applied: int = 0
    ledger: UUID = LEDGER
    now: int = 1
    opened: OpenJournal | None = None

    def open(self) -> Journal:
        """Open it, as after a kill if it was open."""
        self.kill()
        place = JournalPlace(
            folder=self.folder,
            now=lambda: Instant(self.now),
            disk=self.disk,
            segment_bytes=self.segment_bytes,
        )
        self.opened = place.open(self.ledger, lambda journal: self.applied)
        return self.opened.journal

    def kill(self) -> None:
        """Let go of the files without another word, as the system does for a process that was killed."""
        if self.opened is None:
            return
        opened, self.opened = self.opened, None
        journal = opened.journal
        for segment in (*journal._held, *journal._pool._ready):
            os.close(segment.handle)
        opened.lock.release()

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the opening said."""
        assert self.opened is not None
        return self.opened.notes

    @property
    def segments(self) -> list[Path]:
        """Return the files, by number."""
        return sorted(self.folder.glob("*.segment"))


def payloads(written: Sequence[Written]) -> list[bytes]:
    """Return what was written."""
    return [each.payload for each in written]


def everything(journal: Journal, after: int = 0) -> list[Written]:
    """Return every record that follows a number, read in small steps."""
    found: list[Written] = []
    while step := journal.read(after, 7):
        found.extend(step)
        after = step[-1].seq
    return found
