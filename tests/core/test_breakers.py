"""The breaker machine: it trips, rests, resumes a bounded number of times, and then needs the operator."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.breakers import (
    HEALING,
    MODES,
    STANDING,
    Breaker,
    BreakerPolicy,
    BreakerState,
    Phase,
    Reading,
    armed,
    imposed,
    released,
    step,
)
from quietmaker.core.events import Mode
from quietmaker.core.units import SECOND, Instant, Nanos

MINUTE = 60 * SECOND
POLICY = BreakerPolicy(
    cool_down=Nanos(15 * MINUTE), max_resumes=2, forget_after=Nanos(24 * 60 * MINUTE)
)
T0 = Instant(1_700_000_000 * SECOND)
BREAKERS = st.sampled_from(Breaker)
COUNTED = st.sampled_from(sorted(set(Breaker) - HEALING, key=lambda each: each.value))
VALUES = st.one_of(st.none(), st.integers(0, 20).map(Decimal))


def reading(value: Decimal | int | None, *, not_before: int = 0) -> Reading:
    """Return a reading of a limit of 10."""
    return Reading(
        value=None if value is None else Decimal(value),
        limit=Decimal(10),
        setting="risk.max_of_it",
        words="{} of {}",
        not_before=not_before,
    )


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a limit, some time after the one before."""

    after: int
    value: Decimal | None


LOOKS = st.lists(
    st.builds(Look, after=st.integers(1, 60 * 60).map(lambda s: s * SECOND), value=VALUES),
    max_size=120,
)


def history(breaker: Breaker, looks: list[Look]) -> list[tuple[Instant, BreakerState]]:
    """Return the breaker after each look."""
    now, state = T0, armed(breaker, T0)
    found = [(now, state)]
    for look in looks:
        now = Instant(now + look.after)
        state = step(state, reading(look.value), POLICY, now)
        found.append((now, state))
    return found


def trip(state: BreakerState, now: int) -> BreakerState:
    """Return it after a look that found the limit reached."""
    return step(state, reading(10), POLICY, Instant(now))


def test_a_limit_that_is_reached_pauses_at_once_and_names_itself() -> None:
    state = trip(armed(Breaker.DAILY_LOSS, T0), T0)
    assert state.phase is Phase.TRIPPED
    assert MODES[state.phase] is Mode.PAUSE
    assert state.reason == "10 of 10 (risk.max_of_it)"


def test_below_the_limit_and_in_the_dark_nothing_trips() -> None:
    for value in (0, 9, None):
        assert step(armed(Breaker.REJECTS, T0), reading(value), POLICY, T0).phase is Phase.ARMED


def test_it_resumes_after_the_cool_down_and_not_before() -> None:
    state = trip(armed(Breaker.REJECTS, T0), T0)
    early = step(state, reading(0), POLICY, Instant(T0 + POLICY.cool_down - 1))
    assert early.phase is Phase.TRIPPED
    late = step(state, reading(0), POLICY, Instant(T0 + POLICY.cool_down))
    assert (late.phase, late.armed_at, late.trips) == (Phase.ARMED, T0 + POLICY.cool_down, 1)


def test_a_daily_loss_waits_for_the_next_day() -> None:
    midnight = T0 + 600 * MINUTE
    state = step(armed(Breaker.DAILY_LOSS, T0), reading(11, not_before=midnight), POLICY, T0)
    assert state.until == midnight


def test_what_lasts_is_not_resumed_from() -> None:
    state = trip(armed(Breaker.INVENTORY_AGE, T0), T0)
    for minute in range(1, 100):
        state = step(state, reading(10), POLICY, Instant(T0 + minute * MINUTE))
        assert state.phase is Phase.TRIPPED
    assert state.trips == 1
    unknown = step(state, reading(None), POLICY, Instant(T0 + 200 * MINUTE))
    assert unknown.phase is Phase.TRIPPED


@given(st.sampled_from(sorted(HEALING, key=lambda each: each.value)), LOOKS)
def test_what_heals_by_itself_is_open_exactly_while_it_lasts_and_never_halts(
    breaker: Breaker, looks: list[Look]
) -> None:
    for (_, state), look in zip(history(breaker, looks)[1:], looks, strict=True):
        if look.value is not None:
            assert state.phase is (Phase.TRIPPED if look.value >= 10 else Phase.ARMED)


def test_after_the_allowed_resumptions_it_halts_and_stays_halted() -> None:
    now, state = int(T0), armed(Breaker.ADVERSE_MARKOUT, T0)
    for _ in range(POLICY.max_resumes):
        state = trip(state, now)
        now += POLICY.cool_down
        state = step(state, reading(0), POLICY, Instant(now))
        assert state.phase is Phase.ARMED
    state = trip(state, now)
    assert MODES[state.phase] is Mode.HALT
    assert "tripped 3 times, 2 resumptions are allowed" in state.reason
    assert step(state, reading(0), POLICY, Instant(now + 10**18)) is state


def test_a_long_time_without_a_trip_is_forgiven() -> None:
    now, state = int(T0), armed(Breaker.REJECTS, T0)
    for _ in range(10):
        state = trip(state, now)
        assert (state.phase, state.trips) == (Phase.TRIPPED, 1)
        state = step(state, reading(0), POLICY, Instant(now + POLICY.cool_down))
        now = state.armed_at + POLICY.forget_after


def test_only_the_operator_releases_a_halt() -> None:
    halted = history(Breaker.REJECTS, [Look(after=MINUTE * 16, value=Decimal(10))] * 6)[-1][1]
    assert halted.phase is Phase.HALTED
    again = released(halted, T0)
    assert (again.phase, again.trips, again.armed_at) == (Phase.ARMED, 0, T0)


def test_the_severest_breaker_speaks_for_the_scope() -> None:
    loss = trip(armed(Breaker.DAILY_LOSS, T0), T0)
    later = trip(armed(Breaker.REJECTS, T0), T0 + MINUTE)
    halted = history(Breaker.DRAWDOWN, [Look(after=MINUTE * 16, value=Decimal(10))] * 6)[-1][1]
    assert imposed([armed(Breaker.DATA_AGE, T0)]) is None
    assert imposed([loss, later]) is later
    assert imposed([loss, halted, later]) is halted


@given(BREAKERS, LOOKS)
def test_a_halt_is_never_left_without_the_operator(breaker: Breaker, looks: list[Look]) -> None:
    phases = [state.phase for _, state in history(breaker, looks)]
    if Phase.HALTED in phases:
        after = phases[phases.index(Phase.HALTED) :]
        assert set(after) == {Phase.HALTED}


@given(BREAKERS, LOOKS)
def test_every_look_that_finds_the_limit_reached_leaves_it_open(
    breaker: Breaker, looks: list[Look]
) -> None:
    """Whoever is armed after such a look has just rested, and measures anew from there."""
    for (now, state), look in zip(history(breaker, looks)[1:], looks, strict=True):
        if look.value is not None and look.value >= 10 and state.phase is Phase.ARMED:
            assert breaker not in STANDING
            assert state.armed_at == now


@given(COUNTED, LOOKS)
def test_it_rests_at_least_the_cool_down(breaker: Breaker, looks: list[Look]) -> None:
    tripped: Instant | None = None
    for now, state in history(breaker, looks):
        if state.phase is Phase.TRIPPED and tripped is None:
            tripped = now
        elif state.phase is Phase.ARMED:
            assert tripped is None or now - tripped >= POLICY.cool_down
            tripped = None


@given(COUNTED, LOOKS)
def test_it_resumes_no_more_often_than_allowed_in_any_stretch_without_peace(
    breaker: Breaker, looks: list[Look]
) -> None:
    resumed = 0
    before = armed(breaker, T0)
    for now, state in history(breaker, looks):
        if before.phase is Phase.ARMED and state.phase is not Phase.ARMED:
            resumed = 0 if now - before.armed_at >= POLICY.forget_after else resumed
        if before.phase is Phase.TRIPPED and state.phase is Phase.ARMED:
            resumed += 1
        assert resumed <= POLICY.max_resumes
        before = state
