"""The founding trade: a flat price, and a loss of $0.155 that was nothing but fees.

TNSR-USD at $0.099 with a price increment of $0.001: one tick is one percent. $31 bought and sold at the same
price pay 0.25 % twice. While break-even and a little more is in reach, a flat price must not end in a loss of
fees; where it is not, there must be no entry.

Incident P15.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.commands import Gate
from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import ExitReason, Purpose
from quietmaker.core.params import TraderParams
from quietmaker.core.product import Product
from quietmaker.core.units import Side, rate
from tests.kit.desk import Desk
from tests.kit.makers import (
    make_exits,
    make_fill,
    make_gates,
    make_params,
    make_product,
    make_quote,
)

FEES = FeeRates(maker=rate("0.0025"), taker=rate("0.005"))


def tnsr(tick: str = "0.001") -> Product:
    return make_product(symbol="TNSR-USD", tick=tick, lot="0.1", min_notional="1")


def params(
    *, max_tick_share: str = "0.25", improve: int = 0, without: frozenset[str] = frozenset()
) -> TraderParams:
    return make_params(
        quote=make_quote(level_sizes=("31",), max_position="31", improve_ticks=improve),
        gates=make_gates(max_tick_share=max_tick_share, min_candles=1),
        exits=make_exits(max_lifetime=600, stale_patience=60),
        without=without,
    )


def market(bid: int, ask: int, **settings: object) -> Desk:
    """Open a desk on the coarse market with lively candles."""
    desk = Desk(
        product=tnsr(),
        params=params(**settings),  # type: ignore[arg-type]
        fees=FEES,
        candle_range=(90, 110),
    )
    desk.touch(bid, ask)
    return desk


def test_the_spread_of_one_tick_is_no_market_to_make() -> None:
    assert market(99, 100).gate() is Gate.SPREAD_BELOW_REQUIRED


@pytest.mark.parametrize("spread", [2, 3, 4])
def test_a_tick_that_costs_more_than_its_share_of_the_edge_is_too_coarse(spread: int) -> None:
    # Of four ticks half a tick goes to the fees: one tick is 29 % of the edge.
    desk = market(97, 97 + spread)
    assert desk.gate() is Gate.TICK_TOO_COARSE
    assert desk.sent == []
    assert "gates.max_tick_share_pct" in desk.hold().detail


def test_our_own_improvement_does_not_make_the_market_wider() -> None:
    assert market(98, 101, improve=1).gate() in {
        Gate.SPREAD_BELOW_REQUIRED,
        Gate.TICK_TOO_COARSE,
    }


def test_a_spread_that_leaves_an_edge_of_four_ticks_is_quoted() -> None:
    desk = market(97, 102)
    assert desk.gate() is None
    assert desk.entry().price == 97


def test_the_position_asks_for_the_next_tick_and_not_for_its_own_price() -> None:
    desk = market(97, 102)
    desk.fill(desk.entry())
    out = desk.exit()
    assert out.exit_reason is ExitReason.BREAK_EVEN_PLUS
    assert out.price == 98  # break-even is 97.49: the next tick
    desk.fill(out)
    assert desk.trip.net > 0


def test_a_flat_price_is_not_sold_at_cost_while_a_better_exit_is_in_reach() -> None:
    desk = market(97, 102)
    desk.fill(desk.entry())
    for _ in range(20):
        desk.wait(60)
        desk.touch(97, 102)
    assert desk.held > 0  # it rests at the touch, above break-even; nothing was sold for its fees
    exits = [i for i in desk.sent if i.purpose is Purpose.EXIT]
    assert all(i.price >= 98 and i.post_only for i in exits)
    desk.fill(desk.exit())
    assert desk.trip.net > 0


def test_no_patient_exit_ever_ends_flat_in_price_and_down_in_fees() -> None:
    desk = market(97, 102)
    desk.fill(desk.entry())
    for bid, ask in ((97, 98), (96, 98), (97, 99), (97, 98), (97, 102)):
        desk.wait(200)
        desk.touch(bid, ask)
        assert desk.exit().price > 97


def test_the_same_coin_on_a_fine_grid_is_quoted_and_earns() -> None:
    desk = Desk(product=tnsr("0.00001"), params=params(), fees=FEES, candle_range=(9_000, 11_000))
    desk.touch(9_860, 9_940)
    desk.fill(desk.entry())
    desk.fill(desk.exit())
    assert desk.trip.net >= desk.trip.entry_value * Decimal("0.002")


def test_with_the_safeguards_off_the_founding_loss_is_there_and_is_explained() -> None:
    """The same numbers as then: so that the tests above are known to prevent this very trade."""
    off = frozenset(
        {
            "spread_below_required",
            "tick_too_coarse",
            "break_even_plus",
            "timeout_loss",
            "stop_loss",
            "max_lifetime",
        }
    )
    desk = market(98, 99, without=off)
    desk.fill(desk.entry(), price=99)
    size = desk.held
    fee = desk.product.notional(99, size) * Decimal("0.0025")
    desk.tell_fill(make_fill("sold", Side.SELL, 99, size, client_id="by-hand", fee=fee))
    trip = desk.trip
    assert trip.exit_value == trip.entry_value
    assert trip.net == -trip.fees
    assert Decimal("-0.158") < trip.net < Decimal("-0.152")
    assert (trip.spread_captured + trip.price_move) == 0
