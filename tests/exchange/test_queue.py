"""Each rule of price-time matching, by example. Prices in ticks, sizes in lots."""

from __future__ import annotations

import pytest

from quietmaker.core.orders import Move, OrderState, TimeInForce
from quietmaker.core.units import MILLISECOND, SECOND, Instant, Liquidity, Side
from quietmaker.exchange.models import ProbabilisticModel
from tests.exchange.support import Desk, buy, desk, make_core, sell

BUY, SELL = Side.BUY, Side.SELL
QUEUED = ["queue", "probabilistic"]


@pytest.mark.parametrize("model", QUEUED)
def test_trades_consume_the_queue_ahead_first_and_then_us(model: str) -> None:
    d = desk(model=model)
    d.send(buy("a", 99, 100))
    d.trade(1, 99, 450, SELL)
    assert d.filled("a") == 0
    d.trade(2, 99, 80, SELL)
    assert d.filled("a") == 30
    assert d.order("a").state is OrderState.OPEN
    d.trade(3, 99, 500, SELL)
    assert d.filled("a") == 100
    assert d.moves("a") == [Move.ACCEPTED, Move.FILLED]


def test_the_touch_model_knows_no_queue() -> None:
    d = desk(model="touch")
    d.send(buy("a", 99, 100))
    d.trade(1, 99, 60, SELL)
    assert d.filled("a") == 60
    d.trade(2, 99, 60, BUY)
    assert d.filled("a") == 100


@pytest.mark.parametrize("model", QUEUED)
def test_a_trade_by_our_own_side_of_the_market_does_not_fill_us(model: str) -> None:
    d = desk(model=model)
    d.touch(1, 98, 10, 100, 10)
    d.send(buy("a", 99, 100))
    d.trade(2, 99, 60, BUY)
    assert d.filled("a") == 0


@pytest.mark.parametrize("model", QUEUED)
def test_an_order_inside_the_spread_has_nobody_before_it(model: str) -> None:
    d = desk(model=model)
    d.touch(1, 95, 500, 100, 500)
    d.send(buy("a", 97, 100))
    d.trade(2, 97, 30, SELL)
    assert d.filled("a") == 30


@pytest.mark.parametrize("model", QUEUED)
def test_a_level_behind_the_touch_is_joined_behind_all_that_shows_when_the_touch_arrives(
    model: str,
) -> None:
    d = desk(model=model)
    d.send(buy("a", 97, 100))
    d.trade(1, 97, 10_000, SELL)
    assert d.filled("a") == 0
    d.touch(2, 97, 40, 100, 500)
    d.trade(3, 97, 50, SELL)
    assert d.filled("a") == 10


def test_cancellations_ahead_shrink_the_queue_in_proportion() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    d.touch(1, 99, 1000, 100, 500)  # 500 joined behind us
    d.touch(2, 99, 800, 100, 500)  # 200 of 1000 cancelled: 100 of them ahead
    d.touch(2 + SECOND, 99, 801, 100, 500)
    assert d.order("a").ahead == 400


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_size_that_comes_back_and_goes_again_counts_each_time(side: Side) -> None:
    d = desk()
    d.send(buy("a", 99, 100) if side is BUY else sell("a", 100, 100))
    for n, size in enumerate((400, 500, 400, 500), start=1):
        ours, other = (size, 500) if side is BUY else (500, size)
        d.touch(n * SECOND, 99, ours, 100, other)
    assert d.order("a").ahead == 320  # a fifth went of 500, then of the 400 that were left


def test_the_pessimistic_queue_takes_cancellations_to_be_behind_us_while_it_can() -> None:
    d = desk(model="queue")
    d.send(buy("a", 99, 100))
    d.touch(1, 99, 1000, 100, 500)
    d.touch(2, 99, 800, 100, 500)
    d.touch(2 + SECOND, 99, 801, 100, 500)
    assert d.order("a").ahead == 500
    d.touch(3 + SECOND, 99, 300, 100, 500)
    d.touch(3 + 2 * SECOND, 99, 301, 100, 500)
    assert d.order("a").ahead == 300


@pytest.mark.parametrize("model", QUEUED)
@pytest.mark.parametrize("book_first", [True, False])
def test_a_trade_and_the_size_it_took_count_once_in_either_order(
    model: str,
    book_first: bool,
) -> None:
    d = desk(model=model)
    d.send(buy("a", 99, 100))
    d.touch(1, 99, 1000, 100, 500)
    steps = [lambda at: d.touch(at, 99, 800, 100, 500), lambda at: d.trade(at, 99, 200, SELL)]
    for n, step in enumerate(steps if book_first else reversed(steps)):
        step(2 + n * 100 * MILLISECOND)
    d.touch(10 * SECOND, 99, 801, 100, 500)
    assert d.order("a").ahead == 300


def test_a_trade_explains_only_its_own_volume_of_a_decrease() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    d.touch(1, 99, 1000, 100, 500)
    d.touch(2, 99, 600, 100, 500)  # 400 gone: 200 traded, 200 cancelled
    d.trade(3, 99, 200, SELL)
    d.touch(10 * SECOND, 99, 601, 100, 500)
    assert d.order("a").ahead == 225  # 300 ahead of 800, then 200 cancelled: 300 - 75


def test_a_trade_long_after_the_decrease_is_not_explained_by_it() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    d.touch(1, 99, 1000, 100, 500)
    d.touch(2, 99, 800, 100, 500)
    d.trade(10 * SECOND, 99, 100, SELL)
    assert d.order("a").ahead == 300  # 500 - 100 cancelled in proportion - 100 traded


def test_a_decrease_long_after_a_trade_is_not_explained_by_it() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    d.touch(1, 99, 1000, 100, 500)
    d.trade(2, 99, 100, SELL)  # refilled at once: the displayed size never shrank
    d.touch(10 * SECOND, 99, 800, 100, 500)
    d.touch(20 * SECOND, 99, 801, 100, 500)
    assert d.order("a").ahead == 320  # 400 of 1000, of which 200 were cancelled


def test_only_trades_of_the_window_explain_a_decrease() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    d.touch(1, 99, 1000, 100, 500)
    d.trade(2, 99, 100, SELL)
    d.trade(10 * SECOND, 99, 100, SELL)
    d.touch(10 * SECOND + 1, 99, 800, 100, 500)  # 100 traded, 100 cancelled
    d.touch(20 * SECOND, 99, 801, 100, 500)
    assert d.order("a").ahead == 267  # 300 of 900, of which 100 were cancelled: 300 - 33


def test_a_newcomer_at_a_hidden_level_does_not_trust_its_last_displayed_size() -> None:
    d = desk(model="queue")
    d.send(buy("first", 99, 100))
    d.touch(1, 100, 10, 101, 500)
    d.send(buy("second", 99, 100))
    d.touch(2, 99, 900, 100, 500)
    assert (d.order("first").ahead, d.order("second").ahead) == (500, 900)


def test_a_level_that_emptied_leaves_nobody_before_us() -> None:
    d = desk(model="queue")
    d.send(buy("a", 99, 100))
    d.touch(1, 98, 10, 100, 500)
    d.touch(10 * SECOND, 98, 11, 100, 500)
    d.touch(11 * SECOND, 99, 700, 100, 500)  # they joined behind us
    d.trade(12 * SECOND, 99, 25, SELL)
    assert d.filled("a") == 25


@pytest.mark.parametrize("model", ["touch", *QUEUED])
@pytest.mark.parametrize("aggressor", [BUY, SELL])
def test_a_trade_beyond_our_price_meets_us_first(model: str, aggressor: Side) -> None:
    d = desk(model=model)
    d.send(buy("a", 99, 100))
    d.trade(1, 98, 60, aggressor)
    assert d.filled("a") == 60
    assert d.fills[0].price == 99


@pytest.mark.parametrize("model", ["touch", *QUEUED])
def test_the_opposite_touch_at_our_price_fills_up_to_its_size_each_lot_once(model: str) -> None:
    d = desk(model=model)
    d.send(buy("a", 99, 100))
    d.touch(1, 98, 10, 99, 40)
    assert d.filled("a") == 40
    d.touch(2, 98, 11, 99, 40)
    assert d.filled("a") == 40
    d.touch(3, 98, 11, 99, 55)
    assert d.filled("a") == 55


@pytest.mark.parametrize("model", ["touch", *QUEUED])
def test_the_opposite_touch_beyond_our_price_fills_all_of_us(model: str) -> None:
    d = desk(model=model)
    d.send(sell("a", 100, 90))
    d.send(sell("b", 101, 90))
    d.touch(1, 102, 1, 103, 5)
    assert (d.filled("a"), d.filled("b")) == (90, 90)
    assert {fill.liquidity for fill in d.fills} == {Liquidity.MAKER}
    assert [fill.price for fill in d.fills] == [100, 101]


def test_what_arrives_beyond_one_of_our_prices_is_shared_with_the_next() -> None:
    d = desk()
    d.touch(1, 95, 10, 105, 10)
    d.send(buy("near", 101, 6))
    d.send(buy("far", 100, 20))
    d.touch(2, 95, 10, 100, 10)
    assert (d.filled("near"), d.filled("far")) == (6, 4)


def test_a_market_that_is_crossed_itself_fills_nobody() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    d.touch(1, 100, 10, 98, 10)
    assert d.filled("a") == 0
    d.touch(2, 97, 10, 98, 10)
    assert d.filled("a") == 100


@pytest.mark.parametrize("model", ["touch", *QUEUED])
def test_our_orders_share_a_trade_by_price_and_then_time(model: str) -> None:
    d = desk(model=model)
    d.touch(1, 90, 10, 100, 10)
    for name, price in (("late", 95), ("best", 97)):
        d.send(buy(name, price, 50))
    d.send(buy("later", 95, 50))
    d.trade(2, 95, 120, SELL)
    assert [d.filled(name) for name in ("best", "late", "later")] == [50, 50, 20]


def test_others_between_two_of_our_orders_are_consumed_between_them() -> None:
    d = desk(model="queue")
    d.send(buy("first", 99, 100))
    d.touch(1, 99, 900, 100, 500)
    d.send(buy("second", 99, 100))
    d.trade(2, 99, 500 + 100 + 150, SELL)
    assert (d.filled("first"), d.filled("second")) == (100, 0)
    assert d.order("second").ahead == 150  # what the displayed market, which lost 750, has left
    d.trade(3, 99, 160, SELL)
    assert d.filled("second") == 10


def test_a_newcomer_stands_behind_a_decrease_that_may_still_be_a_trade() -> None:
    d = desk(model="queue")
    d.send(buy("first", 99, 100))
    d.touch(1, 99, 400, 100, 500)  # the trade that took 100 is not told yet
    d.send(buy("second", 99, 100))
    d.trade(2, 99, 100, SELL)
    assert d.order("second").ahead == 400


def test_depth_tells_the_queue_of_every_level() -> None:
    d = Desk(make_core(model="queue"))
    d.book(0, {99: 500, 97: 30}, {100: 500})
    d.send(buy("a", 97, 100))
    assert d.order("a").ahead == 30
    d.delta(1, (BUY, 99, 0), (BUY, 97, 90))
    d.trade(2, 97, 45, SELL)
    assert d.filled("a") == 15


def test_depth_fills_us_when_the_opposite_side_arrives() -> None:
    d = Desk(make_core())
    d.book(0, {99: 500}, {100: 500})
    d.send(sell("a", 100, 40))
    d.delta(1, (SELL, 100, 0), (BUY, 100, 15), (SELL, 102, 1))
    assert d.filled("a") == 15
    d.delta(2, (BUY, 101, 1))
    assert d.filled("a") == 40


def test_a_delta_before_any_snapshot_means_nothing() -> None:
    d = Desk(make_core())
    d.delta(0, (BUY, 99, 10))
    assert not d.venue.seen


def test_a_lost_market_keeps_our_place_but_does_not_count_as_cancellations() -> None:
    d = desk()
    d.send(buy("a", 99, 100))
    d.venue.on_lost()
    d.touch(2 * SECOND, 99, 800, 100, 500)
    d.touch(4 * SECOND, 99, 801, 100, 500)
    assert d.order("a").ahead == 500
    d.venue.on_lost()
    d.touch(6 * SECOND, 99, 20, 100, 500)
    assert d.order("a").ahead == 20


def test_good_till_date_expires_on_time_and_not_before() -> None:
    d = desk()
    d.send(buy("a", 99, 10, time_in_force=TimeInForce.GTD, expire_at=Instant(50)))
    d.run(49)
    assert d.order("a").state is OrderState.OPEN
    d.run(50)
    assert d.moves("a") == [Move.ACCEPTED, Move.EXPIRED]
    d.trade(50, 98, 100, SELL)
    assert d.filled("a") == 0


@pytest.mark.parametrize(
    ("power", "ahead", "behind", "gone", "expected"),
    [
        (1, 500, 500, 200, 400),
        (1, 1, 9, 5, 1),
        (2, 300, 100, 40, 264),
        (3, 900, 100, 500, 401),
        (3, 100, 120, 210, 10),
    ],
)
def test_the_power_law_splits_a_cancellation(
    power: int, ahead: int, behind: int, gone: int, expected: int
) -> None:
    assert ProbabilisticModel(power=power).after_cancel(ahead, behind, gone) == expected


def test_a_power_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="power 0"):
        ProbabilisticModel(power=0)
