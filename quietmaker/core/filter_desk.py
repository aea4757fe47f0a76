"""The filter over all symbols: one evaluation is one decision, taken as a whole or not at all.

What looks like a defect of the evidence changes nothing: impossible sums, all trades gone at once, every
excluded symbol fit to return at once. The last two are believed when they repeat. Below `floor` symbols that
may enter, the operator's policy decides whether a rule may exclude more; an alarm says so either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.filter_rules import Verdict
from quietmaker.core.filter_states import (
    Evidence,
    FilterState,
    Policy,
    Standing,
    Transition,
    counts_from,
    shadow_counts_from,
    step,
)
from quietmaker.core.units import Instant, Name

BELIEVED_AFTER: Final = 3
"""An unlikely result that repeats this often in a row is taken for true."""
MANY: Final = 3
"""Fewer symbols than this may well return at once by chance."""
KNOWN_TRADES: Final = 20
"""Fewer trades than this may well age out of the look-back at once."""


class FloorPolicy(Name):
    """What happens when a rule would leave too few symbols."""

    EXCLUDE = "exclude"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Below `symbols` that may enter an alarm is raised, and `policy` decides."""

    symbols: int
    policy: FloorPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """From when on closed trades count."""

    real: Instant
    shadow: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What an evaluation came to.

    Attributes:
        verdicts: by symbol.
        transitions: to be stored before they are in force; empty when refused.
        refused: why nothing of it was taken, empty when it was.
        tradable: symbols that may enter.
        below_floor: whether these are too few.
        withheld: exclusions that the floor's policy held back.
    """

    verdicts: Mapping[str, Verdict]
    transitions: tuple[Transition, ...]
    refused: str
    tradable: int
    below_floor: bool
    withheld: tuple[Transition, ...]


class FilterDesk:
    """Keeps the standings and evaluates.

    Attributes:
        standings: by symbol, after the last transition that was taken.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        policy: Policy,
        floor: Floor,
        standings: Mapping[str, Standing],
    ) -> None:
        """Begin from stored standings; a symbol without one is eligible."""
        self.policy = policy
        self.floor = floor
        self.standings = {s: standings.get(s, Standing(symbol=s)) for s in symbols}
        self._trips = 0
        self._doubts = 0

    def add(self, standing: Standing) -> None:
        """Judge one more symbol."""
        self.standings[standing.symbol] = standing

    def drop(self, symbol: str) -> None:
        """Judge a symbol no more: that its trades are gone is no defect of the evidence."""
        self.standings.pop(symbol, None)
        self._trips = 0

    def windows(self, now: Instant) -> dict[str, Windows]:
        """Return from when on trades count, by symbol."""
        return {
            symbol: Windows(
                real=counts_from(standing, self.policy, now),
                shadow=shadow_counts_from(standing, self.policy, now),
            )
            for symbol, standing in self.standings.items()
        }

    def evaluate(self, evidence: Mapping[str, Evidence], now: Instant) -> Evaluation:
        """Judge every symbol; `take` puts the result in force."""
        verdicts, moves = {}, []
        for symbol, standing in self.standings.items():
            verdicts[symbol], moved = step(standing, evidence[symbol], self.policy, now)
            if moved is not None:
                moves.append(moved)
        refused = self._refusal(evidence, moves)
        kept, withheld = ([], []) if refused else self._above_floor(moves, evidence)
        tradable = self._tradable(kept)
        return Evaluation(
            verdicts=verdicts,
            transitions=tuple(kept),
            refused=refused,
            tradable=tradable,
            below_floor=tradable < self.floor.symbols or bool(withheld),
            withheld=tuple(withheld),
        )

    def take(self, transitions: Iterable[Transition]) -> None:
        """Put transitions in force, once they are stored."""
        for each in transitions:
            self.standings[each.symbol] = self.standings[each.symbol].moved(each)

    # --- what is not believed -------------------------------------------------------------------

    def _refusal(self, evidence: Mapping[str, Evidence], moves: list[Transition]) -> str:
        for symbol, seen in evidence.items():
            if flaw := seen.real.flaw or seen.shadow.flaw:
                return f"{symbol}: {flaw}: the evidence cannot be true"
        trips = sum(seen.real.trips for seen in evidence.values())
        doubt = self._doubt(trips, moves)
        self._doubts = self._doubts + 1 if doubt else 0
        if doubt and self._doubts < BELIEVED_AFTER:
            return f"{doubt} (seen {self._doubts} of {BELIEVED_AFTER} times before it is believed)"
        self._trips = trips
        return ""

    def _doubt(self, trips: int, moves: list[Transition]) -> str:
        if not trips and self._trips >= KNOWN_TRADES:
            return f"all {self._trips} trades of the look-back are gone"
        excluded = [s for s in self.standings.values() if s.state is FilterState.EXCLUDED]
        back = [
            each
            for each in moves
            if each.before is FilterState.EXCLUDED and each.after is FilterState.PROBATION
        ]
        if len(excluded) >= MANY and len(back) == len(excluded) and self.policy.enabled:
            return f"all {len(excluded)} excluded symbols would return at once"
        return ""

    # --- the floor ------------------------------------------------------------------------------

    def _above_floor(
        self, moves: list[Transition], evidence: Mapping[str, Evidence]
    ) -> tuple[list[Transition], list[Transition]]:
        """Hold exclusions back where the policy says so, those of the least loss first."""
        if self.floor.policy is FloorPolicy.EXCLUDE:
            return moves, []
        excluded = [each for each in moves if each.after is FilterState.EXCLUDED]

        def least_loss(each: Transition) -> tuple[Decimal, str]:
            seen = evidence[each.symbol]
            return -seen.real.net, each.symbol

        withheld: list[Transition] = []
        for each in sorted((e for e in excluded if e.before.enters), key=least_loss):
            kept = [move for move in moves if move not in withheld]
            if self._tradable(kept) >= self.floor.symbols:
                break
            withheld.append(each)
        return [move for move in moves if move not in withheld], withheld

    def _tradable(self, moves: Iterable[Transition]) -> int:
        states = {symbol: standing.state for symbol, standing in self.standings.items()}
        states.update((each.symbol, each.after) for each in moves)
        return sum(state.enters for state in states.values())
