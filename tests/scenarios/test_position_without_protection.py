"""Positions fell by up to 76 % because their stops never fired.

Orphaned sell orders of earlier runs blocked every new protective order; the refusal came back in a shape
that read as success; and a fill of a buy led to nothing at all. Every filled unit needs exactly one live
owner, from the first partial fill on, whatever an earlier run left behind.

Incident P5.
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.commands import AlertKind
from quietmaker.core.exit_desk import Owner
from quietmaker.core.orders import ExitReason, Intent, Purpose
from quietmaker.core.positions import Lot
from quietmaker.core.units import Side, Ticks
from tests.kit.desk import Desk
from tests.kit.makers import FEES, START, make_intent, make_working

HELD = Lot(
    trade_id="old",
    order="qm0-X-USD-BE1",
    entry=Side.BUY,
    price=Ticks(10_000),
    lots=250,
    fee=Decimal("0.0625"),
    twice_mid=20_100,
    at=START,
    maker=True,
)


def orphan(number: int, price: int) -> Intent:
    return make_intent(
        f"qm0-X-USD-SX{number}",
        Side.SELL,
        price,
        250,
        purpose=Purpose.EXIT,
        reason=ExitReason.BREAK_EVEN_PLUS,
        entry="qm0-X-USD-BE1",
    )


def restarted(orders: list[Intent]) -> Desk:
    desk = Desk(ready=False)
    desk.recover(orders=[make_working(order) for order in orders], lots=[HELD], next_sequence=9)
    desk.change_fees(FEES)
    desk.touch(10_000, 10_100)
    return desk


def test_of_six_orphaned_sells_one_is_left_and_the_position_is_sold_once() -> None:
    desk = restarted([orphan(number, 10_071 + number) for number in range(6)])
    assert desk.exits_working == 1
    assert desk.exit().size == desk.held == 250


def test_the_stop_fires_through_all_orphans() -> None:
    desk = restarted([orphan(number, 10_071 + number) for number in range(6)])
    desk.touch(9_700, 9_800)
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS
    assert desk.held == 0
    assert desk.exits_working == 0


def test_a_recovered_position_without_any_order_gets_its_exit_at_once() -> None:
    desk = restarted([])
    assert desk.exit().size == 250
    assert desk.exit().passive_order_id == "qm0-X-USD-BE1"


def test_every_part_of_every_fill_is_owned_at_once() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    for filled in range(25, 251, 25):
        desk.fill(entry, 25)
        (owner,) = desk.trader.exits.ownership()
        assert (owner.owner, owner.lots) == (Owner.EXIT_ORDER, filled)


def test_a_refused_exit_is_not_taken_for_success() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.refusing = "ORDER_VALIDATED_ONLY"
    desk.fill(desk.entry())
    (owner,) = desk.trader.exits.ownership()
    assert owner.owner is Owner.PLACING
    assert desk.alerts(AlertKind.EXIT_REFUSED)
