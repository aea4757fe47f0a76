"""What every ledger promises: run on the twin in memory and on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietmaker.core.commands import Alert, AlertKind, CancelReason, Gate, HoldChanged
from quietmaker.core.orders import TERMINAL, ExitReason, Fill, Intent, Move, OrderState, TimeInForce
from quietmaker.core.positions import replay
from quietmaker.core.units import Instant, Lots, Nanos, Side, Ticks
from quietmaker.errors import LedgerError, LedgerUnavailable, WrongLedgerMode
from quietmaker.ports import FillMarked, Ledger, LedgerFact, SymbolBooks
from tests.ledger.makers import PRODUCTS, SYMBOL, at, dust_left, entry, exit_of, fill_of, moved
from tests.ledger.prompt import FactsRefused, PromptLedger, PromptMemory


def begin(ledger: Ledger, *, mode: str = "paper") -> int:
    return ledger.begin_run(mode=mode, config_sha="c0ffee", version="0.1.0", at=at(0))


def books(ledger: Ledger) -> SymbolBooks:
    return ledger.books(PRODUCTS).symbols[SYMBOL]


def test_a_new_ledger_knows_nothing_of_a_symbol(ledger: Ledger) -> None:
    expected = SymbolBooks(
        symbol=SYMBOL, orders=(), lots=(), round_trip=None, reason=None, newest=None, latest=None
    )
    assert books(ledger) == expected


def test_every_run_has_a_number_of_its_own(ledger: Ledger) -> None:
    first, second = begin(ledger), begin(ledger)
    ledger.end_run(first, at=at(5), reason="stopped")
    assert len({first, second, begin(ledger)}) == 3


def test_a_run_cannot_end_before_it_began(ledger: Ledger) -> None:
    run = begin(ledger)
    with pytest.raises(LedgerError):
        ledger.end_run(run, at=at(-1), reason="clock")


@pytest.mark.parametrize(("first", "second"), [("paper", "live"), ("live", "paper")])
def test_paper_and_live_never_share_a_ledger(ledger: Ledger, first: str, second: str) -> None:
    begin(ledger, mode=first)
    with pytest.raises(WrongLedgerMode, match=first):
        begin(ledger, mode=second)


def test_a_mode_that_is_neither_paper_nor_live_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        begin(ledger, mode="demo")


def test_an_intent_before_any_run_is_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="begin_run"):
        ledger.write_intent(entry("e1"))


def test_an_intent_comes_back_exactly_as_it_was_decided(ledger: Ledger) -> None:
    begin(ledger)
    bought, sold = entry("e1"), exit_of("x1", "e1", when=3)
    ledger.write_intent(bought)
    ledger.write_intent(sold)
    assert [order.intent for order in books(ledger).orders] == [bought, sold]


def test_an_intent_without_an_answer_is_unknown_because_it_may_have_been_sent(
    ledger: Ledger,
) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1", when=7))
    (order,) = books(ledger).orders
    assert (order.state, order.sent_at) == (OrderState.UNKNOWN, at(7))


def test_the_same_intent_twice_is_stored_once(ledger: Ledger) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    ledger.write_intent(entry("e1"))
    assert len(books(ledger).orders) == 1


def test_another_intent_under_a_used_client_id_is_refused(ledger: Ledger) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    with pytest.raises(LedgerError, match="e1"):
        ledger.write_intent(entry("e1", price=991))
    assert books(ledger).orders[0].intent == entry("e1")


def _broken_intents() -> dict[str, Intent]:
    bought, sold = entry("e2"), exit_of("x2", "e1")
    return {
        "no size": replace(bought, size=Lots(0)),
        "no price": replace(bought, price=Ticks(0)),
        "no tag": replace(bought, strategy_tag=""),
        "an entry for another's position": replace(bought, passive_order_id="e1"),
        "an entry with an exit reason": replace(bought, exit_reason=ExitReason.HALT),
        "an exit without a reason": replace(sold, exit_reason=None),
        "an exit of nothing known": replace(sold, passive_order_id="nobody"),
        "expiry without GTD": replace(bought, expire_at=at(9)),
        "GTD without expiry": replace(sold, expire_at=None),
        "post-only IOC": replace(bought, time_in_force=TimeInForce.IOC),
    }


@pytest.mark.parametrize("flaw", _broken_intents())
def test_an_impossible_intent_is_refused(ledger: Ledger, flaw: str) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    with pytest.raises(LedgerError):
        ledger.write_intent(_broken_intents()[flaw])
    assert [order.intent for order in books(ledger).orders] == [entry("e1")]


def test_events_move_an_order_by_the_cores_table(ledger: Ledger) -> None:
    begin(ledger)
    bought = entry("e1")
    ledger.write_intent(bought)
    ledger.write(
        [
            moved(bought, "sent", when=1),
            moved(bought, Move.ACCEPTED, when=2, order_id="x-77"),
            moved(bought, Move.CANCEL_SENT, when=3, cancel_reason=CancelReason.REPRICE),
        ]
    )
    (order,) = books(ledger).orders
    assert (order.state, order.sent_at) == (OrderState.CANCEL_PENDING, at(3))


@pytest.mark.parametrize("end", [Move.REJECTED, Move.CANCELLED, Move.EXPIRED, Move.FAILED])
def test_an_order_that_ended_is_no_longer_in_the_books(ledger: Ledger, end: Move) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    ledger.write([moved(entry("e1"), end, filled=0)])
    assert books(ledger).orders == ()


def test_an_end_survives_an_answer_that_arrives_late(ledger: Ledger) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    ledger.write([moved(entry("e1"), Move.CANCELLED), moved(entry("e1"), Move.ACCEPTED, when=2)])
    assert books(ledger).orders == ()


@pytest.mark.parametrize("end", [Move.FILLED, Move.CANCELLED])
def test_an_ended_order_stays_until_the_fills_that_the_exchange_states_arrived(
    ledger: Ledger, end: Move
) -> None:
    begin(ledger)
    bought = entry("e1", size=1000)
    stated = 1000 if end is Move.FILLED else 400
    ledger.write_intent(bought)
    ledger.write([moved(bought, end, filled=stated)])
    (order,) = books(ledger).orders
    assert (order.state in TERMINAL, order.final, order.settled) == (True, stated, False)
    ledger.write([fill_of(bought, "t1", size=stated)])
    assert books(ledger).orders == ()


def test_an_end_that_is_later_stated_with_missing_fills_opens_the_order_again(
    ledger: Ledger,
) -> None:
    begin(ledger)
    bought = entry("e1", size=1000)
    ledger.write_intent(bought)
    ledger.write([moved(bought, Move.CANCELLED)])
    assert books(ledger).orders == ()
    ledger.write([moved(bought, Move.CANCELLED, when=5, filled=400)])
    (order,) = books(ledger).orders
    assert (order.state, order.final, order.filled) == (OrderState.CANCELLED, 400, 0)


def test_the_exchange_has_the_last_word_on_an_order_that_was_given_up(ledger: Ledger) -> None:
    begin(ledger)
    bought = entry("e1", size=1000)
    ledger.write_intent(bought)
    for when, move in enumerate([Move.OUTCOME_UNKNOWN, Move.NOT_FOUND, Move.ACCEPTED]):
        ledger.write([moved(bought, move, when=when)])
    assert books(ledger).orders == (), "an acceptance may be an answer that comes late"
    ledger.write([moved(bought, Move.CANCELLED, when=5, filled=400)])
    (order,) = books(ledger).orders
    assert (order.state, order.final, order.filled) == (OrderState.CANCELLED, 400, 0)


def test_an_order_whose_fills_make_up_its_size_has_ended_without_being_told(ledger: Ledger) -> None:
    begin(ledger)
    bought = entry("e1", size=1000)
    ledger.write_intent(bought)
    ledger.write([fill_of(bought, "t1", size=600), fill_of(bought, "t2", size=400, when=3)])
    assert books(ledger).orders == ()


def test_a_partial_fill_of_a_cancelled_order_stays_in_the_position(ledger: Ledger) -> None:
    begin(ledger)
    bought = entry("e1", size=1000)
    ledger.write_intent(bought)
    ledger.write(
        [
            moved(bought, Move.ACCEPTED, order_id="x-1"),
            fill_of(bought, "t1", size=250),
            moved(bought, Move.CANCELLED, when=3, filled=250),
        ]
    )
    found = books(ledger)
    assert (found.orders, sum(lot.lots for lot in found.lots), found.round_trip) == ((), 250, "e1")


def test_a_partly_filled_order_comes_back_with_its_trades(ledger: Ledger) -> None:
    begin(ledger)
    bought = entry("e1", size=1000)
    ledger.write_intent(bought)
    ledger.write([moved(bought, Move.ACCEPTED), fill_of(bought, "t1", size=300)])
    (order,) = books(ledger).orders
    assert (order.state, order.filled, order.trade_ids) == (OrderState.OPEN, 300, {"t1"})


def test_lots_close_first_in_first_out_and_keep_their_share_of_the_fee(ledger: Ledger) -> None:
    begin(ledger)
    first, second, sold = entry("e1"), entry("e2", when=1), exit_of("x1", "e1", when=3, size=1300)
    for intent in (first, second, sold):
        ledger.write_intent(intent)
    fills = [
        fill_of(first, "t1", fee="0.1"),
        fill_of(second, "t2", fee="0.07", when=3),
        fill_of(sold, "t3", when=4),
    ]
    ledger.write(fills)
    position, _ = replay((fill, 985 + 1001) for fill in fills)
    found = books(ledger)
    assert found.lots == position.open_lots()
    assert [(lot.trade_id, lot.lots) for lot in found.lots] == [("t2", 700)]
    assert (found.round_trip, found.reason) == ("e1", ExitReason.BREAK_EVEN_PLUS)


def test_the_rule_of_a_position_is_the_one_that_was_decided_last(ledger: Ledger) -> None:
    begin(ledger)
    bought = entry("e1")
    ledger.write_intent(bought)
    ledger.write([fill_of(bought, "t1")])
    ledger.write_intent(exit_of("x2", "e1", reason=ExitReason.TIMEOUT_LOSS, when=9))
    ledger.write_intent(exit_of("x1", "e1", reason=ExitReason.BREAK_EVEN_PLUS, when=3))
    assert books(ledger).reason is ExitReason.TIMEOUT_LOSS


def test_a_short_position_comes_back_as_a_short(ledger: Ledger) -> None:
    begin(ledger)
    sold = entry("e1", side=Side.SELL, price=1000)
    ledger.write_intent(sold)
    ledger.write([fill_of(sold, "t1", size=10)])
    assert [(lot.entry, lot.lots) for lot in books(ledger).lots] == [(Side.SELL, 10)]


def test_a_closed_position_leaves_nothing_open(ledger: Ledger) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    ledger.write_intent(exit_of("x1", "e1"))
    ledger.write([fill_of(entry("e1"), "t1"), fill_of(exit_of("x1", "e1"), "t2", when=3)])
    found = books(ledger)
    assert (found.lots, found.round_trip, found.reason) == ((), None, None)


def test_dust_that_a_round_trip_left_is_held_but_opens_no_round_trip(ledger: Ledger) -> None:
    begin(ledger)
    bought, sold = entry("e1"), exit_of("x1", "e1", size=999)
    ledger.write_intent(bought)
    ledger.write_intent(sold)
    fills = [fill_of(bought, "t1"), fill_of(sold, "t2", when=3)]
    ledger.write([*fills, dust_left("t2", 1)])
    assert ([lot.lots for lot in books(ledger).lots], books(ledger).round_trip) == ([1], None)
    ledger.write_intent(entry("e2", when=10))
    ledger.write([fill_of(entry("e2", when=10), "t3", when=11)])
    assert ([lot.lots for lot in books(ledger).lots], books(ledger).round_trip) == ([1, 1000], "e2")


def test_the_mid_at_a_fill_is_the_stored_mark_and_else_that_of_the_decision(ledger: Ledger) -> None:
    begin(ledger)
    bought = entry("e1")
    ledger.write_intent(bought)
    ledger.write([fill_of(bought, "t1")])
    assert books(ledger).lots[0].twice_mid == 985 + 1001
    later = FillMarked(trade_id="t1", symbol=SYMBOL, horizon=Nanos(5_000_000_000), twice_mid=7)
    ledger.write([replace(later, horizon=Nanos(0), twice_mid=1983), later])
    assert books(ledger).lots[0].twice_mid == 1983


def test_a_repeated_fill_counts_once(ledger: Ledger) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    fill = fill_of(entry("e1"), "t1", size=10)
    ledger.write([fill, fill])
    ledger.write([fill])
    assert [lot.lots for lot in books(ledger).lots] == [10]


def test_a_fill_that_contradicts_a_stored_one_is_refused_and_the_others_are_stored(
    ledger: Ledger,
) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    ledger.write([fill_of(entry("e1"), "t1", size=10)])
    with pytest.raises(FactsRefused, match="t1"):
        ledger.write(
            [
                fill_of(entry("e1"), "t2", size=5),
                fill_of(entry("e1"), "t1", size=11),
                fill_of(entry("e1"), "t3", size=6, when=3),
            ]
        )
    assert [lot.lots for lot in books(ledger).lots] == [10, 5, 6]


@pytest.mark.parametrize("wrong", ["order", "side", "size"])
def test_a_fill_that_no_intent_explains_is_refused_and_the_others_are_stored(
    ledger: Ledger, wrong: str
) -> None:
    begin(ledger)
    ledger.write_intent(entry("e1"))
    good = fill_of(entry("e1"), "t1", size=10)
    bad: Fill = {
        "order": replace(good, trade_id="t2", client_id="stranger"),
        "side": replace(good, trade_id="t2", side=Side.SELL),
        "size": replace(good, trade_id="t2", size=Lots(0)),
    }[wrong]
    with pytest.raises(FactsRefused):
        ledger.write([bad, good, moved(entry("e1"), Move.ACCEPTED)])
    assert ([lot.lots for lot in books(ledger).lots], books(ledger).orders[0].state) == (
        [10],
        OrderState.OPEN,
    )


def test_an_event_of_an_unknown_order_is_refused(ledger: Ledger) -> None:
    begin(ledger)
    with pytest.raises(FactsRefused):
        ledger.write([moved(entry("ghost"), Move.ACCEPTED)])


def test_holds_and_alerts_are_taken_as_often_as_they_are_told(ledger: Ledger) -> None:
    hold = HoldChanged(
        symbol=SYMBOL, now=at(1), side=Side.BUY, gate=Gate.COOLDOWN, detail="4 s left"
    )
    alert = Alert(symbol=SYMBOL, now=at(1), kind=AlertKind.TAKER_FILL, detail="nul \0 and \ud800")
    begin(ledger)
    ledger.write([hold, alert, hold, replace(hold, now=at(2), gate=None)])
    ledger.write([hold, alert])


def test_nothing_at_all_can_be_written(ledger: Ledger) -> None:
    begin(ledger)
    ledger.write([])
    assert books(ledger).orders == ()


def test_concurrent_intents_are_all_stored_and_only_the_flawed_one_fails(ledger: Ledger) -> None:
    begin(ledger)
    failed: list[str] = []
    start = threading.Barrier(8)

    def work(worker: int) -> None:
        start.wait(10)
        for number in range(10):
            flawed = (worker, number) == (3, 5)
            intent = entry(f"c{worker}-{number}", when=worker * 10 + number)
            try:
                ledger.write_intent(replace(intent, strategy_tag="" if flawed else "passive-v1"))
            except LedgerError:
                failed.append(intent.client_id)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (failed, len(books(ledger).orders)) == (["c3-5"], 79)


_SIZES = st.lists(st.integers(1, 400), min_size=1, max_size=6)


def _history(buys: list[int], sells: list[int]) -> tuple[list[Intent], list[Fill]]:
    bought = [entry(f"e{n}", size=size, when=n) for n, size in enumerate(buys)]
    sold = [exit_of(f"x{n}", "e0", size=size, when=n) for n, size in enumerate(sells)]
    intents = [*bought, *sold]
    fills = [
        fill_of(intent, f"t-{intent.client_id}", when=10 + n % 4, fee=f"0.{n + 1}7")
        for n, intent in enumerate(intents)
    ]
    return intents, fills


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(buys=_SIZES, sells=_SIZES, data=st.data())
def test_fills_shuffled_repeated_and_split_over_writes_give_the_same_lots(
    new_database: Callable[[], str], buys: list[int], sells: list[int], data: st.DataObject
) -> None:
    intents, fills = _history(buys, sells)
    told: list[LedgerFact] = list(
        data.draw(st.permutations(fills + data.draw(st.lists(st.sampled_from(fills)))))
    )
    cut = data.draw(st.integers(0, len(told)))
    position, _ = replay((fill, 985 + 1001) for fill in fills)
    url = new_database()
    postgres = PromptLedger(lambda: url, products=PRODUCTS)
    for ledger in (PromptMemory(), postgres):
        begin(ledger)
        for intent in intents:
            ledger.write_intent(intent)
        ledger.write(told[:cut])
        ledger.write(told[cut:])
        ledger.write(told)
        assert books(ledger).lots == position.open_lots()
        assert books(ledger).orders == ()
    postgres.close()


_WORDS = st.sampled_from([*Move, "sent"])


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(_WORDS, max_size=8), data=st.data())
def test_any_events_in_any_order_give_the_same_state_on_both_ledgers(
    new_database: Callable[[], str], words: list[Move | str], data: st.DataObject
) -> None:
    intent = entry("e1")
    events: list[LedgerFact] = [
        moved(
            intent,
            word,
            when=data.draw(st.integers(0, 3)),
            order_id=data.draw(st.sampled_from([None, "x-1"])),
        )
        for word in words
    ]
    url = new_database()
    memory, postgres = PromptMemory(), PromptLedger(lambda: url, products=PRODUCTS)
    for ledger in (memory, postgres):
        begin(ledger)
        ledger.write_intent(intent)
        for event in events:
            ledger.write([event, event])
        ledger.write(events)
    assert books(memory) == books(postgres)
    postgres.close()


def test_a_closed_ledger_stays_closed(ledger: Ledger) -> None:
    begin(ledger)
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerUnavailable):
        ledger.write_intent(entry("late"))
    with pytest.raises(LedgerUnavailable):
        ledger.write([moved(entry("late"), "sent")])


def test_a_time_of_nanoseconds_comes_back_whole(ledger: Ledger) -> None:
    begin(ledger)
    odd = Instant(1_700_000_000_123_456_789)
    ledger.write_intent(replace(entry("e1"), decided_at=odd))
    ledger.write([replace(fill_of(entry("e1"), "t1", size=10), at=Instant(odd + 1))])
    assert (books(ledger).orders[0].intent.decided_at, books(ledger).lots[0].at) == (odd, odd + 1)
