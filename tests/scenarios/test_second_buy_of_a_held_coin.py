"""Coins that were held were bought again and again after a refactoring lost the check.

How much may be held is one limit in one place: it counts what is held and what rests, on every level, and a
rest too small to sell does not count as holding.

Incident P22.
"""

from __future__ import annotations

from quietmaker.core.commands import Gate
from quietmaker.core.orders import Purpose
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote


def test_a_held_coin_at_its_limit_is_not_bought_again() -> None:
    desk = Desk(params=make_params(quote=make_quote(max_position="25", cooldown=0)))
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    for step in range(50):
        desk.touch(10_000 - step, 10_100 - step)
    assert desk.gate() is Gate.POSITION_OPEN
    assert len([i for i in desk.sent if i.purpose is Purpose.ENTRY]) == 1


def test_what_is_held_and_what_rests_together_stay_within_the_limit() -> None:
    quote = make_quote(level_sizes=("10", "10", "10"), max_position="25", cooldown=0)
    desk = Desk(params=make_params(quote=quote))
    for step in range(40):
        desk.touch(10_000 - 3 * step, 10_100 - 3 * step)
        if desk.entries():
            desk.fill(desk.entries()[0], 30)
        resting = sum(i.price * i.size for i in desk.entries())
        filled = sum(desk.booked[i.client_id].filled * i.price for i in desk.entries())
        at_stake = desk.trader.state.position.cost + resting - filled
        assert desk.product.notional(at_stake, 1) <= 25


def test_two_fills_in_one_instant_leave_no_room_for_a_third_order() -> None:
    quote = make_quote(level_sizes=("25", "25"), max_position="50", cooldown=0)
    desk = Desk(params=make_params(quote=quote))
    desk.touch(10_000, 10_100)
    desk.answering = False
    one, two = desk.entries()
    desk.tell_fill(desk.execute(one))
    desk.tell_fill(desk.execute(two))
    assert desk.held == one.size + two.size
    assert len([i for i in desk.sent if i.purpose is Purpose.ENTRY]) == 2


def test_dust_is_not_a_held_coin() -> None:
    desk = Desk(params=make_params(quote=make_quote(max_position="26", cooldown=1)))
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry(), 5)
    desk.confirm_cancel(desk.entry().client_id)
    desk.wait(2)
    assert desk.gate() is None
    assert desk.entry().size == 250
