"""The differences between books and exchange that are open: noted as facts, counted, logged, not mended.

Whoever compares tells what was found; what was found before and is not found any more is resolved. The
first evidence stays in the books whatever becomes of it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from quietmaker.core.differences import ALARMING, Difference, DifferenceKind
from quietmaker.core.findings import DifferenceNoted
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.ports import Clock
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.truth import TruthMetrics

TOLD_AGAIN: Final = Nanos(600 * SECOND)
"""A difference that lasts is noted again so often."""
_Name = tuple[DifferenceKind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDifference:
    """A difference, since when it is known, and when it was last noted."""

    difference: Difference
    since: Instant
    noted: Instant


class Differences:
    """What is open. Thread-safe; outlives the actors that compare."""

    def __init__(
        self, *, put: Callable[[DifferenceNoted], object], metrics: TruthMetrics, clock: Clock
    ) -> None:
        """Know of none.

        Args:
            put: takes facts for the ledger.
            metrics: count.
            clock: dates the notes.
        """
        self._put = put
        self._metrics = metrics
        self._clock = clock
        self._log = Log("differences")
        self._mutex = threading.Lock()
        self._open: dict[_Name, OpenDifference] = {}

    def load(self, stored: Iterable[Difference]) -> None:
        """Go on with what the books hold as open."""
        now = self._clock.now()
        with self._mutex:
            for each in stored:
                self._open.setdefault(
                    each.name, OpenDifference(difference=each, since=now, noted=now)
                )
            self._count()

    def found(self, difference: Difference) -> bool:
        """Note a difference; return whether it is new, or known with other evidence."""
        with self._mutex:
            return self._found(difference)

    def mended(self, difference: Difference, resolution: str) -> None:
        """Note a difference that whoever found it has mended as well: it stays as evidence."""
        with self._mutex:
            self._found(difference)
            self._resolve(difference.name, resolution)

    def resolve(self, name: _Name, resolution: str) -> None:
        """Note that a difference is over; nothing happens if it is not open."""
        with self._mutex:
            self._resolve(name, resolution)

    def settle(
        self,
        kinds: Collection[DifferenceKind],
        found: Iterable[Difference],
        *,
        keep: Collection[_Name],
        resolution: str,
    ) -> None:
        """Note everything that a comparison found, and resolve what it did not find any more.

        Args:
            kinds: those that it looked for, among all subjects.
            found: what it believes.
            keep: what it suspects: neither found nor over.
            resolution: how the rest is said to be over.
        """
        with self._mutex:
            names = set(keep)
            for each in found:
                names.add(each.name)
                self._found(each)
            over = [name for name in self._open if name[0] in kinds and name not in names]
            for name in over:
                self._resolve(name, resolution)

    def alarming(self) -> int:
        """Return how many are open that are wrong, rather than somebody else's."""
        with self._mutex:
            return sum(kind in ALARMING for kind, _ in self._open)

    def open(self) -> tuple[OpenDifference, ...]:
        """Return what is open, the oldest first."""
        with self._mutex:
            return tuple(sorted(self._open.values(), key=lambda each: each.since))

    def _found(self, difference: Difference) -> bool:
        now, known = self._clock.now(), self._open.get(difference.name)
        same = known is not None and known.difference.evidence == difference.evidence
        if known is not None and same and now - known.noted < TOLD_AGAIN:
            return False
        since = known.since if known is not None and same else now
        self._open[difference.name] = OpenDifference(difference=difference, since=since, noted=now)
        self._put(DifferenceNoted(at=now, difference=difference, resolution=None))
        if not same:
            self._metrics.differs(difference.kind)
            self._count()
            self._say(difference)
        return not same

    def _resolve(self, name: _Name, resolution: str) -> None:
        known = self._open.pop(name, None)
        if known is None:
            return
        self._put(
            DifferenceNoted(
                at=self._clock.now(), difference=known.difference, resolution=resolution
            )
        )
        self._count()
        kind, subject = name
        self._log.info(
            Event.DIFFERENCE_RESOLVED,
            f"{kind.value} {subject}: {resolution}",
            kind=kind.value,
            subject=subject,
        )

    def _say(self, difference: Difference) -> None:
        alarm = difference.kind in ALARMING
        (self._log.error if alarm else self._log.warning)(
            Event.DIFFERENCE_FOUND,
            f"{difference.kind.value} {difference.subject}: {difference.detail}",
            kind=difference.kind.value,
            subject=difference.subject,
            ours=difference.ours,
            theirs=difference.theirs,
        )

    def _count(self) -> None:
        self._metrics.unresolved(Counter(kind for kind, _ in self._open))
