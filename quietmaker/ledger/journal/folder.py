"""Opening the journal of a home: one owner, what an earlier life left, and a segment to go on in."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError
from quietmaker.ledger.journal.disk import Disk, RealDisk
from quietmaker.ledger.journal.journal import Journal
from quietmaker.ledger.journal.pool import SegmentPool
from quietmaker.ledger.journal.segment import (
    SUFFIX,
    UNFINISHED,
    Content,
    Segment,
    read_folder,
    settle,
)

SEGMENT_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class OpenJournal:
    """A journal with the lock on its folder.

    Attributes:
        id: tells it from every other journal.
        notes: what was cut at the opening, for the operator.
    """

    id: UUID
    journal: Journal
    notes: tuple[str, ...]
    lock: FolderLock

    def close(self) -> None:
        """Close the journal and let go of the folder. Idempotent."""
        self.journal.close()
        self.lock.release()


class FolderLock:
    """Makes us the only one who uses a folder, until we end, however that may be."""

    def __init__(self, folder: Path) -> None:
        """Make the folder if need be, and own it.

        Raises:
            LedgerError: if somebody else does, or it cannot be used.
        """
        self._handle = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise LedgerError(
                f"another process uses the journal in {folder}; stop it, or give this instance a"
                f" QUIETMAKER_HOME of its own"
            ) from None
        except OSError as error:
            self.release()
            raise LedgerError(
                f"{folder} cannot be used ({error}); run as the user that made it, or set QUIETMAKER_HOME"
            ) from error

    def release(self) -> None:
        """Let others have it. Idempotent."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def holds_journal(folder: Path) -> bool:
    """Return whether a journal lies in a folder."""
    return any(folder.glob(f"*{SUFFIX}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPlace:
    """Where a journal lies, and how it is kept.

    Attributes:
        folder: below QUIETMAKER_HOME.
        now: the clock.
        disk: the file system.
        segment_bytes: the size of segments that are made.
    """

    folder: Path
    now: Callable[[], Instant]
    disk: Disk = field(default_factory=RealDisk)
    segment_bytes: int = SEGMENT_BYTES

    def open(self, ledger: UUID | None, applied: Callable[[UUID], int]) -> OpenJournal:
        """Open the journal, or begin one.

        Args:
            ledger: the books that it must feed; None if they were never used.
            applied: tells the number of the last record of a journal that the books hold.

        Raises:
            LedgerError: if it belongs to other books, is in use, damaged, or cannot be written.
        """
        lock = FolderLock(self.folder)
        content = Content()
        try:
            for leftover in self.folder.glob(f"*{UNFINISHED}"):
                leftover.unlink()
            content = read_folder(self.folder, self.disk)
            return self._go_on(content, ledger, applied, lock)
        except BaseException:
            for segment in content.segments:
                os.close(segment.handle)
            lock.release()
            raise

    def _go_on(
        self,
        content: Content,
        ledger: UUID | None,
        applied: Callable[[UUID], int],
        lock: FolderLock,
    ) -> OpenJournal:
        identity, notes = _belongs(self.folder, content, ledger), list(content.torn)
        done = applied(identity)
        cut = settle(content, applied=done)
        if cut is not None:
            notes.append(f"from record {cut.seq} on at {cut.where}, none of which was acknowledged")
        used = [segment for segment in content.segments if segment.used]
        newest = used[-1] if used and used[-1].sound and cut is None else None
        after = used[-1].about.number if used else 0
        ready = [
            segment
            for segment in content.segments
            if not segment.used and segment.sound and segment.about.number > after
        ]
        self._secure(content, [newest, *(run.segment for run in content.runs)], ready)
        last = max(done, content.last)
        pool = SegmentPool(
            self.folder,
            journal=identity,
            ledger=ledger or identity,
            ready=ready,
            newest=max((segment.about.number for segment in content.segments), default=0),
            disk=self.disk,
            segment_bytes=self.segment_bytes,
        )
        journal = Journal(
            pool,
            runs=content.runs,
            current=newest,
            last=last,
            applied=done,
            now=self.now,
            disk=self.disk,
        )
        content.segments.clear()  # they are the journal's now
        journal.prepare()
        return OpenJournal(identity, journal, tuple(notes), lock)

    def _secure(self, content: Content, kept: list[Segment | None], ready: list[Segment]) -> None:
        """Have on the disk what a killed process left in memory, and remove what is of no use."""
        for segment in list(content.segments):
            if segment in kept:
                try:
                    self.disk.sync(segment.handle)
                except OSError as error:
                    raise LedgerError(
                        f"{segment.path} cannot be made durable ({error}): look after the disk, then start"
                        f" again"
                    ) from error
            elif segment not in ready:
                content.segments.remove(segment)
                os.close(segment.handle)
                self.disk.remove(segment.path)


def _belongs(folder: Path, content: Content, ledger: UUID | None) -> UUID:
    """Return the journal that lies in a folder, or a new one's id.

    Raises:
        LedgerError: if it feeds other books.
    """
    if not content.segments:
        return uuid4()
    about = content.segments[0].about
    if about.ledger == ledger:
        return about.journal
    raise LedgerError(
        f"the journal in {folder} feeds the books {about.ledger}, and this database is"
        f" {ledger or 'new'}: what it holds must not be mixed in. Give the instance its database back; if"
        f" that is gone for good, move {folder} away"
    )
