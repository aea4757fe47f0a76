"""A BUY arrived as a SELL and 20 dollars as 25: side and size were not handed on to the request.

What is sent is the decided order, field by field, and what the exchange confirms is compared with it. The
size is that of the configuration that decided it, also right after a reload.

Incident P23.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.units import Side
from quietmaker.ports import Mismatched
from tests.coinbase.rig import intent, rig, success
from tests.coinbase.stub import Action, Request, answer
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote


def taken(request: Request) -> Action:
    return answer(success(request.json))


def as_a_sell(request: Request) -> Action:
    body = success(request.json)
    body["success_response"]["side"] = "SELL"
    return answer(body)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("size", [150_000, 1, 99_999_999])
def test_the_request_is_the_order_that_was_decided(side: Side, size: int) -> None:
    order = intent(side=side, size=size)
    with rig() as r:
        r.stub.script.append(taken)
        r.exchange.submit(order)
        (request,) = r.stub.asked("/orders")
    assert request.json["client_order_id"] == order.client_id
    assert request.json["side"] == side.value.upper()
    (configured,) = request.json["order_configuration"].values()
    assert Decimal(configured["base_size"]) == size * Decimal("0.00000001")
    assert Decimal(configured["limit_price"]) == order.price * Decimal("0.01")


def test_a_confirmation_of_another_side_is_not_taken_for_ours() -> None:
    with rig() as r:
        r.stub.script.append(as_a_sell)
        assert isinstance(r.exchange.submit(intent(side=Side.BUY)), Mismatched)


def test_twenty_dollars_are_twenty_dollars_from_the_reload_on() -> None:
    desk = Desk(params=make_params(quote=make_quote(level_sizes=("25",))))
    desk.touch(10_000, 10_100)
    assert desk.entry().size == 250  # lots of 0.1 at $1: $25
    desk.configure(make_params(quote=make_quote(level_sizes=("20",))))
    assert desk.entry().size == 200
