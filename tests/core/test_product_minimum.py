"""The least order size: rounded up, so that the exchange never refuses it for a part of a lot."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.product import Product

INCREMENTS = st.sampled_from([Decimal(1).scaleb(-n) for n in range(9)])


def product(*, tick: Decimal, lot: Decimal, min_size: Decimal, min_notional: Decimal) -> Product:
    return Product(
        symbol="A-USD",
        base="A",
        quote="USD",
        tick=tick,
        lot=lot,
        min_size=min_size,
        max_size=Decimal(10**9),
        min_notional=min_notional,
        untradable="",
    )


@given(
    tick=INCREMENTS,
    lot=INCREMENTS,
    min_size=st.decimals(min_value=0, max_value=100, places=6),
    min_notional=st.decimals(min_value=0, max_value=100, places=4),
    ticks=st.integers(1, 10**7),
)
def test_the_least_order_meets_both_minimums_and_one_lot_less_does_not(
    tick: Decimal, lot: Decimal, min_size: Decimal, min_notional: Decimal, ticks: int
) -> None:
    chosen = product(tick=tick, lot=lot, min_size=min_size, min_notional=min_notional)
    lots = chosen.least_lots(ticks)
    assert chosen.size(lots) >= min_size
    assert chosen.notional(ticks, lots) >= min_notional
    less = lots - 1
    assert less == 0 or chosen.size(less) < min_size or chosen.notional(ticks, less) < min_notional


def test_a_minimum_between_two_lots_is_rounded_up() -> None:
    chosen = product(
        tick=Decimal("0.01"),
        lot=Decimal("0.1"),
        min_size=Decimal("0.15"),
        min_notional=Decimal("1.05"),
    )
    assert chosen.min_lots == 2
    assert chosen.least_lots(100) == 11
