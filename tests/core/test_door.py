"""The door lets out only what the desks may decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quietmaker.core.door import fault
from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.core.units import Lots, Side, Ticks
from tests.kit.makers import make_intent, make_product

PRODUCT = make_product()
BUY = replace(make_intent("a", Side.BUY, 10_000, 250), bid=Ticks(10_000), ask=Ticks(10_100))
SELL = replace(make_intent("b", Side.SELL, 10_100, 250), bid=Ticks(10_000), ask=Ticks(10_100))


@pytest.mark.parametrize("intent", [BUY, SELL, replace(BUY, price=Ticks(10_099))])
def test_a_passive_order_may_leave(intent: Intent) -> None:
    assert fault(intent, PRODUCT) is None


@pytest.mark.parametrize("price", [10_100, 10_101])
def test_a_buy_at_or_through_the_ask_stays(price: int) -> None:
    assert "would cross" in str(fault(replace(BUY, price=Ticks(price)), PRODUCT))


@pytest.mark.parametrize("price", [10_000, 9_999])
def test_a_sale_at_or_through_the_bid_stays(price: int) -> None:
    assert "would cross" in str(fault(replace(SELL, price=Ticks(price)), PRODUCT))


def test_what_may_rest_is_post_only_and_what_takes_is_not() -> None:
    assert "post-only" in str(fault(replace(BUY, post_only=False), PRODUCT))
    assert "post-only" in str(fault(replace(BUY, time_in_force=TimeInForce.IOC), PRODUCT))


def test_only_an_exit_takes() -> None:
    taking = replace(SELL, time_in_force=TimeInForce.IOC, post_only=False, price=Ticks(9_900))
    assert fault(replace(taking, purpose=Purpose.EXIT), PRODUCT) is None
    assert fault(taking, PRODUCT) == "an entry never takes"


def test_nothing_empty_or_too_small_leaves() -> None:
    assert "limits" in str(fault(replace(BUY, size=Lots(0)), PRODUCT))
    assert "limits" in str(fault(replace(BUY, price=Ticks(0)), PRODUCT))
    assert "less than" in str(fault(replace(BUY, size=Lots(1)), PRODUCT))


def test_before_any_touch_an_exit_may_rest() -> None:
    unknown = replace(SELL, purpose=Purpose.EXIT, bid=Ticks(0), ask=Ticks(0))
    assert fault(unknown, PRODUCT) is None
