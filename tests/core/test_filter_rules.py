"""The rules of the symbol filter: every boundary, no data as a state of its own, twins by size."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core import filter_check
from quietmaker.core.filter_remedies import remedy
from quietmaker.core.filter_rules import Finding, Rule, Trades, judge
from quietmaker.core.outcomes import Outcome, outcome_of, win_rate
from tests.kit.filter import FOUNDING, UNKNOWN_SPREAD, spread, trades


def failed(sums: Trades, average: str | None = None) -> Rule | None:
    result = judge(sums, spread(average), FOUNDING).failed
    return None if result is None else result.rule


@pytest.mark.parametrize(
    ("trips", "wins", "net", "rule"),
    [
        (10, 3, "1", None),
        (10, 2, "1", Rule.WIN_RATE),
        (1000, 299, "1", Rule.WIN_RATE),
        (5, 5, "-25", None),
        (5, 5, "-25.00000001", Rule.AVG_PNL),
        (20, 20, "-50", None),
        (20, 20, "-50.00000001", Rule.TOTAL_PNL),
        (5, 1, "1", Rule.WIN_RATE),
        (4, 0, "-1000", None),
        (0, 0, "0", None),
    ],
)
def test_each_threshold_excludes_beyond_it_and_not_on_it(
    trips: int, wins: int, net: str, rule: Rule | None
) -> None:
    assert failed(trades(trips, wins, net)) is rule


def test_the_spread_excludes_above_its_threshold_whatever_the_trades() -> None:
    assert failed(trades(0, 0, "0"), "0.02") is None
    assert failed(trades(0, 0, "0"), "0.020000001") is Rule.SPREAD
    assert failed(trades(9, 9, "9"), "0.5") is Rule.SPREAD


def test_no_data_is_neither_a_pass_nor_a_ban() -> None:
    verdict = judge(trades(4, 0, "-9"), UNKNOWN_SPREAD, FOUNDING)
    assert verdict.failed is None
    assert verdict.of(Rule.WIN_RATE).finding is Finding.NO_DATA
    assert verdict.of(Rule.SPREAD).finding is Finding.NO_DATA
    assert verdict.of(Rule.AVG_PNL_PCT).finding is Finding.OFF
    assert "no data (4 trades)" in verdict.of(Rule.WIN_RATE).words()


def test_the_twins_judge_by_the_size_of_the_trades() -> None:
    limits = replace(FOUNDING, min_avg_return=Decimal("-0.01"), min_total_return=Decimal("-0.1"))
    on_it = judge(trades(10, 9, "-2.5", notional="250"), UNKNOWN_SPREAD, limits)
    assert on_it.failed is None
    below = judge(trades(10, 9, "-2.51", notional="250"), UNKNOWN_SPREAD, limits)
    assert [each.rule for each in below.results if each.failed] == [
        Rule.AVG_PNL_PCT,
        Rule.TOTAL_PNL_PCT,
    ]
    assert below.of(Rule.AVG_PNL_PCT).words() == "avg_pnl_pct -1.004 % < -1 % (10 trades)"


def test_a_result_says_its_numbers() -> None:
    verdict = judge(trades(10, 2, "-60"), spread("0.031"), FOUNDING)
    assert verdict.of(Rule.WIN_RATE).words() == "win_rate 20 % < 30 % (10 trades)"
    assert verdict.of(Rule.AVG_PNL).words() == "avg_pnl -6 < -5 (10 trades)"
    assert verdict.of(Rule.SPREAD).words() == "spread 3.1 % > 2 % (3600 s watched)"


@given(
    trips=st.integers(1, 10**6),
    wins=st.integers(0, 10**6),
    net=st.decimals("-1e6", "1e6", places=8),
)
def test_a_stricter_threshold_is_never_easier(trips: int, wins: int, net: Decimal) -> None:
    sums = trades(trips, min(wins, trips), net)
    if judge(sums, UNKNOWN_SPREAD, FOUNDING).failed is not None:
        hard = FOUNDING.stricter(Decimal("0.1"), min_trades=FOUNDING.min_trades)
        assert judge(sums, UNKNOWN_SPREAD, hard).failed is not None


def test_the_self_test_finds_nothing_and_would_find_a_wrong_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert filter_check.defects() == []
    easier = replace(FOUNDING, min_win_rate=Decimal("0.2"))
    monkeypatch.setattr(filter_check, "_LIMITS", easier)
    assert len(filter_check.defects()) == 1


def test_a_break_even_is_neither_won_nor_lost_and_counts_as_a_trade() -> None:
    assert [outcome_of(Decimal(net)) for net in ("0.01", "0", "-0.01")] == [
        Outcome.WON,
        Outcome.BREAK_EVEN,
        Outcome.LOST,
    ]
    assert win_rate(wins=3, trips=10) == Decimal("0.3")
    assert win_rate(wins=0, trips=0) == 0


@pytest.mark.parametrize(
    "sums",
    [
        Trades(trips=3, wins=4, net=Decimal(1), notional=Decimal(1)),
        Trades(trips=-1, wins=0, net=Decimal(0), notional=Decimal(0)),
        Trades(trips=3, wins=1, net=Decimal(1), notional=Decimal(0)),
        Trades(trips=0, wins=0, net=Decimal(1), notional=Decimal(0)),
    ],
)
def test_impossible_sums_are_recognised(sums: Trades) -> None:
    assert sums.flaw


@given(trips=st.integers(5, 200), wins=st.integers(0, 200), net=st.decimals("-500", "50", places=4))
def test_what_would_change_a_failing_rule_does_change_it(
    trips: int, wins: int, net: Decimal
) -> None:
    sums = trades(trips, min(wins, trips), net)
    for result in judge(sums, UNKNOWN_SPREAD, FOUNDING).results:
        said = remedy(result, sums, FOUNDING)
        if not result.failed:
            assert not said or result.rule is Rule.SPREAD
        elif result.rule is Rule.WIN_RATE:
            more = int(said.split()[0])
            for won, fails in ((more, False), (more - 1, True)):
                after = trades(trips + won, sums.wins + won, net)
                rate = judge(after, UNKNOWN_SPREAD, FOUNDING).of(Rule.WIN_RATE)
                assert rate.failed is fails
        else:
            # The words are rounded to four digits.
            earned = Decimal(said.split()[0])
            for slack, fails in ((Decimal("0.0001"), False), (Decimal("-0.0001"), True)):
                after = trades(trips, sums.wins, net + earned + slack)
                assert judge(after, UNKNOWN_SPREAD, FOUNDING).of(result.rule).failed is fails
