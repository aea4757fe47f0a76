"""Every order was for 20 dollars, because of a constant left over from debugging.

And another time for 35 instead of 20, because the names of the triggers had changed and the table of sizes
had not. The size of an order is what the configuration says, times the filter's share in a probation, and
both are shown.

Incidents P20, C8.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.events import EligibilityChanged
from quietmaker.core.filter_rules import Rule
from quietmaker.core.filter_states import FilterState
from quietmaker.core.units import PPB, Rate
from quietmaker.settings import InvalidSettings, load
from tests.actors.fakes import make_metrics
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote


def value(desk: Desk) -> Decimal:
    intent = desk.entry()
    return desk.product.notional(intent.price, intent.size)


@pytest.mark.parametrize("size", ["10", "20", "37.5"])
def test_an_order_is_worth_what_was_configured_and_half_of_it_in_a_probation(size: str) -> None:
    params = make_params(quote=make_quote(level_sizes=(size,)))
    full = Desk(params=params)
    full.touch(10_000, 10_100)
    half = Desk(params=params)
    half.on(EligibilityChanged(now=half.now, rule=None, size_share=Rate(PPB // 2)))
    half.touch(10_000, 10_100)
    tick = Decimal("0.5")
    assert abs(value(full) - Decimal(size)) < tick
    assert abs(value(half) - Decimal(size) / 2) < tick


def test_after_the_probation_the_size_is_the_usual_one() -> None:
    desk = Desk()
    desk.on(EligibilityChanged(now=desk.now, rule=None, size_share=Rate(PPB // 2)))
    desk.touch(10_000, 10_100)
    small = value(desk)
    desk.on(EligibilityChanged(now=desk.now, rule=None, size_share=Rate(PPB)))
    desk.wait(200)
    desk.touch(10_000, 10_101)
    assert value(desk) > small


def test_a_name_that_no_table_knows_is_refused_and_no_default_is_taken() -> None:
    with pytest.raises(InvalidSettings, match=r"unknown key.*did you mean"):
        load(None, env={}, overrides=["filter.min_winrate_pct=20"])
    (notice,) = load(None, env={"DYNAMIC_FILTER_WIN_RATE": "0.2"}).notices
    assert "has no effect" in notice
    with pytest.raises(ValueError, match="retired"):
        FilterState("retired")


def test_every_rule_and_state_has_its_metric() -> None:
    metrics = make_metrics()
    for state in FilterState:
        name, labels = "quietmaker_symbols", {"state": state.value}
        assert metrics.registry.get_sample_value(name, labels) == 0
    for rule in Rule:
        name = "quietmaker_symbol_filter_transitions_total"
        labels = {"direction": "excluded", "reason": rule.value}
        assert metrics.registry.get_sample_value(name, labels) == 0
