"""Emergency exits rested above the market and followed it down without ever filling.

A stop was a post-only limit a hair above the bid. How urgent an exit is decides what kind of order it is: an
urgent one takes, through the touch, within a limit.

Incident P9.
"""

from __future__ import annotations

from quietmaker.core.orders import ExitReason, Purpose, TimeInForce
from quietmaker.core.units import Side
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote


def test_a_stop_sells_through_the_bid_and_is_done() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    desk.touch(9_700, 9_800)
    stop = desk.sent[-1]
    assert stop.price < stop.bid == 9_700
    assert not stop.post_only
    assert stop.time_in_force is TimeInForce.IOC
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


def test_a_stop_buys_back_through_the_ask() -> None:
    desk = Desk(params=make_params(quote=make_quote(bid=False, ask=True)), base=10_000)
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry(Side.SELL))
    desk.touch(10_300, 10_400)
    stop = desk.sent[-1]
    assert stop.price > stop.ask == 10_400
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


def test_a_falling_market_is_met_with_reach_not_with_resting_orders() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    desk.depth = 50
    for step in range(5):
        desk.depth = 50 if step % 2 else 0
        desk.touch(9_700 - 60 * step, 9_760 - 60 * step)
        desk.wait(1.1)
    exits = [i for i in desk.sent if i.purpose is Purpose.EXIT][1:]
    assert all(i.time_in_force is TimeInForce.IOC for i in exits)
    assert all(i.price < i.bid for i in exits)


def test_a_taking_exit_is_never_unbounded() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    desk.depth = 0
    desk.touch(9_700, 9_800)
    desk.wait(120)
    assert min(i.price for i in desk.sent) >= 9_700 * 97 // 100
