"""A banned coin was bought: three lists named it, and the code that entered read none of them.

One list was in the environment, one in the code, one in a snapshot, each with other readers. Here the
trader has one source, the filter's verdict; every ban reaches it with the place that it comes from.

Incident F3.
"""

from __future__ import annotations

from quietmaker.core.commands import Gate
from quietmaker.settings import load
from tests.actors.test_symbol_filter import Rig, override
from tests.kit.desk import Desk, sent_by


def test_every_list_reaches_the_trader_with_its_origin() -> None:
    for env, overrides, origin in (
        ({"EXCLUDED_SYMBOLS": "A-USD"}, [], "environment EXCLUDED_SYMBOLS"),
        ({"PERMANENT_EXCLUSIONS": "A-USD"}, [], "environment PERMANENT_EXCLUSIONS"),
        ({}, ["universe.permanent_exclusions=A-*"], "command line"),
    ):
        settings = load(None, env=env, overrides=overrides)
        rule = settings.exclusion("A-USD")
        assert rule is not None
        rig = Rig(banned={"A-USD": rule})
        rig.begin()
        told = rig.told("A-USD")
        assert told.rule is not None
        assert origin in told.rule
        assert rig.told("B-USD").rule is None
        assert rig.value("symbol_excluded", symbol="A-USD", reason="permanent_exclusions") == 1


def test_the_operators_ban_reaches_it_the_same_way() -> None:
    rig = Rig()
    rig.begin()
    rig.clock.advance(1)
    override(rig, include=False)
    rig.hours(0.01)
    assert rig.told("A-USD").rule == "operator ann: because"


def test_a_banned_symbol_sends_no_entry_and_says_by_which_rule() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.exclude("permanent_exclusions: A-USD (environment EXCLUDED_SYMBOLS)")
    assert sent_by(desk.touch(10_001, 10_102)) == []
    assert desk.gate() is Gate.EXCLUDED
