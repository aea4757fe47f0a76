"""What holds of the matching core whatever the market and we do."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import TERMINAL, Fill, Move, OrderState, TimeInForce
from quietmaker.core.units import (
    EXACT,
    MILLISECOND,
    PPB,
    ZERO,
    Instant,
    Liquidity,
    Rate,
    Side,
    add,
)
from quietmaker.exchange.answers import Result, SubmitAnswer
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.levels import HUGE
from quietmaker.ports import Accepted, UserFill, UserOrder
from tests.exchange.courses import (
    MODELS,
    Place,
    Step,
    Touch,
    Trade,
    courses,
    latencies,
    narrow,
    play,
    rates,
    sides,
    tapes,
    trades,
)
from tests.exchange.support import BALANCES, PRODUCT, SYMBOL, Desk, intent, make_core


def worth(fill: Fill) -> Decimal:
    """Return what a fill did to our quote currency, fee included."""
    value = PRODUCT.notional(fill.price, fill.size)
    return EXACT.subtract(EXACT.multiply(Decimal(-fill.side.sign), value), fill.fee)


def total(d: Desk, currency: str) -> Decimal:
    """Return available plus hold."""
    return add(d.core.account.available(currency), d.core.account.hold(currency))


@settings(max_examples=150, deadline=None)
@given(
    course=courses,
    model=st.sampled_from(MODELS),
    timing=latencies,
    maker=rates,
    taker=rates,
    usd=st.integers(0, 40),
    deep=st.booleans(),
)
def test_money_is_conserved_to_the_last_digit_and_never_negative(
    course: list[Step],
    model: str,
    timing: Latency,
    maker: int,
    taker: int,
    usd: int,
    deep: bool,
) -> None:
    funds: Mapping[str, Decimal] = {"USD": Decimal(usd), "TNSR": Decimal(20)}
    fees = FeeRates(maker=Rate(maker), taker=Rate(taker))
    d = Desk(make_core(model=model, balances=funds, fees=fees, latency=timing))
    play(d, course, deep=deep)
    assert total(d, "USD") == add(funds["USD"], *(worth(fill) for fill in d.fills))
    lots = sum(fill.side.sign * fill.size for fill in d.fills)
    assert total(d, "TNSR") == add(funds["TNSR"], EXACT.multiply(Decimal(lots), PRODUCT.lot))
    for balance in d.core.account.balances().values():
        assert balance.available >= 0
        assert balance.hold >= 0
    for order in d.core.open_orders():
        d.core.cancel(d.now, order.intent.client_id)
    d.run(d.now + 10**12)
    assert d.core.open_orders() == ()
    assert all(balance.hold == 0 for balance in d.core.account.balances().values())


@settings(max_examples=150, deadline=None)
@given(course=courses, model=st.sampled_from(MODELS), timing=latencies, deep=st.booleans())
def test_every_order_keeps_its_word(
    course: list[Step], model: str, timing: Latency, deep: bool
) -> None:
    d = Desk(
        make_core(model=model, latency=timing, fees=FeeRates(maker=Rate(0), taker=Rate(PPB // 100)))
    )
    play(d, course, deep=deep)
    by_trade = [fill.trade_id for fill in d.fills]
    assert len(set(by_trade)) == len(by_trade)
    for name in {fill.client_id for fill in d.fills}:
        order = d.order(name)
        fills = [fill for fill in d.fills if fill.client_id == name]
        assert sum(fill.size for fill in fills) == order.filled <= order.intent.size
        for fill in fills:
            assert fill.side.sign * (order.price - fill.price) >= 0
            assert fill.liquidity is Liquidity.MAKER or not order.intent.post_only
            assert fill.price == order.price or fill.liquidity is Liquidity.TAKER
    check_stream(d)


def check_stream(d: Desk) -> None:
    """Check that the stream tells each order's life once, in order, and ends with the truth."""
    lives: dict[str, list[UserOrder | UserFill]] = {}
    for _, result in d.heard:
        if isinstance(result, UserOrder):
            lives.setdefault(result.client_id, []).append(result)
        elif isinstance(result, UserFill):
            lives.setdefault(result.fill.client_id, []).append(result)
    accepted = {
        r.client_id
        for _, r in d.heard
        if isinstance(r, SubmitAnswer) and isinstance(r.outcome, Accepted)
    }
    assert set(lives) == accepted
    for name, life in lives.items():
        first, last = life[0], life[-1]
        assert isinstance(first, UserOrder)
        assert first.move is Move.ACCEPTED
        order = d.order(name)
        if order.state in TERMINAL:
            assert isinstance(last, UserOrder)
            assert (last.move.value, last.filled) == (order.state.value, order.filled)
        ends = [r for r in life if isinstance(r, UserOrder) and r.move is not Move.ACCEPTED]
        assert len(ends) == (order.state in TERMINAL)
        assert (order.left == 0) == (order.state is OrderState.FILLED)


@settings(max_examples=150, deadline=None)
@given(
    tape=tapes,
    side=sides,
    offset=st.integers(0, 3),
    size=st.integers(1, 200),
    deep=st.booleans(),
)
def test_the_pessimistic_model_never_fills_a_single_order_earlier(
    tape: list[Step], side: Side, offset: int, size: int, deep: bool
) -> None:
    price = 99 - offset if side is Side.BUY else 100 + offset
    place = Place(
        wait=0, name=1, side=side, price=price, size=size, kind=TimeInForce.GTC, post_only=True
    )
    touch, queue, likely = (
        filled_over_time(model, [place, *tape], deep=deep)
        for model in ("touch", "queue", "probabilistic")
    )
    for optimistic, middle, pessimistic in zip(touch, likely, queue, strict=True):
        assert optimistic >= middle >= pessimistic


def filled_over_time(model: str, course: list[Step], *, deep: bool) -> list[int]:
    """Return the cumulative fill after each prefix of a course."""
    return [
        sum(fill.size for fill in fills_of(model, course[:n], deep=deep))
        for n in range(1, len(course) + 1)
    ]


def fills_of(model: str, course: list[Step], *, deep: bool) -> list[Fill]:
    """Return what a course fills."""
    d = Desk(make_core(model=model))
    play(d, course, deep=deep)
    return d.fills


@settings(max_examples=100, deadline=None)
@given(
    tape=st.lists(trades, min_size=1, max_size=10),
    sizes=st.lists(st.integers(2, 60), min_size=1, max_size=6),
    model=st.sampled_from(MODELS),
)
def test_a_trade_never_fills_more_than_its_size(
    tape: list[Trade], sizes: list[int], model: str
) -> None:
    d = Desk(make_core(model=model))
    d.touch(0, 90, 10, 110, 10)
    for n, size in enumerate(sizes):
        assert isinstance(d.send(intent(f"b{n}", Side.BUY, 97 + n % 3, size)), Accepted)
    for at, trade in enumerate(tape, start=1):
        before = sum(fill.size for fill in d.fills)
        d.trade(at, 97 + trade.offset, trade.size, trade.aggressor)
        assert sum(fill.size for fill in d.fills) - before <= trade.size


@settings(max_examples=60, deadline=None)
@given(course=courses, model=st.sampled_from(MODELS), timing=latencies, seed=st.integers(0, 99))
def test_the_same_course_and_seed_give_the_same_results(
    course: list[Step], model: str, timing: Latency, seed: int
) -> None:
    heard: list[list[tuple[int, Result]]] = []
    for _ in range(2):
        d = Desk(make_core(model=model, latency=timing, seed=seed))
        play(d, course)
        heard.append(d.heard)
    assert heard[0] == heard[1]


@settings(max_examples=60, deadline=None)
@given(course=courses, model=st.sampled_from(MODELS))
def test_a_touch_that_is_told_twice_changes_nothing(course: list[Step], model: str) -> None:
    once, twice = Desk(make_core(model=model)), Desk(make_core(model=model))
    play(once, course)
    doubled: list[Step] = []
    for step in course:
        doubled.append(step)
        if isinstance(step, Touch):
            doubled.append(Touch(0, step.bid, step.bid_size, step.spread, step.ask_size))
    play(twice, doubled)
    assert once.heard == twice.heard


def drain(d: Desk) -> None:
    """Trade a little at a time at each price, so that fills show how long every queue still is."""
    for n in range(20):
        for price in (100, 99, 98):
            d.trade(d.now + 1 + n, price, 7, Side.SELL)
            d.trade(d.now + 1 + n, 198 - price, 7, Side.BUY)


class Thorough(Desk):
    """A desk that never takes the short way past a touch."""

    def touch(self, at: int, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        """Show a touch and look at every level, as if it might matter."""
        self.run(at)
        self.venue.on_touch(at, bid, bid_size, ask, ask_size)
        self.venue._watch()
        self.venue._bid_key, self.venue._ask_key = HUGE, 0
        self.venue._touched(at)
        self.run(at)


@settings(max_examples=400, deadline=None)
@given(course=courses | narrow, model=st.sampled_from(MODELS))
def test_the_short_way_past_a_touch_misses_nothing(course: list[Step], model: str) -> None:
    short, thorough = Desk(make_core(model=model)), Thorough(make_core(model=model))
    for d in (short, thorough):
        play(d, course)
        drain(d)
    assert short.heard == thorough.heard


@settings(max_examples=60, deadline=None)
@given(course=courses)
def test_our_own_orders_never_meet(course: list[Step]) -> None:
    d = Desk(make_core(balances=BALANCES))
    play(d, course)
    venue = d.core.symbol(SYMBOL)
    if venue.buys.ordered and venue.sells.ordered:
        assert venue.buys.ordered[0].key < -venue.sells.ordered[0].key


@pytest.mark.parametrize("model", MODELS)
def test_ten_thousand_orders_leave_no_more_behind_than_a_hundred(model: str) -> None:
    d = Desk(make_core(model=model, retain=50, history=0))
    d.touch(0, 99, 50, 100, 50)
    for n in range(1, 10_001):
        at = n * MILLISECOND
        d.core.submit(at, intent(f"o{n}", Side.BUY, 99, 5, time_in_force=TimeInForce.GTC))
        d.trade(at, 99, 40, Side.SELL)
        d.core.cancel(at, f"o{n}")
        d.run(at)
        d.heard.clear()
    venue = d.core.symbol(SYMBOL)
    assert (d.core.remembered, d.core.pending) == (50, 0)
    assert (venue.buys.levels, venue.buys.ordered, venue.buys.count) == ({}, [], 0)
    assert d.core.fills(Instant(0)) == ()
    assert total(d, "USD") + total(d, "TNSR") > ZERO
