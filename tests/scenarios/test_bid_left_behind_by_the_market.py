"""Capital was locked for hours in bids far below a market that had moved away.

Nobody owned a resting quote. Every quote is followed as the market moves, is replaced when it is old, and its
cancellation is asked for until the exchange has confirmed it.

Incident P26.
"""

from __future__ import annotations

from quietmaker.core.commands import CancelReason
from quietmaker.core.orders import Move, OrderState
from quietmaker.core.units import Side
from tests.kit.desk import Desk
from tests.kit.makers import make_gates, make_params, make_quote

ALWAYS = make_gates(min_candles=1)


def test_a_bid_follows_a_market_that_moves_away() -> None:
    desk = Desk(params=make_params(quote=make_quote(refresh_ticks=2)))
    for step in range(0, 300, 10):
        desk.touch(10_000 + step, 10_100 + step)
        assert desk.entry().price == 10_000 + step
    assert desk.booked[desk.entry().client_id].open
    assert sum(booked.open for booked in desk.booked.values()) == 1


def test_a_quote_in_a_market_that_does_not_move_is_renewed() -> None:
    desk = Desk(params=make_params(quote=make_quote(max_age=30)))
    desk.touch(10_000, 10_100)
    first = desk.entry()
    desk.wait(31)
    assert desk.entry().client_id != first.client_id
    assert not desk.booked[first.client_id].open


def test_a_cancellation_is_asked_for_until_it_is_confirmed() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    lost = desk.entry()
    desk.answering = False
    desk.touch(10_200, 10_300)
    desk.wait(60)
    asked = [said for said in desk.cancels if said.client_id == lost.client_id]
    assert len(asked) >= 10
    assert asked[0].reason is CancelReason.REPRICE
    assert desk.trader.state.orders[lost.client_id].state is OrderState.CANCEL_PENDING


def test_an_order_is_forgotten_only_when_the_exchange_has_said_its_end() -> None:
    desk = Desk()
    desk.answering = False
    desk.touch(10_000, 10_100)
    order = desk.entry()
    desk.wait(250)
    assert order.client_id in desk.trader.state.orders
    desk.move(order.client_id, Move.OUTCOME_UNKNOWN)
    desk.wait(40)
    assert order.client_id in desk.trader.state.orders
    desk.move(order.client_id, Move.NOT_FOUND)
    assert order.client_id not in desk.trader.state.orders


def test_asks_follow_as_well() -> None:
    params = make_params(quote=make_quote(bid=False, ask=True))
    desk = Desk(params=params, base=10_000)
    desk.touch(10_000, 10_100)
    desk.touch(9_900, 10_000)
    assert desk.entry(Side.SELL).price == 10_000
