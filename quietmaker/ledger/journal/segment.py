"""Segments of the journal, and what can be read of them after anything that may have happened.

The rules of reading:

1. A later segment wins: where it begins again at a number, what an earlier one says from there on is void.
   So a segment that failed is followed by one that repeats what was not durable in it.
2. Records that the database holds already are not needed, readable or not.
3. Behind the last record that is needed and can be read lies a torn tail, if nothing that follows says that
   more was durable: nobody was told so. It is cut. Otherwise the journal is damaged, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from quietmaker.errors import LedgerError
from quietmaker.ledger.journal.disk import Disk
from quietmaker.ledger.journal.format import BLOCK, SALT, Description, scan

SUFFIX: Final = ".segment"
UNFINISHED: Final = ".making"
REMEDY: Final = (
    "if a good copy of the folder exists, put it back; else `quietmaker db drain-journal` applies what can be"
    " read, says what is lost, and keeps the folder as evidence"
)


def name_of(number: int) -> str:
    """Return the file name of a segment."""
    return f"{number:012d}{SUFFIX}"


@dataclass(slots=True, eq=False)
class Segment:
    """An open segment.

    Attributes:
        end: where the next record goes.
        used: whether it holds any record.
        sound: whether it may be written to again; one that failed, or was cut short, may not.
    """

    path: Path
    handle: int
    about: Description
    end: int = BLOCK
    used: bool = False
    sound: bool = True

    def takes(self, size: int) -> bool:
        """Return whether so many more bytes fit."""
        return self.end + size <= self.about.size


@dataclass(slots=True, eq=False)
class Run:
    """Records without a gap, one behind the other in one segment.

    Attributes:
        offset, end: where they lie.
        durable: the greatest number that one of them vouches for.
    """

    segment: Segment
    offset: int
    end: int
    first: int
    last: int
    durable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A torn tail: from this record on nothing was acknowledged."""

    seq: int
    where: str


@dataclass(slots=True, kw_only=True)
class Content:
    """What a folder holds.

    Attributes:
        segments: all of them, by number.
        runs: what counts, in order.
        torn: where bytes that are no record follow the last record of a segment.
    """

    segments: list[Segment] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Return the number of the last record, 0 for none."""
        return self.runs[-1].last if self.runs else 0


def read_folder(folder: Path, disk: Disk, *, unreadable: list[Path] | None = None) -> Content:
    """Open and read every segment.

    Args:
        folder: of the journal.
        disk: the file system.
        unreadable: takes the files of which nothing can be read; without it they are an error.

    Raises:
        LedgerError: if one cannot be read at all, or two journals lie in the folder.
    """
    content = Content()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            segment, data = _open(path, disk)
        except LedgerError:
            if unreadable is None:
                raise
            unreadable.append(path)
            continue
        content.segments.append(segment)
        runs = list(_runs(segment, data))
        for run in runs:
            _supersede(content.runs, run.first)
            content.runs.append(run)
        salt = segment.about.salt
        if data[segment.end : segment.end + SALT] == salt:
            content.torn.append(f"{path} at byte {segment.end}")
        segment.used = bool(runs)
        # Records behind a gap were cut once: written over up to them, they would come to life again.
        segment.sound = (not runs or runs[-1].end == segment.end) and len(
            data
        ) == segment.about.size
    owners = {(each.about.journal, each.about.ledger) for each in content.segments}
    if len(owners) > 1:
        raise LedgerError(
            f"{folder} holds segments of {len(owners)} journals; move those away that do not belong there"
        )
    return content


def settle(content: Content, *, applied: int) -> Cut | None:
    """Take what is needed, make sure that nothing of it is missing, and cut a torn tail.

    Args:
        content: what was read; its runs are those that are left.
        applied: the number up to which the database holds everything.

    Raises:
        LedgerError: if records are missing that were acknowledged.
    """
    needed = [run for run in content.runs if run.last > applied]
    base = max((each.about.base for each in content.segments), default=0)
    expected = applied + 1
    for index, run in enumerate(needed):
        if run.first > expected:
            rest, content.runs = needed[index:], needed[:index]
            if max(base, *(later.durable for later in rest)) >= expected:
                raise LedgerError(_damage(needed[:index], run, expected))
            return Cut(seq=expected, where=_place(needed[:index], run))
        expected = run.last + 1
    content.runs = needed
    if base >= expected:
        raise LedgerError(
            f"the journal was written up to record {base} at least, and records {expected} to {base} are"
            f" neither in {content.segments[0].path.parent} nor in the database: was it restored from a"
            f" backup? {REMEDY}"
        )
    return None


def _damage(before: Sequence[Run], run: Run, expected: int) -> str:
    lost = f"records {expected} to {run.first - 1}"
    if not before:
        return (
            f"the journal begins at record {run.first} ({_place(before, run)}) and the database holds it"
            f" up to {expected - 1}: {lost} are in neither. Was the database restored from a backup? {REMEDY}"
        )
    return (
        f"the journal is damaged: {lost}, which were acknowledged, cannot be read in"
        f" {_place(before, run)}; {REMEDY}"
    )


def _place(before: Sequence[Run], run: Run) -> str:
    """Return where something is missing."""
    if before:
        return f"{before[-1].segment.path} at byte {before[-1].end}"
    return f"{run.segment.path} at byte {run.offset}"


def _supersede(runs: list[Run], first: int) -> None:
    while runs and runs[-1].first >= first:
        runs.pop()
    if runs:
        runs[-1].last = min(runs[-1].last, first - 1)


def _open(path: Path, disk: Disk) -> tuple[Segment, bytes]:
    try:
        handle = disk.open(path)
        block = disk.read(handle, BLOCK, 0)
        about = Description.unpack(block)
        if about is None:
            raise LedgerError(f"the journal is damaged: {path} at byte 0 is no segment; {REMEDY}")
        data = disk.read(handle, about.size, 0)
    except OSError as error:
        raise LedgerError(f"the journal cannot be read: {path}: {error}; {REMEDY}") from error
    return Segment(path=path, handle=handle, about=about), data


def _runs(segment: Segment, data: bytes) -> Iterator[Run]:
    """Yield the runs of a segment, and set where its records end."""
    run: Run | None = None
    for found in scan(data, segment.about.salt):
        if run is not None and (found.seq, found.offset) == (run.last + 1, run.end):
            run.last, run.end = found.seq, found.end
            run.durable = max(run.durable, found.durable)
        else:
            if run is not None:
                yield run
            run = Run(segment, found.offset, found.end, found.seq, found.seq, durable=found.durable)
        if found.offset == segment.end:
            segment.end = found.end
    if run is not None:
        yield run
