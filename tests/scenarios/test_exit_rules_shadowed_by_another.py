"""A new exit rule was put into a chain of "else if", and four others could never fire again.

Rules are independent: all are asked on every decision and the most urgent answer wins. So each of them must
fire while every other one is switched on, in any order of their happening.

Incident P19.
"""

from __future__ import annotations

import itertools

import pytest

from quietmaker.core.exits import RULES, SWITCHABLE
from quietmaker.core.orders import ExitReason
from quietmaker.core.units import Side
from tests.core.exit_stories import OPTIONAL, STORIES, Holding


@pytest.mark.parametrize("entry", list(Side))
@pytest.mark.parametrize("reason", STORIES)
def test_each_rule_fires_beside_all_others(reason: ExitReason, entry: Side) -> None:
    held = Holding(entry, exits=OPTIONAL)
    STORIES[reason](held)
    assert held.desk.sent[-1].exit_reason is reason


@pytest.mark.parametrize("off", sorted(SWITCHABLE, key=str))
@pytest.mark.parametrize("reason", STORIES)
def test_switching_one_rule_off_silences_that_one_only(reason: ExitReason, off: ExitReason) -> None:
    if reason is off:
        return
    held = Holding(exits=OPTIONAL, without=frozenset({off.value}))
    STORIES[reason](held)
    assert held.desk.sent[-1].exit_reason is reason


URGENT = (ExitReason.HALT, ExitReason.FLATTEN, ExitReason.STOP_LOSS)
TOUCHING = (ExitReason.MAX_LIFETIME, ExitReason.TAKE_PROFIT, ExitReason.TRAILING_STOP)


@pytest.mark.parametrize(("first", "then"), list(itertools.product(TOUCHING, URGENT)))
def test_a_rule_that_fired_does_not_hold_off_a_more_urgent_one(
    first: ExitReason, then: ExitReason
) -> None:
    held = Holding(exits=OPTIONAL)
    STORIES[first](held)
    assert held.desk.sent[-1].exit_reason is first
    STORIES[then](held)
    assert held.desk.sent[-1].exit_reason is then


def test_no_rule_is_missing_from_the_stories() -> None:
    assert set(STORIES) == set(RULES)
