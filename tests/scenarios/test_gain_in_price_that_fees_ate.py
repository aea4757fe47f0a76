"""31 of 49 exits at a better price than their entry lost money; and the fee tier had moved unnoticed.

The exit looked at prices only, with fees written into the code. One function computes net results, from the
fees that were paid and the rates that hold now; entry, exit and report all use it.

Incidents P13, P14.
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.commands import Gate
from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import ExitReason, Purpose
from quietmaker.core.units import rate
from tests.kit.desk import Desk

DEARER = FeeRates(maker=rate("0.004"), taker=rate("0.008"))


def holding() -> Desk:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    return desk


def test_a_price_above_entry_and_below_break_even_is_not_an_exit_with_profit() -> None:
    desk = holding()
    for better in range(1, 51):
        desk.touch(10_000 + better - 20, 10_000 + better)
        assert desk.exit().price == 10_071


def test_an_old_position_at_a_gain_in_price_that_fees_eat_is_a_loss_by_name() -> None:
    desk = holding()
    desk.touch(10_000, 10_030)
    desk.wait(600)
    desk.fill(desk.exit())
    assert desk.trip.exit_value > desk.trip.entry_value
    assert desk.trip.net < 0
    assert desk.trip.exit_reason is ExitReason.TIMEOUT_LOSS


def test_every_patient_exit_that_fills_has_earned_after_all_fees() -> None:
    desk = holding()
    desk.fill(desk.exit())
    trip = desk.trip
    assert trip.net == trip.exit_value - trip.entry_value - trip.fees
    assert trip.net >= trip.entry_value * Decimal("0.002")


def test_a_new_fee_tier_moves_the_requirement_and_the_resting_exit_at_once() -> None:
    desk = holding()
    assert desk.exit().price == 10_071
    desk.change_fees(DEARER)
    # (1 + 0.25 % paid + 0.2 %) / (1 - 0.40 %)
    assert desk.exit().price == 10_086
    flat = Desk()
    flat.touch(10_000, 10_070)
    assert flat.gate() is None
    flat.change_fees(DEARER)
    assert flat.gate() is Gate.SPREAD_BELOW_REQUIRED


def test_the_fee_that_was_paid_is_counted_not_the_one_that_was_expected() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.fees = DEARER  # the exchange charges more than it said
    desk.fill(entry)
    exits = [i for i in desk.sent if i.purpose is Purpose.EXIT]
    # (1 + 0.40 % paid + 0.2 %) / (1 - 0.25 % expected)
    assert exits[-1].price == 10_086
