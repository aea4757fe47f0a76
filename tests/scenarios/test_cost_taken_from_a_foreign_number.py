"""A position was sold for a loss of 58 % that was none: its cost came from somebody else's arithmetic.

The average entry price was derived from the exchange's unrealised result at another price; when it looked
absurd, "entry = current price" was put in its place, which switched the stop off. The cost of a position is
the cost of our own fills, whatever any other number says; and doubt never switches a protection off.

Incident P25.
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.commands import AlertKind
from quietmaker.core.events import ExposureChanged
from quietmaker.core.orders import ExitReason
from tests.kit.desk import Desk
from tests.kit.makers import make_fill, make_params, make_product, make_quote


def holding() -> Desk:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    return desk


def test_balances_and_exposures_of_others_move_no_exit() -> None:
    desk = holding()
    before = desk.exit()
    desk.funds("3919", 123_456)
    desk.funds(None, None)
    desk.on(ExposureChanged(now=desk.now, others=Decimal("99690")))
    desk.load_candles(1, 10**6)
    assert desk.exit() == before
    assert desk.held == 250


def test_the_cost_is_that_of_the_fills_at_the_prices_they_were_made() -> None:
    quote = make_quote(level_sizes=("25", "25"), max_position="100", level_spacing="0.01")
    desk = Desk(params=make_params(quote=quote))
    desk.touch(10_000, 10_100)
    one, two = desk.entries()
    desk.fill(one, 250)
    desk.fill(two, 252)
    position = desk.trader.state.position
    assert position.cost == 250 * 10_000 + 252 * 9_900
    assert position.fees == Decimal("0.0025") * desk.product.notional(position.cost, 1)


def test_a_repeated_fill_changes_nothing() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    fill = desk.execute(entry, 100)
    desk.tell_fill(fill)
    before, said = desk.exit(), len(desk.said)
    for _ in range(3):
        desk.tell_fill(fill)
    assert desk.exit() == before
    assert desk.held == 100
    assert len(desk.said) == said


def test_a_fill_that_nobody_ordered_is_owned_and_keeps_its_stop() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    stray = make_fill("stray", desk.entry().side, 10_000, 100, client_id="by-hand", fee="0.025")
    desk.tell_fill(stray)
    assert desk.held == 100
    assert desk.exit().size == 100
    desk.touch(9_700, 9_800)
    assert desk.trip.exit_reason is ExitReason.STOP_LOSS


def test_more_executed_than_ordered_is_an_alert_and_the_stop_covers_it() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.tell_fill(desk.execute(desk.entry(), 300))
    assert desk.alerts(AlertKind.OVERFILL)
    assert desk.exit().size == 300
    desk.touch(9_700, 9_800)
    assert desk.held == 0


def test_an_absurd_market_price_moves_the_stop_nowhere() -> None:
    desk = Desk(product=make_product(), params=make_params())
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    stop = dict(desk.exit().inputs)["stop"]
    desk.touch(40_000, 40_100)
    assert dict(desk.exit().inputs)["stop"] == stop
