"""A coin lost 6.5 % while its stop was never looked at: an open sell order ended the check early.

Rules about risk are asked first and always, whatever orders exist; an order in the way is replaced.

Incident P11.
"""

from __future__ import annotations

import pytest

from quietmaker.core.orders import ExitReason, Move
from tests.kit.desk import Desk


def holding() -> Desk:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    assert desk.exits_working == 1
    return desk


def test_the_stop_replaces_the_resting_exit() -> None:
    desk = holding()
    desk.touch(9_700, 9_800)
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


@pytest.mark.parametrize("state", ["pending", "partly filled", "cancel refused", "unknown"])
def test_the_stop_is_remembered_while_the_exit_order_is_in_any_state(state: str) -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.answering = False
    desk.fill(entry)
    resting = desk.exit()
    match state:
        case "pending":
            desk.touch(9_700, 9_800)
            desk.accept(resting)
        case "partly filled":
            desk.accept(resting)
            desk.fill(resting, 50)
            desk.touch(9_700, 9_800)
        case "cancel refused":
            desk.accept(resting)
            desk.touch(9_700, 9_800)
            desk.move(resting.client_id, Move.CANCEL_REFUSED)
        case _:
            desk.move(resting.client_id, Move.OUTCOME_UNKNOWN)
            desk.touch(9_700, 9_800)
            desk.accept(resting)
    assert desk.cancels[-1].client_id == resting.client_id
    desk.answering = True
    desk.touch(9_900, 10_000)  # the bounce does not take the decision back
    desk.confirm_cancel(resting.client_id)
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


def test_the_stop_is_looked_at_while_the_cancellation_of_an_entry_is_pending() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry(), 100)
    desk.answering = False
    entry = desk.entry()
    desk.exclude("win_rate")
    assert desk.cancels[-1].client_id == entry.client_id
    resting = desk.exit()
    desk.touch(9_700, 9_800)
    assert desk.cancels[-1].client_id == resting.client_id
