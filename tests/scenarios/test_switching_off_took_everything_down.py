"""Switching the strategy off crashed the process, and what did not crash filled the log.

The switch was read in the middle of the code that another strategy shared, so "off" was an exception, a
hundred lines a minute and the end of both. To switch a symbol or a side off is a setting: its quotes go, it
is said once, exits go on, and nobody else notices.

Incident P24.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quietmaker.core.commands import Gate, HoldChanged
from quietmaker.core.events import Mode
from quietmaker.core.orders import Purpose
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote

OFF: dict[str, tuple[Callable[[Desk], object], Gate]] = {
    "configuration": (
        lambda desk: desk.configure(make_params(quote=make_quote(bid=False))),
        Gate.SIDE_OFF,
    ),
    "exclusion": (lambda desk: desk.exclude("permanent"), Gate.EXCLUDED),
    "pause": (lambda desk: desk.mode(Mode.PAUSE), Gate.PAUSED),
    "leaving the universe": (lambda desk: desk.mode(Mode.DRAIN), Gate.DRAINING),
}


@pytest.mark.parametrize("switch", OFF)
def test_what_is_switched_off_takes_its_quotes_back_and_says_so_once(switch: str) -> None:
    off, gate = OFF[switch]
    desk = Desk()
    desk.touch(10_000, 10_100)
    assert desk.entries()
    off(desk)
    assert desk.entries() == []
    assert desk.gate() is gate
    said = len(desk.said)
    for step in range(1_000):
        desk.touch(10_000 + step % 7, 10_100 + step % 7)
    assert len(desk.said) == said, "a thousand touches, and nothing more to say"


@pytest.mark.parametrize("switch", OFF)
def test_a_position_is_left_by_its_rules_while_its_symbol_is_switched_off(switch: str) -> None:
    off, _ = OFF[switch]
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    off(desk)
    assert desk.exits_working == 1
    desk.fill(desk.exit())
    assert desk.held == 0
    assert [i.purpose for i in desk.sent] == [Purpose.ENTRY, Purpose.EXIT]


@pytest.mark.parametrize("switch", OFF)
def test_one_symbol_that_is_switched_off_changes_nothing_for_another(switch: str) -> None:
    off, _ = OFF[switch]
    first, second = Desk(), Desk()
    for desk in (first, second):
        desk.touch(10_000, 10_100)
    off(first)
    second.touch(10_010, 10_110)
    assert second.entry().price == 10_010


def test_what_was_switched_off_comes_back_without_a_restart() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    off, _ = OFF["configuration"]
    off(desk)
    desk.configure(make_params())
    desk.touch(10_001, 10_101)
    assert desk.entry().price == 10_001
    assert [said.gate for said in desk.said if isinstance(said, HoldChanged)][-1] is None
