"""Six exits were sent and cancelled in 22 minutes while a coin fell, and the loss grew.

Each exit was sized from the free balance, which was zero because the previous exit held it; each was sent
without waiting for the end of the one before. The size is the position of the books, and there is one exit
in flight.

Incident P6.
"""

from __future__ import annotations

from quietmaker.core.orders import Purpose
from tests.kit.desk import Desk, sent_by


def holding() -> Desk:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    return desk


def test_a_free_balance_of_zero_says_nothing_about_the_exit() -> None:
    desk = holding()
    desk.funds("975", 0)
    desk.touch(9_700, 9_800)
    stop = desk.sent[-1]
    assert stop.size == 250
    assert desk.held == 0


def test_the_next_exit_waits_for_the_end_of_the_one_before() -> None:
    desk = holding()
    desk.answering = False
    first = desk.exit()
    desk.touch(9_700, 9_800)
    for step in range(44):  # 22 minutes, every 30 seconds
        desk.wait(30)
        desk.touch(9_700 - step, 9_800 - step)
        assert desk.exits_working == 1
    assert [i for i in desk.sent if i.purpose is Purpose.EXIT] == [first]
    (second,) = sent_by(desk.confirm_cancel(first.client_id))
    assert second.size == 250


def test_what_was_sold_meanwhile_is_not_sold_again() -> None:
    desk = holding()
    desk.answering = False
    first = desk.exit()
    desk.touch(9_700, 9_800)
    desk.fill(first, 200)
    (second,) = sent_by(desk.confirm_cancel(first.client_id))
    assert second.size == 50


def test_the_next_exit_waits_for_fills_that_the_exchange_has_counted_but_not_told() -> None:
    desk = holding()
    desk.answering = False
    first = desk.exit()
    desk.touch(9_700, 9_800)
    late = desk.execute(first, 200)
    assert sent_by(desk.confirm_cancel(first.client_id)) == []
    (second,) = sent_by(desk.tell_fill(late))
    assert second.size == 50
