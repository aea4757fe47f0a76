"""The paper exchange: time, the end of a recording, warm-up, the thread."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quietmaker.core.market import (
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.orders import Move, OrderState, TimeInForce
from quietmaker.core.units import MILLISECOND, SECOND, Instant, Side
from quietmaker.exchange.models import DEFAULT_MODEL, FILL_MODELS
from quietmaker.ports import Accepted, Rejected, UserOrder, UserStreamReady
from tests.exchange.rigs import NOW, rig
from tests.exchange.sources import candle, delta, elsewhere, snapshot, touch, trade
from tests.exchange.support import OTHER, SYMBOL, buy, ioc, latency, sell

SELL, BUY = Side.SELL, Side.BUY


def kinds(events: Sequence[MarketEvent]) -> list[type]:
    """Return what kinds of events were told."""
    return [type(event) for event in events]


def test_events_happen_when_their_time_is_now() -> None:
    r = rig([touch(0, 99, 1, 100, 1), trade(10, 99, 1, SELL)], now=NOW + 123)
    heard = r.start()
    assert [event.at for event in heard.market] == [NOW + 123]
    r.run(9.9)
    assert len(heard.market) == 1
    r.run(0.1)
    assert heard.market[1].at == NOW + 123 + 10 * SECOND


def test_speed_plays_more_of_the_source_in_the_same_time() -> None:
    r = rig([touch(0, 99, 1, 100, 1), trade(10, 99, 1, SELL)], speed=4)
    heard = r.start()
    r.run(2.5)
    assert heard.market[1].at == NOW + 5 * SECOND // 2


def test_a_speed_that_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="speed 0 must be positive"):
        rig([], speed=0)


def test_the_warm_up_is_history_that_ends_now_whatever_the_speed() -> None:
    tape: list[MarketEvent] = [touch(0, 99, 1, 100, 1)]
    tape += (trade(n * 300, 90 + n, 1, SELL) for n in range(5))
    r = rig(tape, warmup=901, speed=100)
    heard = r.start()
    snap = heard.market[0]
    assert isinstance(snap, BookSnapshot)
    assert (snap.at, snap.bids, snap.asks) == (NOW, ((99, 1),), ((100, 1),))
    bars = [event for event in heard.market if isinstance(event, CandleBar)]
    assert [bar.low for bar in bars] == [90, 91, 92, 93]
    assert [NOW - bar.start for bar in bars] == [
        1200 * SECOND,
        900 * SECOND,
        600 * SECOND,
        300 * SECOND,
    ]
    assert tuple(bars) == r.exchange.candles(SYMBOL)
    r.run(2.98)
    assert not any(isinstance(event, TradePrint) for event in heard.market)
    r.run(0.02)
    assert any(isinstance(event, TradePrint) for event in heard.market)


def test_orders_can_be_placed_on_the_warmed_up_market_before_anyone_listens() -> None:
    r = rig([touch(0, 99, 1, 100, 1), trade(10, 99, 5, SELL)], warmup=1)
    assert isinstance(r.exchange.submit(buy("a", 99, 5)), Accepted)
    r.start()
    r.run(10)
    assert [fill.fill.size for fill in r.exchange.fills(Instant(0))] == [5]


def test_without_a_market_orders_are_refused() -> None:
    r = rig([touch(5, 99, 1, 100, 1)])
    assert r.exchange.submit(buy("a", 99, 5)) == Rejected(
        reason="PREVIEW_MISSING_PRODUCT_PRICE_BOOK"
    )


def test_stated_candles_are_told_on_the_grid_of_the_clock() -> None:
    tape: list[MarketEvent] = [candle(0, -630, 95, 97), candle(0, -330, 90, 99)]
    tape += [touch(0, 99, 1, 100, 1), touch(9, 99, 1, 100, 2)]
    r = rig(tape, now=NOW + 60 * SECOND)
    heard = r.start()
    bars = [event for event in heard.market if isinstance(event, CandleBar)]
    assert [(bar.start - NOW, bar.low, bar.high) for bar in bars] == [
        (-600 * SECOND, 95, 97),
        (-300 * SECOND, 90, 99),
    ]
    assert kinds(heard.market)[0] is BookSnapshot


def test_a_bucket_is_told_when_it_closes() -> None:
    tape: list[MarketEvent] = [touch(0, 99, 1, 100, 1), trade(10, 90, 1, SELL)]
    tape += [trade(20, 95, 1, SELL), trade(310, 97, 1, SELL), trade(601, 98, 1, SELL)]
    r = rig([*tape, touch(1000, 99, 1, 100, 1)])
    heard = r.start()
    r.run(299)
    assert CandleBar not in kinds(heard.market)
    r.run(1)
    bar = heard.market[-1]
    assert isinstance(bar, CandleBar)
    assert (bar.at, bar.start, bar.low, bar.high) == (NOW + 300 * SECOND, NOW, 90, 95)
    r.run(310)
    told = [event for event in heard.market if isinstance(event, CandleBar)]
    assert [bar.low for bar in told] == [90, 97]


def test_a_candle_stated_later_is_told_on_the_grid_too() -> None:
    r = rig([touch(0, 99, 1, 100, 1), candle(5, -30, 95, 97), touch(9, 99, 1, 100, 2)])
    heard = r.start()
    r.run(6)
    bar = heard.market[-1]
    assert isinstance(bar, CandleBar)
    assert (bar.at, bar.start) == (NOW + 5 * SECOND, NOW - 300 * SECOND)


def test_only_the_last_350_buckets_are_kept() -> None:
    tape = [trade(n * 300, 90, 1, SELL) for n in range(400)]
    r = rig(tape, warmup=300 * 400)
    assert len(r.exchange.candles(SYMBOL)) == 350


def test_the_end_of_a_recording_is_a_lost_feed_and_an_exchange_that_goes_on() -> None:
    r = rig([touch(0, 99, 1, 100, 1), touch(5, 99, 1, 100, 2)])
    heard = r.start()
    r.exchange.submit(buy("a", 99, 5))
    r.run(4)
    assert FeedLost not in kinds(heard.market)
    r.run(1)
    lost = [event for event in heard.market if isinstance(event, FeedLost)]
    assert [(event.symbol, event.reason) for event in lost] == [
        (SYMBOL, StaleReason.DISCONNECTED),
        (OTHER.symbol, StaleReason.DISCONNECTED),
    ]
    assert r.exchange.ended
    assert r.exchange.failure is None
    assert r.exchange.cancel(["a"])[0].reason is None
    r.run(1)
    assert isinstance(heard.user[-1], UserOrder)
    assert heard.user[-1].move is Move.CANCELLED
    assert kinds(r.start().market) == [FeedLost, FeedLost]


def test_a_recording_that_breaks_off_says_why_and_does_not_loop() -> None:
    r = rig([touch(0, 99, 1, 100, 1)], error="line 2: cut off", loop=True)
    heard = r.start()
    assert FeedLost in kinds(heard.market)
    assert r.exchange.ended
    assert "line 2: cut off" in str(r.exchange.failure)


def test_a_loop_starts_over_after_telling_that_the_feed_was_lost() -> None:
    r = rig([touch(0, 99, 1, 100, 1), trade(5, 99, 1, SELL)], loop=True)
    heard = r.start()
    r.run(12)
    told = [
        event
        for event in heard.market
        if event.symbol == SYMBOL and not isinstance(event, CandleBar)
    ]
    lap = [BookSnapshot, TradePrint, FeedLost]
    assert kinds(told) == [*lap, *lap, BookSnapshot]
    assert told[-1].at >= NOW + 10 * SECOND


@pytest.mark.parametrize("loop", [True, False])
def test_an_empty_source_ends_at_once(loop: bool) -> None:
    r = rig([], loop=loop)
    heard = r.start()
    assert kinds(heard.market) == [FeedLost, FeedLost]
    assert r.exchange.ended


def test_depth_is_told_as_it_is_and_touches_beside_it_are_not() -> None:
    tape: list[MarketEvent] = [
        snapshot(0, {99: 5, 98: 7}, {100: 3}),
        touch(1, 98, 7, 100, 3),
        delta(2, (BUY, 99, 0)),
        elsewhere(touch(2, 5, 1, 6, 1)),
        elsewhere(touch(3, 5, 2, 6, 1)),
    ]
    r = rig(tape)
    heard = r.start()
    r.run(2.5)
    assert [event.at for event in heard.market if event.symbol == SYMBOL] == [NOW, NOW + 2 * SECOND]
    r.exchange.market_stream.resync(SYMBOL)
    r.run(1)
    fresh = [e for e in heard.market if isinstance(e, BookSnapshot) and e.symbol == SYMBOL][-1]
    assert (fresh.bids, fresh.asks) == (((98, 7),), ((100, 3),))
    other = [event for event in heard.market if event.symbol == OTHER.symbol]
    assert kinds(other)[:2] == [BookSnapshot, TouchQuote]


def test_a_lost_feed_in_the_source_is_told_and_healed_by_its_next_snapshot() -> None:
    lost = FeedLost(symbol=SYMBOL, at=touch(1, 1, 1, 1, 1).at, reason=StaleReason.GAP)
    tape: list[MarketEvent] = [
        snapshot(0, {99: 5}, {100: 3}),
        lost,
        delta(2, (BUY, 98, 1)),
        snapshot(3, {97: 5}, {100: 3}),
        touch(9, 1, 1, 2, 1),
    ]
    r = rig(tape)
    heard = r.start()
    r.run(4)
    assert kinds(heard.market) == [BookSnapshot, FeedLost, BookSnapshot]


def test_submit_takes_the_simulated_latency_and_no_more() -> None:
    slow = latency(entry=30 * MILLISECOND, cancel=10 * MILLISECOND, response=20 * MILLISECOND)
    r = rig([touch(0, 99, 1, 100, 1), touch(9, 99, 1, 100, 2)], latency=slow)
    heard = r.start()
    before = r.clock.now()
    assert isinstance(r.exchange.submit(buy("a", 99, 5)), Accepted)
    assert r.clock.now() - before == 50 * MILLISECOND
    assert [type(event) for event in heard.user] == [UserStreamReady]
    r.run()
    told = heard.user[-1]
    assert isinstance(told, UserOrder)
    assert told.at == before + 30 * MILLISECOND
    before = r.clock.now()
    r.exchange.cancel(["a"])
    assert r.clock.now() - before == 30 * MILLISECOND


def test_an_order_meets_the_market_of_its_arrival() -> None:
    slow = latency(entry=2 * SECOND)
    r = rig([touch(0, 98, 1, 100, 1), touch(1, 98, 1, 99, 1), touch(9, 98, 1, 99, 1)], latency=slow)
    r.start()
    answer = r.exchange.submit(buy("a", 99, 5))
    assert answer == Rejected(reason="INVALID_LIMIT_PRICE_POST_ONLY")


def test_a_good_till_date_order_expires_while_nobody_listens() -> None:
    r = rig([touch(0, 99, 1, 100, 1), touch(9, 99, 1, 100, 2)])
    r.start()
    order = buy("a", 99, 5, time_in_force=TimeInForce.GTD, expire_at=Instant(NOW + 3 * SECOND))
    r.exchange.submit(order)
    r.exchange.market_stream.stop()
    r.exchange.user_stream.stop()
    r.run(2)
    assert [report.client_id for report in r.exchange.open_orders()] == ["a"]
    r.run(1)
    report = r.exchange.order("a", since=Instant(0))
    assert report is not None
    assert report.state is OrderState.EXPIRED


def test_queries_are_as_fresh_as_the_clock_without_the_thread() -> None:
    r = rig([touch(0, 99, 1, 100, 1), trade(1, 99, 5, SELL), touch(9, 99, 1, 100, 2)])
    r.start()
    r.exchange.submit(buy("a", 99, 5))
    r.clock.advance(2 * SECOND)
    report = r.exchange.order("a", since=Instant(0))
    assert report is not None
    assert report.state is OrderState.FILLED


def test_a_backlog_is_worked_off_in_order() -> None:
    tape = [touch(n / 1000, 99, 1 + n, 100, 1) for n in range(6000)]
    r = rig([*tape, touch(100, 99, 1, 100, 1)])
    heard = r.start()
    r.clock.advance(50 * SECOND)
    assert isinstance(r.exchange.submit(buy("a", 99, 5)), Accepted)
    r.run()
    sizes = [event.bid_size for event in heard.market if isinstance(event, TouchQuote)]
    assert sizes == list(range(2, 6001))


def test_two_runs_never_share_an_id_unless_told_so() -> None:
    ids = set()
    for n in range(2):
        r = rig([touch(0, 99, 1, 100, 1)], warmup=1, session=None, now=NOW + n)
        answer = r.exchange.submit(ioc("a", BUY, 100, 2))
        assert isinstance(answer, Accepted)
        ids.add(answer.order_id)
        ids.add(r.exchange.fills(Instant(0))[0].fill.trade_id)
    assert len(ids) == 4


def test_the_fill_model_comes_with_its_bias() -> None:
    for name, model in FILL_MODELS.items():
        exchange = rig([], model=name).exchange
        assert exchange.fill_model is model
        assert len(exchange.fill_model.bias) > 100
    assert DEFAULT_MODEL.name == "probabilistic"


def test_a_callback_may_stop_the_streams() -> None:
    r = rig([touch(0, 99, 1, 100, 1), trade(1, 99, 5, SELL), touch(9, 99, 1, 100, 2)])
    told: list[MarketEvent] = []

    def hear(event: MarketEvent) -> None:
        told.append(event)
        r.exchange.market_stream.stop()

    r.exchange.market_stream.start(hear)
    r.run(5)
    assert len(told) == 1


def test_a_closed_exchange_tells_nothing_and_still_answers() -> None:
    r = rig([touch(0, 99, 1, 100, 1), touch(9, 99, 1, 100, 2)])
    heard = r.start()
    r.exchange.close()
    r.exchange.close()
    told = len(heard.market)
    assert isinstance(r.exchange.submit(sell("a", 100, 5)), Accepted)
    r.run(10)
    assert len(heard.market) == told
