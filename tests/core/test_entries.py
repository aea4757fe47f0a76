"""Entry quotes: what rests, what is kept, what is moved, and when."""

from __future__ import annotations

import pytest

from quietmaker.core.commands import AlertKind, CancelReason, Gate
from quietmaker.core.orders import Move, OrderState, Purpose, TimeInForce
from quietmaker.core.units import NEVER, SECOND, Side
from tests.kit.desk import Desk, cancelled_by, sent_by
from tests.kit.makers import (
    make_gates,
    make_intent,
    make_params,
    make_product,
    make_quote,
    make_working,
)


def quoting(*, bid: int = 10_000, ask: int = 10_100, **quote: object) -> Desk:
    """Return a desk that quotes with these quote parameters."""
    params = make_params(quote=make_quote(**quote))  # type: ignore[arg-type]
    desk = Desk(params=params, base=10_000)
    desk.touch(bid, ask)
    return desk


def prices(desk: Desk, side: Side = Side.BUY) -> list[int]:
    return [intent.price for intent in desk.entries(side)]


# --- what is sent -----------------------------------------------------------------------------------


def test_a_quote_carries_what_was_decided() -> None:
    desk = quoting()
    intent = desk.entry()
    assert (intent.side, intent.price, intent.size) == (Side.BUY, 10_000, 250)
    assert intent.post_only
    assert intent.time_in_force is TimeInForce.GTC
    assert intent.purpose is Purpose.ENTRY
    assert intent.exit_reason is None
    assert intent.strategy_tag == "passivemm"
    assert intent.passive_order_id == intent.client_id
    assert (intent.bid, intent.ask) == (10_000, 10_100)
    assert intent.decided_at == desk.trader.state.now - 10**6
    assert dict(intent.inputs) == {
        "level": "0",
        "required_ppb": "5050000",
        "candles": "5",
        "range_low": "0.9800",
        "range_high": "1.0200",
    }


def test_a_size_is_the_level_in_whole_lots_rounded_down() -> None:
    # $25 at $1.0007 is 24.98 X
    assert quoting(bid=10_007, ask=10_110).entry().size == 249


def test_a_size_is_at_most_what_the_exchange_takes() -> None:
    desk = Desk(product=make_product(max_size="3"))
    desk.touch(10_000, 10_100)
    assert desk.entry().size == 30


def test_a_quote_with_a_life_is_good_till_date() -> None:
    intent = quoting(time_to_live=60).entry()
    assert intent.time_in_force is TimeInForce.GTD
    assert intent.expire_at == intent.decided_at + 60 * SECOND


def test_an_expired_quote_is_sent_again() -> None:
    desk = quoting(time_to_live=60)
    first = desk.entry()
    desk.move(first.client_id, Move.EXPIRED, filled=0)
    assert desk.entry().client_id != first.client_id


def test_a_quote_that_is_kept_is_renewed_before_it_expires() -> None:
    desk = quoting(time_to_live=60)
    desk.answering = False
    first = desk.entry()
    assert cancelled_by(desk.wait(44.9)) == []
    assert cancelled_by(desk.wait(0.2)) == [first.client_id]
    assert [said.reason for said in desk.cancels] == [CancelReason.RENEW]
    (again,) = sent_by(desk.confirm_cancel(first.client_id))
    assert again.price == first.price
    assert again.expire_at is not None
    assert again.expire_at >= first.decided_at + 105 * SECOND


def test_a_renewal_is_due_though_nothing_happens_in_the_market() -> None:
    desk = quoting(time_to_live=60)
    assert desk.trader.wake_at <= desk.entry().decided_at + 45 * SECOND


def test_both_sides_are_quoted_when_configured() -> None:
    desk = Desk(params=make_params(quote=make_quote(ask=True, improve_ticks=10)), base=10_000)
    desk.touch(10_000, 10_200)
    assert (prices(desk), prices(desk, Side.SELL)) == ([10_010], [10_190])


def test_levels_rest_one_behind_the_other() -> None:
    desk = quoting(level_sizes=("10", "15", "10"), max_position="100")
    assert prices(desk) == [10_000, 9_990, 9_980]
    assert [intent.size for intent in desk.entries()] == [100, 150, 100]


def test_a_level_that_has_no_room_is_left_out_and_the_rest_stays() -> None:
    desk = quoting(level_sizes=("25", "25", "25"), max_position="50")
    assert prices(desk) == [10_000, 9_990]
    assert desk.gate() is None


def test_levels_share_the_funds() -> None:
    params = make_params(quote=make_quote(level_sizes=("10", "10", "10")))
    desk = Desk(params=params, funds="20.08")
    desk.touch(10_000, 10_100)
    assert prices(desk) == [10_000, 9_990]


def test_an_entry_reserves_the_taker_fee_to_the_last_tick_lot() -> None:
    # $25 and 0.40 %: $25.10
    for funds, enough in (("25.1", True), ("25.09999", False)):
        desk = Desk(funds=funds)
        desk.touch(10_000, 10_100)
        assert bool(desk.entries()) is enough


def test_an_ask_sells_only_what_is_owned() -> None:
    params = make_params(quote=make_quote(bid=False, ask=True))
    for base, enough in ((248, True), (247, False)):
        desk = Desk(params=params, base=base, funds="0")
        desk.touch(9_970, 10_070)
        assert bool(desk.entries(Side.SELL)) is enough


def test_inventory_skew_moves_the_bid_away_when_long() -> None:
    desk = quoting(level_sizes=("20",), max_position="80", inventory_skew="0.004", cooldown=0)
    desk.fill(desk.entry())
    # A quarter full: a quarter of 0.4 % of 10,050 is 10 ticks.
    assert prices(desk) == [9_990]


# --- what is kept and what is moved -----------------------------------------------------------------


@pytest.mark.parametrize(("moved", "kept"), [(2, True), (3, False), (-2, True), (-3, False)])
def test_a_quote_keeps_its_place_while_the_wanted_price_is_near(moved: int, *, kept: bool) -> None:
    desk = quoting(refresh_ticks=3)
    first = desk.entry()
    desk.touch(10_000 + moved, 10_100 + moved)
    assert (desk.entry() == first) is kept
    assert desk.entry().price == (10_000 if kept else 10_000 + moved)


def test_a_slow_walk_is_followed_from_the_resting_price_not_from_the_last_touch() -> None:
    desk = quoting(refresh_ticks=3)
    for step in range(1, 4):
        desk.touch(10_000 + step, 10_100 + step)
    assert prices(desk) == [10_003]


def test_a_quote_is_cancelled_then_awaited_then_replaced() -> None:
    desk = quoting()
    desk.answering = False
    first = desk.entry()
    assert cancelled_by(desk.touch(9_990, 10_090)) == [first.client_id]
    assert sent_by(desk.touch(9_980, 10_080)) == []
    (second,) = sent_by(desk.confirm_cancel(first.client_id))
    assert second.price == 9_980
    assert second.client_id != first.client_id
    assert [said.reason for said in desk.cancels] == [CancelReason.REPRICE]


def test_a_cancellation_that_nobody_confirms_is_asked_for_again() -> None:
    desk = quoting()
    desk.answering = False
    first = desk.entry()
    desk.touch(9_990, 10_090)
    assert cancelled_by(desk.wait(4.9)) == []
    assert cancelled_by(desk.wait(0.2)) == [first.client_id]
    assert cancelled_by(desk.wait(5.1)) == [first.client_id]
    assert [said.reason for said in desk.cancels][1:] == [CancelReason.RETRY] * 2


def test_a_refused_cancellation_is_decided_again() -> None:
    desk = quoting()
    desk.answering = False
    first = desk.entry()
    desk.touch(9_990, 10_090)
    assert cancelled_by(desk.move(first.client_id, Move.CANCEL_REFUSED)) == [first.client_id]
    desk.touch(10_000, 10_100)
    assert cancelled_by(desk.move(first.client_id, Move.CANCEL_REFUSED)) == []
    assert desk.trader.state.orders[first.client_id].state is OrderState.OPEN


def test_a_quote_is_replaced_at_its_maximum_age() -> None:
    desk = quoting(max_age=120)
    first = desk.entry()
    desk.wait(119.9)
    assert desk.entry() == first
    desk.wait(0.2)
    assert desk.entry() != first
    assert [said.reason for said in desk.cancels] == [CancelReason.MAX_AGE]


def test_the_trader_asks_to_be_woken_at_the_maximum_age() -> None:
    desk = quoting(max_age=120)
    assert desk.trader.wake_at == desk.entry().decided_at + 120 * SECOND


def test_nothing_is_sent_twice_while_an_answer_is_awaited() -> None:
    desk = Desk()
    desk.answering = False
    assert len(sent_by(desk.touch(10_000, 10_100))) == 1
    assert sent_by(desk.touch(10_010, 10_110)) == []
    assert sent_by(desk.wait(60)) == []


def test_an_acknowledgement_that_comes_after_a_deadline_does_not_hide_it() -> None:
    desk = Desk(params=make_params(quote=make_quote(max_age=20)))
    desk.answering = False
    desk.touch(10_000, 10_100)
    desk.now += 25 * SECOND  # type: ignore[assignment]
    assert cancelled_by(desk.accept(desk.entry())) == [desk.entry().client_id]


def test_a_quote_whose_fill_is_complete_is_not_cancelled() -> None:
    desk = quoting()
    desk.answering = False
    told = desk.execute(desk.entry())
    desk.tell_fill(told)
    assert cancelled_by(desk.touch(9_900, 10_000)) == []


# --- after a fill -----------------------------------------------------------------------------------


def test_no_new_entry_during_the_cooldown() -> None:
    desk = quoting(cooldown=15)
    desk.fill(desk.entry())
    assert desk.gate() is Gate.COOLDOWN
    desk.wait(14.9)
    assert desk.entries() == []
    desk.wait(0.2)
    assert prices(desk) == [10_000]


def test_a_partly_filled_entry_keeps_resting() -> None:
    desk = quoting()
    first = desk.entry()
    desk.fill(first, 100)
    assert desk.entry() == first
    assert desk.exit().size == 100


def test_each_further_part_is_protected_at_once() -> None:
    desk = quoting()
    first = desk.entry()
    for part, size in ((100, 100), (50, 150), (100, 250)):
        desk.fill(first, part)
        assert desk.exit().size == size
        assert desk.held == size


def test_a_position_at_its_cap_takes_no_more() -> None:
    desk = quoting(max_position="50", cooldown=0)
    desk.fill(desk.entry())
    desk.fill(desk.entry())
    assert desk.held == 500
    assert desk.gate() is Gate.POSITION_OPEN
    desk.wait(100)
    assert desk.entries() == []


def test_a_cap_that_is_lowered_pulls_the_entry_that_exceeds_it() -> None:
    desk = quoting(max_position="50")
    desk.configure(make_params(quote=make_quote(max_position="20")))
    assert desk.entries() == []
    assert desk.gate() is Gate.POSITION_OPEN


def test_the_other_side_belongs_to_the_exit_while_a_position_is_open() -> None:
    desk = Desk(params=make_params(quote=make_quote(ask=True)), base=10_000)
    desk.touch(10_000, 10_100)
    assert desk.entries(Side.SELL)
    desk.fill(desk.entry(Side.BUY))
    assert desk.entries(Side.SELL) == []
    assert desk.gate(Side.SELL) is Gate.POSITION_OPEN
    assert desk.exit().side is Side.SELL


# --- refusals and answers ----------------------------------------------------------------------------


def test_a_side_that_is_refused_again_and_again_pauses_ever_longer() -> None:
    desk = Desk()
    desk.refusing = "INSUFFICIENT_FUND"
    desk.touch(10_000, 10_100)
    assert len(desk.sent) == 3
    assert desk.gate() is Gate.COOLDOWN
    assert "3 refusals in a row" in desk.hold().detail
    counts = []
    for span in (1, 2, 4, 8):
        desk.wait(span)
        counts.append(len(desk.sent))
    assert counts == [4, 5, 6, 7]


def test_an_accepted_entry_forgets_the_refusals() -> None:
    desk = Desk()
    desk.refusing = "INSUFFICIENT_FUND"
    desk.touch(10_000, 10_100)
    desk.refusing = ""
    desk.wait(1)
    assert len(desk.entries()) == 1
    desk.refusing = "INSUFFICIENT_FUND"
    before = len(desk.sent)
    desk.touch(10_010, 10_110)
    assert len(desk.sent) == before + 3


def test_a_pause_after_refusals_is_at_most_a_minute() -> None:
    desk = Desk(params=make_params(gates=make_gates(min_candles=1)))
    desk.refusing = "INSUFFICIENT_FUND"
    desk.touch(10_000, 10_100)
    for _ in range(12):
        desk.load_candles(9_800, 10_200)
        before = len(desk.sent)
        desk.wait(61)
        assert len(desk.sent) > before


def test_an_order_of_unknown_outcome_blocks_entries_and_is_kept() -> None:
    desk = Desk(params=make_params(quote=make_quote(level_sizes=("10", "10"))))
    desk.answering = False
    desk.touch(10_000, 10_100)
    first, second = desk.entries()
    desk.accept(second)
    desk.move(first.client_id, Move.OUTCOME_UNKNOWN, reason="timeout")
    assert desk.gate() is Gate.ORDER_UNRESOLVED
    assert desk.trader.state.orders[first.client_id].state is OrderState.UNKNOWN
    assert desk.trader.state.orders[second.client_id].state is OrderState.CANCEL_PENDING
    desk.accept(first)
    assert desk.gate() is None


def test_an_unknown_order_that_the_exchange_never_took_is_sent_anew_under_another_id() -> None:
    desk = Desk()
    desk.answering = False
    desk.touch(10_000, 10_100)
    first = desk.entry()
    desk.move(first.client_id, Move.OUTCOME_UNKNOWN, reason="timeout")
    (second,) = sent_by(desk.move(first.client_id, Move.NOT_FOUND))
    assert second.client_id != first.client_id


def test_word_of_an_order_that_nobody_knows_is_an_alert() -> None:
    desk = Desk()
    desk.move("stranger", Move.ACCEPTED)
    assert "stranger" in desk.alerts(AlertKind.UNKNOWN_ORDER)[0].detail


def test_a_late_end_of_an_order_that_was_let_go_is_no_alert() -> None:
    desk = quoting()
    desk.fill(desk.entry())
    before = len(desk.said)
    desk.move(next(iter(desk.booked)), Move.FILLED, filled=250)
    desk.move(next(iter(desk.booked)), Move.CANCEL_REFUSED)
    assert desk.said[before:] == []


def test_an_illegal_move_is_an_alert_and_changes_nothing() -> None:
    desk = quoting()
    desk.move(desk.entry().client_id, Move.REJECTED)
    (alert,) = desk.alerts(AlertKind.ILLEGAL_MOVE)
    assert "is open and cannot become rejected" in alert.detail
    assert desk.trader.state.orders[desk.entry().client_id].state is OrderState.OPEN


# --- reload -------------------------------------------------------------------------------------------


def test_a_level_that_is_taken_away_is_cancelled() -> None:
    desk = quoting(level_sizes=("10", "10"))
    desk.configure(make_params(quote=make_quote(level_sizes=("10",))))
    assert prices(desk) == [10_000]
    assert len(desk.cancels) == 2  # the level that stays is quoted anew, too


def test_a_level_that_is_added_is_quoted() -> None:
    desk = quoting(level_sizes=("10",))
    desk.configure(make_params(quote=make_quote(level_sizes=("10", "10"))))
    assert prices(desk) == [10_000, 9_990]


def test_a_side_that_is_switched_on_by_a_reload_is_quoted() -> None:
    desk = quoting()
    desk.configure(make_params(quote=make_quote(ask=True)))
    assert prices(desk, Side.SELL) == [10_100]


# --- recovery -----------------------------------------------------------------------------------------


def test_a_recovered_entry_is_adopted_and_not_sent_again() -> None:
    desk = Desk(ready=False)
    old = make_intent("qm0-X-USD-BE7", Side.BUY, 10_000, 250)
    ready(desk)
    desk.touch(10_000, 10_100)
    desk.recover(orders=[make_working(old)], next_sequence=8)
    assert desk.entry() == old
    assert desk.sent == []


def test_recovered_entries_beyond_the_levels_are_cancelled() -> None:
    desk = Desk(ready=False)
    old = [make_intent(f"qm0-X-USD-BE{n}", Side.BUY, 10_000, 250) for n in range(3)]
    ready(desk)
    desk.touch(10_000, 10_100)
    desk.recover(orders=[make_working(intent) for intent in old], next_sequence=8)
    assert [intent.client_id for intent in desk.entries()] == [old[0].client_id]


def test_a_recovered_entry_of_a_side_that_is_off_is_cancelled() -> None:
    desk = Desk(ready=False)
    old = make_intent("qm0-X-USD-SE7", Side.SELL, 10_100, 250)
    desk.recover(orders=[make_working(old)])
    ready(desk)
    desk.touch(10_000, 10_100)
    assert desk.entries(Side.SELL) == []
    assert old.client_id in {said.client_id for said in desk.cancels}


def test_client_ids_go_on_after_a_restart() -> None:
    desk = Desk(ready=False)
    desk.recover(next_sequence=41)
    ready(desk)
    desk.touch(10_000, 10_100)
    assert desk.entry().client_id == "qm1-X-USD-BE41"


def test_shutdown_cancels_everything_and_sends_nothing_more() -> None:
    desk = quoting(level_sizes=("10", "10"), cooldown=0)
    desk.fill(desk.entries()[0])
    live = set(desk.trader.state.orders)
    desk.answering = False
    stopped = desk.take(desk.trader.stop(desk.now))
    assert stopped == []
    assert {said.client_id for said in desk.cancels[-len(live) :]} == live
    assert {said.reason for said in desk.cancels[-len(live) :]} == {CancelReason.SHUTDOWN}
    for client_id in live:
        assert desk.confirm_cancel(client_id) == []
    assert desk.touch(10_010, 10_110) == []


def test_an_order_that_is_accepted_during_shutdown_is_cancelled_when_stop_is_said_again() -> None:
    desk = Desk()
    desk.answering = False
    desk.touch(10_000, 10_100)
    assert list(desk.trader.stop(desk.now)) == []
    desk.accept(desk.entry())
    assert cancelled_by(desk.trader.stop(desk.now)) == [desk.entry().client_id]


def test_a_flat_quiet_trader_wakes_only_for_the_next_candle() -> None:
    desk = Desk()
    desk.touch(10_000, 10_010)
    assert desk.now < desk.trader.wake_at < NEVER
    assert desk.trader.wake_at % (300 * SECOND) == 0


def ready(desk: Desk) -> None:
    """Tell the facts that a desk waits for besides its recovery."""
    desk.change_fees(desk.fees)
    desk.funds("1000", 10_000)
    desk.exclude(None)
    desk.load_candles(9_800, 10_200)
