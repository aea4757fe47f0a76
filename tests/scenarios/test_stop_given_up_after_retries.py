"""Positions stood for hours below their stop: the counter of failed attempts was never reset.

After a few refusals an exit was put off, and in the end for ever. An exit may be put off for a moment; it is
never given up, it grows more urgent and not less, and an answer that is good clears the record.

Incident P8.
"""

from __future__ import annotations

from quietmaker.core.commands import AlertKind
from quietmaker.core.orders import ExitReason, Purpose, TimeInForce
from tests.kit.desk import Desk

HOUR = 3_600


def exits_sent(desk: Desk) -> int:
    return sum(intent.purpose is Purpose.EXIT for intent in desk.sent)


def stopped(desk: Desk) -> Desk:
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    return desk


def test_a_stop_that_is_refused_for_hours_is_tried_at_least_every_minute() -> None:
    desk = stopped(Desk())
    desk.refusing = "UNKNOWN_FAILURE_REASON"
    desk.touch(9_700, 9_800)
    for _ in range(2 * HOUR // 61):
        before = exits_sent(desk)
        desk.wait(61)
        assert exits_sent(desk) > before
    assert len(desk.alerts(AlertKind.EXIT_REFUSED)) > 100
    desk.refusing = ""
    desk.wait(61)
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


def test_the_pause_between_tries_grows_and_begins_anew_after_an_acceptance() -> None:
    desk = stopped(Desk())
    desk.refusing = "INSUFFICIENT_FUND"
    desk.touch(9_700, 9_800)
    counts = []
    for pause in (1, 2, 4, 8):
        desk.wait(pause)
        counts.append(exits_sent(desk))
    assert counts == [counts[0] + step for step in range(4)]
    desk.refusing, desk.depth = "", 0
    desk.wait(17)  # taken, and not filled
    desk.refusing = "INSUFFICIENT_FUND"
    before = exits_sent(desk)
    desk.wait(3.1)  # now, after one second, after two more: not after 32
    assert exits_sent(desk) == before + 3


def test_a_stop_that_finds_no_buyer_is_an_order_that_takes_every_time() -> None:
    desk = stopped(Desk())
    desk.depth = 0
    desk.touch(9_700, 9_800)
    desk.wait(HOUR)
    tries = [i for i in desk.sent if i.purpose is Purpose.EXIT][1:]
    assert len(tries) > 1_000
    assert all(i.time_in_force is TimeInForce.IOC and not i.post_only for i in tries)
