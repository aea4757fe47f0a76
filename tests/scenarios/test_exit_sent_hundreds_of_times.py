"""More than 300 orders to protect one position were refused within three hours.

There was no limit and no pause, the position was looked up under another name than its own, and the smallest
sellable value stood twice in the settings with two numbers. Tries keep growing pauses, what cannot be sold is
known before it is sent, and a key that stands twice is refused.

Incident P7.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from quietmaker.core.commands import AlertKind
from quietmaker.core.exit_desk import Owner
from quietmaker.core.orders import Move, Purpose
from quietmaker.errors import ConfigError
from quietmaker.settings import load
from tests.kit.desk import Desk

HOURS = 3 * 3_600


def test_an_exit_that_is_refused_for_three_hours_is_tried_once_a_minute_and_alarms_each_time() -> (
    None
):
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.refusing = "UNKNOWN_FAILURE_REASON"
    desk.fill(entry)
    desk.wait(HOURS)
    tries = [i for i in desk.sent if i.purpose is Purpose.EXIT]
    assert HOURS / 65 < len(tries) < HOURS / 60 + 20
    assert len(desk.alerts(AlertKind.EXIT_REFUSED)) >= len(tries) / 2


def test_what_is_too_small_to_sell_is_never_sent_and_never_forgotten() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.fill(entry, 5)  # fifty cents; the exchange takes a dollar
    desk.move(entry.client_id, Move.CANCELLED, filled=5)
    desk.exclude("permanent")
    desk.wait(60)
    assert all(i.purpose is Purpose.ENTRY for i in desk.sent)
    (owner,) = desk.trader.exits.ownership()
    assert (owner.owner, owner.lots) == (Owner.DUST, 5)


def test_a_key_that_stands_twice_in_the_settings_is_refused_with_both_places(
    tmp_path: Path,
) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(
        "defaults:\n  quote:\n    max_position: 10\n    max_age_seconds: 60\n    max_position: 1.01\n"
    )
    with pytest.raises(ConfigError, match=r"twice\.yaml:5:5: max_position: duplicate key.*line 3"):
        load(path, env={}, overrides=[])
