"""Ledger writer, account, clock, status, user feed."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial

import pytest

from actors.account import Accounts
from actors.board import Board, SymbolView
from actors.clock import ClockActor, ClockLinks
from actors.facts import FactLog
from actors.ledger_writer import SOON, LedgerWriter, WriterLinks
from actors.news import Newsroom
from actors.protocol import (
    BooksRead,
    ClockCompared,
    FactsQueued,
    FeedMessage,
    OrderNews,
    ReadBooks,
    ReconcilerMessage,
    StreamsStarted,
    TraderMessage,
    UserStreamHeard,
)
from actors.status import StatusActor, StatusLinks, StatusPage, document
from actors.user_feed import UserFeed, UserFeedLinks
from quietmaker.core.commands import Alert, AlertKind
from quietmaker.core.events import (
    FeesChanged,
    FundsChanged,
    LedgerChanged,
    OrderFilled,
    OrderMoved,
    ProductChanged,
    Tick,
)
from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import Move
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, ZERO, Instant, Lots, Nanos, Side, rate
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import (
    Balance,
    OrderFact,
    UserFill,
    UserOrder,
    UserStreamLost,
    UserStreamReady,
)
from tests.actors.fakes import (
    FakeExchange,
    FakeUserStream,
    HandClock,
    Told,
    around,
    make_capital,
    make_metrics,
    usd,
)
from tests.kit.makers import START, SYMBOL, make_fill, make_product

SKEW_LIMIT = Nanos(2 * SECOND)

# --- ledger writer ------------------------------------------------------------------------------


def alert(number: int) -> Alert:
    return Alert(
        symbol=SYMBOL, now=Instant(START + number), kind=AlertKind.EXIT_STUCK, detail=str(number)
    )


def writer(ledger: MemoryLedger, clock: HandClock) -> tuple[LedgerWriter, FactLog]:
    facts = FactLog(ledger, lambda: None)
    return LedgerWriter(around("ledger", clock), links(ledger, facts, clock)), facts


def links(
    ledger: MemoryLedger,
    facts: FactLog,
    clock: HandClock,
    *,
    reconciler: Told[ReconcilerMessage] | None = None,
    traders: Told[LedgerChanged] | None = None,
    gather: Callable[[], None] = lambda: None,
) -> WriterLinks:
    return WriterLinks(
        ledger=ledger,
        facts=facts,
        reconciler=reconciler or Told(),
        traders=(traders or Told()).tell,
        started=lambda: None,
        again=lambda: None,
        gather=gather,
        clock=clock,
        metrics=make_metrics(),
    )


def test_a_writer_that_starts_says_so() -> None:
    ledger, clock, started = MemoryLedger(), HandClock(), list[bool]()
    facts = FactLog(ledger, lambda: None)
    noting = replace(links(ledger, facts, clock), started=lambda: started.append(True))
    LedgerWriter(around("ledger", clock), noting).begin()
    assert started == [True]


def test_facts_wait_in_order_while_the_ledger_is_away() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    actor, facts = writer(ledger, clock)
    ledger.available = False
    facts.put(alert(1), alert(2))
    actor.on_receive(FactsQueued())
    assert actor.away
    facts.put(alert(3))
    ledger.available = True
    actor.on_receive(FactsQueued())  # not before the pause is over
    assert ledger.alerts == []
    clock.advance(SECOND)
    actor.on_receive(Tick(now=clock.now()))
    assert ledger.alerts == [alert(1), alert(2), alert(3)]
    assert ledger.waiting == []


def test_a_new_writer_begins_with_what_the_old_one_left() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    actor, facts = writer(ledger, clock)
    facts.put(alert(1))
    actor.begin()
    assert ledger.alerts == [alert(1)]


def test_facts_that_come_while_others_gather_are_written_with_them() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    facts = FactLog(ledger, lambda: None)
    gathered: list[int] = []

    def gather() -> None:
        gathered.append(len(ledger.waiting))
        facts.put(alert(2))

    actor = LedgerWriter(around("ledger", clock), links(ledger, facts, clock, gather=gather))
    facts.put(alert(1))
    actor.on_receive(FactsQueued())
    assert ledger.alerts == [alert(1), alert(2)]
    assert gathered == [1]


def test_a_backlog_is_not_left_to_gather_more() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    facts = FactLog(ledger, lambda: None)
    gathered: list[str] = []
    told = links(ledger, facts, clock, gather=lambda: gathered.append("waited"))
    actor = LedgerWriter(around("ledger", clock), told)
    facts.put(*(alert(number) for number in range(SOON)))
    actor.on_receive(FactsQueued())
    assert gathered == []
    assert len(ledger.alerts) == SOON


def test_a_refused_fact_takes_no_other_with_it() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    facts = FactLog(ledger, lambda: None)
    told = links(ledger, facts, clock)
    actor = LedgerWriter(around("ledger", clock), told)
    facts.put(make_fill("t1", Side.BUY, 1, 1, client_id="nobody's"), alert(1))
    actor.on_receive(FactsQueued())
    assert ledger.alerts == [alert(1)]
    assert len(ledger.refused) == 1
    assert ledger.waiting == []
    assert "quietmaker_ledger_facts_refused_total 1.0" in told.metrics.expose("")[0].decode()


def test_the_end_of_the_writer_writes_what_came_last() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    actor, facts = writer(ledger, clock)
    ledger.available = False
    facts.put(alert(1))
    actor.on_receive(FactsQueued())
    ledger.available = True
    actor.finish()  # although its pause is not over
    assert ledger.alerts == [alert(1)]


def test_books_are_told_with_the_number_of_the_last_fact_in_them() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    facts, reconciler = FactLog(ledger, lambda: None), Told[ReconcilerMessage]()
    actor = LedgerWriter(
        around("ledger", clock), links(ledger, facts, clock, reconciler=reconciler)
    )
    facts.put(alert(1), alert(2))
    actor.on_receive(ReadBooks(token=1, products={}))
    facts.put(alert(3))
    assert reconciler.messages == [BooksRead(token=1, upto=2, books={})]
    assert ledger.alerts == [alert(1), alert(2)]


def test_every_trader_hears_that_the_ledger_is_in_trouble_and_again_and_that_it_is_well() -> None:
    ledger, clock = MemoryLedger(), HandClock()
    facts, traders = FactLog(ledger, lambda: None), Told[LedgerChanged]()
    actor = LedgerWriter(around("ledger", clock), links(ledger, facts, clock, traders=traders))
    actor.begin()
    assert [news.trouble for news in traders.take()] == [""]  # also after a crash while in trouble
    ledger.available = False
    actor.on_receive(FactsQueued())
    (news,) = traders.take()
    assert "unavailable" in news.trouble
    actor.on_receive(Tick(now=clock.now()))  # a trader that was restarted meanwhile learns it, too
    assert traders.take() == [news]
    ledger.available = True
    clock.advance(SECOND)
    actor.on_receive(Tick(now=clock.now()))
    assert [news.trouble for news in traders.take()] == [""]


# --- account ------------------------------------------------------------------------------------


def view(symbol: str = SYMBOL, *, held: int = 0, exposure: str = "0") -> SymbolView:
    return SymbolView(
        symbol=symbol,
        quote_currency="USD",
        at=START,
        recovered=True,
        mode="run",
        stale=None,
        bid=Decimal("1.00"),
        ask=Decimal("1.01"),
        book_at=START,
        sides={},
        working=0,
        position=Decimal(held),
        held_lots=held,
        cost=ZERO,
        opened_at=None,
        exit=None,
        unprotected=False,
        exposure=Decimal(exposure),
        break_even=None,
        unrealized=None,
    )


def test_the_board_adds_up_what_the_positions_cost_as_they_come_and_go() -> None:
    board = Board()
    for cost in ("10", "25", "0", "7.5"):
        board.show(replace(view(), cost=Decimal(cost)))
        assert board.positions("USD") == Decimal(cost)
    board.show(replace(view(), symbol="B-USD", cost=Decimal(1)))
    assert board.positions("USD") == Decimal("8.5")
    board.forget(view().symbol)
    assert board.positions("USD") == Decimal(1)


def make_accounts(exchange: FakeExchange, products: dict[str, Product], board: Board) -> Accounts:
    return Accounts(
        exchange,
        products,
        board,
        refresh=Nanos(15 * SECOND),
        products_refresh=Nanos(60 * SECOND),
        metrics=make_metrics(),
        capital=make_capital(products, HandClock(), board=board, money=None),
    )


def test_another_fee_tier_is_told_to_every_trader_shown_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exchange, metrics = FakeExchange(money={"USD": usd("10")}), make_metrics()
    products = {s: make_product(symbol=s) for s in ("A-USD", "B-USD")}
    accounts = Accounts(
        exchange,
        products,
        Board(),
        refresh=Nanos(15 * SECOND),
        products_refresh=Nanos(60 * SECOND),
        metrics=metrics,
        capital=make_capital(products, HandClock()),
    )
    accounts.poll(Nanos(START), START)
    exchange.rates = FeeRates(maker=rate("0.004"), taker=rate("0.008"))
    assert accounts.poll(Nanos(START + SECOND), START) == []  # not due
    told = accounts.poll(Nanos(START + 15 * SECOND), START)
    assert [(s, e.fees) for s, e in told if isinstance(e, FeesChanged)] == [
        ("A-USD", exchange.rates),
        ("B-USD", exchange.rates),
    ]
    assert "are maker 0.4 %, taker 0.8 %" in caplog.text
    assert b'quietmaker_fee_rate_ratio{liquidity="taker"} 0.008' in metrics.expose("")[0]
    assert len(exchange.asked("products")) == 1


def test_every_symbol_is_offered_what_nobody_has_claimed() -> None:
    products = {s: make_product(symbol=s) for s in ("A-USD", "B-USD", "C-USD")}
    exchange = FakeExchange(products_now=dict(products), money={"USD": usd("99.99999999", "0.01")})
    accounts = make_accounts(exchange, products, Board())
    offers = []
    for symbol in products:
        _, funds = accounts.known(symbol, held=0, now=START)
        assert isinstance(funds, FundsChanged)
        offers.append(funds.quote)
    assert offers == [Decimal("99.99999999")] * 3  # a cent is held for somebody else's order


def test_inventory_is_what_is_held_beyond_our_own_position() -> None:
    balance = Balance(currency="X", available=Decimal(30), hold=Decimal(5))
    exchange = FakeExchange(money={"USD": usd("10"), "X": balance})
    accounts = make_accounts(exchange, {SYMBOL: make_product()}, Board())
    _, funds = accounts.known(SYMBOL, held=250, now=START)  # 25 X are our position
    assert isinstance(funds, FundsChanged)
    assert funds.base == 100


def test_a_position_that_changed_during_the_question_waits_for_the_next_poll() -> None:
    board = Board()
    exchange = FakeExchange(money={"USD": usd("10")})
    accounts = make_accounts(exchange, {SYMBOL: make_product()}, board)
    board.show(view())
    exchange.meanwhile = lambda: board.show(view(held=7))
    told = accounts.poll(Nanos(START), START)
    assert not [event for _, event in told if isinstance(event, FundsChanged)]
    exchange.meanwhile = lambda: None
    later = START + 60 * SECOND
    told = accounts.poll(Nanos(later), Instant(later))
    assert [event for _, event in told if isinstance(event, FundsChanged)]


def test_a_product_that_left_or_changed_its_increments_stops_entries() -> None:
    product = make_product()
    exchange = FakeExchange(money={"USD": usd("10")})
    accounts = make_accounts(exchange, {SYMBOL: product}, Board())
    exchange.products_now = {SYMBOL: make_product(tick="0.001")}
    told = [e for _, e in accounts.poll(Nanos(START), START) if isinstance(e, ProductChanged)]
    assert [(e.product.untradable, e.product.tick) for e in told] == [
        ("increments_changed", product.tick)
    ]
    exchange.products_now = {}
    later = Instant(START + 60 * SECOND)
    told = [e for _, e in accounts.poll(Nanos(later), later) if isinstance(e, ProductChanged)]
    assert [e.product.untradable for e in told] == ["delisted"]


# --- clock --------------------------------------------------------------------------------------


def _note(ticked: queue.SimpleQueue[str], name: str, tick: Tick) -> None:
    del tick
    ticked.put(name)


def test_actors_are_ticked_in_turn() -> None:
    clock = HandClock()
    ticked: queue.SimpleQueue[str] = queue.SimpleQueue()
    links = ClockLinks(
        clock=clock,
        exchange=FakeExchange(clock=clock),
        ticks=lambda: [partial(_note, ticked, name) for name in "abc"],
        feed=Told(),
        board=Board(),
        skew_limit=SKEW_LIMIT,
        metrics=make_metrics(),
    )
    ref = ClockActor.start(around("clock", clock), links)
    assert [ticked.get(timeout=5) for _ in range(7)] == list("abcabca")
    ref.stop(timeout=5)


def test_a_skewed_clock_is_told_to_the_feed() -> None:
    clock = HandClock()
    exchange = FakeExchange(clock=clock)
    feed: Told[FeedMessage] = Told()
    metrics, board = make_metrics(), Board()
    actor = ClockActor(
        around("clock", clock),
        ClockLinks(
            clock=clock,
            exchange=exchange,
            ticks=lambda: [lambda tick: None],
            feed=feed,
            board=board,
            skew_limit=SKEW_LIMIT,
            metrics=metrics,
        ),
    )
    actor.on_receive(Tick(now=clock.now()))
    exchange.skew = SKEW_LIMIT + SECOND
    actor.on_receive(Tick(now=clock.now()))  # not due yet
    clock.advance(31 * SECOND)
    actor.on_receive(Tick(now=clock.now()))
    assert feed.messages == [ClockCompared(skewed=False), ClockCompared(skewed=True)]
    assert actor.skew == SKEW_LIMIT + SECOND
    assert document(board, START)["clock_skew_seconds"] == 3.0
    assert b"quietmaker_clock_skew_seconds 3.0" in metrics.expose("")[0]
    exchange.down = True
    clock.advance(31 * SECOND)
    actor.on_receive(Tick(now=clock.now()))
    assert len(feed.messages) == 2  # no answer is no agreement and no disagreement


# --- board and status ---------------------------------------------------------------------------


def test_the_board_adds_up_the_exposure_of_the_others() -> None:
    board = Board()
    board.show(view("A-USD", exposure="10"))
    board.show(view("B-USD", exposure="5"))
    assert board.others("A-USD", "USD") == 5
    version = board.version
    board.show(replace(view("B-USD", exposure="5"), working=3))
    assert board.version == version  # nothing that anybody counts changed
    board.show(view("B-USD", exposure="0"))
    assert board.others("A-USD", "USD") == 0
    assert board.others("A-USD", "EUR") <= 0


def test_the_status_is_a_json_document_with_exact_money() -> None:
    board, page, refreshed = Board(), StatusPage(), []
    board.show(view("A-USD", exposure="10.50"))
    actor = StatusActor(
        around("status", HandClock()),
        StatusLinks(
            board=board,
            page=page,
            process=lambda: {"mode": "paper"},
            refresh=lambda: refreshed.append(1),
        ),
    )
    assert page.read() == {}
    actor.on_receive(Tick(now=START))
    actor.on_receive(Tick(now=Instant(START + 1)))
    assert refreshed == [1]
    shown = json.loads(json.dumps(page.read()))
    assert shown["mode"] == "paper"
    assert shown["totals"]["USD"]["exposure"] == "10.5"
    assert shown["symbols"][0]["bid"] == "1"
    assert document(board, START)["symbols"][0]["data_age_seconds"] == 0


# --- user feed ----------------------------------------------------------------------------------


@dataclass
class Hearing:
    """A user feed, who hears of it, and whether they are there."""

    there: bool = True
    trader: Told[TraderMessage] = field(default_factory=Told)
    stream: FakeUserStream = field(default_factory=FakeUserStream)
    feed: list[bool] = field(default_factory=list)
    sweeps: list[ReconcilerMessage] = field(default_factory=list)
    unowned: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = HandClock()
        self.ledger = MemoryLedger()
        self.facts = FactLog(self.ledger, lambda: None)
        self.actor = UserFeed(
            around("user_feed", clock),
            UserFeedLinks(
                ours="c",
                stream=self.stream,
                news=Newsroom(
                    self.facts,
                    {SYMBOL: self.trader},
                    clock,
                    unowned=self.unowned.append,
                    capital=make_capital({SYMBOL: make_product()}, clock),
                ),
                products={SYMBOL: make_product()},
                feed=self._feed,
                reconciler=self._reconciler,
                metrics=make_metrics(),
            ),
        )
        self.actor.begin()

    def _feed(self, message: FeedMessage) -> bool:
        assert isinstance(message, UserStreamHeard)
        self.feed.append(message.ready)
        return True

    def _reconciler(self, message: ReconcilerMessage) -> bool:
        if self.there:
            self.sweeps.append(message)
        return self.there


def test_the_user_feed_says_whether_it_hears_and_asks_for_what_it_missed() -> None:
    rig = Hearing(there=False)
    tick = Tick(now=Instant(START))
    rig.actor.on_receive(tick)
    rig.actor.on_receive(UserStreamReady(at=Instant(START)))
    assert rig.feed == [False, True]
    assert rig.sweeps == []
    rig.there = True  # the reconciler starts after the user feed
    rig.actor.on_receive(tick)
    rig.actor.on_receive(tick)
    assert rig.sweeps == [StreamsStarted()]
    rig.actor.on_receive(UserStreamLost(at=Instant(START), reason="closed with 1000"))
    assert rig.feed == [False, True, True, True, False]
    rig.actor.on_receive(UserStreamReady(at=Instant(START)))
    assert rig.sweeps == [StreamsStarted()] * 2
    rig.actor.finish()
    assert rig.stream.stopped
    assert rig.feed[-1] is False


def test_a_user_stream_whose_thread_died_is_the_failure_of_its_feed() -> None:
    rig = Hearing()
    rig.stream.alive = False
    with pytest.raises(RuntimeError, match="user stream died"):
        rig.actor.on_receive(Tick(now=Instant(START)))


def test_what_the_user_stream_tells_is_a_fact_first_and_then_news() -> None:
    rig = Hearing()
    feed, trader = rig.actor, rig.trader
    fill = make_fill("t1", Side.BUY, 10_000, 250, client_id="c1")
    feed.on_receive(UserFill(order_id="o1", fill=fill))
    feed.on_receive(
        UserOrder(
            at=Instant(5),
            symbol=SYMBOL,
            client_id="c1",
            order_id="o1",
            move=Move.FILLED,
            reason="",
            filled=Lots(250),
        )
    )
    first, second = rig.ledger.waiting
    assert first == fill
    assert isinstance(second, OrderFact)
    assert (second.at, second.what, second.filled, second.order_id) == (5, "filled", 250, "o1")
    told = [m for m in trader.messages if isinstance(m, OrderNews)]
    assert [m.number for m in told] == [1, 2]
    assert [type(m.event) for m in told] == [OrderFilled, OrderMoved]
    # Of a symbol that nobody trades: stored all the same.
    feed.on_receive(UserFill(order_id="o2", fill=replace(fill, symbol="Z-USD", trade_id="t2")))
    assert len(rig.ledger.waiting) == 3


def test_what_somebody_else_does_with_the_account_moves_no_position_of_ours() -> None:
    rig = Hearing()
    fill = make_fill("t1", Side.BUY, 10_000, 250, client_id="by-hand")
    rig.actor.on_receive(UserFill(order_id="o1", fill=fill))
    rig.actor.on_receive(
        UserOrder(
            at=Instant(5),
            symbol=SYMBOL,
            client_id="by-hand",
            order_id="o1",
            move=Move.ACCEPTED,
            reason="",
            filled=None,
        )
    )
    assert rig.ledger.waiting == []
    assert rig.trader.messages == []
