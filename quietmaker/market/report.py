"""What was odd about a source: counted, with the first place of each kind. Nothing is lost silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

_LONGEST: Final = 160


class Report:
    """Counts of what a source met while it was read.

    `issues` are faults of the recording or things this version does not know. `notes` are normal
    things that yield no event and that a reader may still want to know of.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._issues: Counter[str] = Counter()
        self._notes: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    @property
    def issues(self) -> Mapping[str, int]:
        """Return faults by kind."""
        return self._issues

    @property
    def notes(self) -> Mapping[str, int]:
        """Return normal things that yielded no event, by kind."""
        return self._notes

    def issue(self, kind: str, where: str, detail: str = "") -> None:
        """Count a fault; the first of each kind keeps its place (file:line) and detail."""
        self._issues[kind] += 1
        if kind not in self._first:
            self._first[kind] = f"{where}: {detail[:_LONGEST]}" if detail else where

    def note(self, kind: str, count: int = 1) -> None:
        """Count something normal."""
        self._notes[kind] += count

    def clear(self) -> None:
        """Forget everything: a source that is read again counts again."""
        self._issues.clear()
        self._notes.clear()
        self._first.clear()

    def first(self, kind: str) -> str:
        """Return the place, and detail, of the first fault of a kind that was met."""
        return self._first[kind]

    @classmethod
    def together(cls, reports: Iterable[Report]) -> Report:
        """Return one report of several sources; the first place of a kind is that of the first of them."""
        whole = cls()
        for each in reports:
            whole._issues.update(each._issues)
            whole._notes.update(each._notes)
            whole._first = {**each._first, **whole._first}
        return whole

    def lines(self) -> list[str]:
        """Return the report for people, one line a kind, faults first."""
        faults = [
            f"{kind}: {count}, first at {self._first[kind]}"
            for kind, count in sorted(self._issues.items())
        ]
        return faults + [f"{kind}: {count}" for kind, count in sorted(self._notes.items())]
