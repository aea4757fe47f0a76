"""Break-even prices, by hand. The properties are in tests/properties/test_money.py."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.fees import break_even, fee_on
from quietmaker.core.units import Liquidity, Rate, Side, rate
from tests.kit.makers import FEES, make_product

PRODUCT = make_product(tick="0.01", lot="1")


def exit_at(
    *,
    entry: Side,
    price: int,
    fee: str,
    exit_fee: str = "0.0025",
    profit: str = "0",
    lots: int = 10,
) -> int:
    return break_even(
        PRODUCT,
        entry=entry,
        cost=price * lots,
        fees=Decimal(fee),
        lots=lots,
        exit_fee=rate(exit_fee),
        profit=rate(profit),
    )


def test_a_long_breaks_even_above_its_cost_rounded_up() -> None:
    # (100.00 * 10 + 2.50) / (10 * 0.9975) = 100.5012..., so 100.51
    assert exit_at(entry=Side.BUY, price=10_000, fee="2.50") == 10_051


def test_a_short_breaks_even_below_its_proceeds_rounded_down() -> None:
    # (100.00 * 10 - 2.50) / (10 * 1.0025) = 99.5012..., so 99.50
    assert exit_at(entry=Side.SELL, price=10_000, fee="2.50") == 9_950


def test_an_exact_break_even_is_not_rounded_further() -> None:
    assert exit_at(entry=Side.BUY, price=10_000, fee="0", exit_fee="0") == 10_000
    assert exit_at(entry=Side.SELL, price=10_000, fee="0", exit_fee="0") == 10_000
    assert exit_at(entry=Side.BUY, price=9_975, fee="0") == 10_000
    assert exit_at(entry=Side.SELL, price=10_025, fee="0") == 10_000


def test_the_smallest_fee_costs_a_whole_tick() -> None:
    assert exit_at(entry=Side.BUY, price=10_000, fee="0.000000000000000001", exit_fee="0") == 10_001
    assert exit_at(entry=Side.SELL, price=10_000, fee="0.000000000000000001", exit_fee="0") == 9_999


def test_a_profit_is_asked_on_the_cost() -> None:
    # (1000 + 2.50 + 2.00) / 9.975 = 100.7018...
    assert exit_at(entry=Side.BUY, price=10_000, fee="2.50", profit="0.002") == 10_071
    # (1000 - 2.50 - 2.00) / 10.025 = 99.3017...
    assert exit_at(entry=Side.SELL, price=10_000, fee="2.50", profit="0.002") == 9_930


def test_a_taker_exit_needs_more_than_a_maker_exit() -> None:
    maker = exit_at(entry=Side.BUY, price=10_000, fee="2.50", exit_fee="0.0025")
    assert exit_at(entry=Side.BUY, price=10_000, fee="2.50", exit_fee="0.004") > maker


def test_the_fee_that_was_paid_counts_not_the_rate_of_today() -> None:
    dear = exit_at(entry=Side.BUY, price=10_000, fee="5")
    assert dear > exit_at(entry=Side.BUY, price=10_000, fee="2.50")


def test_nothing_held_has_no_break_even() -> None:
    with pytest.raises(ValueError, match="has no break-even price"):
        exit_at(entry=Side.BUY, price=10_000, fee="0", lots=0)


def test_a_fee_is_exact_and_its_rate_goes_by_liquidity() -> None:
    assert fee_on(Decimal("0.0001"), Rate(1)) == Decimal("1E-13")
    assert FEES.of(Liquidity.MAKER) == rate("0.0025")
    assert FEES.of(Liquidity.TAKER) == rate("0.004")
