"""What a symbol may do now: who imposed which mode, and which of several is in force.

Whoever has a say (the operator, a breaker, the roster) imposes at most one mode on a symbol and one on the
whole account. The severest of those that stand is in force; lifting one never lifts another's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from quietmaker.core.events import Mode
from quietmaker.core.units import Instant, Name

SEVERITY: Final[dict[Mode, int]] = {
    Mode.RUN: 0,
    Mode.PAUSE: 1,
    Mode.DRAIN: 2,
    Mode.FLATTEN: 3,
    Mode.HALT: 4,
}


class Source(Name):
    """Who has a say."""

    OPERATOR = "operator"
    BREAKER = "breaker"
    ROSTER = "roster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imposed:
    """A mode that somebody imposed.

    Attributes:
        scope: the symbol; None for the whole account.
        by: who or what exactly: the operator's name, the breaker's.
        until: when it ends by itself; None when somebody has to lift it.
    """

    scope: str | None
    source: Source
    mode: Mode
    reason: str
    by: str
    at: Instant
    until: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeNoted:
    """The fact that is stored: a source imposed a mode on a scope, or lifted its own (`RUN`)."""

    imposed: Imposed


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorActed:
    """An operator gave a command to the running instance, and what came of it."""

    at: Instant
    operator: str
    action: str
    arguments: tuple[tuple[str, str], ...]
    outcome: str


def in_force(imposed: Iterable[Imposed], symbol: str, now: Instant) -> Imposed | None:
    """Return the severest that applies to a symbol now; of equals the oldest, None when nothing does."""
    mine = [
        each
        for each in imposed
        if each.scope in {None, symbol} and (each.until is None or now < each.until)
    ]
    return max(mine, key=lambda each: (SEVERITY[each.mode], -each.at), default=None)


def effective(imposed: Iterable[Imposed], symbol: str, now: Instant) -> tuple[Mode, str]:
    """Return the mode of a symbol now, and why; RUN has no reason."""
    found = in_force(imposed, symbol, now)
    return (Mode.RUN, "") if found is None else (found.mode, words(found))


def words(imposed: Imposed) -> str:
    """Say who imposed it and why."""
    return f"{imposed.source.value} {imposed.by}: {imposed.reason}"
