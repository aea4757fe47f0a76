"""Circuit breakers: a limit that is reached pauses entries, lets them go on after a while, and finally halts.

One breaker watches one limit of one symbol, or of the account.

    armed ──limit reached──► tripped ──cool-down over──► armed …  and after `max_resumes` of these: halted

* What adds up (losses, refusals) is measured anew from each resumption on; it cannot end while nothing is
  traded. What stands (an age, a skew) must be over first: while it lasts, or is unknown, the cool-down starts
  again.
* What heals by itself (data that is late, clocks that disagree) only lasts while it lasts: it knows no
  cool-down, is on nobody's account, and never halts.
* Resumptions are forgotten once a breaker stayed armed for `forget_after`.
* Halted is left by the operator alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, assert_never

from quietmaker.core.events import Mode
from quietmaker.core.units import ROUNDED, ZERO, Instant, Name, Nanos, plain

_SHOWN: Final = Decimal("0.01")


class Breaker(Name):
    """What is watched; the value is the name of the limit in settings and metrics."""

    DAILY_LOSS = "max_daily_loss"
    DRAWDOWN = "max_drawdown_pct"
    CONSECUTIVE_LOSSES = "max_consecutive_losses"
    REJECTS = "max_reject_pct"
    ADVERSE_MARKOUT = "max_adverse_markout_pct"
    INVENTORY_AGE = "max_inventory_age_seconds"
    DATA_AGE = "max_data_age_seconds"
    CLOCK_SKEW = "max_clock_skew_seconds"


STANDING: Final = frozenset({Breaker.INVENTORY_AGE, Breaker.DATA_AGE, Breaker.CLOCK_SKEW})
"""Limits on what stands; the others are on what adds up."""
HEALING: Final = frozenset({Breaker.DATA_AGE, Breaker.CLOCK_SKEW})
"""Of these, the conditions of the connection: quotes come back with it, however often it is lost."""


class Phase(Name):
    """Where a breaker is."""

    ARMED = "armed"
    TRIPPED = "tripped"
    HALTED = "halted"


MODES: Final = {Phase.TRIPPED: Mode.PAUSE, Phase.HALTED: Mode.HALT}
"""What a breaker imposes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """How breakers come back.

    Attributes:
        cool_down: how long a pause lasts at least.
        max_resumes: how often one resumes by itself.
        forget_after: armed for so long, it has resumed never.
    """

    cool_down: Nanos
    max_resumes: int
    forget_after: Nanos


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A limit and what it is compared with.

    Attributes:
        value: what was measured; None while nobody knows, which is not nothing.
        limit: what it may not reach.
        setting: full name of the key that the limit comes from.
        words: what it is about, with places for value and limit.
        not_before: no resumption before this, whatever the cool-down.
    """

    value: Decimal | None
    limit: Decimal
    setting: str
    words: str
    not_before: int = 0

    @property
    def detail(self) -> str:
        """Say the numbers."""
        shown = "unknown" if self.value is None else plain(ROUNDED.quantize(self.value, _SHOWN))
        return self.words.format(shown, plain(self.limit))

    @property
    def reached(self) -> bool:
        """Return whether the limit is reached."""
        return self.value is not None and self.value >= self.limit

    @property
    def used(self) -> Decimal | None:
        """Return the share of the limit that is used; None while unknown."""
        return None if self.value is None else max(ZERO, ROUNDED.divide(self.value, self.limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """One breaker.

    Attributes:
        armed_at: when it was last armed; what adds up counts from there.
        until: when a pause may end.
        trips: how often it tripped without being forgotten or released since.
        reason: the limit and its numbers, as it tripped; empty while armed.
    """

    breaker: Breaker
    phase: Phase
    armed_at: Instant
    until: Instant
    trips: int
    reason: str


def armed(breaker: Breaker, now: Instant) -> BreakerState:
    """Return a breaker that never tripped."""
    return BreakerState(
        breaker=breaker, phase=Phase.ARMED, armed_at=now, until=Instant(0), trips=0, reason=""
    )


def released(state: BreakerState, now: Instant) -> BreakerState:
    """Return it as the operator's word to go on leaves it: armed, with nothing on its account."""
    return armed(state.breaker, now)


def step(
    state: BreakerState, reading: Reading, policy: BreakerPolicy, now: Instant
) -> BreakerState:
    """Return where a breaker is after a look at its limit."""
    match state.phase:
        case Phase.HALTED:
            return state
        case Phase.ARMED:
            return _trip(state, reading, policy, now) if reading.reached else state
        case Phase.TRIPPED if state.breaker in HEALING and reading.value is not None:
            return state if reading.reached else armed(state.breaker, now)
        case Phase.TRIPPED:
            return _rest(state, reading, policy, now)
        case _:
            assert_never(state.phase)


def _trip(
    state: BreakerState, reading: Reading, policy: BreakerPolicy, now: Instant
) -> BreakerState:
    trips = 1 if now - state.armed_at >= policy.forget_after else state.trips + 1
    halted = trips > policy.max_resumes and state.breaker not in HEALING
    until = Instant(0) if halted else Instant(max(now + policy.cool_down, reading.not_before))
    times = f"; tripped {trips} times, {policy.max_resumes} resumptions are allowed"
    return replace(
        state,
        phase=Phase.HALTED if halted else Phase.TRIPPED,
        until=until,
        trips=trips,
        reason=f"{reading.detail} ({reading.setting}){times if halted else ''}",
    )


def _rest(
    state: BreakerState, reading: Reading, policy: BreakerPolicy, now: Instant
) -> BreakerState:
    if state.breaker in STANDING and (reading.reached or reading.value is None):
        return replace(state, until=max(state.until, Instant(now + policy.cool_down)))
    if now < state.until:
        return state
    return replace(state, phase=Phase.ARMED, armed_at=now, until=Instant(0), reason="")


def imposed(states: Iterable[BreakerState]) -> BreakerState | None:
    """Return the breaker that speaks for a scope: the severest, and of equals the one that lasts longest."""
    tripped = [each for each in states if each.phase is not Phase.ARMED]
    if not tripped:
        return None
    return max(tripped, key=lambda each: (each.phase is Phase.HALTED, each.until))
