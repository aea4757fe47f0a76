"""A trader that was killed before it could say that only dust is left says it after its recovery."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.commands import DustLeft, SubmitOrder
from quietmaker.core.events import EligibilityChanged
from quietmaker.core.orders import ExitReason, Purpose
from quietmaker.core.positions import Lot
from quietmaker.core.units import PPB, SECOND, Instant, Rate, Side, Ticks
from tests.kit.desk import Desk
from tests.kit.makers import FEES, START, make_intent, make_working


def lot(lots: int, *, order: str = "qm0-e") -> Lot:
    """Return units bought an hour ago."""
    return Lot(
        trade_id="t1",
        order=order,
        entry=Side.BUY,
        price=Ticks(10_000),
        lots=lots,
        fee=Decimal("0.01"),
        twice_mid=20_100,
        at=Instant(START - 3_600 * SECOND),
        maker=True,
    )


def warm(desk: Desk) -> None:
    """Tell everything that a desk waits for before it quotes."""
    desk.load_candles(9_800, 10_200)
    desk.change_fees(FEES)
    desk.funds("1000")
    desk.on(EligibilityChanged(now=desk.now, rule=None, size_share=Rate(PPB)))


def told(desk: Desk) -> list[tuple[str, int]]:
    return [(said.trade_id, said.lots) for said in desk.said if isinstance(said, DustLeft)]


@pytest.mark.parametrize("price_first", [True, False])
def test_dust_of_an_open_round_trip_is_told_once_a_price_is_known(price_first: bool) -> None:
    desk = Desk(ready=False)
    warm(desk)
    if price_first:
        desk.touch(10_000, 10_100)
    desk.recover(lots=[lot(5)], round_trip="qm0-e", reason=ExitReason.BREAK_EVEN_PLUS)
    if not price_first:
        assert told(desk) == [], "without a price nothing is known to be dust"
        desk.touch(10_000, 10_100)
    assert told(desk) == [("t1", 5)]
    desk.fill(desk.entry())
    assert desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS, (
        "the dust's age is not the entry's"
    )
    desk.fill(desk.exit())
    assert desk.trip.id != "qm0-e"


def test_dust_is_not_told_while_an_exit_may_still_change_it() -> None:
    desk = Desk(ready=False)
    warm(desk)
    desk.touch(10_000, 10_100)
    leaving = make_intent("qm0-x", Side.SELL, 10_100, 250, purpose=Purpose.EXIT)
    desk.recover(orders=[make_working(leaving)], lots=[lot(5)], round_trip="qm0-e")
    assert told(desk) == []


def test_dust_that_was_told_before_begins_no_round_trip() -> None:
    desk = Desk(ready=False)
    warm(desk)
    desk.touch(10_000, 10_100)
    desk.recover(lots=[lot(5)], round_trip=None)
    assert told(desk) == []
    entry = desk.entry()
    desk.fill(entry)
    assert desk.exit().passive_order_id == entry.client_id
    assert desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS


def test_more_than_dust_is_no_dust() -> None:
    desk = Desk(ready=False)
    warm(desk)
    desk.touch(10_000, 10_100)
    desk.recover(lots=[lot(250)], round_trip="qm0-e")
    assert told(desk) == []
    assert any(isinstance(said, SubmitOrder) for said in desk.said)
