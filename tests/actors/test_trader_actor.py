"""The trader's shell: tells what the core commands, and recovers without losing or doubling anything."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from actors.board import Board
from actors.conflate import MarketSlot
from actors.facts import FactLog
from actors.protocol import (
    BookDoubted,
    FeedMessage,
    Fence,
    GatewayMessage,
    MarketMoved,
    OrderNews,
    Recover,
    StopTrading,
)
from actors.tapes import Tapes
from actors.trader import TraderActor, TraderLinks
from quietmaker.core.commands import Alert, CancelOrder, CancelReason, SubmitOrder
from quietmaker.core.events import (
    CandlesLoaded,
    DataLost,
    EligibilityChanged,
    FeesChanged,
    FundsChanged,
    Mode,
    ModeChanged,
    OrderFilled,
    OrderMoved,
    Recovered,
    Tick,
    TouchChanged,
)
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import (
    POST_ONLY_REFUSED,
    Fill,
    Intent,
    Move,
    OrderState,
    Purpose,
    Working,
)
from quietmaker.core.positions import Lot
from quietmaker.core.state import tick_lots
from quietmaker.core.trader import Trader
from quietmaker.core.units import PPB, SECOND, Instant, Liquidity, Lots, Rate, Side, Ticks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import FillMarked, LedgerFact
from tests.actors.fakes import HandClock, Told, around, make_capital, make_metrics, usd
from tests.kit.makers import (
    FEES,
    SYMBOL,
    candles,
    make_fill,
    make_intent,
    make_params,
    make_product,
    make_working,
    maker_fee,
)


@dataclass
class Rig:
    clock: HandClock = field(default_factory=HandClock)
    gateway: Told[GatewayMessage] = field(default_factory=Told)
    feed: Told[FeedMessage] = field(default_factory=Told)
    board: Board = field(default_factory=Board)
    standing: Mode = Mode.RUN
    money: str = "1000000"

    def mode(self, now: Instant) -> ModeChanged:
        return ModeChanged(now=now, mode=self.standing, reason="operator anna: a test")

    def __post_init__(self) -> None:
        self.product = make_product()
        self.ledger = MemoryLedger()
        self.metrics = make_metrics()
        self.capital = make_capital({SYMBOL: self.product}, self.clock, money=self.money)
        self.facts = FactLog(self.ledger, lambda: None)
        self.slot = MarketSlot(lambda: True)
        core = Trader(self.product, make_params(), id_prefix="qm1")
        self.trader = TraderActor(
            around(f"trader:{SYMBOL}", self.clock),
            core=core,
            links=TraderLinks(
                tapes=Tapes(),
                capital=self.capital,
                gateway=self.gateway,
                feed=self.feed,
                facts=self.facts,
                slot=self.slot,
                board=self.board,
                metrics=self.metrics,
                clock=self.clock,
                mode=self.mode,
            ),
        )
        self.number = 0

    def recover(
        self,
        *,
        orders: tuple[Working, ...] = (),
        lots: tuple[Lot, ...] = (),
        upto: int = 0,
        life: str | None = None,
    ) -> None:
        now = self.clock.now()
        self.trader.on_receive(
            Recover(
                life=self.trader.actor_urn if life is None else life,
                recovered=Recovered(
                    now=now,
                    orders=orders,
                    lots=lots,
                    round_trip=lots[0].order if lots else None,
                    reason=None,
                    next_sequence=1,
                    newest=max(((lot.at, lot.trade_id) for lot in lots), default=None),
                    latest=None,
                ),
                upto=upto,
                setting=(
                    CandlesLoaded(now=now, candles=candles(now, low=9_800, high=10_200)),
                    EligibilityChanged(now=now, rule=None, size_share=Rate(PPB)),
                    FeesChanged(now=now, fees=FEES),
                    FundsChanged(now=now, quote=Decimal(1_000), base=Lots(0)),
                ),
            )
        )

    def touch(self, bid: int = 10_000, ask: int = 10_100) -> None:
        self.slot.put_touch(touch_changed(self.clock.now(), bid, ask))
        self.trader.on_receive(MarketMoved())

    def let_pass(self, seconds: int) -> None:
        """Let time pass, and tick once."""
        self.trader.on_receive(Tick(now=self.clock.advance(seconds * SECOND)))

    def quoting(self) -> Intent:
        """Recover, show a market, and return the entry that was sent and accepted."""
        self.recover()
        self.touch()
        (command,) = self.gateway.take()
        assert isinstance(command, SubmitOrder)
        self.moved(command.intent.client_id, Move.ACCEPTED)
        return command.intent

    def news(self, event: OrderMoved | OrderFilled) -> OrderNews:
        self.number += 1
        return OrderNews(number=self.number, event=event)

    def moved(self, client_id: str, move: Move, *, filled: int | None = None) -> None:
        event = OrderMoved(
            now=self.clock.now(),
            client_id=client_id,
            move=move,
            reason="",
            filled=None if filled is None else Lots(filled),
        )
        self.trader.on_receive(self.news(event))

    def filled(self, fill: Fill) -> None:
        self.trader.on_receive(self.news(OrderFilled(now=self.clock.now(), fill=fill)))

    def stored(self) -> list[LedgerFact]:
        return list(self.ledger.waiting)


def touch_changed(now: Instant, bid: int = 10_000, ask: int = 10_100) -> TouchChanged:
    return TouchChanged(now=now, bid=Ticks(bid), bid_size=Lots(9), ask=Ticks(ask), ask_size=Lots(9))


def fill_of(intent: Intent, trade_id: str, *, price: int | None = None) -> Fill:
    at_price = intent.price if price is None else price
    return make_fill(
        trade_id,
        intent.side,
        at_price,
        intent.size,
        client_id=intent.client_id,
        fee=maker_fee(make_product(), at_price, intent.size),
    )


def test_a_trader_without_money_stands_in_line_and_quotes_once_there_is_some() -> None:
    rig = Rig(money="25.09")  # one order holds $25.10
    rig.recover()
    rig.let_pass(1)
    rig.touch()
    assert rig.gateway.take() == []
    rig.let_pass(1)
    assert rig.capital.waiting() == 1
    marks = rig.capital.mark(["USD"])
    rig.capital.observe({"USD": usd("25.1")}, marks, {})
    rig.let_pass(1)
    (command,) = rig.gateway.take()
    assert isinstance(command, SubmitOrder)
    rig.let_pass(1)
    assert rig.capital.waiting() == 0


def test_a_quote_that_ended_is_not_replaced_with_money_that_others_wait_for() -> None:
    rig = Rig(money="30")
    intent = rig.quoting()
    assert rig.capital.admit(intent) is None
    rig.let_pass(59)
    rig.clock.advance(SECOND)  # its turn is over
    rig.capital.wish("Y-USD", "USD", Decimal(25))
    rig.capital.moved(intent.client_id, Move.EXPIRED, None)
    rig.moved(intent.client_id, Move.EXPIRED)
    assert rig.gateway.take() == []


def test_after_a_fill_a_trader_learns_anew_what_there_is() -> None:
    rig = Rig(money="30")
    intent = rig.quoting()
    assert rig.capital.admit(intent) is None
    fill = fill_of(intent, "t1")
    rig.capital.executed(fill)
    rig.let_pass(1)  # what is left is learned before the fill is heard of, which takes it off again
    rig.filled(fill)
    rig.let_pass(1)
    state = rig.trader.core.state
    left = Decimal(30) - state.product.notional(fill.price, fill.size) - fill.fee
    assert state.funds == tick_lots(state.product, left)


def test_a_trader_asks_to_be_recovered_and_sends_nothing_before() -> None:
    rig = Rig()
    rig.trader.begin()
    assert rig.gateway.take() == [Fence(symbol=SYMBOL, life=rig.trader.actor_urn)]
    rig.touch()
    assert rig.gateway.take() == []
    rig.clock.advance(11 * SECOND)
    rig.trader.on_receive(Tick(now=rig.clock.now()))  # nobody answered: it asks again
    assert rig.gateway.take() == [Fence(symbol=SYMBOL, life=rig.trader.actor_urn)]


def test_a_quote_and_its_round_trip_reach_gateway_ledger_and_board() -> None:
    rig = Rig()
    entry = rig.quoting()
    assert (entry.purpose, entry.price, entry.post_only) == (Purpose.ENTRY, 10_000, True)
    rig.filled(fill_of(entry, "t1"))
    rig.moved(entry.client_id, Move.FILLED, filled=entry.size)
    (command,) = [c for c in rig.gateway.take() if isinstance(c, SubmitOrder)]
    leaving = command.intent
    assert leaving.purpose is Purpose.EXIT
    rig.moved(leaving.client_id, Move.ACCEPTED)
    rig.filled(fill_of(leaving, "t2"))
    rig.moved(leaving.client_id, Move.FILLED, filled=leaving.size)
    result = rig.board.results()[SYMBOL]
    assert (result.trips, result.net > 0) == (1, True)
    marks = [fact for fact in rig.stored() if isinstance(fact, FillMarked)]
    assert [(mark.trade_id, mark.twice_mid) for mark in marks] == [("t1", 20_100), ("t2", 20_100)]


def marks_of(rig: Rig) -> list[tuple[int, int]]:
    """Return seconds after the fill and bid plus ask, of everything that was told since last asked."""
    told, rig.ledger.waiting = rig.ledger.waiting, []
    return [(f.horizon // SECOND, f.twice_mid) for f in told if isinstance(f, FillMarked)]


def test_the_market_5_30_60_and_300_seconds_after_a_fill_is_told() -> None:
    rig = Rig()
    rig.filled(replace(fill_of(rig.quoting(), "t1"), at=rig.clock.now()))
    assert marks_of(rig) == [(0, 20_100)]
    rig.let_pass(4)
    rig.touch(10_001, 10_101)
    rig.let_pass(1)
    assert marks_of(rig) == [(5, 20_102)]
    rig.touch(10_002, 10_102)
    rig.let_pass(24)
    assert marks_of(rig) == []
    for passed, seconds in [(1, 30), (30, 60), (240, 300)]:
        rig.let_pass(passed)
        assert marks_of(rig) == [(seconds, 20_104)]
    rig.let_pass(600)
    assert marks_of(rig) == []


def test_what_the_market_did_after_a_fill_is_counted_for_us_and_against_us() -> None:
    rig = Rig()
    entry = rig.quoting()
    rig.filled(replace(fill_of(entry, "t1"), at=rig.clock.now()))
    rig.let_pass(4)
    rig.touch(10_001, 10_101)
    rig.let_pass(1)
    rig.touch(9_998, 10_098)
    rig.let_pass(25)
    worth = rig.product.notional(1, entry.size)

    def counted(horizon: str, direction: str) -> float | None:
        labels = {"horizon": horizon, "direction": direction}
        return rig.metrics.registry.get_sample_value("quietmaker_fill_markout_usd_total", labels)

    assert counted("5s", "favourable") == float(worth)
    assert counted("5s", "adverse") == 0
    assert counted("30s", "adverse") == float(2 * worth)


def test_the_market_of_a_book_that_was_stale_then_stays_unknown() -> None:
    rig = Rig()
    rig.filled(replace(fill_of(rig.quoting(), "t1"), at=rig.clock.now()))
    rig.clock.advance(4 * SECOND)
    rig.slot.put_lost(DataLost(now=rig.clock.now(), reason=StaleReason.GAP))
    rig.let_pass(2)
    rig.touch()
    rig.let_pass(1)
    assert marks_of(rig) == [(0, 20_100)], "healed at 6 s, nobody knows what was at 5 s"
    rig.slot.put_lost(DataLost(now=rig.clock.now(), reason=StaleReason.GAP))
    rig.clock.advance(22 * SECOND)
    rig.touch(10_010, 10_100)
    rig.let_pass(2)
    assert marks_of(rig) == [(30, 20_110)], "healed at 29 s"


def test_a_book_that_healed_between_two_looks_was_stale_in_between() -> None:
    rig = Rig()
    rig.filled(replace(fill_of(rig.quoting(), "t1"), at=rig.clock.now()))
    rig.clock.advance(4 * SECOND)
    rig.slot.put_lost(DataLost(now=rig.clock.now(), reason=StaleReason.GAP))
    rig.clock.advance(2 * SECOND)
    rig.touch()
    rig.let_pass(1)
    assert marks_of(rig) == [(0, 20_100)]


def test_a_market_that_is_looked_at_too_late_stays_unknown() -> None:
    rig = Rig()
    rig.filled(replace(fill_of(rig.quoting(), "t1"), at=rig.clock.now()))
    rig.let_pass(40)
    assert marks_of(rig) == [(0, 20_100)], "this trader hung from before 5 s until after 30 s"
    rig.let_pass(20)
    assert [seconds for seconds, _ in marks_of(rig)] == [60]


def test_a_fill_that_is_told_late_has_only_the_marks_that_are_still_to_come() -> None:
    rig = Rig()
    entry = rig.quoting()
    happened = rig.clock.now()
    rig.clock.advance(20 * SECOND)
    rig.filled(replace(fill_of(entry, "t1"), at=happened))
    rig.let_pass(10)
    assert [seconds for seconds, _ in marks_of(rig)] == [30]


def test_a_trader_that_starts_again_leaves_the_marks_of_its_earlier_life_unknown() -> None:
    rig = Rig()
    fill = replace(fill_of(rig.quoting(), "t1"), at=rig.clock.now())
    rig.filled(fill)
    again = Rig(clock=rig.clock)
    lot = Lot(
        trade_id="t1",
        order=fill.client_id,
        entry=fill.side,
        price=fill.price,
        lots=fill.size,
        fee=fill.fee,
        twice_mid=20_100,
        at=fill.at,
        maker=True,
    )
    again.recover(lots=(lot,))
    again.touch()
    again.let_pass(5)
    assert marks_of(again) == []


def test_an_order_that_its_fills_make_up_has_ended_even_if_nobody_says_so() -> None:
    rig = Rig()
    entry = rig.quoting()
    rig.filled(fill_of(entry, "t1"))  # the frame that said FILLED was lost
    assert entry.client_id not in rig.trader.core.state.orders
    (command,) = [c for c in rig.gateway.take() if isinstance(c, SubmitOrder)]
    leaving = command.intent
    rig.moved(leaving.client_id, Move.ACCEPTED)
    rig.filled(fill_of(leaving, "t2"))
    assert rig.trader.core.state.orders == {}, "nothing holds the place of the next quote"
    rig.moved(entry.client_id, Move.FILLED, filled=entry.size)  # said after all: no news
    assert [fact for fact in rig.stored() if isinstance(fact, Alert)] == []


def test_an_alert_of_the_core_is_counted() -> None:
    rig = Rig()
    rig.filled(replace(fill_of(rig.quoting(), "t1"), liquidity=Liquidity.TAKER))
    shown = rig.metrics.expose("")[0].decode()
    assert 'quietmaker_alerts_total{kind="taker_fill"} 1.0' in shown


def test_the_view_shows_market_quotes_and_the_reason_for_not_quoting() -> None:
    rig = Rig()
    entry = rig.quoting()
    view = rig.board.view(SYMBOL)
    assert view is not None
    assert (view.bid, view.ask) == (Decimal("1.0000"), Decimal("1.0100"))
    assert view.sides[Side.BUY].quotes == ((Decimal("1.0000"), Decimal("25.0"), "open"),)
    assert view.exposure == rig.product.notional(entry.price, entry.size)
    rig.touch(10_000, 10_010)
    view = rig.board.view(SYMBOL)
    assert view is not None
    assert view.sides[Side.BUY].gate == "spread_below_required"
    assert "0.505 %" in view.sides[Side.BUY].detail


def test_an_adopted_order_is_managed_like_our_own() -> None:
    rig = Rig()
    old = make_working(make_intent("qm0-1", Side.BUY, 10_000, 250, at=rig.clock.now()))
    rig.slot.put_touch(touch_changed(rig.clock.now()))
    rig.recover(orders=(old,))
    assert rig.gateway.take() == []  # still wanted: it keeps its place in the queue
    rig.touch(10_020, 10_120)
    (command,) = rig.gateway.take()
    assert isinstance(command, CancelOrder)
    assert (command.client_id, command.reason) == ("qm0-1", CancelReason.REPRICE)


def test_order_news_before_the_recovery_is_taken_after_it_unless_the_books_hold_it() -> None:
    rig = Rig()
    entry = make_intent("qm0-1", Side.BUY, 10_000, 250, at=rig.clock.now())
    rig.filled(fill_of(entry, "in the books"))  # number 1
    late = make_fill("after them", Side.BUY, 10_000, 100, client_id="qm0-2")
    rig.filled(late)  # number 2
    lot = Lot(
        trade_id="in the books",
        order="qm0-1",
        entry=Side.BUY,
        price=Ticks(10_000),
        lots=250,
        fee=Decimal(0),
        twice_mid=20_000,
        at=Instant(rig.clock.at),
        maker=True,
    )
    other = make_working(make_intent("qm0-2", Side.BUY, 10_000, 100, at=rig.clock.now()))
    rig.recover(orders=(other,), lots=(lot,), upto=1)
    assert rig.trader.core.state.position.lots == 350


def test_a_closing_fill_that_the_books_hold_is_not_applied_again() -> None:
    rig = Rig()
    leaving = make_intent("qm0-9", Side.SELL, 10_000, 250)
    rig.filled(fill_of(leaving, "closed it"))  # told before the recovery, and in the books
    rig.recover(upto=1)
    assert rig.trader.core.state.position.lots == 0


def test_a_recovery_meant_for_an_earlier_life_is_ignored() -> None:
    rig = Rig()
    rig.recover(life="urn of the dead")
    assert not rig.trader.core.state.recovered


def test_answers_that_the_stream_overtook_raise_no_alarm() -> None:
    rig = Rig()
    entry = rig.quoting()
    rig.filled(fill_of(entry, "t1"))
    rig.moved(entry.client_id, Move.FILLED, filled=entry.size)
    before = len(rig.stored())
    for move in (Move.ACCEPTED, Move.OUTCOME_UNKNOWN, Move.CANCEL_REFUSED):
        rig.moved(entry.client_id, move)
    assert len(rig.stored()) == before
    rig.moved("nobody knows it", Move.ACCEPTED)
    assert len(rig.stored()) == before + 1


@pytest.mark.parametrize("end", [Move.NOT_FOUND, Move.REJECTED])
def test_an_order_that_was_given_up_and_rests_after_all_is_cancelled(end: Move) -> None:
    rig = Rig()
    rig.recover()
    rig.touch()
    (command,) = rig.gateway.take()
    assert isinstance(command, SubmitOrder)
    lost = command.intent.client_id
    rig.moved(lost, Move.OUTCOME_UNKNOWN)
    rig.moved(lost, end)
    rig.gateway.take()
    rig.moved(lost, Move.ACCEPTED)
    (cancel,) = rig.gateway.take()
    assert isinstance(cancel, CancelOrder)
    assert (cancel.client_id, cancel.reason) == (lost, CancelReason.STRAY)


def test_an_order_of_an_earlier_run_that_arrives_after_recovery_is_cancelled() -> None:
    rig = Rig()
    rig.recover()
    own = rig.trader.core.state.id_prefix
    run = int(own.removeprefix("qm"))
    for other in (f"qm{run + 1}-{SYMBOL}-SX1", f"qm-{SYMBOL}-SX1", f"qm{run - 1}"):
        rig.moved(other, Move.ACCEPTED)
    assert rig.gateway.take() == []
    late = f"qm{run - 1}-{SYMBOL}-SX1"
    rig.moved(late, Move.ACCEPTED)
    (cancel,) = rig.gateway.take()
    assert isinstance(cancel, CancelOrder)
    assert (cancel.client_id, cancel.reason) == (late, CancelReason.STRAY)


def test_an_unknown_outcome_of_an_order_that_the_stream_confirmed_is_no_news() -> None:
    rig = Rig()
    entry = rig.quoting()
    rig.moved(entry.client_id, Move.OUTCOME_UNKNOWN)
    assert rig.trader.core.state.orders[entry.client_id].state is OrderState.OPEN


def test_a_stop_cancels_what_rests_and_what_is_accepted_later() -> None:
    rig = Rig()
    entry = rig.quoting()
    rig.trader.on_receive(StopTrading())
    (cancel,) = rig.gateway.take()
    assert isinstance(cancel, CancelOrder)
    assert (cancel.client_id, cancel.reason) == (entry.client_id, CancelReason.SHUTDOWN)

    rig = Rig()
    rig.recover()
    rig.touch()
    (command,) = rig.gateway.take()
    assert isinstance(command, SubmitOrder)
    rig.trader.on_receive(StopTrading())  # the request is still on its way
    assert rig.gateway.take() == []
    rig.moved(command.intent.client_id, Move.ACCEPTED)
    assert [type(c) for c in rig.gateway.take()] == [CancelOrder]
    rig.touch(10_010, 10_110)
    assert rig.gateway.take() == []


def test_the_others_exposure_counts_against_the_limit() -> None:
    rig = Rig()
    other = Rig(board=rig.board)
    other.quoting()
    view = rig.board.view(SYMBOL)
    assert view is not None
    rig.board.show(replace(view, symbol="Y-USD", exposure=Decimal(490)))
    rig.recover()
    rig.touch()
    assert rig.gateway.take() == []
    view = rig.board.view(SYMBOL)
    assert view is not None
    assert view.sides[Side.BUY].gate == "risk_refused"


def test_a_wake_that_was_lost_is_healed_by_the_next_tick() -> None:
    rig = Rig()
    rig.recover()
    rig.slot.put_touch(touch_changed(rig.clock.now()))
    rig.trader.on_receive(Tick(now=rig.clock.now()))
    assert [type(c) for c in rig.gateway.take()] == [SubmitOrder]


def test_a_book_that_orders_speak_against_is_asked_for_anew() -> None:
    rig = Rig()
    intent = rig.quoting()
    for _ in range(3):
        rig.trader.on_receive(
            rig.news(
                OrderMoved(
                    now=rig.clock.now(),
                    client_id=intent.client_id,
                    move=Move.CANCELLED,
                    reason=POST_ONLY_REFUSED,
                    filled=Lots(0),
                )
            )
        )
        sent = [told for told in rig.gateway.take() if isinstance(told, SubmitOrder)]
        if sent:
            intent = sent[0].intent
            rig.moved(intent.client_id, Move.ACCEPTED)
    assert rig.feed.messages == [BookDoubted(symbol=SYMBOL)]


def test_a_trader_that_begins_anew_stands_under_the_mode_of_now() -> None:
    rig = Rig(standing=Mode.HALT)
    rig.recover()
    rig.touch()
    assert rig.trader.core.state.mode is Mode.HALT
    assert rig.gateway.take() == []


def test_an_operators_word_is_heard_before_the_market_that_waits() -> None:
    rig = Rig()
    rig.recover()
    rig.slot.put_touch(touch_changed(rig.clock.now()))
    rig.trader.on_receive(ModeChanged(now=rig.clock.now(), mode=Mode.PAUSE, reason="operator anna"))
    rig.trader.on_receive(MarketMoved())
    assert rig.gateway.take() == []
