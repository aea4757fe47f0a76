"""A threshold was changed and nothing happened: the process had never read it, and nothing said so.

A setting changes the hash that stands in the plan, the metrics and on every transition of the filter; the
plan names the thresholds in force, and says when one cannot bite.

Incident C1.
"""

from __future__ import annotations

from quietmaker.settings import load
from supervisors.plan import plan
from tests.actors.test_symbol_filter import losing


def lines(*overrides: str) -> str:
    settings = load(None, env={}, overrides=overrides)
    told = plan(settings, fees=settings.paper_fees())
    return " ".join(text for title, text in told if title in {"symbol filter", "filter by size"})


def test_every_threshold_changes_the_hash_of_the_configuration_and_the_plan() -> None:
    usual = load(None, env={}).sha256
    for change in (
        "filter.min_win_rate_pct=35",
        "filter.min_avg_pnl=-2",
        "filter.min_total_pnl=-20",
        "filter.max_spread_pct=1.5",
        "filter.min_trades=10",
        "filter.lookback_days=14",
        "filter.enabled=false",
        "filter.shadow=false",
    ):
        assert load(None, env={}, overrides=[change]).sha256 != usual
        assert lines(change) != lines()


def test_the_plan_says_that_a_dollar_threshold_cannot_bite() -> None:
    assert "NOTE: an average below -5 cannot happen with orders of 25" in lines()
    assert "NOTE" not in lines("filter.min_avg_pnl_pct=-0.5")
    assert "NOTE" not in lines("filter.min_avg_pnl=-0.1")


def test_a_transition_says_under_which_configuration_it_was_made() -> None:
    rig = losing()
    told = []

    def note(transitions: object, *, config_sha: str) -> None:
        told.append((transitions, config_sha))

    rig.trade("B-USD", *["-1"] * 6, ago=0)
    rig.books.store_transitions = note  # type: ignore[method-assign]
    rig.hours(1)
    ((_, sha),) = told
    assert sha == "c0ffee"
