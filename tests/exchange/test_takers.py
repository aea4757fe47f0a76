"""Orders that take: depth, limits, lots that can be taken once, and never our own."""

from __future__ import annotations

from quietmaker.core.orders import Move, OrderState
from quietmaker.core.units import Liquidity, Side
from tests.exchange.support import Desk, buy, desk, ioc, make_core, sell

BUY, SELL = Side.BUY, Side.SELL


def test_the_rest_of_a_crossing_order_waits_for_new_lots_at_the_level_it_took() -> None:
    d = desk()
    d.send(buy("a", 101, 600, post_only=False))
    d.touch(1, 99, 500, 100, 500)
    assert d.filled("a") == 500
    d.touch(2, 99, 500, 100, 520)
    assert d.filled("a") == 520


def test_lots_that_left_the_display_were_not_ours_to_take_again() -> None:
    d = desk()
    d.send(ioc("t", SELL, 99, 400))
    d.touch(1, 99, 100, 100, 500)
    d.touch(2, 99, 300, 100, 500)
    d.send(ioc("u", SELL, 99, 400))
    assert d.filled("u") == 200


def test_a_taker_walks_the_displayed_depth_up_to_its_limit_and_the_rest_is_cancelled() -> None:
    d = Desk(make_core())
    d.book(0, {99: 500}, {100: 30, 101: 20, 103: 900})
    d.send(ioc("t", BUY, 102, 100))
    assert [(fill.price, fill.size) for fill in d.fills] == [(100, 30), (101, 20)]
    assert {fill.liquidity for fill in d.fills} == {Liquidity.TAKER}
    assert d.moves("t") == [Move.ACCEPTED, Move.CANCELLED]


def test_without_depth_a_taker_reaches_the_touch_only() -> None:
    d = desk()
    d.send(ioc("t", SELL, 90, 700))
    assert d.filled("t") == 500
    assert d.moves("t") == [Move.ACCEPTED, Move.CANCELLED]


def test_displayed_lots_can_be_taken_once() -> None:
    d = desk()
    d.send(ioc("t", SELL, 99, 400))
    d.send(ioc("u", SELL, 99, 400))
    assert d.filled("u") == 100
    d.touch(1, 99, 700, 100, 500)  # 200 new ones
    d.send(ioc("v", SELL, 99, 400))
    assert d.filled("v") == 200
    d.touch(2, 98, 50, 100, 500)
    d.touch(3, 99, 60, 100, 500)  # another queue
    d.send(ioc("w", SELL, 99, 400))
    assert d.filled("w") == 60


def test_a_taker_out_of_reach_cancels_whole() -> None:
    d = desk()
    d.send(ioc("t", BUY, 99, 10))
    assert d.moves("t") == [Move.ACCEPTED, Move.CANCELLED]
    assert d.fills == []


def test_a_crossing_limit_order_takes_first_and_rests_the_remainder() -> None:
    d = desk(model="queue")
    d.send(buy("a", 100, 600, post_only=False))
    assert (d.filled("a"), d.order("a").state) == (500, OrderState.OPEN)
    d.touch(1, 99, 500, 101, 500)
    d.trade(2, 100, 30, SELL)
    assert [fill.liquidity for fill in d.fills] == [Liquidity.TAKER, Liquidity.MAKER]


def test_a_taker_stops_before_our_own_resting_order() -> None:
    d = Desk(make_core())
    d.book(0, {99: 500}, {100: 30, 101: 30, 105: 30})
    d.send(sell("rest", 101, 10))
    d.send(ioc("t", BUY, 103, 100))
    assert [(fill.client_id, fill.price) for fill in d.fills] == [("t", 100)]
    d.send(buy("gtc", 104, 5, post_only=False))
    assert d.moves("gtc") == [Move.ACCEPTED, Move.CANCELLED]
    assert d.order("gtc").reason == "SELF_TRADE_PREVENTION"
    assert d.filled("rest") == 0


def test_a_taker_is_not_a_cancellation_of_what_it_takes() -> None:
    d = desk()
    d.send(sell("rest", 101, 10))
    d.send(ioc("t", BUY, 100, 500))
    d.touch(1, 99, 500, 100, 480)
    assert d.filled("t") == 500
