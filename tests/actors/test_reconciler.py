"""Recovery: books and exchange are brought together before a trader may act."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from actors.account import Accounts
from actors.board import Board
from actors.comparing import ARRIVED_AFTER, LATE_AFTER, LISTED_LATE
from actors.differences import Differences
from actors.facts import FactLog
from actors.ledger_writer import LedgerWriter, WriterLinks
from actors.news import Newsroom
from actors.protocol import (
    BooksLost,
    BooksRead,
    FactsQueued,
    GatewayMessage,
    LedgerMessage,
    OrderNews,
    ReadBooks,
    ReconcilerMessage,
    Recover,
    RecoverSymbol,
    ResolveUnknown,
    StreamsStarted,
    TraderMessage,
)
from actors.reconciler import SWEEP_PAUSE, Reconciler, ReconcilerLinks
from actors.without_books import CLOCKS_APART, EVERY, PATIENCE
from quietmaker.core.commands import CancelOrder, CancelReason
from quietmaker.core.differences import DifferenceKind
from quietmaker.core.events import (
    EligibilityChanged,
    FeesChanged,
    FundsChanged,
    OrderFilled,
    OrderMoved,
    Tick,
)
from quietmaker.core.orders import Intent, Move, OrderState
from quietmaker.core.units import PPB, SECOND, Instant, Lots, Nanos, Rate, Side
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import OrderFact, UserFill
from tests.actors.fakes import (
    FakeExchange,
    HandClock,
    Told,
    around,
    make_capital,
    make_metrics,
    report,
    usd,
)
from tests.kit.makers import FEES, START, SYMBOL, make_fill, make_intent, make_product, maker_fee


@dataclass
class Rig:
    """Reconciler and ledger writer, wired to each other, driven by hand."""

    clock: HandClock = field(default_factory=HandClock)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    trader: Told[TraderMessage] = field(default_factory=Told)
    gateway: Told[GatewayMessage] = field(default_factory=Told)
    to_ledger: Told[LedgerMessage] = field(default_factory=Told)
    to_reconciler: Told[ReconcilerMessage] = field(default_factory=Told)
    excluded: str | None = None
    spoken: bool = True
    prefix: str = "qm1"
    unowned: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.exchange = FakeExchange(clock=self.clock, money={"USD": usd("900", "100")})
        self.ledger.begin_run(mode="paper", config_sha="c0ffee", version="test", at=START)
        products = {SYMBOL: make_product()}
        self.board = Board()
        self.capital = make_capital(products, self.clock, board=self.board, money=None)
        self.facts = FactLog(self.ledger, lambda: self.to_ledger.tell(FactsQueued()))
        self.metrics = make_metrics()
        self.differences = Differences(
            put=self.facts.put, metrics=self.metrics.truth, clock=self.clock
        )
        self.news = Newsroom(
            self.facts,
            {SYMBOL: self.trader},
            self.clock,
            unowned=self.unowned.append,
            capital=self.capital,
        )
        self.writer = LedgerWriter(
            around("ledger", self.clock),
            WriterLinks(
                ledger=self.ledger,
                facts=self.facts,
                reconciler=self.to_reconciler,
                traders=self.trader.tell,
                started=lambda: None,
                again=lambda: self.to_ledger.tell(FactsQueued()),
                gather=lambda: None,
                clock=self.clock,
                metrics=make_metrics(),
            ),
        )
        self.reconciler = Reconciler(
            around("reconciler", self.clock),
            ReconcilerLinks(
                exchange=self.exchange,
                ledger=self.to_ledger,
                gateway=self.gateway,
                traders={SYMBOL: self.trader},
                products=products,
                facts=self.facts,
                news=self.news,
                accounts=Accounts(
                    self.exchange,
                    products,
                    self.board,
                    refresh=Nanos(15 * SECOND),
                    products_refresh=Nanos(60 * SECOND),
                    metrics=make_metrics(),
                    capital=self.capital,
                ),
                capital=self.capital,
                differences=self.differences,
                metrics=self.metrics.truth,
                mark="qm",
                id_prefix=self.prefix,
                eligibility=self._verdict,
                clock=self.clock,
            ),
        )

    def _verdict(self, symbol: str, now: Instant) -> EligibilityChanged | None:
        del symbol
        event = EligibilityChanged(now=now, rule=self.excluded, size_share=Rate(PPB))
        return event if self.spoken else None

    def intent(self, client_id: str = "c1", **how: Any) -> Intent:
        """Write an intent that was decided long ago."""
        intent = make_intent(client_id, Side.BUY, 10_000, 250, **how)
        self.ledger.write_intent(intent)
        return intent

    def move(self, client_id: str, move: Move, *, filled: int | None = None) -> None:
        self.ledger.write(
            [
                OrderFact(
                    at=self.clock.now(),
                    client_id=client_id,
                    symbol=SYMBOL,
                    what=move.value,
                    order_id=None,
                    reason="",
                    cancel_reason=None,
                    filled=None if filled is None else Lots(filled),
                )
            ]
        )

    def settle(self) -> None:
        """Let the two talk until neither has anything to say."""
        while self.to_ledger.messages or self.to_reconciler.messages:
            for message in self.to_ledger.take():
                self.writer.on_receive(message)
            for answer in self.to_reconciler.take():
                self.reconciler.on_receive(answer)

    def recover(self, life: str = "first") -> Recover | None:
        """Ask as a trader would, and return what it is told."""
        self.reconciler.on_receive(RecoverSymbol(symbol=SYMBOL, life=life))
        self.settle()
        return self.recovered()

    def recovered(self) -> Recover | None:
        told = [message for message in self.trader.take() if isinstance(message, Recover)]
        assert len(told) <= 1
        return told[0] if told else None

    def later(self, nanos: int) -> None:
        self.clock.advance(nanos)
        self.reconciler.on_receive(Tick(now=self.clock.now()))
        self.settle()

    def fill(self, client_id: str = "c1", trade_id: str = "t1", size: int = 250) -> UserFill:
        fee = maker_fee(make_product(), 10_000, size)
        fill = make_fill(trade_id, Side.BUY, 10_000, size, client_id=client_id, fee=fee)
        return UserFill(order_id="o", fill=fill)


def test_a_new_trader_is_told_everything_that_it_needs_to_decide() -> None:
    rig = Rig(excluded="permanent_exclusions: X-*")
    told = rig.recover()
    assert told is not None
    assert (told.life, told.recovered.orders, told.recovered.lots) == ("first", (), ())
    fees, funds, verdict = (
        next(event for event in told.setting if isinstance(event, kind))
        for kind in (FeesChanged, FundsChanged, EligibilityChanged)
    )
    assert isinstance(fees, FeesChanged)
    assert fees.fees == FEES
    assert isinstance(funds, FundsChanged)
    assert funds.quote == Decimal(900)  # what is held is for an order that is not ours
    assert isinstance(verdict, EligibilityChanged)
    assert verdict.rule == "permanent_exclusions: X-*"


def test_an_adopted_order_keeps_what_is_held_for_it() -> None:
    rig = Rig()
    rig.intent("c1")
    rig.move("c1", Move.ACCEPTED)
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    rig.exchange.money = {"USD": usd("900", "25.1")}
    told = rig.recover()
    assert told is not None
    (funds,) = (each for each in told.setting if isinstance(each, FundsChanged))
    assert funds.quote == Decimal(
        "925.1"
    )  # its own hold included: the core subtracts its own orders


def test_a_trader_that_starts_before_the_filter_spoke_is_told_no_verdict() -> None:
    rig = Rig(spoken=False)
    told = rig.recover()
    assert told is not None
    assert not any(isinstance(event, EligibilityChanged) for event in told.setting)


def test_an_order_that_still_rests_is_adopted() -> None:
    rig = Rig()
    rig.intent()
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    told = rig.recover()  # its request had no stored answer: the exchange tells
    assert told is not None
    (order,) = told.recovered.orders
    assert (order.intent.client_id, order.state) == ("c1", OrderState.OPEN)
    assert rig.exchange.asked_since == {"c1": order.intent.decided_at}


def test_what_ended_while_nobody_listened_is_written_with_its_executions() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.exchange.booked = [rig.fill()]
    told = rig.recover()
    assert told is not None
    assert told.recovered.orders == ()
    assert [(lot.trade_id, lot.lots) for lot in told.recovered.lots] == [("t1", 250)]
    assert told.recovered.round_trip == "c1"
    assert rig.ledger.fills["t1"].client_id == "c1"
    assert rig.ledger.intents["c1"].strategy_tag == "passivemm"
    # The stream tells the same execution late: it is no news.
    rig.news.filled(rig.fill().fill)
    assert rig.trader.take() == []


def test_a_request_that_never_arrived_fails_once_it_is_old_enough() -> None:
    rig = Rig()
    rig.intent()
    rig.clock.advance(SECOND)
    assert rig.recover() is None  # it may still be on its way
    rig.later(ARRIVED_AFTER)
    told = rig.recovered()
    assert told is not None
    assert told.recovered.orders == ()
    assert rig.ledger.books({SYMBOL: make_product()}).symbols[SYMBOL].orders == ()


def test_no_symbol_waits_for_what_cannot_be_known_of_another_yet() -> None:
    rig = Rig()
    other: Told[TraderMessage] = Told()
    for mapping, value in (
        (rig.reconciler._links.products, make_product(symbol="Y-USD")),
        (rig.reconciler._links.accounts._given, make_product(symbol="Y-USD")),
        (rig.reconciler._links.traders, other),
    ):
        assert isinstance(mapping, dict)
        mapping["Y-USD"] = value
    rig.intent()
    rig.clock.advance(SECOND)
    rig.reconciler.on_receive(RecoverSymbol(symbol="Y-USD", life="first"))
    assert rig.recover() is None  # its request may still be on its way
    rig.later(SECOND)
    assert Recover in {type(message) for message in other.take()}
    assert rig.recovered() is None
    rig.later(ARRIVED_AFTER - 2 * SECOND)  # as soon as it is old enough, however often it was asked
    assert rig.recovered() is not None
    assert Recover not in {type(message) for message in other.take()}


def test_an_open_order_that_the_exchange_forgot_fails_and_keeps_its_executions() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.ledger.write([rig.fill(size=100).fill])
    rig.clock.advance(60 * SECOND)
    told = rig.recover()
    assert told is not None
    assert told.recovered.orders == ()
    assert sum(lot.lots for lot in told.recovered.lots) == 100


def test_nobody_is_recovered_while_the_exchange_cannot_be_asked() -> None:
    rig = Rig()
    rig.intent()
    rig.exchange.down = True
    assert rig.recover() is None
    for _ in range(10):
        rig.later(SECOND)
    assert rig.recovered() is None
    rig.exchange.down = False
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    rig.later(60 * SECOND)
    assert rig.recovered() is not None


def test_nobody_is_recovered_while_the_ledger_is_away() -> None:
    rig = Rig()
    rig.ledger.available = False
    assert rig.recover() is None
    rig.ledger.available = True
    rig.clock.advance(SECOND)
    rig.writer.on_receive(Tick(now=rig.clock.now()))
    rig.settle()
    assert rig.recovered() is not None


def test_every_fact_queued_before_is_in_the_books_that_are_told() -> None:
    rig = Rig()
    rig.intent()
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.news.filled(rig.fill().fill)
    (news,) = rig.trader.take()
    assert isinstance(news, OrderNews)
    told = rig.recover()
    assert told is not None
    assert [lot.trade_id for lot in told.recovered.lots] == ["t1"]
    assert news.number <= told.upto


def test_books_whose_reader_died_are_asked_for_again() -> None:
    rig = Rig()
    rig.reconciler.on_receive(RecoverSymbol(symbol=SYMBOL, life="first"))
    (asked,) = [m for m in rig.to_ledger.take() if isinstance(m, ReadBooks)]
    rig.later(20 * SECOND)
    assert rig.recovered() is None
    rig.later(11 * SECOND)
    rig.later(SECOND)
    assert rig.recovered() is not None
    late = BooksRead(token=asked.token, upto=0, books={})
    rig.reconciler.on_receive(late)  # the answer to a question that was given up


def test_a_foreign_order_is_left_alone() -> None:
    rig = Rig()
    rig.exchange.orders["somebody-elses"] = report("somebody-elses", OrderState.OPEN)
    assert rig.recover() is not None
    assert rig.exchange.asked("cancel") == []


def test_what_the_streams_missed_is_told_to_the_traders() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    assert rig.recover() is not None
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.exchange.booked = [rig.fill()]
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    events = [m.event for m in rig.trader.take() if isinstance(m, OrderNews)]
    assert [e.move for e in events if isinstance(e, OrderMoved)] == [Move.FILLED]
    assert [e.fill.trade_id for e in events if isinstance(e, OrderFilled)] == ["t1"]


def test_an_order_that_is_over_in_the_books_is_cancelled_once_two_sweeps_found_it() -> None:
    rig = Rig()
    stray = f"qm1-{SYMBOL}-BE1"
    rig.intent(stray)
    for later, move in enumerate((Move.OUTCOME_UNKNOWN, Move.NOT_FOUND)):
        rig.clock.advance(later)
        rig.move(stray, move)
    assert rig.recover() is not None
    for each in (stray, "qm10-X-USD-BE1", "somebody-elses"):
        rig.exchange.orders[each] = report(each, OrderState.OPEN)
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    assert rig.gateway.take() == [], "it may have been placed after the books were read"
    rig.later(SWEEP_PAUSE)
    (cancel,) = rig.gateway.take()
    assert isinstance(cancel, CancelOrder)
    assert (cancel.client_id, cancel.reason) == (stray, CancelReason.STRAY)
    rig.exchange.orders[stray] = report(stray, OrderState.CANCELLED, filled=100)
    rig.exchange.booked = [rig.fill(stray, "t1", size=100)]
    rig.trader.take()
    rig.later(2 * SWEEP_PAUSE)
    events = [m.event for m in rig.trader.take() if isinstance(m, OrderNews)]
    assert [e.move for e in events if isinstance(e, OrderMoved)] == [Move.CANCELLED]
    assert [e.fill.size for e in events if isinstance(e, OrderFilled)] == [100]
    rig.exchange.calls.clear()
    rig.later(10 * SWEEP_PAUSE)
    assert rig.exchange.asked("order") == [], "nothing is left to ask for"


def test_an_order_that_an_earlier_run_gave_up_and_that_rests_is_cancelled_as_soon_as_it_is_found() -> (
    None
):
    rig = Rig(prefix="qm12")
    stray = f"qm9.2-{SYMBOL}-SX1"
    rig.intent(stray)
    for later, move in enumerate((Move.OUTCOME_UNKNOWN, Move.NOT_FOUND)):
        rig.clock.advance(later)
        rig.move(stray, move)
    for each in (stray, "qm13-X-USD-BE1", "qm1", "somebody-elses"):
        rig.exchange.orders[each] = report(each, OrderState.OPEN)
    unread = replace(rig.fill("qm9-Y-USD-BE1", "t3").fill, symbol="Y-USD")
    rig.exchange.booked = [
        rig.fill(stray, "t1", size=100),  # and it has executed
        UserFill(order_id="o", fill=unread),  # of a symbol whose orders were not read
    ]
    told = rig.recover()
    assert "t3" not in rig.ledger.fills
    assert told is not None
    assert [(lot.trade_id, lot.lots) for lot in told.recovered.lots] == [("t1", 100)]
    (cancel,) = rig.gateway.take()
    assert isinstance(cancel, CancelOrder)
    assert (cancel.client_id, cancel.reason) == (stray, CancelReason.STRAY)
    rig.exchange.orders[stray] = report(stray, OrderState.CANCELLED, filled=250)
    rig.exchange.booked.append(rig.fill(stray, "t2", size=150))
    rig.later(SWEEP_PAUSE)
    events = [m.event for m in rig.trader.take() if isinstance(m, OrderNews)]
    assert [e.fill.size for e in events if isinstance(e, OrderFilled)] == [150]
    assert [e.move for e in events if isinstance(e, OrderMoved)] == [Move.CANCELLED]
    assert rig.gateway.take() == []


def test_an_order_that_was_placed_while_a_sweep_asked_is_no_stray() -> None:
    rig = Rig()
    assert rig.recover() is not None
    young = f"qm1-{SYMBOL}-BE2"
    rig.exchange.orders[young] = report(young, OrderState.OPEN)
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    rig.intent(young)
    rig.later(SWEEP_PAUSE)
    assert rig.gateway.take() == []


def test_executions_that_are_counted_and_not_listed_yet_are_asked_for_until_they_are() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    assert rig.recover() is not None
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    rig.trader.take()
    rig.later(SWEEP_PAUSE)
    assert not [m for m in rig.trader.take() if isinstance(m, OrderNews)]
    rig.exchange.booked = [rig.fill()]
    rig.later(2 * SWEEP_PAUSE)
    events = [m.event for m in rig.trader.take() if isinstance(m, OrderNews)]
    assert [e.fill.trade_id for e in events if isinstance(e, OrderFilled)] == ["t1"]
    rig.exchange.calls.clear()
    rig.later(20 * SWEEP_PAUSE)
    assert rig.exchange.asked("open_orders") == []


def test_executions_that_are_never_listed_are_asked_for_ever_more_rarely() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    assert rig.recover() is not None
    rig.exchange.calls.clear()
    for _ in range(60):
        rig.later(SWEEP_PAUSE)
    assert 5 <= rig.exchange.calls.count(("open_orders", None)) <= 10


def test_sweeps_keep_a_pause_however_often_they_are_asked_for() -> None:
    rig = Rig()
    assert rig.recover() is not None
    rig.exchange.calls.clear()

    def sweeps() -> int:
        return rig.exchange.calls.count(("open_orders", None))

    for _ in range(5):
        rig.reconciler.on_receive(StreamsStarted())
        rig.settle()
    assert sweeps() == 1
    rig.later(SWEEP_PAUSE)
    assert sweeps() == 2, "one at once, and one for all that asked meanwhile"


def test_fees_that_cannot_be_had_become_unknown_and_not_zero() -> None:
    rig = Rig()
    assert rig.recover() is not None
    rig.exchange.down = True
    for _ in range(4):
        rig.later(16 * SECOND)
    told = [m for m in rig.trader.take() if isinstance(m, FeesChanged)]
    assert [event.fees for event in told] == [None]
    rig.exchange.down = False
    rig.later(16 * SECOND)
    told = [m for m in rig.trader.take() if isinstance(m, FeesChanged)]
    assert [event.fees for event in told] == [FEES]


def test_orders_of_symbols_that_trade_on_meanwhile_are_not_called_foreign() -> None:
    rig = Rig()
    products = rig.reconciler._links.products
    assert isinstance(products, dict)
    products["Y-USD"] = make_product(symbol="Y-USD")
    rig.exchange.orders = {
        "working": report("working", OrderState.OPEN, symbol="Y-USD"),
        "foreign": report("foreign", OrderState.OPEN, symbol="Z-USD"),
        "stray": report("stray", OrderState.OPEN),
    }
    assert rig.recover() is not None
    assert {each.difference.subject for each in rig.differences.open()} == {"foreign", "stray"}


# --- differences --------------------------------------------------------------------------------


def notes(rig: Rig) -> list[tuple[DifferenceKind, str, str | None]]:
    """Return what is in the books of differences: kind, subject, resolution."""
    rig.writer.on_receive(FactsQueued())
    return [
        (note.difference.kind, note.difference.subject, note.resolution)
        for note in rig.ledger.tie_out.notes
    ]


def filled(rig: Rig) -> list[OrderFilled]:
    events = [m.event for m in rig.trader.take() if isinstance(m, OrderNews)]
    return [event for event in events if isinstance(event, OrderFilled)]


def swept(rig: Rig) -> Rig:
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    return rig


def test_what_a_recovery_mends_stays_in_the_books_with_both_sides() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.intent("c2")
    rig.move("c2", Move.ACCEPTED)
    rig.clock.advance(60 * SECOND)
    rig.exchange.orders["c2"] = report("c2", OrderState.CANCELLED, filled=250)
    rig.exchange.booked = [rig.fill("c2", "t2")]
    assert rig.recover() is not None
    found = [
        (DifferenceKind.ORDER_UNKNOWN_THERE, "c1"),
        (DifferenceKind.EXECUTION_MISSING, "t2"),
    ]
    told = notes(rig)
    assert [(kind, subject) for kind, subject, how in told if how is None] == found
    assert [(kind, subject) for kind, subject, how in told if how is not None] == found
    lost = rig.ledger.tie_out.notes[0].difference
    assert (lost.ours, lost.theirs) == ("open", "")
    assert rig.ledger.intents["c2"] == make_intent("c2", Side.BUY, 10_000, 250)
    shown = rig.metrics.expose("text/plain")[0].decode()
    assert 'quietmaker_reconciliations_total{result="different"} 1.0' in shown
    assert 'reconciliation_mismatches_total{kind="execution_missing"} 1.0' in shown
    assert 'differences_unresolved{kind="execution_missing"} 0.0' in shown


def test_a_sweep_asks_only_for_executions_that_an_earlier_one_cannot_have_seen() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.ledger.write([rig.fill(size=100).fill])
    rig.exchange.booked = [rig.fill(size=100)]
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN, filled=100)
    assert rig.recover() is not None
    begin = START - 60 * SECOND
    for _ in range(2):
        rig.clock.advance(7_200 * SECOND)
        swept(rig)
    first, *_, last = rig.exchange.asked("fills")
    assert (first, last) == (begin, rig.clock.now() - 7_200 * SECOND - LISTED_LATE - 60 * SECOND)
    # More is stated than was ever listed: everything is looked through, until it is found.
    late = make_fill("t2", Side.BUY, 10_000, 150, client_id="c1", at=START + SECOND)
    rig.exchange.orders["c1"] = report("c1", OrderState.FILLED, filled=250)
    rig.exchange.booked.append(UserFill(order_id="o", fill=late))
    swept(rig).later(SWEEP_PAUSE)
    rig.later(2 * SWEEP_PAUSE)
    assert begin in rig.exchange.asked("fills")[2:]
    assert rig.ledger.fills.keys() == {"t1", "t2"}


def test_an_accepted_order_that_a_sweep_cannot_find_is_noted_and_asked_for() -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    assert rig.recover() is not None
    rig.clock.advance(60 * SECOND)
    rig.exchange.orders.clear()
    swept(rig)
    (asked,) = rig.gateway.take()
    assert isinstance(asked, ResolveUnknown)
    assert (asked.client_id, asked.replay) == ("c1", None)
    assert notes(rig) == [(DifferenceKind.ORDER_UNKNOWN_THERE, "c1", None)]
    rig.move("c1", Move.NOT_FOUND)
    rig.clock.advance(SECOND)
    rig.move("c1", Move.NOT_FOUND)
    swept(rig).later(SWEEP_PAUSE)
    assert notes(rig)[1:] == [(DifferenceKind.ORDER_UNKNOWN_THERE, "c1", "agrees, or is over")]


@pytest.mark.parametrize(("late", "noted"), [(LATE_AFTER - 1, False), (LATE_AFTER, True)])
def test_an_execution_that_the_stream_may_just_be_telling_is_no_difference(
    late: int, noted: bool
) -> None:
    rig = Rig()
    rig.intent()
    rig.move("c1", Move.ACCEPTED)
    rig.exchange.orders["c1"] = report("c1", OrderState.OPEN)
    assert rig.recover() is not None
    rig.exchange.booked = [rig.fill()]
    rig.clock.advance(late)
    swept(rig)
    assert bool(notes(rig)) is noted
    assert rig.ledger.fills.keys() == {"t1"}


def test_a_stray_is_noted_until_the_exchange_says_that_it_is_over() -> None:
    rig = Rig()
    stray = f"qm1-{SYMBOL}-BE1"
    assert rig.recover() is not None
    rig.exchange.orders[stray] = report(stray, OrderState.OPEN)
    swept(rig).later(SWEEP_PAUSE)
    assert notes(rig) == [(DifferenceKind.ORDER_OPEN_THERE, stray, None)]
    rig.exchange.orders[stray] = report(stray, OrderState.CANCELLED)
    rig.later(2 * SWEEP_PAUSE)
    assert notes(rig)[1:] == [(DifferenceKind.ORDER_OPEN_THERE, stray, "cancelled there")]


def test_an_execution_that_no_stream_told_reaches_its_trader_while_the_books_are_away() -> None:
    rig = swept(Rig())
    rig.ledger.available = False
    rig.exchange.booked = [rig.fill("qm1-7")]
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    rig.later(PATIENCE)
    rig.later(EVERY)
    assert [e.fill.trade_id for e in filled(rig)] == ["t1"]


def test_while_the_books_are_away_nothing_that_was_told_before_is_told_again() -> None:
    rig = swept(Rig())
    rig.ledger.available = False
    rig.news.filled(rig.fill("qm1-7").fill)
    rig.exchange.booked = [rig.fill("qm1-7")]
    rig.trader.take()
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    rig.later(PATIENCE)
    assert filled(rig) == []


def test_executions_of_earlier_runs_are_news_without_books_only_since_this_one_began() -> None:
    rig = swept(Rig(prefix="qm5"))
    rig.ledger.available = False
    rig.later(2 * CLOCKS_APART)
    late = rig.fill("qm4-7", "t2")
    since = replace(late, fill=replace(late.fill, at=rig.clock.now()))
    rig.exchange.booked = [rig.fill("qm4-7"), rig.fill("somebody", "t3"), since]
    rig.reconciler.on_receive(StreamsStarted())
    rig.settle()
    rig.later(PATIENCE)
    assert [e.fill.trade_id for e in filled(rig)] == ["t2"]


def test_the_exchange_is_not_asked_for_executions_while_the_books_answer() -> None:
    rig = swept(Rig())
    before = len(rig.exchange.asked("fills"))
    rig.later(PATIENCE)
    rig.later(EVERY)
    assert len(rig.exchange.asked("fills")) == before


def test_a_foreign_order_is_noted_once_and_over_when_it_is_gone() -> None:
    rig = Rig()
    rig.exchange.orders["by-hand"] = report("by-hand", OrderState.OPEN)
    assert rig.recover() is not None
    swept(rig).later(SWEEP_PAUSE)
    assert notes(rig) == [(DifferenceKind.FOREIGN_ORDER, "by-hand", None)]
    rig.exchange.orders.clear()
    swept(rig).later(SWEEP_PAUSE)
    assert notes(rig)[1:] == [(DifferenceKind.FOREIGN_ORDER, "by-hand", "agrees, or is over")]
    assert rig.exchange.asked("cancel") == []


def test_passes_are_counted_by_how_they_ended() -> None:
    rig = Rig()
    assert rig.recover() is not None
    rig.exchange.down = True
    swept(rig)
    rig.exchange.down = False
    rig.later(60 * SECOND)
    shown = rig.metrics.expose("text/plain")[0].decode()
    assert 'quietmaker_reconciliations_total{result="agreed"} 2.0' in shown
    assert 'quietmaker_reconciliations_total{result="incomplete"} 1.0' in shown
    assert "quietmaker_last_reconciliation_timestamp_seconds 1.69992" in shown


def test_books_that_a_crashed_writer_was_asked_for_are_asked_for_again_at_once() -> None:
    rig = Rig()
    rig.reconciler.on_receive(RecoverSymbol(symbol=SYMBOL, life="first"))
    rig.to_ledger.take()  # the writer dies with the question
    rig.reconciler.on_receive(BooksLost())
    rig.later(SECOND)
    assert rig.recovered() is not None  # and not only after half a minute


def test_a_writer_that_starts_while_nothing_was_asked_for_changes_nothing() -> None:
    rig = Rig()
    rig.reconciler.on_receive(BooksLost())
    assert rig.recover() is not None
