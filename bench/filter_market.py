"""Symbols of known quality that close trades over simulated days: what the filter is measured against.

Each symbol draws its own rate of trades, its chance to win, and the size of wins and losses, from random
numbers of its own. Some are bad from the start, some become bad, some become good, some widen their spread.
A symbol is bad while its expected result per trade is below zero by construction; the filter is never told.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Final

from quietmaker.core.units import SECOND, Instant

DAY_SECONDS: Final = 86_400
START: Final = Instant(1_767_225_600 * SECOND)
VALUE: Final = Decimal(25)
_CENTS: Final = Decimal("0.0001")


class Kind(Enum):
    """How a symbol's quality goes."""

    GOOD = "good"
    BAD = "bad"
    WORSENS = "worsens"
    IMPROVES = "improves"
    WIDENS = "widens"


SHARES: Final = {
    Kind.GOOD: 0.84,
    Kind.BAD: 0.06,
    Kind.WORSENS: 0.05,
    Kind.IMPROVES: 0.03,
    Kind.WIDENS: 0.02,
}


@dataclass(frozen=True, slots=True)
class Quality:
    """What a trade may come to: the chance to win, and what is then won or else lost, in quote."""

    chance: float
    win: float
    loss: float


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade that the symbol offers; whether it is real, shadow or none is the filter's doing."""

    at: Instant
    net: Decimal


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol over the simulated days.

    Attributes:
        turns_at: when its quality changes; after the end where it never does.
        trades: offered ones, oldest first.
    """

    name: str
    kind: Kind
    turns_at: Instant
    trades: tuple[Trade, ...]

    def bad_at(self, now: Instant) -> bool:
        """Return whether it is bad at a time."""
        match self.kind:
            case Kind.GOOD:
                return False
            case Kind.BAD:
                return True
            case Kind.IMPROVES:
                return now < self.turns_at
            case Kind.WORSENS | Kind.WIDENS:
                return now >= self.turns_at

    def spread_at(self, now: Instant) -> Decimal:
        """Return its average spread at a time, as a ratio."""
        wide = self.kind is Kind.WIDENS and self.bad_at(now)
        return Decimal("0.031") if wide else Decimal("0.006")


def symbols(count: int, *, days: int, history_days: int, seed: int) -> list[Symbol]:
    """Return the symbols of one seed; what they traded before `START` is history."""
    chooser = Random(f"kinds-{seed}")
    kinds = chooser.choices(list(SHARES), weights=list(SHARES.values()), k=count)
    return [
        _symbol(
            f"S{number:03}-USD",
            kind,
            days=days,
            history_days=history_days,
            random=Random(f"{seed}-{number}"),
        )
        for number, kind in enumerate(kinds)
    ]


def _symbol(name: str, kind: Kind, *, days: int, history_days: int, random: Random) -> Symbol:
    good, bad = _good(random), _bad(random)
    turn = random.uniform(0.2, 0.5) * days
    turns_at = Instant(START + int(turn * DAY_SECONDS) * SECOND)
    per_day = min(max(random.lognormvariate(2.2, 0.6), 3.0), 40.0)
    trades, at = [], -float(history_days * DAY_SECONDS)
    while True:
        at += random.expovariate(per_day / DAY_SECONDS)
        if at >= days * DAY_SECONDS:
            break
        when = Instant(START + int(at * SECOND))
        is_bad = _is_bad(kind, when, turns_at)
        trades.append(Trade(when, _net(bad if is_bad else good, random)))
    return Symbol(name, kind, turns_at, tuple(trades))


def _is_bad(kind: Kind, at: Instant, turns_at: Instant) -> bool:
    return Symbol("", kind, turns_at, ()).bad_at(at)


def _good(random: Random) -> Quality:
    return Quality(chance=random.uniform(0.5, 0.8), win=0.055, loss=0.045)


def _bad(random: Random) -> Quality:
    return Quality(chance=random.uniform(0.05, 0.24), win=0.055, loss=random.uniform(0.08, 0.4))


def _net(quality: Quality, random: Random) -> Decimal:
    won = random.random() < quality.chance
    size = random.uniform(0.5, 1.5) * (quality.win if won else -quality.loss)
    return Decimal(size).quantize(_CENTS)
