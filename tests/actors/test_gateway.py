"""The gateway: written before sent, stopped by a flag, and never wrong about what it does not know."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from actors.base import Failure
from actors.budget import ChurnBudget
from actors.facts import FactLog
from actors.gateway import GatewayLinks, OrderGateway
from actors.inquiry import NOT_FOUND_AFTER, REPLAY_WITHIN
from actors.lanes import Inline
from actors.news import Newsroom
from actors.protocol import (
    Fence,
    GatewayMessage,
    OrderNews,
    ReconcilerMessage,
    RecoverSymbol,
    StreamsStarted,
    TraderMessage,
)
from actors.switch import KillSwitch
from actors.tapes import Tapes
from actors.window import OrderWindow
from quietmaker.core.commands import CancelOrder, CancelReason, SubmitOrder
from quietmaker.core.events import OrderFilled, OrderMoved, Tick
from quietmaker.core.orders import ExitReason, Intent, Move, OrderState, Purpose
from quietmaker.core.units import SECOND, Lots, Side, Ticks
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import Accepted, Mismatched, OrderFact, Rejected, Unknown, UserFill
from tests.actors.fakes import (
    FakeExchange,
    HandClock,
    Told,
    around,
    make_capital,
    make_metrics,
    report,
)
from tests.kit.makers import START, make_fill, make_intent, make_product

SYMBOL = "X-USD"


class WatchedLedger(MemoryLedger):
    """Tells the exchange's list of calls when an intent became durable."""

    def __init__(self, exchange: FakeExchange) -> None:
        super().__init__()
        self.exchange = exchange
        self.error: LedgerError | None = None
        self.begin_run(mode="paper", config_sha="c0ffee", version="test", at=START)

    def write_intent(self, intent: Intent) -> None:
        if self.error is not None:
            raise self.error
        super().write_intent(intent)
        self.exchange.calls.append(("durable", intent.client_id))


@dataclass
class Rig:
    clock: HandClock = field(default_factory=HandClock)
    exchange: FakeExchange = field(default_factory=FakeExchange)
    trader: Told[TraderMessage] = field(default_factory=Told)
    reconciler: Told[ReconcilerMessage] = field(default_factory=Told)
    kill: KillSwitch = field(default_factory=KillSwitch)
    failures: list[Failure] = field(default_factory=list)
    per_minute: int = 1_000
    money: str = "1000000"
    unowned: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = WatchedLedger(self.exchange)
        self.facts = FactLog(self.ledger, lambda: None)
        self.metrics = make_metrics()
        self.capital = make_capital({SYMBOL: make_product()}, self.clock, money=self.money)
        self.news = Newsroom(
            self.facts,
            {SYMBOL: self.trader},
            self.clock,
            unowned=self.unowned.append,
            capital=self.capital,
        )
        self.address: Told[GatewayMessage] = Told()
        self.window = OrderWindow(self.address)
        self.gateway = OrderGateway(
            around("gateway", self.clock, self.failures),
            GatewayLinks(
                tapes=Tapes(),
                capital=self.capital,
                exchange=self.exchange,
                ledger=self.ledger,
                reconciler=self.reconciler,
                facts=self.facts,
                news=self.news,
                kill=self.kill,
                runner=Inline(),
                products={SYMBOL: make_product()},
                metrics=self.metrics,
                clock=self.clock,
                budget=ChurnBudget(self.per_minute, monotonic=self.clock.monotonic),
                window=self.window,
            ),
        )
        self.inbox: Told[GatewayMessage] = Told()
        self.gateway.me = self.inbox

    def send(self, client_id: str = "c1", *, leaving: bool = False) -> Intent:
        intent = make_intent(
            client_id,
            Side.SELL if leaving else Side.BUY,
            10_000,
            250,
            purpose=Purpose.EXIT if leaving else Purpose.ENTRY,
            reason=ExitReason.STOP_LOSS if leaving else None,
            entry="c0" if leaving else None,
        )
        if leaving:
            self.ledger.exchange = FakeExchange()
            self.ledger.write_intent(make_intent("c0", Side.BUY, 9_000, 250))
            self.ledger.exchange = self.exchange
        self.gateway.on_receive(SubmitOrder(intent=intent))
        return intent

    def cancel(self, *client_ids: str) -> None:
        for client_id in client_ids:
            self.gateway.on_receive(
                CancelOrder(
                    client_id=client_id,
                    symbol=SYMBOL,
                    reason=CancelReason.REPRICE,
                    now=self.clock.now(),
                )
            )

    def later(self, seconds: float) -> None:
        self.clock.advance(int(seconds * SECOND))
        for message in self.inbox.take():
            self.gateway.on_receive(message)
        self.gateway.on_receive(Tick(now=self.clock.now()))

    def moves(self) -> list[tuple[Move, str]]:
        """Return the moves that the trader heard since the last call."""
        heard = []
        for message in self.trader.take():
            assert isinstance(message, OrderNews)
            if isinstance(message.event, OrderMoved):
                heard.append((message.event.move, message.event.reason))
        return heard

    def told_facts(self) -> list[str]:
        return [fact.what for fact in self.ledger.waiting if isinstance(fact, OrderFact)]


def test_an_intent_is_durable_before_its_request_leaves() -> None:
    rig = Rig()
    rig.send("c1")
    assert rig.exchange.calls == [("durable", "c1"), ("submit", "c1")]
    assert rig.moves() == [(Move.ACCEPTED, "")]
    assert rig.told_facts() == ["sent", "accepted"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LedgerUnavailable("away"), "ledger_unavailable"),
        (LedgerError("contradiction"), "ledger_refused"),
    ],
)
@pytest.mark.parametrize("leaving", [False, True])
def test_nothing_is_sent_that_cannot_be_written_and_the_trader_hears_why(
    error: LedgerError, reason: str, leaving: bool
) -> None:
    rig = Rig()
    if leaving:
        rig.send("warm", leaving=True)
        rig.exchange.calls.clear()
        rig.moves()
    rig.ledger.error = error
    rig.gateway.on_receive(SubmitOrder(intent=make_intent("c9", Side.BUY, 10_000, 250)))
    assert rig.exchange.asked("submit") == []
    assert rig.moves() == [(Move.REJECTED, reason)]
    # The books do not hold the intent, and would refuse a fact on it.
    assert "c9" not in [f.client_id for f in rig.ledger.waiting if isinstance(f, OrderFact)]
    assert not rig.failures


def test_the_kill_switch_refuses_entries_and_lets_exits_and_cancellations_pass() -> None:
    rig = Rig()
    rig.kill.set("SIGTERM")
    rig.kill.set("later reasons do not count")
    rig.send("entry")
    assert rig.exchange.calls == []
    assert rig.moves() == [(Move.REJECTED, "kill_switch: SIGTERM")]
    rig.send("exit", leaving=True)
    rig.cancel("entry")
    assert rig.exchange.asked("submit") == ["exit"]
    assert rig.exchange.asked("cancel") == [("entry",)]


@pytest.mark.parametrize("leaving", [False, True])
def test_a_shut_gateway_sends_no_order_at_all_and_goes_on_cancelling(leaving: bool) -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="read time-out")]
    rig.send("c1", leaving=True)
    rig.kill.shut("gateway hangs")
    rig.send("c2", leaving=leaving)
    rig.later(0.3)
    assert len(rig.exchange.sent) == 1  # and what is unknown is only asked for
    assert rig.moves()[1:2] == [(Move.REJECTED, "kill_switch: gateway hangs")]
    rig.cancel("c1")
    assert rig.exchange.asked("cancel") == [("c1",)]


def test_the_kill_switch_is_looked_at_again_after_the_ledger_took_its_time() -> None:
    rig = Rig()
    write = rig.ledger.write_intent

    def slow(intent: Intent) -> None:
        write(intent)
        rig.kill.set("while the database was slow")

    rig.ledger.write_intent = slow  # type: ignore[method-assign]
    rig.send("c1")
    assert rig.exchange.asked("submit") == []
    assert rig.moves() == [(Move.REJECTED, "kill_switch: while the database was slow")]
    assert rig.told_facts() == ["rejected"]


def test_a_rejection_is_told_in_the_exchanges_word() -> None:
    rig = Rig()
    rig.exchange.submits = [Rejected(reason="INSUFFICIENT_FUND")]
    rig.send("c1")
    assert rig.moves() == [(Move.REJECTED, "INSUFFICIENT_FUND")]


def test_p2_another_order_under_our_id_is_a_refusal_that_alarms() -> None:
    rig = Rig()
    rig.exchange.submits = [Mismatched(order_id="o-9", detail="side is SELL, not BUY")]
    rig.send("c1")
    assert rig.moves() == [(Move.REJECTED, "echo_mismatch: side is SELL, not BUY")]
    rig.later(60)
    assert rig.exchange.asked("order") == []


def test_an_unknown_order_is_asked_for_until_the_exchange_knows() -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="time-out")]
    intent = rig.send("c1")
    assert rig.moves() == [(Move.OUTCOME_UNKNOWN, "time-out")]
    rig.exchange.down = True
    rig.later(0)
    for _ in range(20):
        rig.later(1)
    assert rig.moves() == []  # nobody can be asked: that is no answer
    asked = len(rig.exchange.asked("order"))
    assert 3 <= asked <= 8  # the pauses grow
    rig.exchange.down = False
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    rig.later(20)
    assert rig.moves() == [(Move.ACCEPTED, "")]
    rig.later(60)
    assert len(rig.exchange.asked("order")) == asked + 1
    assert rig.exchange.asked_since == {"c1": intent.decided_at}


def test_an_unknown_order_that_was_filled_is_told_with_its_executions() -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="reset by peer")]
    rig.send("c1")
    rig.moves()
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    fill = make_fill("t1", Side.BUY, 10_000, 250, client_id="c1")
    other = make_fill("t2", Side.BUY, 10_000, 250, client_id="c2")
    rig.exchange.booked = [
        UserFill(order_id="o", fill=fill),
        UserFill(order_id="o", fill=other),
    ]
    rig.later(0)
    rig.later(1)
    events = [m.event for m in rig.trader.take() if isinstance(m, OrderNews)]
    assert [e.move for e in events if isinstance(e, OrderMoved)] == [Move.ACCEPTED, Move.FILLED]
    assert [e.fill for e in events if isinstance(e, OrderFilled)] == [fill]


def test_executions_that_are_counted_and_not_listed_are_left_to_the_sweeps() -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="reset by peer")]
    rig.send("c1")
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.later(0)
    rig.later(1)
    assert rig.reconciler.take() == [StreamsStarted()]


def test_not_found_takes_two_answers_and_time_for_a_late_request() -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="time-out")] * 20
    rig.send("c1")
    rig.moves()
    rig.later(0)
    for _ in range(10):
        rig.later(0.25)
        if rig.clock.at - START < NOT_FOUND_AFTER:
            assert rig.moves() == []
    rig.later(4)
    assert rig.moves() == [(Move.NOT_FOUND, "the exchange never had it")]


def test_not_found_takes_time_for_the_last_repetition_too() -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="time-out")] * 20
    rig.send("c1")
    rig.moves()
    rig.later(0)
    sent, at = len(rig.exchange.sent), rig.clock.at
    for _ in range(60):
        rig.later(0.25)
        if len(rig.exchange.sent) > sent:
            sent, at = len(rig.exchange.sent), rig.clock.at
        if rig.moves():
            break
    assert sent > 2
    assert rig.clock.at - at >= NOT_FOUND_AFTER


@pytest.mark.parametrize("word", ["ORDER_IS_FULLY_FILLED", "UNKNOWN_CANCEL_ORDER"])
def test_a_refused_cancellation_of_an_ended_order_tells_how_it_ended(word: str) -> None:
    rig = Rig()
    rig.send("c1")
    rig.moves()
    rig.exchange.refusals["c1"] = word
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.exchange.booked = [
        UserFill(order_id="o", fill=make_fill("t1", Side.BUY, 10_000, 250, client_id="c1"))
    ]
    rig.cancel("c1")
    events = [m.event for m in rig.trader.take() if isinstance(m, OrderNews)]
    assert [type(e) for e in events] == [OrderMoved, OrderFilled]
    moved = events[0]
    assert isinstance(moved, OrderMoved)
    assert (moved.move, moved.filled) == (Move.FILLED, 250)


def test_a_refused_cancellation_of_a_working_order_is_told_once_in_a_while() -> None:
    rig = Rig()
    rig.send("c1")
    rig.moves()
    rig.exchange.refusals["c1"] = "COMMANDER_REJECTED_CANCEL_ORDER"
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    for _ in range(5):
        rig.cancel("c1")
        rig.clock.advance(SECOND // 10)
    assert rig.moves() == [(Move.CANCEL_REFUSED, "COMMANDER_REJECTED_CANCEL_ORDER")]
    rig.clock.advance(6 * SECOND)
    rig.cancel("c1")
    assert rig.moves() == [(Move.CANCEL_REFUSED, "COMMANDER_REJECTED_CANCEL_ORDER")]


def test_a_cancellation_of_an_order_that_the_exchange_never_had_resolves_it() -> None:
    rig = Rig()
    rig.send("c1")
    rig.moves()
    rig.exchange.refusals["c1"] = "UNKNOWN_CANCEL_ORDER"
    rig.cancel("c1")
    assert rig.moves() == [(Move.NOT_FOUND, "UNKNOWN_CANCEL_ORDER")]
    rig.later(0)
    for _ in range(8):
        rig.later(1)
    assert rig.moves() == [(Move.NOT_FOUND, "the exchange never had it")]


def test_cancellations_are_gathered_by_the_hundred() -> None:
    rig = Rig()
    jobs: list[object] = []

    class Later(Inline):
        def run(self, key: str, job: object) -> None:
            jobs.append(job)

    object.__setattr__(rig.gateway._links, "runner", Later())
    rig.cancel(*(f"c{number}" for number in range(150)))
    for job in jobs:
        job()  # type: ignore[operator]
    assert [len(batch) for batch in rig.exchange.asked("cancel")] == [100, 50]


def test_a_cancellation_that_cannot_be_sent_fails_nobody() -> None:
    rig = Rig()
    rig.exchange.down = True
    rig.cancel("c1")
    assert not rig.failures
    assert rig.moves() == []


def test_a_fence_reaches_the_reconciler_behind_the_symbols_requests() -> None:
    rig = Rig()
    rig.send("c1")
    rig.gateway.on_receive(Fence(symbol=SYMBOL, life="second"))
    assert rig.reconciler.messages == [RecoverSymbol(symbol=SYMBOL, life="second")]


def test_a_gateway_that_failed_sends_nothing_more() -> None:
    rig = Rig()
    write = rig.ledger.write_intent

    def fails_meanwhile(intent: Intent) -> None:
        write(intent)
        rig.gateway._report(RuntimeError("elsewhere"))

    rig.ledger.write_intent = fails_meanwhile  # type: ignore[method-assign]
    rig.send("c1")
    assert rig.exchange.asked("submit") == []


def test_an_execution_is_told_once_whoever_hears_of_it_first() -> None:
    rig = Rig()
    fill = make_fill("t1", Side.BUY, 10_000, 250, client_id="c1")
    rig.news.filled(fill)
    rig.news.filled(fill)
    assert rig.news.store(fill) is None
    assert len(rig.trader.take()) == 1
    assert len(rig.ledger.waiting) == 1


def test_an_accepted_order_carries_the_exchanges_id_into_the_ledger() -> None:
    rig = Rig()
    rig.exchange.submits = [Accepted(order_id="E-1")]
    rig.send("c1")
    last = rig.ledger.waiting[-1]
    assert isinstance(last, OrderFact)
    assert (last.what, last.order_id) == ("accepted", "E-1")


def test_an_order_that_would_cross_is_stopped_at_the_door() -> None:
    rig = Rig()
    crossing = replace(make_intent("c", Side.BUY, 10_000, 250), ask=Ticks(10_000))
    rig.gateway.on_receive(SubmitOrder(intent=crossing))
    assert rig.exchange.calls == []
    assert rig.moves() == [(Move.REJECTED, "door: BUY at 10000 would cross 9999/10000")]
    assert rig.ledger.intents == {}


def test_one_late_answer_is_not_enough_to_call_an_order_not_found() -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="time-out")]
    rig.send("c1")
    rig.moves()
    rig.exchange.down = True
    rig.later(0)
    rig.later(1)
    rig.exchange.down = False
    rig.later(30)  # the first answer at all, long after the request
    assert rig.moves() == []
    rig.later(30)
    assert rig.moves() == [(Move.NOT_FOUND, "the exchange never had it")]


def test_an_unknown_order_that_is_still_wanted_is_sent_again_with_the_same_id() -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="read time-out"), Accepted(order_id="o-1")]
    sent = rig.send("c1")
    rig.moves()
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.later(0)
    rig.later(0.3)
    assert rig.exchange.sent == [sent, sent]  # to the last digit
    assert [move for move, _ in rig.moves()] == [Move.ACCEPTED, Move.FILLED]
    rig.later(60)
    assert len(rig.exchange.sent) == 2


@pytest.mark.parametrize("leaving", [False, True])
def test_a_stopping_process_sends_no_entry_again_but_an_exit(leaving: bool) -> None:
    rig = Rig()
    rig.exchange.submits = [Unknown(detail="read time-out")]
    rig.send("c1", leaving=leaving)
    rig.kill.set("SIGTERM")
    rig.later(0)
    rig.later(0.3)
    assert len(rig.exchange.sent) == (2 if leaving else 1)


def test_an_order_that_became_old_while_nobody_answered_is_only_looked_for() -> None:
    rig = Rig()
    rig.exchange.down = True
    rig.send("c1")
    rig.later(0)
    rig.later(REPLAY_WITHIN / SECOND + 1)
    rig.exchange.down = False
    rig.later(20)
    rig.later(20)
    assert len(rig.exchange.sent) == 1
    assert rig.moves()[-1] == (Move.NOT_FOUND, "the exchange never had it")


def test_a_repetition_that_is_refused_ends_the_order_only_once_nobody_can_find_it() -> None:
    rig = Rig()
    post_only = Rejected(reason="INVALID_LIMIT_PRICE_POST_ONLY")
    rig.exchange.submits = [Unknown(detail="502"), post_only]
    rig.send("c1")
    rig.moves()
    rig.later(0)
    rig.later(0.3)
    assert rig.moves() == []  # the first request may still be on its way
    for _ in range(4):
        rig.later(1)
    assert rig.moves() == [(Move.REJECTED, "INVALID_LIMIT_PRICE_POST_ONLY")]


def test_an_order_that_the_exchange_calls_a_duplicate_is_never_called_missing() -> None:
    rig = Rig()
    rig.exchange.submits = [
        Unknown(detail="502"),
        Rejected(reason="DUPLICATE_CLIENT_ORDER_ID"),
    ]
    rig.send("c1")
    rig.moves()
    rig.later(0)
    rig.later(0.3)
    for _ in range(30):
        rig.later(16)
    assert rig.moves() == []
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    rig.later(16)
    assert rig.moves() == [(Move.ACCEPTED, "")]


def test_entries_beyond_the_churn_budget_are_refused_and_exits_are_not() -> None:
    rig = Rig(per_minute=2)
    for number in range(3):
        rig.send(f"e{number}")
    rig.send("exit", leaving=True)
    assert rig.exchange.asked("submit") == ["e0", "e1", "exit"]
    refused = [reason for move, reason in rig.moves() if move is Move.REJECTED]
    assert refused == ["churn_budget: 2 a minute (exchange.requests.entries_per_minute)"]
    rig.later(60)
    rig.send("later")
    assert rig.exchange.asked("submit")[-1] == "later"


def test_an_entry_that_cannot_be_paid_for_is_not_even_stored_and_exits_are_never_asked() -> None:
    rig = Rig(money="60")  # two orders of $25 and the dearer fee
    for number in range(3):
        rig.send(f"e{number}")
    rig.send("exit", leaving=True)
    assert rig.exchange.asked("submit") == ["e0", "e1", "exit"]
    assert "e2" not in rig.ledger.intents
    refused = [reason for move, reason in rig.moves() if move is Move.REJECTED]
    assert refused == ["capital: needs 25.1 USD, 9.8 free for X-USD (capital)"]


def test_what_is_told_of_orders_gives_back_what_they_held() -> None:
    rig = Rig(money="60")
    rig.send("e0")
    rig.send("e1")
    rig.news.moved(SYMBOL, "e0", Move.CANCELLED)
    rig.send("e2")
    assert rig.exchange.asked("submit")[-1] == "e2"
    rig.news.filled(make_fill("t1", Side.BUY, 10_000, 250, client_id="e1"))
    rig.news.moved(SYMBOL, "e1", Move.FILLED, filled=Lots(250))
    rig.send("e3")
    assert "e3" not in rig.exchange.asked("submit")  # spent is spent
    rig.clock.advance(10 * SECOND)
    later = rig.clock.now()
    rig.news.filled(make_fill("t2", Side.SELL, 10_000, 250, client_id="x1", at=later))
    rig.send("e4")
    assert rig.exchange.asked("submit")[-1] == "e4"


def test_what_is_handed_in_at_the_window_never_waits_for_the_gateways_inbox() -> None:
    rig = Rig()
    rig.gateway.begin()
    intent = make_intent("c1", Side.BUY, 10_000, 250)
    assert rig.window.tell(SubmitOrder(intent=intent))
    assert rig.exchange.calls == [("durable", "c1"), ("submit", "c1")]
    assert rig.window.tell(Fence(symbol=SYMBOL, life="life"))
    assert rig.reconciler.messages == [RecoverSymbol(symbol=SYMBOL, life="life")]
    assert rig.address.messages == []
    rig.window.tell(Tick(now=START))
    assert rig.address.messages == [Tick(now=START)]


def test_a_gateway_that_ended_takes_nothing_at_the_window_any_more() -> None:
    rig = Rig()
    order = SubmitOrder(intent=make_intent("c1", Side.BUY, 10_000, 250))
    rig.window.tell(order)
    rig.gateway.begin()
    rig.gateway.finish()
    rig.window.tell(order)
    assert rig.exchange.calls == []
    assert rig.address.messages == [order, order]


def test_a_gateway_that_failed_takes_nothing_at_the_window_any_more() -> None:
    rig = Rig()
    rig.gateway.begin()
    rig.gateway.guarded(_break)()
    order = SubmitOrder(intent=make_intent("c1", Side.BUY, 10_000, 250))
    rig.window.tell(order)
    assert rig.exchange.calls == []
    assert rig.address.messages == [order]


def test_a_gateway_that_ends_late_does_not_close_the_window_of_its_successor() -> None:
    rig = Rig()
    handed: list[object] = []

    def successor(message: object) -> bool:
        handed.append(message)
        return True

    rig.gateway.begin()
    rig.window.open(successor)
    rig.gateway.finish()
    order = SubmitOrder(intent=make_intent("c1", Side.BUY, 10_000, 250))
    assert rig.window.tell(order)
    assert handed == [order]


def _break() -> None:
    raise RuntimeError("broken on purpose")
