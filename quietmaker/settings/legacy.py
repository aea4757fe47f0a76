"""The environment names that operators have had for years: honoured, or said to be unused.

They are given as if they had been written in the `QUIETMAKER__` form, which outranks them.
"""

from __future__ import annotations

from collections.abc import Mapping as Map
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from quietmaker.core.units import plain
from quietmaker.settings.keys import Path
from quietmaker.settings.kinds import Flag, Kind, Number, Refused, Whole
from quietmaker.settings.nodes import Place, Problem, Scalar, did_you_mean

FEES_FLAG: Final = "PASSIVE_IGNORE_FEES_FOR_SPREAD"
EXCLUSION_LISTS: Final = ("EXCLUDED_SYMBOLS", "PERMANENT_EXCLUSIONS")
FILTER: Final = "DYNAMIC_FILTER_"
_RATIO: Final = Number(Decimal(0), Decimal(1), decimals=9, unit="a ratio; 0.30 is 30 %")
_LOSS: Final = Number(Decimal(-10_000_000), Decimal(10_000_000), decimals=8, unit="dollars")
_FILTER_KEYS: Final[Map[str, tuple[str, Kind]]] = MappingProxyType(
    {
        "ENABLED": ("enabled", Flag()),
        "MIN_WIN_RATE": ("min_win_rate_pct", _RATIO),
        "MIN_AVG_PNL": ("min_avg_pnl", _LOSS),
        "MIN_TOTAL_PNL": ("min_total_pnl", _LOSS),
        "MAX_SPREAD_PCT": ("max_spread_pct", _RATIO),
        "MIN_TRADES": ("min_trades", Whole(Decimal(1), Decimal(10_000), decimals=0)),
        "LOOKBACK_DAYS": ("lookback_days", Whole(Decimal(1), Decimal(365), decimals=0)),
    }
)
"""The old names after their prefix: the key that each sets now, and what it may hold. Those that are ratios
set a key in percent, whatever their name says."""
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


def symbol_filter(
    env: Map[str, str], problems: list[Problem], notices: list[str]
) -> list[Honoured]:
    """Read the old settings of the filter; ratios become percent."""
    honoured = []
    for name in sorted(each for each in env if each.startswith(FILTER)):
        place = Place(f"environment {name}")
        key, kind = _FILTER_KEYS.get(name.removeprefix(FILTER), ("", None))
        if kind is None:
            near = did_you_mean(name, [FILTER + each for each in _FILTER_KEYS])
            notices.append(f"{name} is not used by this version, and has no effect{near}")
            continue
        text = env[name].strip()
        if isinstance(kind, Flag):
            text = {**dict.fromkeys(_TRUE, "true"), **dict.fromkeys(_FALSE, "false")}.get(
                text.casefold(), text
            )
        try:
            value = kind.parse(Scalar(text, True, place))
        except Refused as error:
            problems += [Problem(at, f"filter.{key}", message) for at, message in error.faults]
            continue
        if kind is _RATIO and isinstance(value, Decimal):
            text = plain(value * 100) + "%"
        notices.append(f"{name}={env[name]} is honoured as filter.{key}: {text}; use that instead")
        honoured.append(Honoured(("filter", key), Scalar(text, True, place)))
    return honoured
