"""Exits and time-outs were dead for four months: orders were placed past the list of what is watched.

A rewrite saved each order to a table and no longer to the list that the monitor went through. An order is
known before it is sent, stays known until its end and its executions are told, and is followed all the while;
a position that no order protects can be seen from outside.

Incident P2.
"""

from __future__ import annotations

import random

from actors.view import snapshots, view_of
from quietmaker.core.orders import ExitReason, Move, Purpose
from tests.kit.desk import Desk, sent_by
from tests.kit.makers import make_params, make_quote, make_risk

STEPS = 400


def unwatched(desk: Desk) -> set[str]:
    """Return the orders that the exchange holds open and the trader does not know."""
    return {name for name, booked in desk.booked.items() if booked.open} - set(
        desk.trader.state.orders
    )


def unprotected(desk: Desk) -> bool:
    """Return what a scrape shows of the position's protection."""
    (shown,) = snapshots([view_of(desk.trader, details={}, book_at=desk.now)])
    return shown.unprotected


def test_every_order_that_is_sent_is_watched_until_it_ends() -> None:
    draw = random.Random(4)
    quote = make_quote(
        ask=True, level_sizes=("25", "25"), max_position="200", cooldown=1, refresh_ticks=2
    )
    risk = make_risk(max_orders_per_minute=10_000, max_daily_loss="10000")
    desk = Desk(params=make_params(quote=quote, risk=risk), funds="10000", base=10_000)
    bid, placed = 10_000, 0
    for _ in range(STEPS):
        bid = max(5_000, bid + draw.randint(-40, 40))
        desk.load_candles(bid - 200, bid + 200)
        placed += len(sent_by(desk.touch(bid, bid + 100)))
        assert not unwatched(desk)
        resting = [booked.intent for booked in desk.booked.values() if booked.open]
        if resting and draw.random() < 0.3:
            order = draw.choice(resting)
            desk.fill(order, draw.randint(1, desk.booked[order.client_id].leaves))
            assert not unwatched(desk)
        placed += len(sent_by(desk.wait(draw.choice([0.01, 1, 30]))))
        assert not unwatched(desk)
    assert placed > STEPS / 4, "the story needs orders"
    assert len(desk.trips) > 3, "and positions that were left"


def test_an_order_that_rests_is_followed_by_every_move_of_the_market() -> None:
    desk = Desk()
    for bid in (10_000, 9_950, 10_020, 9_700):
        desk.touch(bid, bid + 100)
        assert desk.entry().price == bid


def test_a_position_is_followed_by_its_exit_rules_without_anybody_asking() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    assert desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS
    desk.touch(9_990, 10_010)
    desk.wait(1_000)
    assert desk.held == 0
    assert desk.trip.exit_reason is ExitReason.TIMEOUT_LOSS, "too old, and out by its own clock"


def test_a_position_that_no_order_protects_can_be_seen_from_outside() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    assert not unprotected(desk)
    entry = desk.entry()
    desk.refusing = "UNKNOWN_FAILURE_REASON"
    desk.fill(entry)
    assert unprotected(desk)
    desk.refusing = ""
    desk.wait(2)
    assert desk.exits_working == 1
    assert not unprotected(desk)
    desk.move(desk.exit().client_id, Move.CANCELLED, filled=0)
    assert not unprotected(desk), "it was replaced at once"
    assert [intent.purpose for intent in desk.sent][-1] is Purpose.EXIT
