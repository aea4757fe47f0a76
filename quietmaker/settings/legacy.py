"""The environment names that operators have had for years: honoured, or said to be unused.

They are given as if they had been written in the `QUIETMAKER__` form, which outranks them.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass
from typing import Final

from quietmaker.settings.keys import Path
from quietmaker.settings.nodes import Place, Problem, Scalar

FEES_FLAG: Final = "PASSIVE_IGNORE_FEES_FOR_SPREAD"
EXCLUSION_LISTS: Final = ("EXCLUDED_SYMBOLS", "PERMANENT_EXCLUSIONS")
NOT_USED: Final = "DYNAMIC_FILTER_"
_TRUE: Final = frozenset({"true", "1", "yes"})
_FALSE: Final = frozenset({"false", "0", "no"})


@dataclass(frozen=True, slots=True)
class Honoured:
    """An old name, as the key that it sets now."""

    path: Path
    value: Scalar


def fees_flag(env: Map[str, str], problems: list[Problem], notices: list[str]) -> Honoured | None:
    """Read the old fee flag, whose meaning is the opposite of its name: true = fees are included."""
    if FEES_FLAG not in env:
        return None
    text, place = env[FEES_FLAG], Place(f"environment {FEES_FLAG}")
    word = text.strip().casefold()
    if word not in _TRUE | _FALSE:
        message = f"{text[:40]!r}; expected true (fees are part of the spread requirement) or false"
        problems.append(Problem(place, "gates.include_fees", message))
        return None
    included = word in _TRUE
    state = "ARE" if included else "are NOT"
    notices.append(
        f"{FEES_FLAG}={text} is honoured as defaults.gates.include_fees: {str(included).lower()}: fees "
        f"{state} part of the spread requirement (whatever its name says); use include_fees instead"
    )
    value = Scalar("true" if included else "false", True, place)
    return Honoured(("defaults", "gates", "include_fees"), value)


def exclusions(env: Map[str, str], notices: list[str]) -> list[Scalar]:
    """Read the old exclusion lists. They add to the configured one: an old ban is never dropped."""
    lists = []
    for name in EXCLUSION_LISTS:
        if name in env:
            lists.append(Scalar(env[name], False, Place(f"environment {name}")))
            notices.append(
                f"{name}={env[name]} is honoured: its symbols are added to universe.permanent_exclusions"
            )
    return lists


def unused(env: Map[str, str]) -> list[str]:
    """Say which old names are present and have no effect."""
    return [
        f"{name} is not used by this version: it has no symbol filter, and the setting has no effect"
        for name in sorted(env)
        if name.startswith(NOT_USED)
    ]
