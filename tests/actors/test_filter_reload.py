"""New thresholds judge at once, and the evidence stays."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from actors.protocol import FilterConfigured
from quietmaker.core.filter_states import HOUR, FilterState
from quietmaker.core.units import PPB, Nanos, Rate
from tests.actors.test_symbol_filter import WINDOW, Rig


def configured(rig: Rig, *, win_rate: str = "0.3", ban: str | None = None) -> FilterConfigured:
    thresholds = replace(rig.policy.thresholds, min_win_rate=Decimal(win_rate))
    return FilterConfigured(
        policy=replace(rig.policy, thresholds=thresholds),
        floor=rig.floor,
        period=Nanos(HOUR),
        window=WINDOW,
        probation=Rate(PPB // 2),
        banned={"B-USD": ban}.get,
        config_sha="beef",
    )


def trading() -> Rig:
    rig = Rig()
    rig.trade("A-USD", *["-1"] * 3, *["1"] * 3)
    rig.begin()
    assert rig.state("A-USD") is FilterState.ELIGIBLE
    return rig


def test_a_stricter_threshold_excludes_at_once_and_the_transition_has_the_new_hash() -> None:
    rig = trading()
    rig.actor.on_receive(configured(rig, win_rate="0.6"))
    assert rig.state("A-USD") is FilterState.EXCLUDED
    assert rig.told("A-USD").rule == "win_rate 50 % < 60 % (6 trades)"


def test_a_new_ban_holds_at_once_and_a_ban_that_is_lifted_leads_to_a_probation() -> None:
    rig = trading()
    rig.actor.on_receive(configured(rig, ban="permanent_exclusions: B-USD"))
    assert rig.state("B-USD") is FilterState.DENIED
    assert rig.told("B-USD").rule is not None
    rig.actor.on_receive(configured(rig))
    assert rig.told("B-USD").rule is None
