"""Exit rules, each reached through the trader while all others are on, for longs and shorts alike."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.commands import AlertKind, CancelReason
from quietmaker.core.events import Mode
from quietmaker.core.exit_desk import Owner
from quietmaker.core.exits import RULES, SWITCHABLE, reach
from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import (
    POST_ONLY_REFUSED,
    ExitReason,
    Intent,
    Move,
    OrderState,
    TimeInForce,
)
from quietmaker.core.units import SECOND, Liquidity, Side, rate
from tests.core.exit_stories import STORIES, Holding
from tests.kit.desk import Desk, cancelled_by, sent_by
from tests.kit.makers import (
    FEES,
    FREE,
    START,
    make_exits,
    make_params,
    make_product,
    make_quote,
)

BOTH = pytest.mark.parametrize("entry", list(Side))
PLAIN = make_exits()


def last_exit(held: Holding) -> Intent:
    """Return the exit order that was sent last."""
    return held.desk.sent[-1]


def test_every_rule_has_a_story() -> None:
    assert set(STORIES) == set(RULES) == set(ExitReason) - {ExitReason.PAIRED}


@BOTH
@pytest.mark.parametrize("reason", STORIES)
def test_the_rule_is_reached_while_all_others_are_on(reason: ExitReason, entry: Side) -> None:
    held = Holding(entry)
    STORIES[reason](held)
    assert last_exit(held).exit_reason is reason
    assert last_exit(held).side is entry.opposite


@BOTH
@pytest.mark.parametrize("reason", sorted(SWITCHABLE, key=str))
def test_without_the_rule_the_story_ends_differently(reason: ExitReason, entry: Side) -> None:
    held = Holding(entry, without=frozenset({reason.value}))
    STORIES[reason](held)
    reasons = {intent.exit_reason for intent in held.desk.sent}
    assert reason not in reasons


@BOTH
@pytest.mark.parametrize("reason", [ExitReason.FLATTEN, ExitReason.HALT])
def test_the_operators_word_cannot_be_switched_off(reason: ExitReason, entry: Side) -> None:
    held = Holding(entry, without=frozenset({reason.value}))
    STORIES[reason](held)
    assert last_exit(held).exit_reason is reason


@BOTH
@pytest.mark.parametrize("reason", STORIES)
def test_the_reason_goes_into_the_round_trip(reason: ExitReason, entry: Side) -> None:
    held = Holding(entry)
    STORIES[reason](held)
    desk = held.desk
    desk.depth = 10**9
    if desk.exits_working:
        desk.fill(desk.exit())
    else:
        desk.wait(2)
    assert desk.trip.exit_reason is reason
    assert desk.trip.closing_order == last_exit(held).client_id
    assert desk.trip.id == last_exit(held).passive_order_id
    assert desk.held == 0


# --- urgency -------------------------------------------------------------------------------------


@BOTH
def test_of_several_rules_the_most_urgent_wins(entry: Side) -> None:
    held = Holding(entry)
    held.market(30, 60)
    held.desk.wait(600)
    assert last_exit(held).exit_reason is ExitReason.MAX_LIFETIME
    held.desk.depth = 0
    held.market(-250, -150)
    assert last_exit(held).exit_reason is ExitReason.STOP_LOSS
    held.desk.mode(Mode.FLATTEN)
    held.desk.wait(5)
    assert last_exit(held).exit_reason is ExitReason.FLATTEN
    held.desk.mode(Mode.HALT)
    held.desk.wait(10)
    assert last_exit(held).exit_reason is ExitReason.HALT


@BOTH
@pytest.mark.parametrize(
    ("reason", "taking"),
    [
        (ExitReason.BREAK_EVEN_PLUS, False),
        (ExitReason.TAKE_PROFIT, False),
        (ExitReason.TRAILING_STOP, False),
        (ExitReason.MAX_LIFETIME, False),
        (ExitReason.TIMEOUT_LOSS, False),
        (ExitReason.STOP_LOSS, True),
        (ExitReason.FLATTEN, True),
        (ExitReason.HALT, True),
    ],
)
def test_urgency_picks_the_order_type(reason: ExitReason, entry: Side, *, taking: bool) -> None:
    held = Holding(entry)
    STORIES[reason](held)
    order = last_exit(held)
    assert order.post_only is not taking
    assert order.time_in_force is (TimeInForce.IOC if taking else TimeInForce.GTC)
    near = order.bid if entry is Side.BUY else order.ask
    through = (near - order.price) * entry.sign
    assert through > 0 if taking else through < 0


# --- break-even plus -----------------------------------------------------------------------------


@BOTH
def test_the_target_rests_from_the_first_filled_unit_on(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    order = held.desk.exit()
    # (1 + 0.25 % + 0.2 %) / (1 - 0.25 %) of 10,000, and its mirror image of 10,100
    assert order.price == (10_071 if entry is Side.BUY else 10_029)
    assert order.size == abs(held.desk.held)
    assert order.post_only


@BOTH
def test_the_target_never_crosses_when_the_market_is_beyond_it(entry: Side) -> None:
    desk = Desk(
        params=make_params(quote=make_quote(bid=entry is Side.BUY, ask=entry is Side.SELL)),
        base=10_000,
    )
    desk.touch(10_000, 10_100)
    desk.answering = False
    desk.accept(desk.entry(entry))
    fill = desk.execute(desk.entry(entry))
    desk.touch(10_200, 10_300) if entry is Side.BUY else desk.touch(9_800, 9_900)
    desk.tell_fill(fill)
    assert desk.exit().price == (10_201 if entry is Side.BUY else 9_899)


@BOTH
def test_resting_at_the_touch_joins_a_better_touch_and_never_goes_below_the_target(
    entry: Side,
) -> None:
    held = Holding(entry, exits=make_exits(rest_at_touch=True))
    target = Decimal(dict(held.desk.exit().inputs)["target"])
    assert held.desk.exit().price == held.at(100)
    held.market(20, 120)
    assert held.desk.exit().price == held.at(120)
    held.market(20, 90)
    assert held.desk.exit().price == held.at(90)
    held.market(20, 40)
    assert held.desk.exit().price == held.desk.product.ticks(target)


@BOTH
def test_dearer_fees_move_the_target_away(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    before = held.desk.exit()
    held.desk.change_fees(FeeRates(maker=rate("0.004"), taker=rate("0.008")))
    after = held.desk.exit()
    assert (after.price - before.price) * entry.sign > 0


@BOTH
def test_cheaper_fees_bring_the_target_nearer(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    before = held.desk.exit()
    held.desk.change_fees(FREE)
    assert (held.desk.exit().price - before.price) * entry.sign < 0


@BOTH
def test_unknown_fees_leave_the_exit_at_the_last_known_ones(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    before = held.desk.exit()
    held.desk.change_fees(None)
    assert held.desk.exit() == before


def test_a_patient_exit_keeps_its_place_within_the_tolerance_but_never_below_the_target() -> None:
    params = make_params(
        quote=make_quote(refresh_ticks=5, cooldown=10**6), exits=make_exits(rest_at_touch=True)
    )
    desk = Desk(params=params)
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    first = desk.exit()
    desk.touch(10_000, 10_104)
    assert desk.exit() == first
    desk.touch(10_000, 10_105)
    assert desk.exit().price == 10_105


def test_a_target_that_moves_by_less_than_the_tolerance_still_moves_the_exit() -> None:
    quote = make_quote(refresh_ticks=5, cooldown=10**6)
    desk = Desk(params=make_params(quote=quote))
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    assert desk.exit().price == 10_071
    desk.change_fees(FeeRates(maker=rate("0.0026"), taker=rate("0.004")))
    assert desk.exit().price == 10_072
    desk.change_fees(FEES)
    assert desk.exit().price == 10_072  # better than the target, and near: it keeps its place


# --- lifetime ------------------------------------------------------------------------------------


@BOTH
def test_the_lifetime_counts_from_the_first_fill_not_from_the_order(entry: Side) -> None:
    params = make_params(
        quote=make_quote(bid=entry is Side.BUY, ask=entry is Side.SELL, max_age=10**6),
        gates=None,
        without=frozenset({"insufficient_data"}),
    )
    desk = Desk(params=params, base=10_000)
    desk.touch(10_000, 10_100)
    order = desk.entry(entry)
    desk.wait(500)
    desk.fill(order, 100)
    desk.touch(9_990, 10_040) if entry is Side.BUY else desk.touch(10_060, 10_110)
    desk.wait(300)
    desk.fill(order, 100)
    desk.wait(299)
    assert desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS
    desk.wait(1.1)
    assert desk.exit().exit_reason is ExitReason.TIMEOUT_LOSS


@BOTH
def test_a_stale_position_rests_at_the_touch_but_not_below_break_even(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    held.market(20, 55)
    held.desk.wait(600)
    assert held.desk.exit().exit_reason is ExitReason.MAX_LIFETIME
    assert held.desk.exit().price == held.at(55)
    held.market(20, 52)
    assert held.desk.exit().price == held.at(52)


@BOTH
def test_a_touch_at_exactly_break_even_is_no_loss(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    at = held.desk.product.ticks(Decimal(dict(held.desk.exit().inputs)["break_even"]))
    gain = (at - held.price) * entry.sign
    held.market(gain - 30, gain)
    held.desk.wait(600)
    assert held.desk.exit().exit_reason is ExitReason.MAX_LIFETIME
    held.market(gain - 30, gain - 1)
    assert held.desk.exit().exit_reason is ExitReason.TIMEOUT_LOSS


@BOTH
def test_a_stale_loss_is_offered_at_the_touch_then_taken_out_within_a_limit(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    held.market(-50, 40)
    held.desk.wait(600)
    assert held.desk.exit().price == held.at(40)
    held.market(-50, 30)
    assert held.desk.exit().price == held.at(30)
    held.desk.wait(59)
    assert held.desk.exits_working == 1
    held.desk.wait(1.1)
    trip = held.desk.trip
    assert trip.exit_reason is ExitReason.TIMEOUT_LOSS
    assert (trip.maker_fills, trip.taker_fills) == (1, 1)
    order = last_exit(held)
    assert order.price == held.at(-50) - entry.sign * (held.at(-50) * 3 // 1000)


def test_the_trader_asks_to_be_woken_for_each_step_of_the_ladder() -> None:
    held = Holding(exits=make_exits(max_lifetime=100, stale_patience=20))
    held.market(-50, 40)
    opened = START + 3 * 10**6
    assert held.desk.trader.wake_at == opened + 100 * SECOND
    held.desk.wait(100)
    assert held.desk.trader.wake_at <= held.desk.now + 20 * SECOND


# --- stop ----------------------------------------------------------------------------------------


@BOTH
def test_the_stop_fires_at_its_distance_and_not_a_tick_before(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    stop = held.price * 2 // 100
    held.market(-stop + 1, 60)
    assert held.desk.held != 0
    held.market(-stop, 60)
    assert held.desk.trip.exit_reason is ExitReason.STOP_LOSS


@BOTH
def test_the_stop_is_never_tighter_than_two_taker_fees(entry: Side) -> None:
    held = Holding(entry, exits=make_exits(stop_loss="0.001"))
    stop = held.price * 8 // 1000
    held.market(-stop + 1, 60)
    assert held.desk.held != 0
    held.market(-stop - 1, 60)
    assert held.desk.trip.exit_reason is ExitReason.STOP_LOSS


@BOTH
def test_a_stop_that_fired_stays_fired_through_a_bounce(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    held.desk.depth = 0
    held.market(-held.price * 2 // 100, -150)  # exactly the stop
    held.desk.depth = 10**9
    held.market(10, 40)
    held.desk.wait(1.1)
    assert held.desk.trip.exit_reason is ExitReason.STOP_LOSS


@BOTH
def test_a_taking_exit_that_does_not_fill_reaches_further_up_to_its_bound(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    held.desk.depth = 0
    held.market(-250, -150)
    held.desk.wait(20)
    near = held.at(-250)
    reaches = [
        (near - intent.price) * entry.sign
        for intent in held.desk.sent
        if intent.time_in_force is TimeInForce.IOC
    ]
    share = [near * slippage // 1000 for slippage in (3, 6, 12, 24, 30, 30)]
    assert reaches[:6] == share


@BOTH
def test_what_a_taking_exit_left_is_taken_at_once(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    held.desk.depth = 100
    held.market(-250, -150)
    assert held.desk.held == 0
    sizes = [i.size for i in held.desk.sent if i.time_in_force is TimeInForce.IOC]
    assert sizes[0] == sizes[1] + 100


def test_a_position_beyond_the_greatest_order_is_taken_in_slices_without_reaching_further() -> None:
    desk = Desk(
        product=make_product(max_size="10"),
        params=make_params(quote=make_quote(level_sizes=("10", "10", "10"))),
    )
    desk.touch(10_000, 10_100)
    for entry in desk.entries():
        desk.fill(entry)
    assert (desk.held, desk.exit().size) == (300, 100)
    desk.touch(9_700, 9_800)
    slices = [i for i in desk.sent if i.time_in_force is TimeInForce.IOC]
    assert [(i.size, i.price) for i in slices] == [(100, 9_671)] * 3
    assert desk.held == 0


def test_a_limit_reaches_at_least_a_tick_and_stays_a_price() -> None:
    share = rate("0.003")
    assert (reach(100, Side.BUY, share), reach(100, Side.SELL, share)) == (99, 101)
    assert reach(1, Side.BUY, share) == 1
    assert (reach(10_000, Side.BUY, share), reach(10_000, Side.SELL, share)) == (9_970, 10_030)


# --- take profit and trail -----------------------------------------------------------------------


@BOTH
def test_a_profit_is_offered_at_the_touch_then_taken(entry: Side) -> None:
    held = Holding(entry, exits=make_exits(take_profit="0.03"))
    held.market(400, 420)
    assert held.desk.exit().price == held.at(420)
    held.desk.wait(29)
    assert held.desk.held != 0
    held.desk.wait(1.1)
    assert held.desk.trip.exit_reason is ExitReason.TAKE_PROFIT
    assert held.desk.trip.taker_fills == 1
    assert held.desk.trip.net > 0


@BOTH
def test_the_patience_for_a_profit_begins_anew_when_the_market_leaves_it(entry: Side) -> None:
    held = Holding(entry, exits=make_exits(take_profit="0.03"))
    held.market(400, 420)
    held.desk.wait(20)
    held.market(300, 420)
    held.market(400, 420)
    held.desk.wait(20)
    assert held.desk.held != 0


@BOTH
def test_the_trail_starts_at_its_activation_and_fires_at_its_distance(entry: Side) -> None:
    exits = make_exits(trailing_activation="0.01", trailing_distance="0.005")
    held = Holding(entry, exits=exits)
    held.market(120, 140)  # below the activation of 1 % beyond break-even
    held.market(60, 80)
    assert held.desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS
    held.market(200, 220)
    held.market(160, 180)
    assert held.desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS
    held.market(140, 160)
    assert held.desk.exit().exit_reason is ExitReason.TRAILING_STOP


def test_the_trail_fires_at_exactly_its_distance() -> None:
    held = Holding(exits=make_exits(trailing_activation="0.01", trailing_distance="0.005"))
    held.market(200, 220)  # 0.5 % of a peak of 10,200 is 51
    held.market(150, 170)
    assert held.desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS
    held.market(149, 169)
    assert held.desk.exit().exit_reason is ExitReason.TRAILING_STOP


@BOTH
def test_a_trailing_exit_is_offered_at_the_touch_then_taken(entry: Side) -> None:
    exits = make_exits(trailing_activation="0.01", trailing_distance="0.005")
    held = Holding(entry, exits=exits)
    held.market(200, 220)
    held.market(140, 160)
    assert held.desk.exit().price == held.at(160)
    held.desk.wait(29)
    assert held.desk.held != 0
    held.desk.wait(1.1)
    assert held.desk.trip.exit_reason is ExitReason.TRAILING_STOP
    assert held.desk.trip.taker_fills == 1


@BOTH
def test_a_trail_does_not_fire_by_itself_after_a_restart_before_any_touch(entry: Side) -> None:
    held = Holding(entry, exits=PLAIN)
    lots = held.desk.trader.state.position.open_lots()
    exits = make_exits(trailing_activation="0.01", trailing_distance="0.005")
    again = Desk(params=make_params(exits=exits), ready=False)
    again.recover(lots=lots, round_trip=lots[0].order)
    again.change_fees(FEES)
    again.touch(10_000, 10_100)
    assert again.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS


# --- one exit at a time --------------------------------------------------------------------------


def test_an_exit_is_cancelled_then_awaited_then_replaced() -> None:
    held = Holding()
    desk = held.desk
    first = desk.exit()
    desk.answering = False
    held.market(-250, -150)
    assert cancelled_by(desk.said)[-1:] == [first.client_id]
    assert desk.cancels[-1].reason is CancelReason.EXIT_CHANGED
    assert desk.sent[-1] == first
    (stop,) = sent_by(desk.confirm_cancel(first.client_id))
    assert stop.exit_reason is ExitReason.STOP_LOSS


def test_an_exit_whose_cancellation_nobody_confirms_is_cancelled_again() -> None:
    held = Holding()
    held.desk.answering = False
    held.market(-250, -150)
    before = len(held.desk.cancels)
    held.desk.wait(5.1)
    assert len(held.desk.cancels) == before + 1


def test_an_exit_that_fills_while_it_is_cancelled_is_not_replaced() -> None:
    held = Holding()
    desk = held.desk
    first = desk.exit()
    desk.answering = False
    held.market(-250, -150)
    fill = desk.execute(first)
    desk.move(first.client_id, Move.FILLED, filled=first.size)
    desk.move(first.client_id, Move.CANCEL_REFUSED)
    assert desk.held == first.size  # told to be filled, by how much at what is still to come
    assert desk.exits_working == 0
    assert desk.sent[-1] == first
    desk.tell_fill(fill)
    assert desk.trip.exit_reason is ExitReason.BREAK_EVEN_PLUS
    assert desk.held == 0


def test_a_partly_filled_exit_is_replaced_for_the_rest_only() -> None:
    held = Holding(exits=PLAIN)
    desk = held.desk
    desk.fill(desk.exit(), 100)
    assert desk.exit().size == 250
    held.desk.answering = False
    desk.cancels.clear()
    held.market(-250, -150)
    (stop,) = sent_by(desk.confirm_cancel(desk.exit().client_id))
    assert stop.size == 150


def test_an_exit_of_unknown_outcome_is_not_doubled() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.answering = False
    desk.fill(entry)
    first = desk.exit()
    desk.move(first.client_id, Move.OUTCOME_UNKNOWN, reason="timeout")
    desk.touch(9_700, 9_800)
    desk.wait(30)
    assert desk.sent[-1] == first
    assert desk.trader.exits.ownership()[0].owner is Owner.CHANGING
    desk.move(first.client_id, Move.NOT_FOUND)
    desk.wait(1.1)
    assert desk.sent[-1].exit_reason is ExitReason.STOP_LOSS


def test_a_first_post_only_refusal_is_quiet_and_tried_again() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.refusing = POST_ONLY_REFUSED
    desk.fill(desk.entry())
    assert desk.alerts(AlertKind.EXIT_REFUSED) == []
    assert desk.trader.exits.ownership()[0].owner is Owner.PLACING
    desk.refusing = ""
    desk.wait(1.1)
    assert desk.exit().size == 250


def test_any_other_refusal_of_an_exit_is_an_alert_that_counts() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.refusing = "INSUFFICIENT_FUND"
    desk.fill(desk.entry())
    desk.wait(1.1)
    first, second = desk.alerts(AlertKind.EXIT_REFUSED)
    assert "INSUFFICIENT_FUND (1 in a row)" in first.detail
    assert "(2 in a row)" in second.detail


# --- stale data ----------------------------------------------------------------------------------


@BOTH
def test_rules_about_price_are_silent_while_the_book_is_not_to_be_trusted(entry: Side) -> None:
    held = Holding(entry)
    held.market(30, 60)
    held.desk.lose_data()
    held.desk.wait(700)
    assert held.desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS


@BOTH
@pytest.mark.parametrize("mode", [Mode.FLATTEN, Mode.HALT])
def test_nobody_takes_without_a_touch_to_start_from(entry: Side, mode: Mode) -> None:
    lots = Holding(entry, exits=PLAIN).desk.trader.state.position.open_lots()
    desk = Desk(ready=False)
    desk.recover(lots=lots, round_trip=lots[0].order)
    desk.mode(mode)
    assert [intent.time_in_force for intent in desk.sent] == [TimeInForce.GTC]
    desk.touch(10_000, 10_100)
    assert desk.sent[-1].time_in_force is TimeInForce.IOC
    assert desk.held == 0


# --- dust ----------------------------------------------------------------------------------------


def dusty() -> Desk:
    """Return a desk with five lots ($0.50) that the exchange takes no order for."""
    desk = Desk(product=make_product(lot="0.1", min_notional="1"))
    desk.touch(10_000, 10_100)
    order = desk.entry()
    desk.fill(order, 5)
    desk.confirm_cancel(order.client_id)
    return desk


def test_dust_is_owned_and_not_offered() -> None:
    desk = dusty()
    assert desk.exits_working == 0
    assert [(each.owner, each.lots) for each in desk.trader.exits.ownership()] == [(Owner.DUST, 5)]


def test_dust_does_not_stop_quoting_and_leaves_with_the_next_position() -> None:
    desk = dusty()
    desk.wait(16)
    desk.fill(desk.entry())
    assert desk.exit().size == desk.held == 255
    desk.fill(desk.exit())
    assert desk.trip.lots == 255
    assert desk.trip.net == desk.cash


def test_dust_that_remains_of_a_round_trip_is_told_and_begins_the_next_one() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    first = desk.exit()
    desk.fill(first, 245)
    desk.move(first.client_id, Move.CANCELLED, filled=245)
    assert (desk.trip.lots, desk.trip.dust) == (245, 5)
    desk.wait(16)
    second = desk.entry()
    desk.fill(second)
    assert desk.exit().size == 255
    assert desk.exit().passive_order_id == second.client_id
    desk.fill(desk.exit())
    assert [trip.lots for trip in desk.trips] == [245, 255]
    assert desk.trips[1].id == second.client_id
    assert desk.trips[0].net + desk.trips[1].net == desk.cash


def test_the_lifetime_of_a_position_on_top_of_dust_counts_from_its_own_fill() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    first = desk.exit()
    desk.fill(first, 245)
    desk.move(first.client_id, Move.CANCELLED, filled=245)
    desk.wait(700)
    desk.load_candles(9_800, 10_200)
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry())
    assert desk.exit().exit_reason is ExitReason.BREAK_EVEN_PLUS


def test_dust_that_a_higher_price_makes_sellable_is_sold_and_told() -> None:
    desk = dusty()
    desk.wait(16)
    desk.fill(desk.entry())
    out = desk.exit()
    desk.fill(out, 153)
    desk.move(out.client_id, Move.CANCELLED, filled=153)
    left = desk.exit()
    assert left.size == 102
    desk.fill(left, 100)
    desk.move(left.client_id, Move.CANCELLED, filled=100)
    (trip,) = desk.trips
    assert (trip.lots, trip.dust, desk.exits_working) == (253, 2, 0)
    desk.exclude("win_rate")
    desk.touch(60_000, 60_100)  # two lots are worth $1.20 now
    desk.fill(desk.exit())
    assert [each.lots for each in desk.trips] == [253, 2]
    assert desk.trips[0].net + desk.trips[1].net == desk.cash
    assert desk.held == 0


# --- races with entries --------------------------------------------------------------------------


def test_an_entry_of_the_other_side_that_fills_in_a_race_pairs_the_position() -> None:
    params = make_params(quote=make_quote(ask=True))
    desk = Desk(params=params, base=10_000)
    desk.touch(10_000, 10_100)
    desk.answering = False
    bid, ask = desk.entry(Side.BUY), desk.entry(Side.SELL)
    desk.fill(bid, 247)
    resting = desk.exit()
    desk.accept(resting)
    desk.fill(ask, 247)
    assert desk.trip.exit_reason is ExitReason.PAIRED
    assert desk.trip.closing_order == ask.client_id
    assert desk.held == 0
    assert desk.trader.state.orders[resting.client_id].state is OrderState.CANCEL_PENDING


def test_an_exit_names_the_entry_that_opened_the_position_also_when_its_lots_are_gone() -> None:
    desk = Desk(params=make_params(quote=make_quote(cooldown=0, max_position="100")))
    desk.touch(10_000, 10_100)
    first = desk.entry()
    desk.fill(first)
    desk.fill(desk.entry())
    desk.fill(desk.exit(), 250)
    desk.touch(9_700, 9_800)
    assert {i.passive_order_id for i in desk.sent if i.exit_reason} == {first.client_id}
    assert desk.trip.id == first.client_id


def test_a_trip_that_an_ended_entry_completes_names_the_exit_that_closed_it() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.fill(entry, 100)
    out = desk.exit()
    desk.fill(out, 95)
    desk.move(out.client_id, Move.CANCELLED, filled=95)
    assert desk.trips == []
    desk.touch(9_990, 10_090)
    assert desk.trip.closing_order == out.client_id
    assert desk.trip.exit_reason is ExitReason.BREAK_EVEN_PLUS


def test_a_taker_fill_of_a_post_only_order_is_an_alert() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    desk.fill(desk.entry(), liquidity=Liquidity.TAKER)
    (alert,) = desk.alerts(AlertKind.TAKER_FILL)
    assert "paid 0.1" in alert.detail


def test_a_taker_fill_of_an_urgent_exit_is_none() -> None:
    held = Holding(exits=PLAIN)
    held.market(-250, -150)
    assert held.desk.trip.taker_fills == 1
    assert held.desk.alerts(AlertKind.TAKER_FILL) == []


def test_a_fill_beyond_the_order_is_an_alert_and_is_owned() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    order = desk.entry()
    desk.tell_fill(desk.execute(order, 260))
    (alert,) = desk.alerts(AlertKind.OVERFILL)
    assert "filled 260" in alert.detail
    assert desk.exit().size == desk.held == 260


def test_an_exit_that_will_not_end_is_told_once() -> None:
    held = Holding()
    held.desk.answering = False
    held.market(-250, -150)
    held.desk.wait(5.1)
    assert held.desk.alerts(AlertKind.EXIT_STUCK) == []
    held.desk.wait(5.1)
    held.desk.wait(20)
    (alert,) = held.desk.alerts(AlertKind.EXIT_STUCK)
    assert "asked for 3 times" in alert.detail
