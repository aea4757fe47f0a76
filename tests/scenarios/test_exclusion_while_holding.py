"""A symbol was dropped from the universe while it was held, and its position was dumped.

The list of tradable symbols was consulted for exits as well: the moment a coin left it, the position was
sold at whatever the market paid. Eligibility may only ever decide about new entries.

Incident F5.
"""

from __future__ import annotations

import pytest

from quietmaker.core.commands import Gate
from quietmaker.core.events import Mode
from quietmaker.core.orders import ExitReason
from tests.kit.desk import Desk, sent_by


def holding() -> Desk:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    return desk


def test_the_exit_rests_untouched_when_the_symbol_is_excluded() -> None:
    desk = holding()
    resting = desk.exit()
    assert sent_by(desk.exclude("win_rate")) == []
    desk.wait(60)
    assert desk.exit() == resting
    assert desk.gate() is Gate.EXCLUDED


def test_the_excluded_position_leaves_by_the_same_rules_as_any_other() -> None:
    desk = holding()
    desk.exclude("total_pnl")
    desk.touch(9_700, 9_800)
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


def test_an_entry_that_fills_while_it_is_pulled_is_protected_all_the_same() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.answering = False
    desk.exclude("spread")
    desk.fill(entry)
    assert desk.exit().size == 250
    assert desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS


@pytest.mark.parametrize("close", ["pause", "funds", "fees", "product", "risk"])
def test_nothing_that_closes_entries_touches_the_exit(close: str) -> None:
    desk = holding()
    resting = desk.exit()
    match close:
        case "pause":
            desk.mode(Mode.PAUSE)
        case "funds":
            desk.funds(None)
        case "fees":
            desk.change_fees(None)
        case "product":
            desk.lose_data()
        case _:
            desk.funds("0")
    assert desk.exit() == resting
