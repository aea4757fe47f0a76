"""The journal: what was decided and what happened, on the disk before it is anywhere else.

Records are numbered from 1 and lie in segments, files whose blocks were written with zeros ahead of time:
making a record durable then needs no metadata and no space. One sync serves all who wait for it.

* `append` writes and returns: a killed process loses nothing of it. `sync` also survives a power cut.
* Further segments are made ahead. When no more can be made, the disk is full: `trouble` says so, so that
  whoever can wait does, and what is left is for those who cannot.
* A sync that failed is never repeated on the same file: the system may have dropped what it could not
  write, and say that all is well the next time. What was not durable is written again, into another
  segment. Where that fails as well, it waits in memory, in order, until a segment can be made.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.journal.disk import Disk
from quietmaker.ledger.journal.format import HEAD, length_at, pack, unpack
from quietmaker.ledger.journal.pool import SegmentPool
from quietmaker.ledger.journal.segment import REMEDY, Run, Segment

TAKEN_BACK: Final = b"null"
"""What stands for a record that never became durable and whose writer was told so."""
_CHUNK: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it is read."""

    seq: int
    at: Instant
    payload: bytes


class Journal:
    """Writes and reads. Thread-safe; `journal_folder` opens one."""

    def __init__(
        self,
        pool: SegmentPool,
        *,
        runs: Sequence[Run],
        current: Segment | None,
        last: int,
        applied: int,
        now: Callable[[], Instant],
        disk: Disk,
    ) -> None:
        """Go on.

        Args:
            pool: gives segments and takes them back.
            runs: what was read and is needed; it is on the disk.
            current: the segment to go on in.
            last: the number of the newest record.
            applied: the number up to which the database holds everything.
            now: the clock.
            disk: where the segments lie.
        """
        self._pool, self._now, self._disk = pool, now, disk
        self._mutex = threading.Lock()
        self._turn = threading.Lock()
        self._runs = deque(runs)
        self._current = current
        self._held = list({id(s): s for s in (*(r.segment for r in runs), current) if s}.values())
        self._last = self._written = self._durable = pool.durable = last
        self._applied = applied
        self._tail: deque[Written] = deque()
        self._dirty: list[Segment] = []
        self._oldest: Instant | None = None
        self._cursor: tuple[Run, int, int] | None = None
        self._stuck = ""
        self._failures: list[str] = []
        self._closed = False
        self.applied(applied)

    # --- writing --------------------------------------------------------------------------------

    def append(self, payloads: Sequence[bytes]) -> int:
        """Write records behind all earlier ones; return the number of the last.

        What cannot be written now waits in memory, in order; `trouble` tells.

        Raises:
            LedgerUnavailable: once the journal is closed.
        """
        with self._mutex:
            if self._closed:
                raise LedgerUnavailable("the journal was closed; a late call writes nothing")
            at = self._now()
            if payloads and self._last == self._applied:
                self._oldest = at
            for payload in payloads:
                self._last += 1
                self._tail.append(Written(self._last, at, payload))
            self._write_out()
            return self._last

    def sync(self, seq: int) -> None:
        """Return once everything up to a record is durable; those who wait share the work.

        Raises:
            LedgerUnavailable: if it cannot be made durable now.
        """
        with self._turn:
            while self._durable < seq:
                with self._mutex:
                    self._write_out()
                    if self._stuck:
                        raise LedgerUnavailable(self._stuck)
                    upto, dirty = self._written, list(self._dirty)
                error = self._sync_all(dirty)
                with self._mutex:
                    if error is not None:
                        self._abandon(error)
                        continue
                    self._is_durable(upto)
                    behind = self._behind(upto)
                    self._dirty = [s for s in self._dirty if s not in dirty or s in behind]

    def take_back(self, seq: int) -> bool:
        """Make nothing of a record that never became durable; return False if it is written after all."""
        with self._mutex:
            if seq <= self._written:
                return False
            place = seq - self._tail[0].seq
            self._tail[place] = Written(seq, self._tail[place].at, TAKEN_BACK)
            return True

    def _sync_all(self, segments: Sequence[Segment]) -> OSError | None:
        for segment in segments:
            try:
                self._disk.sync(segment.handle)
            except OSError as error:
                return error
        return None

    def _behind(self, seq: int) -> list[Segment]:
        """Return the segments that hold records beyond a number."""
        found: list[Segment] = []
        for run in reversed(self._runs):
            if run.last <= seq:
                break
            found.append(run.segment)
        return found

    def _write_out(self) -> None:
        """Write what waits; what cannot be written stays, and why is kept."""
        try:
            while self._written < self._last:
                self._write_some(self._current or self._advance())
        except OSError as error:
            self._stuck = f"the journal cannot be written: {error}"
        else:
            self._stuck = ""

    def _advance(self) -> Segment:
        segment = self._pool.take()
        self._held.append(segment)
        self._current = segment
        return segment

    def _write_some(self, segment: Segment) -> None:
        """Write what fits into a segment; one that is full, or fails, is not the current one any more."""
        first, records, size = self._written + 1, [], 0
        for each in islice(self._tail, first - self._tail[0].seq, None):
            record = pack(
                segment.about.salt,
                each.seq,
                durable=self._durable,
                at=each.at,
                payload=each.payload,
            )
            if not segment.takes(size + len(record)):
                break
            records.append(record)
            size += len(record)
        if not records:
            self._current = None
            return
        if segment not in self._dirty:
            self._dirty.append(segment)
        try:
            self._disk.write(segment.handle, b"".join(records), segment.end)
        except OSError as error:
            self._abandon(error)
            return
        self._extend(segment, first, len(records), size)

    def _extend(self, segment: Segment, first: int, count: int, size: int) -> None:
        run = self._runs[-1] if self._runs else None
        if run is None or (run.segment, run.end, run.last + 1) != (segment, segment.end, first):
            run = Run(segment, segment.end, segment.end, first, first - 1, durable=self._durable)
            self._runs.append(run)
        segment.end += size
        segment.used = True
        run.end, run.last, run.durable = segment.end, first + count - 1, self._durable
        self._written = run.last

    def _abandon(self, error: OSError) -> None:
        """Give up the segments with what is not durable: it is written again, into the next one."""
        paths = ", ".join(str(segment.path) for segment in self._dirty)
        self._failures.append(f"{paths} cannot be written and is given up: {error}")
        for segment in self._dirty:
            segment.sound = False
        self._dirty, self._current, self._cursor = [], None, None
        while self._runs and self._runs[-1].first > self._durable:
            self._runs.pop()
        if self._runs:
            self._runs[-1].last = min(self._runs[-1].last, self._durable)
        self._written = self._durable

    def _is_durable(self, seq: int) -> None:
        self._durable = self._pool.durable = max(self._durable, seq)
        self._written = max(self._written, seq)
        while self._tail and self._tail[0].seq <= self._durable:
            self._tail.popleft()

    # --- reading --------------------------------------------------------------------------------

    def read(self, after: int, most: int) -> list[Written]:
        """Return the records that follow a number, in order, at least one if there is any.

        One thread at a time reads, and it is the one that tells what was `applied`.

        Raises:
            LedgerError: if a record cannot be read any more.
        """
        first = after + 1
        with self._mutex:
            run = next((r for r in self._runs if r.first <= first <= r.last), None)
            if run is None:
                waiting = (each for each in self._tail if each.seq >= first)
                return list(islice(waiting, most))
            last, cursor = min(run.last, after + most), self._cursor
        if cursor is not None and cursor[:2] == (run, first):
            return self._read_run(run, first, first, last, cursor[2])
        return self._read_run(run, run.first, first, last, run.offset)

    def _read_run(self, run: Run, seq: int, first: int, last: int, offset: int) -> list[Written]:
        """Return the records `first` to `last`, at least one; `seq` is the one at `offset`."""
        found: list[Written] = []
        while seq <= last:
            data = self._chunk(run, offset)
            inside = 0
            while seq <= last and (record := unpack(data, inside, run.segment.about.salt)):
                if record.seq != seq:
                    break
                if seq >= first:
                    found.append(Written(seq, record.at, record.payload))
                inside, seq = record.end, seq + 1
            if not inside:
                raise LedgerError(
                    f"the journal is damaged: record {seq} cannot be read any more in {run.segment.path} at"
                    f" byte {offset}; {REMEDY}"
                )
            offset += inside
        self._cursor = (run, seq, offset)
        return found

    def _chunk(self, run: Run, offset: int) -> bytes:
        """Return bytes that begin with a whole record, and hold nothing behind the last one."""
        segment = run.segment
        data = self._disk.read(segment.handle, min(_CHUNK, run.end - offset), offset)
        if len(data) >= HEAD and length_at(data, 0) > len(data):
            # A damaged length may say anything.
            whole = min(length_at(data, 0), segment.about.size)
            return self._disk.read(segment.handle, whole, offset)
        return data

    def applied(self, seq: int) -> None:
        """Know that the database holds everything up to a record: its segments are free."""
        with self._mutex:
            self._applied = max(self._applied, seq)
            self._is_durable(self._applied)
            while self._runs and self._runs[0].last <= self._applied:
                self._runs.popleft()
            needed = [self._current, *(run.segment for run in self._runs)]
            free = [segment for segment in self._held if segment not in needed]
            self._held = [segment for segment in self._held if segment not in free]
            self._dirty = [segment for segment in self._dirty if segment not in free]
            self._oldest = None
            behind = self._last > self._applied
        if behind:
            left = self.read(self._applied, 1)
            self._oldest = left[0].at if left else None
        if free:
            with self._turn:  # whoever syncs one of them just now has ended then
                pass
        for segment in free:
            self._pool.give_back(segment)

    # --- how it stands --------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make segments ahead; whoever has time calls this, again and again while there is `trouble`."""
        self._pool.prepare()

    @property
    def trouble(self) -> str:
        """Return why what can wait should not be written, empty while all is well."""
        return self._stuck or self._pool.full

    @property
    def last(self) -> int:
        """Return the number of the newest record."""
        return self._last

    @property
    def backlog(self) -> tuple[int, Instant | None]:
        """Return how many records the database does not hold, and when the oldest was written."""
        return self._last - self._applied, self._oldest

    def take_failures(self) -> list[str]:
        """Return, once, what failed and was got over."""
        with self._mutex:
            failures, self._failures = self._failures, []
            return failures

    def close(self) -> None:
        """Make durable what can be, and let go of the files. Idempotent."""
        with self._turn, self._mutex:
            if self._closed:
                return
            self._closed = True
            self._write_out()
            self._sync_all(self._dirty)
            for segment in self._held:
                os.close(segment.handle)
            self._held, self._dirty, self._current = [], [], None
            self._pool.close()
