"""A threshold of a fall was stored as a positive number and compared with "less than": it always held.

Everything was for sale, nothing was bought, and no order went out for six days, quietly. A sign that makes no
sense is refused with the place and the range, one that may be meant is spelt out in the plan, and a bot that
should quote and does not, or says nothing of why, is an alert with a runbook.

Incident P16.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from quietmaker.errors import ConfigError
from quietmaker.settings import load
from supervisors.plan import plan
from tests.kit.desk import Desk

DEPLOY: Final = Path(__file__).parents[2] / "deploy" / "prometheus"
SILENCE: Final = ("QuietmakerNotQuoting", "QuietmakerNoOrders", "QuietmakerNoFills")


@pytest.mark.parametrize(
    "setting",
    [
        "exits.stop_loss_pct=-2",
        "exits.take_profit_pct=-1",
        "exits.min_profit_pct=-0.1",
        "exits.trailing_distance_pct=-1",
        "gates.min_spread_pct=-0.1",
        "filter.min_win_rate_pct=-30",
        "filter.max_spread_pct=-2",
        "risk.max_daily_loss=-5",
    ],
)
def test_a_threshold_with_a_sign_that_makes_no_sense_is_refused_with_its_range(
    setting: str,
) -> None:
    with pytest.raises(ConfigError, match="out of range; expected a number from"):
        load(None, env={}, overrides=[setting])


@pytest.mark.parametrize("name", ["filter.min_avg_pnl", "filter.min_total_pnl"])
def test_a_tolerated_loss_without_its_minus_is_spelt_out_in_the_plan(name: str) -> None:
    settings = load(None, env={}, overrides=[f"{name}=5"])
    assert "5 is a gain" in dict(plan(settings, fees=settings.paper_fees()))[name]
    usual = load(None, env={})
    assert name not in dict(plan(usual, fees=usual.paper_fees()))


def test_a_stop_is_below_the_entry_and_silent_above_it() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    held = desk.held
    desk.touch(10_010, 10_110)
    assert desk.held == held, "a gain is no stop"
    assert desk.sent[-1].post_only


def test_a_side_that_is_not_quoted_always_has_a_reason_with_its_numbers() -> None:
    desk = Desk()
    desk.touch(10_000, 10_001)
    hold = desk.hold()
    assert hold.gate is not None
    assert hold.detail


@pytest.mark.parametrize("name", SILENCE)
def test_silence_is_an_alert_that_is_tested_and_has_a_runbook(name: str) -> None:
    rules = [
        rule
        for path in sorted((DEPLOY / "rules").glob("*.yaml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if rule.get("alert") == name
    ]
    assert rules
    assert (DEPLOY / "runbooks" / f"{name}.md").exists()
    fires = [bool(case["exp_samples"]) for case in _cases(name)]
    assert set(fires) == {False, True}, (
        "a case in which it does not yet fire, and one in which it does"
    )


def _cases(name: str) -> list[dict[str, Any]]:
    return [
        case
        for path in sorted((DEPLOY / "tests").glob("*.yaml"))
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        if test["name"] == name
        for case in test["promql_expr_test"]
    ]
