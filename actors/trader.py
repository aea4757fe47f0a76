"""One symbol's trader: message in, core, commands out. No decision is made here.

Lost in a crash: market data, which the slot tells again. Never lost: anything about an order, for its
fact was recorded before the trader heard of it, and the restarted trader begins from the books.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, assert_never

from actors.address import Tellable
from actors.base import BaseActor, Surroundings
from actors.board import Board
from actors.capital import Capital
from actors.conflate import NOTHING, MarketSlot
from actors.facts import FactLog
from actors.lanes import give_way
from actors.lineage import Lineage
from actors.marks import Marks
from actors.protocol import (
    BookDoubted,
    FeedMessage,
    Fence,
    GatewayMessage,
    MarketMoved,
    OrderNews,
    Recover,
    StopTrading,
    TraderMessage,
)
from actors.tapes import Tapes
from actors.view import hold_text, view_of
from quietmaker.core.commands import (
    Alert,
    CancelOrder,
    CancelReason,
    Command,
    DustLeft,
    Gate,
    HoldChanged,
    RefreshBook,
    RoundTrip,
    SubmitOrder,
)
from quietmaker.core.events import (
    CandlesLoaded,
    EligibilityChanged,
    FeesChanged,
    FundsChanged,
    LedgerChanged,
    ModeChanged,
    OrderFilled,
    OrderMoved,
    ParamsChanged,
    ProductChanged,
    Tick,
    TouchChanged,
)
from quietmaker.core.fees import fee_on
from quietmaker.core.orders import ExitReason, Intent, Move, OrderState, Purpose
from quietmaker.core.trader import Trader
from quietmaker.core.units import EXACT, SECOND, ZERO, Instant, Nanos, Side, plus
from quietmaker.ports import Clock
from quietmaker.telemetry.events import EXIT_PHRASES, Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

REMEMBERED: Final = 1_024
"""Ended orders that are remembered, to tell a late answer from an unknown order."""
_GIVEN_UP: Final = frozenset({Move.NOT_FOUND, Move.REJECTED})
"""Ends that we concluded, and that the exchange may contradict."""
_SHOW_EVERY: Final = SECOND
_ASK_AGAIN_AFTER: Final = 10 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderLinks:
    """Whom a trader talks to, and what it shares with the world.

    Attributes:
        mode: the symbol's, as it stands.
    """

    gateway: Tellable[GatewayMessage]
    feed: Tellable[FeedMessage]
    facts: FactLog
    slot: MarketSlot
    board: Board
    metrics: Metrics
    tapes: Tapes
    capital: Capital
    clock: Clock
    mode: Callable[[Instant], ModeChanged]


class TraderActor(BaseActor[TraderMessage]):
    """The shell of one symbol.

    Attributes:
        core: the state machine; looked at by tests, touched by nobody else.
    """

    def __init__(self, around: Surroundings, *, core: Trader, links: TraderLinks) -> None:
        """Wrap a fresh core."""
        super().__init__(around)
        self.core = core
        self._links = links
        self._symbol = core.state.product.symbol
        self._log = Log("trader", symbol=self._symbol)
        self._lineage = Lineage(core.state.id_prefix)
        self._waiting: list[OrderNews] = []
        self._ended: dict[str, Move | None] = {}
        """Orders that were let go, and the move that did it; None for an execution."""
        self._details: dict[Side, str] = {}
        self._exit_told: ExitReason | None = None
        self._book_at: Instant | None = None
        self._seen = (-1, -1)
        self._shared: tuple[Decimal, Decimal | None] | None = None
        self._marks = Marks(core.state.product, links.facts.put, self._marked)
        self._stopping = False
        self._shown_at = 0
        self._asked_at = 0

    def begin(self) -> None:
        """Ask to be recovered, and look again at the market that stands."""
        self._links.slot.attach(self.express)
        self._ask_to_be_recovered()
        self._show()

    def receive(self, message: TraderMessage) -> None:
        """Take what the market did meanwhile, then pass the message to the core and do what it commands."""
        if not isinstance(message, ModeChanged):
            self._drain()  # an operator's word waits for no market
        match message:
            case MarketMoved():
                pass  # taken already
            case Tick():
                self._on_tick(message)
            case OrderNews():
                self._on_order(message)
            case Recover():
                self._recover(message)
            case StopTrading():
                self._stop()
            case (
                CandlesLoaded()
                | FeesChanged()
                | ProductChanged()
                | FundsChanged()
                | ParamsChanged()
                | EligibilityChanged()
                | LedgerChanged()
                | ModeChanged()
            ):
                self._do(self.core.on(message))
            case _:
                assert_never(message)
        self._links.slot.rest(self.core.quiet())

    # --- market and time ------------------------------------------------------------------------

    def _drain(self) -> None:
        news, core = self._links.slot.drain(), self.core
        if news is NOTHING:
            return
        if news.candles:
            now = max(bar.at for bar in news.candles)
            self._do(core.on(CandlesLoaded(now=now, candles=news.candles)))
        if news.lost is not None:
            self._do(core.on(news.lost))
            self._marks.blind(news.lost.now if news.touch is None else news.touch.now)
        for at, price in news.trades:
            core.note_trade(at, price)  # known before the touch is judged, whatever came first
        if news.touch is not None:
            self._touch(news.touch)
        if news.trades:
            self._do(core.on_time(max(at for at, _ in news.trades)))

    def _touch(self, touch: TouchChanged) -> None:
        self._book_at = touch.now
        if self._seen != (self._links.board.version, self._links.capital.version):
            self._learn_shared()
        self._do(self.core.on(touch))

    def _on_tick(self, tick: Tick) -> None:
        self._learn_shared()
        if not self.core.state.recovered and (
            self.around.monotonic() - self._asked_at >= _ASK_AGAIN_AFTER
        ):
            self._ask_to_be_recovered()
        self._do(self.core.on(tick))
        self._stand_in_line()
        self._marks.seen(now=tick.now, twice_mid=self._twice_mid())
        if tick.now - self._shown_at >= _SHOW_EVERY:
            self._show()

    def _ask_to_be_recovered(self) -> None:
        self._asked_at = self.around.monotonic()
        self._links.gateway.tell(Fence(symbol=self._symbol, life=self.actor_urn))

    def _learn_shared(self) -> None:
        """Tell the core what the others use and leave, when that changed: it decides on what comes next."""
        board, capital, state = self._links.board, self._links.capital, self.core.state
        self._seen = (board.version, capital.version)
        quote = state.product.quote
        others = max(board.others(self._symbol, quote), ZERO)
        funds = capital.offered(self._symbol, quote)
        if funds is not None:  # more than it could ever use is no news
            funds = min(funds, 2 * state.params.quote.max_position + state.params.risk.max_exposure)
        if (others, funds) != self._shared:
            self._shared = (others, funds)
            self.core.share(others, funds)

    def _stand_in_line(self) -> None:
        """Wait for money while there is too little for a quote."""
        state = self.core.state
        short = any(
            ladder.side is Side.BUY and ladder.gate is Gate.INSUFFICIENT_FUNDS
            for ladder in self.core.entries.ladders
        )
        amount = state.product.notional(state.limits.least_level, 1) if short else None
        if amount is not None and state.fees is not None:
            amount = plus(amount, fee_on(amount, state.fees.taker))
        self._links.capital.wish(self._symbol, state.product.quote, amount)

    # --- orders ---------------------------------------------------------------------------------

    def _on_order(self, news: OrderNews) -> None:
        if not self.core.state.recovered:
            self._waiting.append(news)
            return
        match news.event:
            case OrderFilled():
                self._on_fill(news.event)
            case OrderMoved():
                self._on_moved(news.event)
            case _:
                assert_never(news.event)
        if self._stopping:
            self._do(self.core.stop(self._links.clock.now()))
        self._show()

    def _on_fill(self, event: OrderFilled) -> None:
        fill, state = event.fill, self.core.state
        self._marks.filled(fill, now=event.now, twice_mid=self._twice_mid())
        self._do(self.core.on(event))
        self._shared = None  # the core moved its funds by itself: what there is, is told anew
        order = state.orders.get(fill.client_id)
        if order is not None and not order.done and order.filled >= order.intent.size:
            # The books take it for ended, and nobody asks for it any more: its end may never be told.
            end = OrderMoved(
                now=event.now,
                client_id=fill.client_id,
                move=Move.FILLED,
                reason="",
                filled=order.intent.size,
            )
            self._do(self.core.on(end))
        self._remember(fill.client_id, None)

    def _marked(self, symbol: str, horizon: Nanos, value: Decimal, notional: Decimal) -> None:
        self._links.metrics.marked(symbol, horizon, value)
        now = self._links.clock.now()
        self._links.tapes.marked(symbol, now, horizon, value=value, notional=notional)

    def _twice_mid(self) -> int | None:
        state = self.core.state
        return state.bid + state.ask if state.seen and state.stale is None else None

    def _on_moved(self, event: OrderMoved) -> None:
        if self._is_late(event):
            if event.move is Move.ACCEPTED and self._ended.get(event.client_id) in _GIVEN_UP:
                self._call_back(event)
            return
        if (
            event.move is Move.ACCEPTED
            and event.client_id not in self.core.state.orders
            and self._lineage.is_earlier(event.client_id)
        ):
            self._call_back(event)  # recovery adopted what there was: it came later
            return
        self._learn_shared()  # its end may be the end of a turn: what it held may be somebody else's now
        self._do(self.core.on(event))
        self._remember(event.client_id, event.move)

    def _call_back(self, event: OrderMoved) -> None:
        """Cancel an order that was given up as never placed, and that rests at the exchange after all."""
        self._log.warning(
            Event.ALERT,
            f"{event.client_id} was given up and is at the exchange after all: it is cancelled",
            client_order_id=event.client_id,
        )
        self._links.gateway.tell(
            CancelOrder(
                client_id=event.client_id,
                symbol=self._symbol,
                reason=CancelReason.STRAY,
                now=event.now,
            )
        )

    def _is_late(self, event: OrderMoved) -> bool:
        """Return whether the stream overtook this answer: what it says is no news, and no contradiction."""
        order = self.core.state.orders.get(event.client_id)
        if order is None:
            return event.client_id in self._ended
        if event.move is Move.OUTCOME_UNKNOWN:
            return order.state not in {OrderState.PENDING, OrderState.UNKNOWN}
        return order.done and event.move in {Move.ACCEPTED, Move.NOT_FOUND}

    def _remember(self, client_id: str, by: Move | None) -> None:
        if client_id in self.core.state.orders:
            return
        self._ended[client_id] = by
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _recover(self, message: Recover) -> None:
        """Begin from the books, then take what happened after they were read."""
        if self.core.state.recovered or message.life != self.actor_urn:
            return  # a second answer to a request that was repeated, or one to an earlier life
        for event in message.setting:
            self._do(self.core.on(event))
        # Read now, not when the books were: what was told meanwhile must not be undone.
        self._do(self.core.on(self._links.mode(self._links.clock.now())))
        # The market first: adopted quotes that are still wanted then keep their place in the queue.
        self._drain()
        self._do(self.core.on(message.recovered))
        waiting, self._waiting = self._waiting, []
        for news in waiting:
            if news.number > message.upto:
                self._on_order(news)
        self._log.info(
            Event.RECOVERED,
            f"{len(message.recovered.orders)} orders adopted, {self.core.state.position.lots} lots held",
            orders=len(message.recovered.orders),
            lots=self.core.state.position.lots,
        )
        if self._stopping:
            self._do(self.core.stop(self._links.clock.now()))
        self._show()

    def _stop(self) -> None:
        self._stopping = True
        if self.core.state.recovered:
            self._do(self.core.stop(self._links.clock.now()))
        self._show()

    # --- commands -------------------------------------------------------------------------------

    def _do(self, commands: Sequence[Command]) -> None:
        """Send what is to be sent; only then tell of it, and of everything else."""
        if not commands:
            return
        self._send(commands)
        for command in commands:
            match command:
                case SubmitOrder():
                    self._decided(command.intent)
                case CancelOrder():
                    pass  # the gateway tells of it
                case RefreshBook():
                    self._links.feed.tell(BookDoubted(symbol=self._symbol))
                case HoldChanged():
                    self._hold(command)
                case RoundTrip():
                    self._closed(command)
                case DustLeft():
                    self._links.facts.put(command)
                case Alert():
                    self._alert(command)
                case _:
                    assert_never(command)
        self._show()

    def _send(self, commands: Sequence[Command]) -> None:
        orders = [each for each in commands if isinstance(each, SubmitOrder | CancelOrder)]
        for order in orders:
            self._links.gateway.tell(order)
        if orders:
            give_way()

    def _decided(self, intent: Intent) -> None:
        reason = intent.exit_reason
        if intent.purpose is Purpose.EXIT and reason is not None and reason is not self._exit_told:
            self._exit_told = reason
            price = self.core.state.product.price(intent.price)
            size = self.core.state.product.size(intent.size)
            self._log.info(
                Event.EXIT_DECIDED,
                f"{EXIT_PHRASES[reason]}: {intent.side.value} {size} at {price}",
                reason=reason,
                price=price,
                size=size,
                client_order_id=intent.client_id,
            )

    def _hold(self, hold: HoldChanged) -> None:
        self._details[hold.side] = hold.detail
        self._links.facts.put(hold)
        self._links.metrics.hold_changed(hold)
        text = hold_text(hold)
        gate = "quoted" if hold.gate is None else hold.gate.value
        self._log.info(Event.HOLD_CHANGED, text, side=hold.side, reason=gate)

    def _closed(self, trip: RoundTrip) -> None:
        self._exit_told = None
        self._links.metrics.round_trip(trip)
        self._links.board.closed(trip)
        held = (trip.closed_at - trip.opened_at) / SECOND
        self._log.info(
            Event.ROUND_TRIP_CLOSED,
            f"{EXIT_PHRASES[trip.exit_reason]}: net {EXACT.normalize(trip.net):f} after "
            f"{EXACT.normalize(trip.fees):f} fees, {held:.1f} s held",
            reason=trip.exit_reason,
            net=trip.net,
            fees=trip.fees,
            spread_captured=trip.spread_captured,
            price_move=trip.price_move,
            hold_seconds=held,
            client_order_id=trip.closing_order,
        )

    def _alert(self, alert: Alert) -> None:
        self._links.facts.put(alert)
        self._links.metrics.alert(alert)
        self._log.warning(Event.ALERT, alert.detail, kind=alert.kind)

    def _show(self) -> None:
        view = view_of(self.core, details=self._details, book_at=self._book_at)
        self._links.board.show(view)
        self._shown_at = self._links.clock.now()
