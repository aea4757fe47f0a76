"""What moves a symbol between eligible, excluded, probation and denied, and what does not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.filter_rules import NO_TRADES, DayOfTrades, Trades
from quietmaker.core.filter_states import (
    AGED,
    BAN_ENDED,
    DAY,
    OPERATOR,
    PASSED,
    PERMANENT,
    SHADOW,
    SWITCHED_OFF,
    Ban,
    Evidence,
    FilterState,
    Standing,
    Transition,
    aged_out_at,
    counts_from,
    earliest,
    obstacles,
    restored,
)
from tests.kit.filter import (
    BAD,
    GOOD,
    POLICY,
    after,
    evidence,
    excluded,
    moved,
    policy,
    spread,
    trades,
)

NEW = Standing(symbol="A-USD")
BANNED = Ban(rule=PERMANENT, reason="permanent_exclusions: A-USD (base.yaml:3)")


def test_a_failing_rule_excludes_with_its_numbers() -> None:
    standing, by = moved(NEW, evidence(real=BAD), POLICY, 0)
    assert by is not None
    assert (by.before, by.after) == (FilterState.ELIGIBLE, FilterState.EXCLUDED)
    assert (by.rule, by.value, by.threshold, by.sample) == (
        "win_rate",
        Decimal("0.1"),
        Decimal("0.30"),
        10,
    )
    assert standing.reason == "win_rate 10 % < 30 % (10 trades)"


def test_a_symbol_without_data_stays_as_it_is() -> None:
    assert moved(NEW, evidence(real=trades(4, 0, "-9")), POLICY, 0) == (NEW, None)
    out = excluded()
    assert moved(out, evidence(), POLICY, 2_000) == (out, None)


def test_an_excluded_symbol_does_not_come_back_by_forgetting() -> None:
    out = excluded()
    _, by = moved(out, evidence(real=NO_TRADES, shadow=NO_TRADES), POLICY, 24 * 60)
    assert by is None
    (why,) = obstacles(out, evidence(), POLICY, after(24 * 60))
    assert "10 needed" in why.words


def test_it_comes_back_by_the_shadow_but_not_before_its_time() -> None:
    out, seen = excluded(), evidence(shadow=GOOD)
    assert moved(out, seen, POLICY, 23.9)[1] is None
    standing, by = moved(out, seen, POLICY, 24)
    assert by is not None
    assert (by.after, by.rule, by.sample) == (FilterState.PROBATION, SHADOW, 12)
    assert counts_from(standing, POLICY, after(48)) == after(24)


def test_bad_shadow_results_keep_it_out_and_so_does_a_result_just_on_the_threshold() -> None:
    out = excluded()
    for shadow in (BAD, trades(100, 30, "1"), trades(9, 9, "9")):
        assert moved(out, evidence(shadow=shadow), POLICY, 500)[1] is None
    assert moved(out, evidence(shadow=trades(100, 33, "1")), POLICY, 500)[1] is not None


def test_one_excluded_for_its_spread_needs_a_narrow_one_and_not_trades() -> None:
    out, by = moved(NEW, evidence(spread=spread("0.03")), POLICY, 0)
    assert by is not None
    assert by.rule == "spread"
    for average in (None, "0.03", "0.019"):
        assert moved(out, evidence(spread=spread(average)), POLICY, 30)[1] is None
    assert moved(out, evidence(spread=spread("0.018")), POLICY, 30)[1] is not None
    bad = evidence(spread=spread("0.001"), shadow=BAD)
    assert moved(out, bad, POLICY, 30)[1] is None


def test_each_exclusion_lasts_twice_as_long_as_the_one_before() -> None:
    standing, hours = excluded(), 0.0
    assert earliest(standing, POLICY, after(1)) == after(24)
    standing, _ = moved(standing, evidence(shadow=GOOD), POLICY, 24)
    standing = excluded(30, standing=standing)
    assert earliest(standing, POLICY, after(31)) == after(30 + 48)
    del hours


def test_a_symbol_that_flaps_stays_out_until_an_exclusion_is_older_than_the_look_back() -> None:
    standing = NEW
    for start in (0, 100, 300):
        standing = excluded(start, standing=standing)
        if start < 300:
            standing, _ = moved(standing, evidence(shadow=GOOD), POLICY, start + 96)
            assert standing.state is FilterState.PROBATION
    seen = evidence(shadow=GOOD)
    assert moved(standing, seen, POLICY, 600)[1] is None
    (why,) = obstacles(standing, seen, POLICY, after(600))
    assert (why.words, why.until) == ("excluded 3 times within the look-back", after(30 * 24))
    assert moved(standing, seen, POLICY, 30 * 24)[1] is not None


def test_a_probation_ends_with_its_trades_or_its_time() -> None:
    trial, _ = moved(excluded(), evidence(shadow=GOOD), POLICY, 24)
    assert moved(trial, evidence(real=trades(9, 5)), POLICY, 30)[1] is None
    done, by = moved(trial, evidence(real=trades(10, 5)), POLICY, 30)
    assert by is not None
    assert (done.state, by.rule) == (FilterState.ELIGIBLE, PASSED)
    assert moved(trial, evidence(), POLICY, 24 + 71)[1] is None
    assert moved(trial, evidence(), POLICY, 24 + 72)[0].state is FilterState.ELIGIBLE


def test_a_bad_probation_excludes_again() -> None:
    trial, _ = moved(excluded(), evidence(shadow=GOOD), POLICY, 24)
    again, by = moved(trial, evidence(real=trades(5, 1, "-1")), POLICY, 30)
    assert by is not None
    assert by.before is FilterState.PROBATION
    assert again.exclusions == (after(0), after(30))


def test_a_ban_denies_at_once_and_its_end_is_no_pardon() -> None:
    denied, by = moved(NEW, evidence(real=GOOD, ban=BANNED), POLICY, 0)
    assert by is not None
    assert (by.after, by.rule) == (FilterState.DENIED, PERMANENT)
    assert moved(denied, evidence(ban=BANNED), POLICY, 1) == (denied, None)
    assert moved(denied, evidence(real=BAD), POLICY, 2)[0].state is FilterState.EXCLUDED
    free, lifted = moved(denied, evidence(), POLICY, 2)
    assert lifted is not None
    assert (free.state, lifted.rule) == (FilterState.PROBATION, BAN_ENDED)


def test_the_operator_lets_in_against_the_rules() -> None:
    seen = evidence(real=BAD, included="operator ann: they fixed the listing")
    trial, by = moved(excluded(), seen, POLICY, 1)
    assert by is not None
    assert (trial.state, by.rule) == (FilterState.PROBATION, OPERATOR)
    assert moved(trial, seen, POLICY, 2)[1] is None


def test_without_shadow_trading_it_comes_back_by_ageing() -> None:
    by_age = policy(shadow=False)
    out = excluded(by=by_age)
    assert moved(out, evidence(real=BAD), by_age, 700)[1] is None
    trial, by = moved(out, evidence(real=trades(4, 0, "-3")), by_age, 700)
    assert by is not None
    assert (trial.state, by.rule) == (FilterState.PROBATION, AGED)


def test_switching_the_rules_off_excludes_nobody_and_returns_through_probation() -> None:
    off = policy(enabled=False)
    assert moved(NEW, evidence(real=BAD), off, 0)[1] is None
    trial, by = moved(excluded(), evidence(real=BAD), off, 1)
    assert by is not None
    assert (trial.state, by.rule) == (FilterState.PROBATION, SWITCHED_OFF)
    assert moved(NEW, evidence(ban=BANNED), off, 0)[0].state is FilterState.DENIED


_SEEN = st.builds(
    lambda real, shadow, wide, ban, let: evidence(
        real=real, shadow=shadow, spread=spread(wide), ban=ban, included=let
    ),
    st.sampled_from([NO_TRADES, BAD, GOOD, trades(4, 0, "-9")]),
    st.sampled_from([NO_TRADES, BAD, GOOD]),
    st.sampled_from([None, "0.001", "0.05"]),
    st.sampled_from([None, None, None, BANNED]),
    st.sampled_from([None, None, None, "operator: try it"]),
)
_LEGAL = {
    (FilterState.ELIGIBLE, FilterState.EXCLUDED),
    (FilterState.EXCLUDED, FilterState.PROBATION),
    (FilterState.PROBATION, FilterState.ELIGIBLE),
    (FilterState.PROBATION, FilterState.EXCLUDED),
    (FilterState.DENIED, FilterState.PROBATION),
    (FilterState.DENIED, FilterState.EXCLUDED),
    *((state, FilterState.DENIED) for state in FilterState if state is not FilterState.DENIED),
}


@given(st.lists(st.tuples(st.integers(1, 200), _SEEN), max_size=40), st.booleans())
def test_every_course_is_made_of_legal_moves_and_is_restored_from_them(
    course: list[tuple[int, Evidence]], shadow: bool
) -> None:
    by, hours, standing = policy(shadow=shadow), 0, NEW
    history: list[Transition] = []
    for pause, seen in course:
        hours += pause
        standing, transition = moved(standing, seen, by, hours)
        if transition is not None:
            assert (transition.before, transition.after) in _LEGAL
            history.append(transition)
            if seen.included is None and (transition.before, transition.after) == (
                FilterState.EXCLUDED,
                FilterState.PROBATION,
            ):
                out = [each for each in history if each.after is FilterState.EXCLUDED][-1]
                assert transition.at - out.at >= by.min_exclusion
    assert restored("A-USD", history) == standing


@pytest.mark.parametrize("state", list(FilterState))
def test_only_eligible_and_probation_enter(state: FilterState) -> None:
    assert state.enters is (state in {FilterState.ELIGIBLE, FilterState.PROBATION})


def test_by_ageing_the_date_of_return_is_when_the_trades_that_fail_are_too_old() -> None:
    by_age = policy(shadow=False)
    out, today = excluded(by=by_age), after(0) // DAY
    bad, good = trades(6, 0, "-6"), trades(3, 3, "3")

    def returns(*days: tuple[int, Trades]) -> int:
        told = [DayOfTrades(day=today - ago, trades=each) for ago, each in days]
        return aged_out_at(out, told, by_age, after(1)) // DAY - today

    assert returns() == 1  # the least time excluded
    assert returns((10, bad)) == 21
    assert returns((20, bad), (10, trades(4, 0, "-4"))) == 11
    assert returns((20, bad), (10, good)) == 1
    assert returns((20, good), (10, bad), (5, bad)) == 26
