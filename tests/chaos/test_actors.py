"""Every actor killed at random while the bot trades; `make chaos` does it for minutes.

A hung actor cannot be mended: its thread cannot be stopped. Then everything ends, and no order stays.
"""

from __future__ import annotations

import pytest

from supervisors import tree
from tests.chaos.actors import hung, struck
from tests.chaos.market import MANY, SYMBOLS

SECONDS = 12.0
SHORT = 0.95
"""In so short a run one gap of a busy machine is two percent; `make chaos` asks for 99."""


def test_actors_killed_at_random_cost_no_order_and_the_others_no_quoting() -> None:
    report = struck(seed=1, seconds=SECONDS, calm=5.0)
    assert report.wrong == []
    assert len(report.blows) >= 6
    assert set(report.uptime) == set(MANY)
    assert report.others >= SHORT


@pytest.mark.parametrize("name", [tree.trader(SYMBOLS[0]), tree.GATEWAY, tree.STATUS])
def test_a_hung_actor_ends_the_bot_and_leaves_no_order(name: str) -> None:
    reason, left = hung(name, seed=2)
    assert f"{name} hangs" in reason
    assert left == []
