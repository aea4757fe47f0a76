"""Wanted prices: join, improve, levels, skew; and that they are monotone in the touch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.quoting import in_band, skew_ticks, wanted_price
from quietmaker.core.units import Side
from tests.kit.makers import make_quote


def price(
    side: Side,
    *,
    improve: int = 0,
    level: int = 0,
    spacing: str = "0.001",
    skew: int = 0,
    own: int | None = None,
    bid: int = 10_000,
    ask: int = 10_010,
) -> int:
    quote = make_quote(improve_ticks=improve, level_spacing=spacing)
    return wanted_price(quote, side, level, bid=bid, ask=ask, skew=skew, own=own)


def test_a_quote_joins_the_touch() -> None:
    assert price(Side.BUY) == 10_000
    assert price(Side.SELL) == 10_010


def test_a_quote_improves_by_ticks_or_stays_behind() -> None:
    assert (price(Side.BUY, improve=2), price(Side.SELL, improve=2)) == (10_002, 10_008)
    assert (price(Side.BUY, improve=-3), price(Side.SELL, improve=-3)) == (9_997, 10_013)


def test_a_quote_never_reaches_the_other_side() -> None:
    assert price(Side.BUY, improve=50) == 10_009
    assert price(Side.SELL, improve=50) == 10_001
    assert price(Side.BUY, improve=1, ask=10_001) == 10_000
    assert price(Side.SELL, improve=1, ask=10_001) == 10_001


def test_a_touch_that_is_our_own_is_not_outbid() -> None:
    assert price(Side.BUY, improve=2, own=10_000) == 10_000
    assert price(Side.BUY, improve=2, own=9_999) == 10_002
    assert price(Side.SELL, improve=2, own=10_010) == 10_010


def test_levels_are_spaced_by_a_share_of_the_price() -> None:
    assert [price(Side.BUY, level=level) for level in range(3)] == [10_000, 9_990, 9_980]
    assert [price(Side.SELL, level=level) for level in range(3)] == [10_010, 10_020, 10_030]


def test_levels_are_at_least_a_tick_apart() -> None:
    assert [price(Side.BUY, level=level, spacing="0") for level in range(3)] == [
        10_000,
        9_999,
        9_998,
    ]


def test_skew_only_moves_the_side_that_would_add() -> None:
    assert (price(Side.BUY, skew=5), price(Side.SELL, skew=5)) == (9_995, 10_010)
    assert (price(Side.BUY, skew=-5), price(Side.SELL, skew=-5)) == (10_000, 10_015)


def test_a_price_is_at_least_one_tick() -> None:
    assert price(Side.BUY, bid=2, ask=4, level=5) == 1


def test_skew_is_the_configured_share_when_the_position_is_full() -> None:
    quote = make_quote(inventory_skew="0.002")
    assert skew_ticks(quote, inventory=1_000, cap=1_000, mid=10_000) == 20
    assert skew_ticks(quote, inventory=500, cap=1_000, mid=10_000) == 10
    assert skew_ticks(quote, inventory=-1_000, cap=1_000, mid=10_000) == -20
    assert skew_ticks(quote, inventory=0, cap=1_000, mid=10_000) == 0
    assert skew_ticks(quote, inventory=10, cap=0, mid=10_000) == 0
    assert skew_ticks(make_quote(), inventory=1_000, cap=1_000, mid=10_000) == 0


@pytest.mark.parametrize(
    ("at", "inside"), [(99, False), (100, True), (150, True), (200, True), (201, False)]
)
def test_the_price_band_includes_both_its_ends(at: int, inside: bool) -> None:
    assert in_band(make_quote(price_floor=100, price_ceiling=200), at) is inside


def test_a_band_may_be_open_on_either_end() -> None:
    assert in_band(make_quote(price_floor=100), 10**9)
    assert in_band(make_quote(price_ceiling=100), 1)
    assert in_band(make_quote(), 1)


@given(
    side=st.sampled_from(Side),
    improve=st.integers(-3, 5),
    level=st.integers(0, 3),
    skew=st.integers(-9, 9),
    bid=st.integers(1, 20_000),
    spread=st.integers(1, 40),
    up_bid=st.integers(0, 30),
    up_ask=st.integers(0, 30),
)
def test_a_higher_touch_never_lowers_a_wanted_price(
    side: Side,
    improve: int,
    level: int,
    skew: int,
    bid: int,
    spread: int,
    up_bid: int,
    up_ask: int,
) -> None:
    ask = bid + spread
    higher_ask = max(ask + up_ask, bid + up_bid + 1)
    low = price(side, improve=improve, level=level, skew=skew, bid=bid, ask=ask)
    high = price(side, improve=improve, level=level, skew=skew, bid=bid + up_bid, ask=higher_ask)
    assert low <= high
