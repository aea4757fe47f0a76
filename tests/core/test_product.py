"""Products: the one door between decimals and increments."""

from __future__ import annotations

from decimal import Decimal, Inexact

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.product import OffGridError
from quietmaker.core.units import Rate, add, rate, ratio, seconds
from tests.kit.makers import make_product

INCREMENTS = st.sampled_from(["0.01", "0.00000001", "0.05", "0.0025", "1", "10"])


@given(INCREMENTS, st.integers(0, 10**12))
def test_every_multiple_goes_in_and_out_unchanged(increment: str, count: int) -> None:
    product = make_product(tick=increment, lot=increment)
    assert product.ticks(product.price(count)) == count
    assert product.lots(product.size(count)) == count


@given(INCREMENTS, st.integers(0, 10**9))
def test_what_is_between_two_multiples_is_refused(increment: str, count: int) -> None:
    product = make_product(tick=increment, lot=increment)
    between = product.price(count) + Decimal(increment) / 4
    with pytest.raises(OffGridError, match="is not a multiple of"):
        product.ticks(between)
    with pytest.raises(OffGridError, match="is not a multiple of"):
        product.lots(between)


@given(INCREMENTS, st.decimals(0, 10**9, places=9))
def test_a_balance_is_rounded_down_to_whole_lots(increment: str, balance: Decimal) -> None:
    product = make_product(lot=increment)
    lots = product.floor_lots(balance)
    assert product.size(lots) <= balance < product.size(lots + 1)


def test_a_notional_is_exact() -> None:
    product = make_product(tick="0.00000001", lot="0.00000001")
    assert product.notional(123_456_789, 987_654_321) == Decimal("12.1932631112635269")


def test_the_greatest_size_is_rounded_down_and_the_least_up() -> None:
    product = make_product(lot="0.4", min_size="1", max_size="10.3")
    assert (product.min_lots, product.max_lots) == (3, 25)


@pytest.mark.parametrize(("tick", "lot"), [("0", "1"), ("1", "0"), ("-1", "1")])
def test_an_increment_that_is_not_positive_is_refused(tick: str, lot: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        make_product(tick=tick, lot=lot)


def test_rates_are_parts_per_billion_and_never_rounded() -> None:
    assert rate("0.0025") == Rate(2_500_000)
    assert ratio(rate("0.123456789")) == Decimal("0.123456789")
    with pytest.raises(ValueError, match="more than nine decimals"):
        rate("0.0000000001")


def test_a_sum_that_does_not_fit_is_refused_not_rounded() -> None:
    with pytest.raises(Inexact):
        add(Decimal("1e59"), Decimal("1e-9"))


def test_seconds_become_nanoseconds() -> None:
    assert seconds("0.5") == 500_000_000
    assert seconds(0.1) == 100_000_000
