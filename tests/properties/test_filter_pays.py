"""A month of symbols of known quality: the filter finds the bad ones, lets back who improved, and pays."""

from __future__ import annotations

from bench.filter import simulate
from bench.filter_market import Kind
from quietmaker.core.filter_states import FilterState
from quietmaker.settings import load


def test_a_month_with_the_filter_is_worth_more_than_one_without() -> None:
    chosen = load(None, env={}).filter
    report, made = simulate(9_101, chosen, count=120, days=30, history_days=30)
    assert report["net_with"] > report["net_without"]
    assert report["recall"] >= 0.75
    assert report["precision"] >= 0.8
    assert report["good_hours_out"] <= 0.05
    assert report["re_included_symbols"] >= 2
    for name, symbol in made.market.items():
        if symbol.kind is Kind.BAD:
            moves = [each for each in made.moved if each.symbol == name]
            # Once its trades have told, it does not get back to full size by anything but a good run.
            assert moves
            assert moves[0].after is FilterState.EXCLUDED
