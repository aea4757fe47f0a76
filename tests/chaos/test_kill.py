"""The bot is killed at each named step and at random instants, and its books are proved each time.

This is the short way: every step once. `make chaos` kills some hundred times.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.kill_driver import Driver
from tests.chaos.kill_plan import short
from tests.chaos.kill_world import world


@pytest.mark.parametrize("part", [0, 1])
def test_killed_at_any_step_it_loses_no_order_and_no_fill_and_places_none_twice(
    tmp_path: Path, part: int
) -> None:
    said: list[str] = []
    with world(tmp_path, seed=part + 1, served=True) as place:
        driver = Driver(place, seed=part, say=said.append)
        for plan in short(1, part):
            driver.live(plan)
        driver.rest()
    assert driver.tally.missed.total() == 0, said
    assert driver.tally.fills > 100, said
