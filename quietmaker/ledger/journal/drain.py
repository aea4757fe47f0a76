"""Putting a journal aside: everything that can be read of it goes into the books, and what is lost is said.

This is the way on when records are missing that were acknowledged: the journal is damaged, or the database
was replaced by a backup. What was lost is then asked for at the exchange, as after every start; the tie-out
names what still differs.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from quietmaker.errors import LedgerError
from quietmaker.ledger.facts import Record
from quietmaker.ledger.journal.folder import FolderLock, JournalPlace
from quietmaker.ledger.journal.format import unpack
from quietmaker.ledger.journal.rows import decode
from quietmaker.ledger.journal.segment import Content, Run, read_folder
from quietmaker.ledger.postgres import PostgresLedger

Outcome: TypeAlias = tuple[int, tuple[str, ...], tuple[tuple[int, int], ...]]

_BATCH: Final = 500
_NOTHING: Final[Outcome] = (0, (), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What became of a journal.

    Attributes:
        applied: how many records came into the books just now.
        refused: what the books refused of them, and why; it was set aside there.
        lost: ranges of records, both ends included, that were acknowledged and are in neither.
        unreadable: files of which nothing can be read.
        kept: where the files are now.
    """

    applied: int
    refused: tuple[str, ...]
    lost: tuple[tuple[int, int], ...]
    unreadable: tuple[Path, ...]
    kept: Path


def drain(database: PostgresLedger, place: JournalPlace) -> Drained | None:
    """Bring what can be read into the books and put the files aside; None if there is no journal.

    Nothing may run on the books meanwhile. It can be repeated after any interruption.

    Args:
        database: the books.
        place: where the journal lies.

    Raises:
        LedgerUnavailable: if the database goes away.
        LedgerError: if the journal feeds other books, is in use, or cannot be put aside.
    """
    if not place.folder.exists():
        return None
    lock = FolderLock(place.folder)
    unreadable: list[Path] = []
    content = Content()
    try:
        content = read_folder(place.folder, place.disk, unreadable=unreadable)
        if not content.segments and not unreadable:
            return None
        applied, refused, lost = _NOTHING
        if content.segments:
            applied, refused, lost = _apply(database, content, place)
        return Drained(
            applied=applied,
            refused=refused,
            lost=lost,
            unreadable=tuple(unreadable),
            kept=_put_aside(place),
        )
    finally:
        for segment in content.segments:
            os.close(segment.handle)
        lock.release()


def _apply(database: PostgresLedger, content: Content, place: JournalPlace) -> Outcome:
    about = content.segments[0].about
    if about.ledger != database.ledger_id():
        raise LedgerError(
            f"the journal in {place.folder} feeds the books {about.ledger} and not these: nothing of it is"
            f" applied. Give the instance its database back; if that is gone for good, move {place.folder}"
            f" away"
        )
    applied = database.applied(about.journal)
    lost, expected = [], applied + 1
    for run in content.runs:
        if run.first > expected:
            lost.append((expected, run.first - 1))
        expected = max(expected, run.last + 1)
    ahead = max(segment.about.base for segment in content.segments)
    if ahead >= expected:
        lost.append((expected, ahead))
    count, refused = 0, []
    records = (record for record in _records(content, place) if record.seq > applied)
    while batch := tuple(itertools.islice(records, _BATCH)):
        count += len(batch)
        refused += [f"{each.fact}: {each.error}" for each in database.apply(about.journal, batch)]
    return count, tuple(refused), tuple(lost)


def _records(content: Content, place: JournalPlace) -> Iterator[Record]:
    for run in content.runs:
        yield from _records_of(run, place)


def _records_of(run: Run, place: JournalPlace) -> Iterator[Record]:
    data = place.disk.read(run.segment.handle, run.segment.about.size, 0)
    offset = run.offset
    while (found := unpack(data, offset, run.segment.about.salt)) and found.seq <= run.last:
        yield Record(seq=found.seq, content=decode(found.payload))
        offset = found.end


def _put_aside(place: JournalPlace) -> Path:
    for number in itertools.count(1):
        aside = place.folder.with_name(f"{place.folder.name}.drained-{number}")
        if not aside.exists():
            break
    try:
        place.disk.rename(place.folder, aside)
    except OSError as error:
        raise LedgerError(f"{place.folder} cannot be put aside ({error}); move it away") from error
    return aside
