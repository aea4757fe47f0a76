"""Money is exact: fills in any order, fees over any parts, and exits that never lose by rounding."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from quietmaker.core.fees import FeeRates, break_even, fee_on
from quietmaker.core.orders import ExitReason, Fill
from quietmaker.core.positions import Position, replay
from quietmaker.core.product import Product
from quietmaker.core.rounds import RoundTripBuilder, net_of, unrealised
from quietmaker.core.units import EXACT, PPB, Instant, Rate, Side, add, ratio
from tests.kit.desk import Desk
from tests.kit.makers import (
    START,
    make_exits,
    make_fill,
    make_params,
    make_product,
    make_quote,
)

SIDES = st.sampled_from(Side)
POWERS = st.integers(-9, 0).map(lambda power: Decimal(1).scaleb(power))
RATES = st.integers(0, 20_000_000).map(Rate)
"""Up to 2 %, to the billionth."""

OPEN_GATES = frozenset({"spread_below_required", "tick_too_coarse", "insufficient_volatility"})
"""Switched off where a test is about the exit at any spread."""


@st.composite
def fills(draw: st.DrawFn) -> list[Fill]:
    """Return executions with distinct trade ids, some at the same instant."""
    count = draw(st.integers(1, 25))
    return [
        make_fill(
            f"t{number:02d}",
            draw(SIDES),
            draw(st.integers(1, 10**6)),
            draw(st.integers(1, 10**6)),
            fee=draw(st.decimals(0, 100, places=draw(st.integers(0, 12)))),
            at=START + draw(st.integers(0, 5)),
        )
        for number in range(count)
    ]


def cash_of(executions: list[Fill], product: Product) -> Decimal:
    return add(
        *(
            EXACT.subtract(
                EXACT.multiply(Decimal(-fill.side.sign), product.notional(fill.price, fill.size)),
                fill.fee,
            )
            for fill in executions
        )
    )


@given(fills(), st.randoms(use_true_random=False))
def test_fills_in_any_order_and_repeated_give_the_same_books(
    executions: list[Fill], random: Random
) -> None:
    told = [*executions, *executions[: len(executions) // 2]]
    random.shuffle(told)
    straight, closed = replay((fill, 2 * fill.price) for fill in executions)
    mixed, mixed_closed = replay((fill, 2 * fill.price) for fill in told)
    assert mixed.open_lots() == straight.open_lots()
    assert (mixed.lots, mixed.cost, mixed.fees) == (straight.lots, straight.cost, straight.fees)
    assert mixed_closed == closed


@given(fills())
def test_what_was_closed_and_what_is_held_is_the_cash(executions: list[Fill]) -> None:
    product = make_product()
    position, closed = replay((fill, 0) for fill in executions)
    sign = position.entry.sign if position.entry is not None else 0
    held = EXACT.add(product.notional(sign * position.cost, 1), position.fees)
    assert EXACT.subtract(net_of(closed, product), held) == cash_of(executions, product)


@given(fills())
def test_the_sums_of_a_position_are_those_of_its_lots(executions: list[Fill]) -> None:
    position = Position()
    for fill in executions:
        position.apply(fill, 2 * fill.price)
        held = position.open_lots()
        assert position.lots == sum(lot.lots for lot in held)
        assert position.cost == sum(lot.lots * lot.price for lot in held)
        assert position.fees == add(*(lot.fee for lot in held))
        assert len({lot.entry for lot in held}) <= 1


@given(fills(), st.integers(1, 10**6))
def test_spread_and_move_sum_to_the_gross_result(executions: list[Fill], mid: int) -> None:
    product = make_product()
    entry = [fill for fill in executions if fill.side is Side.BUY]
    assume(entry)
    position = Position()
    for fill in entry:
        position.apply(fill, 2 * fill.price + mid)
    builder = RoundTripBuilder(round_trip="order", opened_at=START)
    size = position.lots
    builder.add(position.apply(make_fill("exit", Side.SELL, mid, size, fee="0.1"), mid))
    trip = builder.finish(
        product,
        reason=ExitReason.FLATTEN,
        closing_order="exit",
        strategy_tag="passivemm",
        config_sha="",
        dust=0,
    )
    gross = EXACT.subtract(trip.exit_value, trip.entry_value)
    assert EXACT.add(trip.spread_captured, trip.price_move) == gross
    assert trip.net == EXACT.subtract(gross, trip.fees)


@st.composite
def held(draw: st.DrawFn) -> tuple[Product, Position]:
    """Return a position of a few fills in a product of any increments, with the fees it paid."""
    product = make_product(tick=str(draw(POWERS)), lot=str(draw(POWERS)), min_notional="0")
    entry = draw(SIDES)
    position = Position()
    for number in range(draw(st.integers(1, 5))):
        price, size = draw(st.integers(100, 10**7)), draw(st.integers(1, 10**8))
        fee = fee_on(product.notional(price, size), draw(RATES))
        position.apply(make_fill(f"t{number}", entry, price, size, fee=fee), 2 * price)
    return product, position


def leave(product: Product, position: Position, price: int, fee: Rate) -> Decimal:
    """Return the net result of leaving a whole position at a price."""
    assert position.entry is not None
    again = Position(position.open_lots())
    value = product.notional(price, position.lots)
    out = make_fill("x", position.entry.opposite, price, position.lots, fee=fee_on(value, fee))
    return net_of(again.apply(out, 2 * price), product)


@given(held(), RATES)
def test_leaving_at_break_even_never_loses_and_a_tick_worse_does(
    holding: tuple[Product, Position], fee: Rate
) -> None:
    product, position = holding
    assert position.entry is not None
    price = break_even(
        product,
        entry=position.entry,
        cost=position.cost,
        fees=position.fees,
        lots=position.lots,
        exit_fee=fee,
        profit=Rate(0),
    )
    assume(price >= 1)
    assert leave(product, position, price, fee) >= 0
    assert leave(product, position, price - position.entry.sign, fee) < 0


@given(held(), RATES, st.integers(0, 50_000_000).map(Rate))
def test_leaving_at_the_target_earns_the_minimum_profit(
    holding: tuple[Product, Position], fee: Rate, profit: Rate
) -> None:
    product, position = holding
    assert position.entry is not None
    price = break_even(
        product,
        entry=position.entry,
        cost=position.cost,
        fees=position.fees,
        lots=position.lots,
        exit_fee=fee,
        profit=profit,
    )
    assume(price >= 1)
    wanted = EXACT.multiply(product.notional(position.cost, 1), ratio(profit))
    assert leave(product, position, price, fee) >= wanted
    assert leave(product, position, price - position.entry.sign, fee) < wanted


@given(held(), st.integers(1, 10**7))
def test_the_unrealised_result_is_what_leaving_without_a_fee_would_earn(
    holding: tuple[Product, Position], price: int
) -> None:
    product, position = holding
    assert position.entry is not None
    told = unrealised(
        product,
        entry=position.entry,
        cost=position.cost,
        fees=position.fees,
        lots=position.lots,
        price=price,
    )
    assert told == leave(product, position, price, Rate(0))


@given(
    st.integers(0, 10_000_000).map(Rate),
    st.integers(100, 20_000),
    st.integers(1, 400),
    st.sampled_from(("0.002", "0", "0.01")),
    SIDES,
)
def test_a_break_even_plus_exit_filled_as_maker_earns_the_minimum_profit(
    maker: Rate, bid: int, spread: int, profit: str, entry: Side
) -> None:
    desk = Desk(
        product=make_product(min_notional="0"),
        params=make_params(
            quote=make_quote(bid=entry is Side.BUY, ask=entry is Side.SELL),
            exits=make_exits(min_profit=profit),
            without=OPEN_GATES,
        ),
        fees=FeeRates(maker=maker, taker=Rate(2 * maker)),
        funds="100000",
        base=10**9,
    )
    desk.touch(bid, bid + spread)
    assume(desk.entries(entry))
    desk.fill(desk.entry(entry))
    leaving = desk.exit()
    assert leaving.post_only
    desk.fill(leaving)
    trip = desk.trip
    assert trip.exit_reason is ExitReason.BREAK_EVEN_PLUS
    assert trip.net * PPB >= trip.entry_value * int(Decimal(profit) * PPB)
    assert trip.net == desk.cash


@given(st.integers(1, 10_000_000).map(Rate), st.integers(2_000, 20_000), st.integers(0, 3), SIDES)
def test_a_max_lifetime_exit_filled_as_maker_never_loses(
    maker: Rate, bid: int, beyond: int, entry: Side
) -> None:
    desk = Desk(
        params=make_params(
            quote=make_quote(bid=entry is Side.BUY, ask=entry is Side.SELL),
            without=frozenset({*OPEN_GATES, "stop_loss"}),
        ),
        fees=FeeRates(maker=maker, taker=Rate(2 * maker)),
        funds="100000",
        base=10**9,
    )
    desk.touch(bid, bid + 30)
    desk.fill(desk.entry(entry))
    break_even_at = desk.product.ticks(Decimal(dict(desk.exit().inputs)["break_even"]))
    if entry is Side.BUY:
        desk.touch(break_even_at + beyond - 30, break_even_at + beyond)
    else:
        desk.touch(break_even_at - beyond, break_even_at - beyond + 30)
    desk.wait(600)
    desk.fill(desk.exit())
    assert desk.trip.net == desk.cash >= 0
    assert desk.trip.exit_reason is ExitReason.MAX_LIFETIME
    assert desk.trip.closed_at >= Instant(START + 600 * PPB)
