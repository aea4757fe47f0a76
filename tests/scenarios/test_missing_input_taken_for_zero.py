"""A volatility of zero, because none was computed yet, put stops so close that trades ended in minutes.

What is not known is not zero, and not "now": it is a reason not to trade, and has a name.

Incident P18.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.commands import Gate
from quietmaker.core.orders import ExitReason, Purpose
from quietmaker.core.positions import Lot
from quietmaker.core.units import Side, Ticks
from tests.kit.desk import Desk
from tests.kit.makers import START, make_exits, make_params, make_quote


def test_no_candles_are_not_a_calm_market() -> None:
    desk = Desk(candle_range=None)
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.INSUFFICIENT_DATA


def test_unknown_fees_are_not_free_trading() -> None:
    desk = Desk(fees=None)
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.FEES_UNKNOWN


@pytest.mark.parametrize(("quote", "base"), [(None, 100), ("1000", None), (None, None)])
def test_unknown_funds_are_not_an_empty_account(quote: str | None, base: int | None) -> None:
    desk = Desk()
    desk.funds(quote, base)
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.FUNDS_UNKNOWN


def test_a_filter_that_has_not_spoken_is_not_an_eligible_symbol() -> None:
    desk = Desk(ready=False)
    desk.recover()
    desk.change_fees(desk.fees)
    desk.funds("1000")
    desk.load_candles(9_800, 10_200)
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.WARMING_UP


def test_a_book_that_was_never_seen_is_not_a_book() -> None:
    desk = Desk()
    assert desk.gate() is Gate.WARMING_UP
    assert desk.sent == []


def test_a_position_whose_fees_nobody_knows_is_protected_by_the_fee_that_it_paid() -> None:
    lot = Lot(
        trade_id="old",
        order="qm0-X-USD-BE1",
        entry=Side.BUY,
        price=Ticks(10_000),
        lots=250,
        fee=Decimal("0.1"),
        twice_mid=20_100,
        at=START,
        maker=True,
    )
    desk = Desk(ready=False)
    desk.recover(lots=[lot])
    desk.touch(10_000, 10_100)
    # 0.40 % were paid and are expected again: (1 + 0.40 % + 0.2 %) / (1 - 0.40 %)
    assert desk.exit().price == 10_101
    desk.touch(9_930, 9_990)
    assert desk.held == 250
    desk.touch(9_790, 9_890)
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


def test_a_stop_set_to_nothing_still_leaves_room_for_two_taker_fees() -> None:
    exits = make_exits(stop_loss="0")
    desk = Desk(params=make_params(exits=exits, quote=make_quote()))
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    desk.touch(9_930, 9_990)
    assert [i.exit_reason for i in desk.sent if i.purpose is Purpose.EXIT] == [
        ExitReason.BREAK_EVEN_PLUS
    ]
