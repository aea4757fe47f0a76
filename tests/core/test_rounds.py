"""Round trips: where a result came from, and that the parts sum to the whole."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.commands import RoundTrip
from quietmaker.core.orders import ExitReason, Fill
from quietmaker.core.positions import Position
from quietmaker.core.rounds import RoundTripBuilder, net_of
from quietmaker.core.units import Liquidity, Side, rate
from tests.kit.makers import START, make_fill, make_product

PRODUCT = make_product(tick="0.01", lot="1")


def trip_of(*fills: tuple[Fill, int], dust: int = 0) -> RoundTrip:
    """Finish a round trip of fills, each with bid plus ask at its time."""
    position = Position()
    builder = RoundTripBuilder(round_trip="entry", opened_at=fills[0][0].at)
    for fill, twice_mid in fills:
        builder.add(position.apply(fill, twice_mid))
    return builder.finish(
        PRODUCT,
        reason=ExitReason.BREAK_EVEN_PLUS,
        closing_order="exit",
        strategy_tag="passivemm",
        config_sha="c0ffee",
        dust=dust,
    )


def test_a_long_round_trip_is_split_into_spread_move_and_fees() -> None:
    trip = trip_of(
        (make_fill("a", Side.BUY, 9_990, 10, fee="1"), 20_000),  # mid 100.00, bought 0.10 below
        (make_fill("b", Side.SELL, 10_030, 10, fee="2", at=START + 5), 20_040),  # mid 100.20
    )
    assert (trip.entry_value, trip.exit_value) == (Decimal("999.0"), Decimal("1003.0"))
    assert trip.spread_captured == Decimal("2.0")  # 0.10 and 0.10 on ten
    assert trip.price_move == Decimal("2.0")  # the mid rose by 0.20
    assert trip.fees == 3
    assert trip.net == 1
    assert trip.net_return == 1_001_001
    assert (trip.opened_at, trip.closed_at) == (START, START + 5)


def test_a_short_round_trip_is_split_likewise() -> None:
    trip = trip_of(
        (make_fill("a", Side.SELL, 10_010, 10, fee="1"), 20_000),
        (make_fill("b", Side.BUY, 9_970, 10, fee="2"), 19_960),
    )
    assert trip.entry is Side.SELL
    assert (trip.spread_captured, trip.price_move) == (Decimal("2.0"), Decimal("2.0"))
    assert trip.net == 1


def test_a_flat_price_loses_the_fees_and_nothing_else() -> None:
    trip = trip_of(
        (make_fill("a", Side.BUY, 10_000, 10, fee="2.5"), 20_000),
        (make_fill("b", Side.SELL, 10_000, 10, fee="2.5"), 20_000),
    )
    assert (trip.spread_captured, trip.price_move) == (Decimal(0), Decimal(0))
    assert trip.net == -trip.fees == Decimal("-5.0")


def test_fills_are_counted_once_by_how_they_were_made() -> None:
    trip = trip_of(
        (make_fill("a", Side.BUY, 100, 4), 200),
        (make_fill("b", Side.BUY, 100, 6), 200),
        (make_fill("c", Side.SELL, 100, 5), 200),
        (make_fill("d", Side.SELL, 100, 5, liquidity=Liquidity.TAKER), 200),
    )
    assert (trip.maker_fills, trip.taker_fills) == (3, 1)
    assert trip.lots == 10


def test_dust_is_told_and_its_cost_is_not_counted() -> None:
    trip = trip_of(
        (make_fill("a", Side.BUY, 100, 10, fee="1"), 200),
        (make_fill("b", Side.SELL, 110, 9), 220),
        dust=1,
    )
    assert (trip.lots, trip.dust) == (9, 1)
    assert trip.fees == Decimal("0.9")


def test_a_round_trip_of_nothing_is_refused() -> None:
    builder = RoundTripBuilder(round_trip="entry", opened_at=START)
    with pytest.raises(ValueError, match="closed nothing"):
        builder.finish(
            PRODUCT,
            reason=ExitReason.HALT,
            closing_order="exit",
            strategy_tag="passivemm",
            config_sha="",
            dust=0,
        )


def test_the_result_of_longs_and_shorts_together_is_their_sum() -> None:
    position = Position()
    closed = [
        part
        for fill in (
            make_fill("a", Side.BUY, 100, 10),
            make_fill("b", Side.SELL, 110, 30),  # closes ten with 1.00, opens twenty short
            make_fill("c", Side.BUY, 105, 20),  # closes twenty with 1.00
        )
        for part in position.apply(fill, 200)
    ]
    assert net_of(closed, PRODUCT) == 2
    assert net_of([], PRODUCT) == 0


def test_the_return_is_the_net_result_on_the_entry_value() -> None:
    trip = trip_of(
        (make_fill("a", Side.BUY, 10_000, 10), 20_000),
        (make_fill("b", Side.SELL, 10_020, 10), 20_000),
    )
    assert trip.net_return == rate("0.002")
