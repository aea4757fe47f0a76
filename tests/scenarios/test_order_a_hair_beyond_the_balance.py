"""An order was refused for want of 0.000009 of a coin, again and again.

The size came from a rounded balance of a database. Sizes are whole lots, rounded down; what an entry
reserves includes the fee that the exchange holds; what is too small to sell is kept in view as dust.

Incident P10.
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.commands import Gate
from quietmaker.core.exit_desk import Owner
from quietmaker.core.units import Side
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_product, make_quote


def test_a_balance_with_a_remainder_sells_whole_lots_only() -> None:
    product = make_product(lot="0.0001")
    assert product.floor_lots(Decimal("24.752399")) == 247_523


def test_an_ask_one_lot_beyond_the_inventory_is_not_sent() -> None:
    params = make_params(quote=make_quote(bid=False, ask=True))
    desk = Desk(params=params, base=246)
    desk.touch(10_000, 10_100)
    assert desk.gate(Side.SELL) is Gate.INSUFFICIENT_FUNDS
    desk.funds("0", 247)
    assert desk.entry(Side.SELL).size == 247


def test_a_bid_whose_fee_exceeds_the_balance_by_a_hair_is_not_sent() -> None:
    desk = Desk(funds="25.099999")
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.INSUFFICIENT_FUNDS
    desk.funds("25.1")
    assert desk.entry().size == 250


def test_funds_that_our_own_fill_used_are_not_used_again() -> None:
    quote = make_quote(cooldown=0, max_position="100")
    desk = Desk(params=make_params(quote=quote), funds="50.1624")
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())  # 25.0625 are gone, 25.0999 are left
    assert desk.gate() is Gate.INSUFFICIENT_FUNDS


def test_an_exit_is_exactly_the_position() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry(), 249)
    assert desk.exit().size == 249


def test_dust_is_kept_in_view_and_no_order_is_wasted_on_it() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry(), 1)
    desk.confirm_cancel(desk.entry().client_id)
    sent = len(desk.sent)
    desk.wait(14)
    (owner,) = desk.trader.exits.ownership()
    assert (owner.owner, owner.lots) == (Owner.DUST, 1)
    assert len(desk.sent) == sent
