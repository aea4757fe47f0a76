"""A debug flag that left the fees out was set in production, like any other variable, and forgotten.

It lost money for weeks while everything said "fee-aware". The switch is now named by its effect, the plan
says its effect in numbers at every start, the status shows it as long as it is in force, and real money is
not traded with it unless somebody insists.

Incident P4.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from quietmaker.core.commands import Gate
from quietmaker.errors import ConfigError, SafetyRefusal
from quietmaker.settings import Settings, load
from supervisors.commands.run import check_deliberate
from supervisors.plan import plan
from supervisors.screen import warnings
from supervisors.unsafe import unsafe
from tests.kit.desk import Desk
from tests.kit.makers import make_gates, make_params

OFF = "defaults.gates.include_fees=false"
LIVE = Path("config/live.yaml")


def live(*overrides: str) -> Settings:
    return load(LIVE, env={}, overrides=overrides)


def test_real_money_is_not_traded_without_the_fees_unless_somebody_insists() -> None:
    check_deliberate(live(), LIVE, live=True, insists=False)
    with pytest.raises(SafetyRefusal, match="include_fees is false") as caught:
        check_deliberate(live(OFF), LIVE, live=True, insists=False)
    assert caught.value.exit_code == 6
    check_deliberate(live(OFF), LIVE, live=True, insists=True)


def test_one_symbol_with_the_switch_is_enough_to_be_refused() -> None:
    settings = live("symbols.TNSR-USD.gates.include_fees=false")
    with pytest.raises(SafetyRefusal, match="TNSR-USD"):
        check_deliberate(settings, LIVE, live=True, insists=False)


def test_the_old_name_of_the_switch_is_no_way_around() -> None:
    settings = load(
        LIVE, env={"PASSIVE_IGNORE_FEES_FOR_SPREAD": "false"}
    )  # its name is its opposite
    with pytest.raises(SafetyRefusal, match="include_fees"):
        check_deliberate(settings, LIVE, live=True, insists=False)


def test_every_start_says_in_numbers_what_the_switch_does() -> None:
    settings = load(None, env={}, overrides=[OFF])
    said = dict(plan(settings, fees=settings.paper_fees()))["spread"]
    assert "WARNING: FEES ARE NOT PART OF IT" in said
    assert "a round trip of two maker fills costs 0.5 %" in said


def test_the_status_shows_the_switch_as_long_as_it_is_in_force() -> None:
    settings = load(None, env={}, overrides=[OFF])
    assert "include_fees is false" in warnings({"unsafe": unsafe(settings), "modes": []})
    assert warnings({"unsafe": unsafe(load(None, env={})), "modes": []}) == ""


@pytest.mark.parametrize("switch", ["DEBUG_MODE", "gates.ignore_fees", "quote.extra_notional"])
def test_a_switch_that_nobody_reads_is_refused_rather_than_ignored(switch: str) -> None:
    with pytest.raises(ConfigError):
        load(None, env={}, overrides=[f"{switch}=true"])


def test_no_order_is_worth_five_dollars_more_than_was_configured() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    intent, tick = desk.entry(), Decimal("0.01")
    wanted = make_params().quote.level_sizes[0]
    assert wanted - tick <= desk.product.notional(intent.price, intent.size) <= wanted + tick


def test_the_same_spread_is_refused_with_the_fees_and_quoted_without_them() -> None:
    counted = Desk(params=make_params(gates=make_gates(include_fees=True)))
    ignored = Desk(params=make_params(gates=make_gates(include_fees=False, min_spread="0.0001")))
    for desk in (counted, ignored):
        desk.touch(10_000, 10_020)
    assert counted.gate() is Gate.SPREAD_BELOW_REQUIRED
    assert ignored.gate() is None
