"""Refusals in Coinbase's words, holds, fees, idempotency, cancellation, latency, memory."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quietmaker.core.orders import Intent, Move, OrderState, TimeInForce
from quietmaker.core.units import NEVER, Instant, Liquidity, Lots, Side, Ticks
from quietmaker.exchange.answers import CancelAnswer, Result, SubmitAnswer
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.refusals import Refusal, to_grid
from quietmaker.ports import Accepted, Rejected, UserFill, UserOrder
from tests.exchange.support import (
    OTHER,
    PRODUCT,
    Desk,
    buy,
    desk,
    ioc,
    latency,
    make_core,
    per_mille,
    sell,
)

BUY, SELL = Side.BUY, Side.SELL


def refused(order: Intent, **options: object) -> str:
    """Return the word with which an order is refused."""
    answer = desk(**options).send(order)
    assert isinstance(answer, Rejected), answer
    return answer.reason


@pytest.mark.parametrize(
    ("order", "word"),
    [
        (buy("x", 99, 10, symbol="NO-USD"), "INVALID_PRODUCT_ID"),
        (buy("x", 100, 10), "INVALID_LIMIT_PRICE_POST_ONLY"),
        (sell("x", 99, 10), "INVALID_LIMIT_PRICE_POST_ONLY"),
        (sell("x", 90, 10), "INVALID_LIMIT_PRICE_POST_ONLY"),
        (buy("x", 99, 10, symbol=OTHER.symbol), "PREVIEW_MISSING_PRODUCT_PRICE_BOOK"),
        (buy("x", 0, 10), "INVALID_LIMIT_PRICE"),
        (buy("x", 99, 0), "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"),
        (buy("x", 1, 10**8), "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
        (buy("x", 9, 10), "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        (buy("x", 99, 10**6), "INSUFFICIENT_FUND"),
        (sell("x", 100, 10**6), "INSUFFICIENT_FUND"),
        (buy("x", 99, 10, time_in_force=TimeInForce.IOC), "UNSUPPORTED_ORDER_CONFIGURATION"),
        (buy("x", 99, 10, time_in_force=TimeInForce.GTD), "GTD_ORDERS_MUST_HAVE_END_TIME"),
        (
            buy("x", 99, 10, time_in_force=TimeInForce.GTD, expire_at=Instant(0)),
            "END_TIME_IS_IN_THE_PAST",
        ),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_in_coinbases_words(
    order: Intent, word: str
) -> None:
    assert refused(order, product=replace(PRODUCT, min_notional=Decimal("0.01"))) == word


@pytest.mark.parametrize(
    ("why", "word"),
    [
        ("delisted", "UNTRADABLE_PRODUCT"),
        ("trading_disabled", "TRADING_DISABLED"),
        ("cancel_only", "ORDER_ENTRY_DISABLED"),
        ("auction_mode", "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"),
    ],
)
def test_a_product_that_cannot_be_traded_refuses_orders(why: str, word: str) -> None:
    assert refused(buy("x", 99, 10), product=replace(PRODUCT, untradable=why)) == word


def test_decimals_beyond_the_increments_are_refused_by_name() -> None:
    assert to_grid(PRODUCT, Decimal("0.0991"), Decimal(1)) is Refusal.PRICE_PRECISION
    assert to_grid(PRODUCT, Decimal("0.099"), Decimal("0.15")) is Refusal.SIZE_PRECISION
    assert to_grid(PRODUCT, Decimal("0.099"), Decimal("0.2")) == (Ticks(99), Lots(2))


def test_a_refused_order_leaves_no_trace() -> None:
    d = desk()
    before = d.core.account.balances()
    d.send(buy("x", 100, 10))
    assert d.core.order("x") is None
    assert d.core.account.balances() == before
    assert d.moves("x") == []


def test_a_post_only_order_that_would_meet_our_own_is_refused() -> None:
    d = desk()
    d.touch(1, 90, 5, 110, 5)
    d.send(sell("rest", 100, 10))
    assert d.send(buy("x", 100, 10)) == Rejected(reason="INVALID_LIMIT_PRICE_POST_ONLY")


def test_five_hundred_orders_may_rest_on_a_product_and_no_more() -> None:
    d = desk(retain=1000)
    for n in range(500):
        assert isinstance(d.send(buy(f"b{n}", 50, 2)), Accepted)
    assert d.send(buy("last", 50, 2)) == Rejected(reason="TOO_MANY_OPEN_ORDERS")
    d.cancel("b0")
    assert isinstance(d.send(buy("again", 50, 2)), Accepted)


def test_a_buy_holds_its_value_and_the_taker_fee_until_it_ends() -> None:
    d = desk()
    d.send(buy("a", 99, 1000))
    assert d.core.account.hold("USD") == Decimal("9.9") * Decimal("1.004")
    assert d.core.account.available("USD") == 1000 - Decimal("9.9396")
    d.cancel("a")
    assert d.core.account.hold("USD") == 0
    assert d.core.account.available("USD") == 1000


def test_a_sell_holds_its_base() -> None:
    d = desk()
    d.send(sell("a", 100, 1000))
    assert d.core.account.hold("TNSR") == 100
    assert d.core.account.available("TNSR") == 900


def test_a_maker_fill_pays_the_maker_rate_and_frees_the_rest_of_its_hold() -> None:
    d = desk(model="touch")
    d.send(buy("a", 99, 1000))
    d.trade(1, 99, 400, SELL)
    assert d.fills[0].fee == Decimal("3.96") * Decimal("0.0025")
    assert d.core.account.hold("USD") == Decimal("5.94") * Decimal("1.004")
    d.trade(2, 99, 600, SELL)
    assert d.core.account.hold("USD") == 0
    assert d.core.account.available("USD") == 1000 - Decimal("9.9") * Decimal("1.0025")
    assert d.core.account.available("TNSR") == 1100


def test_a_taker_fill_pays_the_taker_rate_at_the_displayed_price() -> None:
    d = desk()
    d.send(ioc("t", SELL, 50, 100))
    assert d.fills[0].liquidity is Liquidity.TAKER
    assert d.fills[0].fee == Decimal("0.99") * Decimal("0.004")
    assert d.core.account.available("USD") == 1000 + Decimal("0.99") * Decimal("0.996")


def test_an_order_pays_the_rates_of_its_placement() -> None:
    d = desk(model="touch")
    d.send(sell("old", 100, 100))
    d.core.set_fees(per_mille(0, 1))
    d.send(sell("new", 100, 100))
    d.trade(1, 100, 200, BUY)
    assert [fill.fee for fill in d.fills] == [Decimal(1) * Decimal("0.0025"), 0]


def test_proceeds_in_a_currency_that_was_never_funded_get_a_row() -> None:
    d = desk(balances={"USD": Decimal(10)}, model="touch")
    assert set(d.core.account.balances()) == {"USD"}
    d.send(buy("a", 99, 10))
    d.trade(1, 99, 10, SELL)
    assert d.core.account.balances()["TNSR"].available == 1


def test_a_negative_starting_balance_is_refused() -> None:
    with pytest.raises(ValueError, match="USD is -1"):
        make_core(balances={"USD": Decimal(-1)})


def test_a_repeated_client_id_is_the_same_order() -> None:
    d = desk()
    first = d.send(buy("a", 99, 10))
    assert d.send(buy("a", 98, 77)) == first
    assert d.core.account.hold("USD") == Decimal("0.099") * Decimal("1.004")
    d.cancel("a")
    assert d.send(buy("a", 99, 10)) == first
    assert len(d.core.open_orders()) == 0


def test_a_refused_client_id_may_be_used_again() -> None:
    d = desk()
    assert isinstance(d.send(buy("a", 100, 10)), Rejected)
    assert isinstance(d.send(buy("a", 99, 10)), Accepted)


def test_cancelling_answers_by_the_state_of_the_order() -> None:
    d = desk(model="touch")
    for name in ("done", "gone", "old"):
        d.send(buy(name, 99, 10))
    d.send(buy("late", 98, 10, time_in_force=TimeInForce.GTD, expire_at=Instant(5)))
    d.trade(1, 99, 10, SELL)
    assert d.cancel("gone").reason is None
    d.run(6)
    assert d.cancel("done").reason == "ORDER_IS_FULLY_FILLED"
    assert d.cancel("gone").reason == "DUPLICATE_CANCEL_REQUEST"
    assert d.cancel("never").reason == "UNKNOWN_CANCEL_ORDER"
    assert d.cancel("late").reason == "UNKNOWN_CANCEL_ORDER"
    assert d.moves("gone") == [Move.ACCEPTED, Move.CANCELLED]


def test_a_partly_filled_order_keeps_its_fills_when_cancelled() -> None:
    d = desk(model="touch")
    d.send(buy("a", 99, 100))
    d.trade(1, 99, 40, SELL)
    d.cancel("a")
    assert d.order("a").report().filled == 40
    assert d.order("a").state is OrderState.CANCELLED
    assert d.core.account.hold("USD") == 0


def test_requests_and_results_take_their_time() -> None:
    d = desk(latency=latency(entry=10, cancel=20, response=5))
    ticket = d.core.submit(100, buy("a", 99, 10))
    assert d.core.next_due == 110
    d.run(109)
    assert d.core.order("a") is None
    d.run(110)
    assert d.order("a").state is OrderState.OPEN
    assert d.heard == []
    assert d.core.next_due == 115
    d.run(115)
    assert [type(result) for _, result in d.heard] == [SubmitAnswer, UserOrder]
    assert isinstance(d.answer(ticket), Accepted)
    d.core.cancel(200, "a")
    d.run(219)
    assert d.order("a").state is OrderState.OPEN
    d.run(300)
    assert [(at, type(result)) for at, result in d.heard[2:]] == [
        (225, CancelAnswer),
        (225, UserOrder),
    ]
    [told] = [r for _, r in d.heard if isinstance(r, UserOrder) and r.move is Move.CANCELLED]
    assert told.at == 220
    assert d.core.next_due == NEVER


def test_an_order_can_fill_while_its_cancellation_is_under_way() -> None:
    d = desk(model="touch", latency=latency(cancel=10))
    d.send(buy("a", 99, 10))
    ticket = d.core.cancel(1, "a")
    d.trade(5, 99, 10, SELL)
    d.run(20)
    [answer] = [r for _, r in d.heard if isinstance(r, CancelAnswer) and r.ticket == ticket]
    assert answer.outcome.reason == "ORDER_IS_FULLY_FILLED"


def test_an_order_meets_the_market_of_its_arrival_not_of_its_sending() -> None:
    d = desk(latency=latency(entry=10))
    ticket = d.core.submit(1, buy("a", 99, 10))
    d.touch(5, 97, 10, 99, 10)
    d.run(11)
    assert d.answer(ticket) == Rejected(reason="INVALID_LIMIT_PRICE_POST_ONLY")


def test_what_is_due_at_the_time_of_a_market_event_comes_before_it() -> None:
    d = desk(model="touch", latency=latency(entry=10))
    d.core.submit(0, buy("a", 99, 10))
    d.trade(10, 99, 10, SELL)
    assert d.filled("a") == 10


def test_a_constant_latency_never_lets_a_request_overtake_another() -> None:
    d = desk(latency=latency(entry=30, cancel=0))
    d.core.submit(0, buy("a", 99, 10))
    d.core.cancel(1, "a")
    d.run(100)
    assert d.moves("a") == [Move.ACCEPTED, Move.CANCELLED]


def test_jitter_stays_within_its_bound_and_the_stream_in_order() -> None:
    d = desk(latency=latency(entry=100, response=100, jitter=50))
    sent: dict[str, int] = {}
    for n in range(200):
        sent[f"o{n}"] = n
        d.core.submit(n, buy(f"o{n}", 99, 2))
    d.run(10_000)
    told = [(at, r) for at, r in d.heard if isinstance(r, UserOrder)]
    assert len(told) == 200
    delays = [r.at - sent[r.client_id] for _, r in told]
    assert min(delays) >= 100
    assert max(delays) <= 150
    assert len(set(delays)) > 20
    assert [r.at for _, r in told] == sorted(r.at for _, r in told)


def test_a_negative_latency_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        latency(entry=-1)


def test_results_of_one_instant_are_told_before_later_ones_happen() -> None:
    d = desk(latency=latency(response=10))
    d.core.submit(0, buy("a", 99, 10))
    d.core.submit(20, buy("b", 99, 10))
    at = d.core.next_due
    assert (at, d.core.advance(100)) == (0, [])
    assert [type(r) for r in d.core.advance(100)] == [SubmitAnswer, UserOrder]
    assert d.core.order("b") is None


def test_nothing_to_do_is_one_comparison_away() -> None:
    d = desk()
    assert d.core.next_due == NEVER
    assert d.core.advance(5) == ()


def test_finished_orders_are_forgotten_beyond_the_bound() -> None:
    d = desk(retain=10)
    for n in range(500):
        d.send(buy(f"o{n}", 99, 2, time_in_force=TimeInForce.GTD, expire_at=Instant(10**15)))
        d.cancel(f"o{n}")
    assert d.core.remembered == 10
    assert d.core.pending < 70
    assert d.core.order("o0") is None
    assert d.cancel("o0").reason == "UNKNOWN_CANCEL_ORDER"
    assert d.cancel("o499").reason == "DUPLICATE_CANCEL_REQUEST"


def test_history_is_kept_by_the_number_asked_for() -> None:
    with_history, without = desk(model="touch", history=3), desk(model="touch", history=0)
    for d in (with_history, without):
        for n in range(1, 6):
            d.send(buy(f"o{n}", 99, 2))
            d.trade(n, 99, 2, SELL)
    assert [fill.fill.at for fill in with_history.core.fills(Instant(4))] == [4, 5]
    assert len(with_history.core.fills(Instant(0))) == 3
    assert without.core.fills(Instant(0)) == ()


def test_ids_carry_the_session_and_never_repeat() -> None:
    d = desk(model="touch")
    for n in range(3):
        d.send(buy(f"o{n}", 99, 2))
        d.trade(n + 1, 99, 1, SELL)
    ids = [fill.trade_id for fill in d.fills] + [d.order(f"o{n}").order_id for n in range(3)]
    assert len(set(ids)) == 6
    assert all(name.startswith("test-") for name in ids)


def run_with(seed: int, timing: Latency) -> list[tuple[int, Result]]:
    """Return everything that is heard of a fixed course of events."""
    d = Desk(make_core(seed=seed, latency=timing, model="probabilistic"))
    for n in range(1, 300):
        d.touch(n * 10, 99 - n % 3, 40 + n % 7, 101 + n % 2, 40 + n % 5)
        d.core.submit(n * 10, buy(f"b{n}", 98, 3))
        d.core.cancel(n * 10, f"b{n - 2}")
        d.trade(n * 10 + 5, 98, n % 30, SELL)
    return d.heard


def test_the_same_seed_gives_the_same_results_and_another_one_does_not() -> None:
    timing = latency(entry=8, cancel=8, response=8, jitter=9)
    first = run_with(1, timing)
    assert any(isinstance(result, UserFill) for _, result in first)
    assert first == run_with(1, timing)
    assert first != run_with(2, timing)


def test_touches_and_trades_that_do_not_concern_us_leave_nothing_behind() -> None:
    d = desk()
    d.send(buy("a", 90, 10))
    d.send(sell("b", 110, 10))
    level = d.venue.buys.levels[90]
    before = (level.shown, level.gone, level.owed, d.core.next_due)
    for n in range(1, 1000):
        d.venue.on_touch(n, 98 + n % 2, n, 100, n + 1)
        d.venue.on_trade(n, 99, n, SELL if n % 2 else BUY)
    assert (level.shown, level.gone, level.owed, d.core.next_due) == before
