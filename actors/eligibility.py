"""What the filter last said of every symbol: readable by any thread, and outliving the filter's restarts."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quietmaker.core.events import EligibilityChanged
from quietmaker.core.filter_rules import Verdict
from quietmaker.core.filter_states import Standing
from quietmaker.core.units import PPB, SECOND, Instant, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The filter's word on one symbol.

    Attributes:
        rule: by which it may not enter, with its numbers; None when it may.
        share: of its size, for entries.
        verdict: of the last evaluation; None before the first.
        obstacles: what keeps an excluded symbol out, with the time at which each ends where it is known.
    """

    standing: Standing
    rule: str | None
    share: Rate
    verdict: Verdict | None
    obstacles: tuple[tuple[str, Instant | None], ...]


class Eligibility:
    """The latest verdicts. Thread-safe.

    Attributes:
        evaluated_at: when they were last found; None before the first evaluation that held.
        next_at: when the next evaluation is due.
        failing: why the last evaluation did not hold, empty when it did.
    """

    def __init__(self) -> None:
        """Know nothing: nobody enters."""
        self._said: dict[str, Said] = {}
        self._mutex = threading.Lock()
        self.evaluated_at: Instant | None = None
        self.next_at = Instant(0)
        self.failing = "not evaluated yet"

    def say(self, said: Mapping[str, Said]) -> None:
        """Replace what is known."""
        with self._mutex:
            self._said = dict(said)

    @property
    def known(self) -> bool:
        """Return whether the filter has spoken."""
        return bool(self._said)

    def said(self) -> dict[str, Said]:
        """Return the latest word on every symbol."""
        with self._mutex:
            return dict(self._said)

    def event(self, symbol: str, now: Instant) -> EligibilityChanged | None:
        """Return what a trader is told; None while the filter has not spoken."""
        said = self._said.get(symbol)
        if said is None:
            return None
        return EligibilityChanged(now=now, rule=said.rule, size_share=said.share)

    def document(self, now: Instant) -> dict[str, Any]:
        """Return it for the status page; moments are seconds since 1970."""
        at = self.evaluated_at
        return {
            "evaluated_at": None if at is None else at // SECOND,
            "age_seconds": None if at is None else (now - at) // SECOND,
            "next_at": self.next_at // SECOND,
            "failing": self.failing,
            "symbols": {symbol: _line(said) for symbol, said in sorted(self.said().items())},
        }


def _line(said: Said) -> dict[str, Any]:
    standing, verdict = said.standing, said.verdict
    results = verdict.results if verdict is not None else ()
    return {
        "state": standing.state.value,
        "rule": standing.rule,
        "reason": said.rule or standing.reason,
        "since": standing.since // SECOND if standing.since else None,
        "size_share_pct": said.share * 100 / PPB,
        "rules": {
            each.rule.value: {
                "finding": each.finding.value,
                "value": None if each.value is None else f"{each.value:f}",
                "threshold": None if each.threshold is None else f"{each.threshold:f}",
                "sample": each.sample,
            }
            for each in results
        },
        "obstacles": [
            {"words": words, "until": None if until is None else until // SECOND}
            for words, until in said.obstacles
        ],
    }
