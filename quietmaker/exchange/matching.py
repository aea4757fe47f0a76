"""The matching core: one account on many symbols, a virtual clock, no threads.

Drive it so, with every time in nanoseconds and never backwards::

    venue = core.symbol("TNSR-USD")
    for at, bid, bid_size, ask, ask_size in touches:
        while core.next_due <= at:
            now = core.next_due
            for result in core.advance(now):   # heard by us at `now`
                ...                            # may call core.submit(now, intent)
        venue.on_touch(at, bid, bid_size, ask, ask_size)

What is due at the same nanosecond as a market event happens before it; at one instant, expiries come
first, then requests in the order of arrival. Each call of `advance` does one instant only, so that
what is sent in reaction to a result is never overtaken by what happens later. Requests take effect
after the entry or cancel latency; what the exchange has to say reaches us after the response
latency, the stream in order. A result carries the exchange's own time in `at`.

Rules of matching are stated in `venue`, of netting in `levels`, of fills in `models`, of holds in
`account`, of refusals in `refusals`. The same inputs and seed give the same results, ids included:
order and trade ids are `session` and a running number.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final, assert_never

from quietmaker.core.fees import FeeRates
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.orders import Fill, Intent, Move, OrderState, TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import NEVER, Instant, Liquidity, Lots, Ticks
from quietmaker.exchange.account import Account
from quietmaker.exchange.admission import Admission
from quietmaker.exchange.answers import CancelAnswer, Request, Result, SubmitAnswer
from quietmaker.exchange.latency import Latency, Wire
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.exchange.models import FillModel
from quietmaker.exchange.orders import Order, OrderStore
from quietmaker.exchange.refusals import (
    SELF_TRADE,
    CancelRefusal,
    Refusal,
    check_cancel,
)
from quietmaker.exchange.venue import Venue
from quietmaker.ports import Accepted, CancelOutcome, Rejected, UserFill, UserOrder

DEFAULT_RETAIN: Final = 10_000

_ACCEPTED: Final = Move.ACCEPTED
_GTD: Final = TimeInForce.GTD
_RESTING: Final = frozenset({TimeInForce.GTC, TimeInForce.GTD})
_OPEN: Final = OrderState.OPEN


class MatchingCore:
    """An exchange without a wire.

    Attributes:
        next_due: when `advance` has something to do next; NEVER when nothing is pending.
        account: balances and holds.
        model: the fill model; print its `bias` with every result.
    """

    __slots__ = (
        "_admission",
        "_confirm",
        "_expiries",
        "_history",
        "_latency",
        "_now",
        "_number",
        "_orders",
        "_products",
        "_replies",
        "_requests",
        "_results",
        "_sequence",
        "_session",
        "_stream",
        "_submits",
        "_venues",
        "account",
        "model",
        "next_due",
    )

    def __init__(
        self,
        *,
        products: Mapping[str, Product],
        balances: Mapping[str, Decimal],
        fees: FeeRates,
        model: FillModel,
        latency: Latency,
        seed: int,
        session: str = "paper",
        retain: int = DEFAULT_RETAIN,
        history: int = 0,
        confirm: bool = True,
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Open the exchange.

        Args:
            products: what can be traded, by symbol.
            balances: what the account starts with, by currency.
            fees: its rates; an order keeps those of its placement.
            model: what to believe of queues.
            latency: of requests and answers.
            seed: of the jitter; without jitter nothing is random.
            session: prefix of order and trade ids; give each run of a ledger its own.
            retain: finished orders that are remembered for repeats and queries.
            history: executions that `fills` remembers; 0 keeps none.
            confirm: whether requests that succeed are answered. Who only follows the stream, which
                tells the same, can do without; refusals are always answered.
            aliases: symbols that share another one's market and increments, and settle in their own
                currencies, such as BTC-USDC that of BTC-USD.
        """
        self.next_due: int = NEVER
        self.account = Account(balances)
        self.model = model
        self._venues = {
            symbol: Venue(product, model, self._executed)
            for symbol, product in products.items()
            if symbol not in aliases
        }
        self._venues |= {alias: self._venues[symbol] for alias, symbol in aliases.items()}
        self._admission = Admission(products, self._venues, self.account, fees)
        self._products = self._admission.products
        self._latency = latency
        rng = random.Random(seed)
        self._submits = Wire(jitter=latency.jitter, rng=rng, ordered=False)
        self._replies = Wire(jitter=latency.jitter, rng=rng, ordered=False)
        self._stream = Wire(jitter=latency.jitter, rng=rng, ordered=True)
        self._orders = OrderStore(retain=retain)
        self._history: deque[UserFill] = deque(maxlen=history)
        self._session = session
        self._confirm = confirm
        self._number = 0
        self._sequence = 0
        self._now = 0
        self._requests: list[tuple[int, int, Request]] = []
        """Orders, and client ids to cancel; the number is the ticket."""
        self._expiries: list[tuple[int, int, Order]] = []
        self._results: list[tuple[int, int, Result]] = []

    # --- market in ------------------------------------------------------------------------------

    def symbol(self, symbol: str) -> Venue:
        """Return the market of a symbol, to be fed directly.

        Raises:
            KeyError: if the exchange has no such product.
        """
        return self._venues[symbol]

    def apply(self, event: MarketEvent) -> None:
        """Feed one market event. Touches of a symbol that has depth are derived, and skipped here."""
        venue = self._venues[event.symbol]
        match event:
            case TouchQuote():
                if not venue.deep:
                    venue.on_touch(event.at, event.bid, event.bid_size, event.ask, event.ask_size)
            case TradePrint():
                venue.on_trade(event.at, event.price, event.size, event.aggressor)
            case BookDelta():
                venue.on_book_delta(event.at, event.changes)
            case BookSnapshot():
                venue.on_book_snapshot(event.at, event.bids, event.asks)
            case FeedLost():
                venue.on_lost()
            case CandleBar():
                pass  # states the past; nothing trades on it
            case _:
                assert_never(event)

    # --- requests in ----------------------------------------------------------------------------

    def submit(self, at: int, order: Intent | MarketOrder) -> int:
        """Send an order at `at`. Return the ticket that its answer will carry."""
        return self._ask(self._submits.arrival(at, self._latency.entry), order)

    def cancel(self, at: int, client_id: str) -> int:
        """Send a cancellation at `at`. Return the ticket that its answer will carry."""
        return self._ask(self._submits.arrival(at, self._latency.cancel), client_id)

    def check(self, at: int, order: Intent | MarketOrder) -> Intent | Refusal:
        """Return an order as it would be taken now, or why not; nothing happens to it.

        Everything before `at` must have happened.
        """
        self._now = max(self._now, at)
        return self._admission.check(order, self._now)

    def amend(self, at: int, client_id: str, price: int, size: int) -> str | None:
        """Change an open GTC order at once; everything before `at` must have happened.

        An order that only shrinks keeps its place in the queue; any other change puts it at the end.

        Args:
            at: when the change takes effect.
            client_id: the order.
            price: its new limit, in ticks.
            size: its new total size, in lots, with what has executed.

        Returns:
            Why it is refused, in Coinbase's words, or None; a refused change changes nothing.
        """
        self._now = max(self._now, at)
        wrong = self.check_amend(client_id, price, size)
        order = self._orders.get(client_id)
        if order is None or wrong is not None:
            return wrong
        intent = order.intent
        product, venue = self._products[intent.symbol], self._venues[intent.symbol]
        changed = order.changed(Ticks(price), Lots(size))
        self.account.release(product, order)
        self.account.reserve(product, changed)
        stays = price == order.price and size < intent.size
        if not stays:
            venue.leave(order)
        order.become(changed)
        self._tell(self._now, order.moved(_ACCEPTED, self._now))
        if not stays:
            self._place(order)
        return None

    def check_amend(self, client_id: str, price: int, size: int) -> str | None:
        """Return why `amend` would refuse a change now, or None; nothing changes."""
        return self._admission.check_amend(self._orders.get(client_id), price, size)

    def end(self, at: int, client_id: str, state: OrderState, move: Move, reason: str) -> None:
        """Let the exchange end an open order of its own accord; one that has ended stays as it is."""
        order = self._orders.get(client_id)
        if order is None or order.state is not _OPEN:
            return
        self._now = max(self._now, at)
        self._venues[order.intent.symbol].leave(order)
        order.reason = reason
        self._finish(order, state, move, self._now)

    def advance(self, now: int) -> Sequence[Result]:
        """Do what is due at the next instant, if that is not after `now`.

        Returns:
            What reaches us at that instant, in order; often nothing. Call again while
            `next_due` is not after `now`.
        """
        instant = self.next_due
        if instant > now:
            return ()
        self._now = max(self._now, instant)
        while self._expiries and self._expiries[0][0] <= instant:
            self._expire(heapq.heappop(self._expiries)[2])
        while self._requests and self._requests[0][0] <= instant:
            _, ticket, request = heapq.heappop(self._requests)
            if isinstance(request, str):
                self._on_cancel(ticket, request)
            elif isinstance(request, MarketOrder):
                self._on_market_order(ticket, request)
            else:
                self._on_submit(ticket, request)
        results: list[Result] = []
        while self._results and self._results[0][0] <= instant:
            results.append(heapq.heappop(self._results)[2])
        self._refresh_due()
        return results

    # --- queries --------------------------------------------------------------------------------

    @property
    def fees(self) -> FeeRates:
        """Return the account's current rates."""
        return self._admission.fees

    def set_fees(self, fees: FeeRates) -> None:
        """Change the rates for orders placed from now on."""
        self._admission.set_fees(fees)

    def change_product(self, product: Product) -> None:
        """Take orders by another market state of a product; its increments must be the same."""
        self._products[product.symbol] = product

    def order(self, client_id: str) -> Order | None:
        """Return an order that is open or among the remembered finished ones."""
        return self._orders.get(client_id)

    def open_orders(self) -> Sequence[Order]:
        """Return the open orders, oldest first."""
        return tuple(self._orders.open())

    def fills(self, since: int) -> Sequence[UserFill]:
        """Return remembered executions at or after a time, oldest first."""
        return tuple(fill for fill in self._history if fill.fill.at >= since)

    @property
    def remembered(self) -> int:
        """Return how many orders are held in memory, open and finished."""
        return len(self._orders)

    @property
    def pending(self) -> int:
        """Return how many requests, expiries and results wait for their time."""
        return len(self._requests) + len(self._expiries) + len(self._results)

    # --- inside ---------------------------------------------------------------------------------

    def _on_submit(self, ticket: int, intent: Intent) -> None:
        known = self._orders.get(intent.client_id)
        if known is not None:
            # Coinbase answers a repeated client id with the first order, whatever it asks for.
            self._accept(ticket, known)
            return
        order = self._admission.order(intent, f"{self._session}-o{self._number + 1}")
        refusal = self._admission.refuse(order, self._now)
        if refusal is not None:
            self._reject(ticket, intent, refusal)
            return
        self._number += 1
        self._orders.add(order)
        self._accept(ticket, order)
        self._tell(self._now, order.moved(_ACCEPTED, self._now))
        self._place(order)
        if order.state is _OPEN and intent.time_in_force is _GTD:
            self._schedule_expiry(order)

    def _on_market_order(self, ticket: int, request: MarketOrder) -> None:
        intent = request.intent
        if (
            self._venues.get(intent.symbol) is None
            or self._orders.get(intent.client_id) is not None
        ):
            self._on_submit(ticket, intent)  # refuses it, or answers with the first order
            return
        priced = self._admission.priced(request)
        if isinstance(priced, Refusal):
            self._reject(ticket, intent, priced)
        else:
            self._on_submit(ticket, priced)

    def _reject(self, ticket: int, intent: Intent, refusal: Refusal) -> None:
        outcome = Rejected(reason=refusal.value)
        self._reply(SubmitAnswer(ticket=ticket, client_id=intent.client_id, outcome=outcome))

    def _place(self, order: Order) -> None:
        """Let an order meet the market."""
        if not self._venues[order.intent.symbol].arrive(self._now, order):
            order.reason = SELF_TRADE if order.intent.time_in_force in _RESTING else ""
            self._finish(order, OrderState.CANCELLED, Move.CANCELLED, self._now)

    def _on_cancel(self, ticket: int, client_id: str) -> None:
        order = self._orders.get(client_id)
        refusal: CancelRefusal | None = check_cancel(None if order is None else order.state)
        if refusal is not None or self._confirm:
            reason = None if refusal is None else refusal.value
            outcome = CancelOutcome(client_id=client_id, reason=reason)
            self._reply(CancelAnswer(ticket=ticket, outcome=outcome))
        else:
            self._reply(None)
        if order is not None and refusal is None:
            self._venues[order.intent.symbol].leave(order)
            self._finish(order, OrderState.CANCELLED, Move.CANCELLED, self._now)

    def _expire(self, order: Order) -> None:
        if order.state is _OPEN:
            self._venues[order.intent.symbol].leave(order)
            self._finish(order, OrderState.EXPIRED, Move.EXPIRED, self._now)

    def _schedule_expiry(self, order: Order) -> None:
        expire_at = order.intent.expire_at
        heapq.heappush(self._expiries, (expire_at or self._now, self._count(), order))
        if len(self._expiries) > 2 * self._orders.open_count + 64:
            live = [entry for entry in self._expiries if entry[2].state is _OPEN]
            heapq.heapify(live)
            self._expiries = live

    def _executed(self, order: Order, price: int, lots: int, liquidity: Liquidity, at: int) -> None:
        """Book an execution; called by the venue."""
        at = max(at, self._now)
        symbol = order.intent.symbol  # of an alias, not the venue's
        product = self._products[symbol]
        fee = self.account.book(product, order, price=price, lots=lots, liquidity=liquidity)
        self._number += 1
        fill = Fill(
            trade_id=f"{self._session}-t{self._number}",
            client_id=order.intent.client_id,
            symbol=symbol,
            side=order.side,
            price=Ticks(price),
            size=Lots(lots),
            fee=fee,
            liquidity=liquidity,
            at=Instant(at),
        )
        told = UserFill(order_id=order.order_id, fill=fill)
        self._history.append(told)
        self._tell(at, told)
        if not order.left:
            self._finish(order, OrderState.FILLED, Move.FILLED, at)

    def _finish(self, order: Order, state: OrderState, move: Move, at: int) -> None:
        order.state = state
        self.account.release(self._products[order.intent.symbol], order)
        self._orders.finish(order)
        self._tell(at, order.moved(move, at))

    def _accept(self, ticket: int, order: Order) -> None:
        answer: SubmitAnswer | None = None
        if self._confirm:
            outcome = Accepted(order_id=order.order_id)
            client_id = order.intent.client_id
            answer = SubmitAnswer(ticket=ticket, client_id=client_id, outcome=outcome)
        self._reply(answer)

    def _reply(self, answer: SubmitAnswer | CancelAnswer | None) -> None:
        """Send an answer; one that nobody hears (None) takes its time all the same, for equal jitter."""
        due = self._replies.arrival(self._now, self._latency.response)
        if answer is not None:
            self._deliver(due, answer)

    def _tell(self, at: int, event: UserOrder | UserFill) -> None:
        self._deliver(self._stream.arrival(at, self._latency.response), event)

    def _deliver(self, due: int, result: Result) -> None:
        heapq.heappush(self._results, (due, self._count(), result))
        self.next_due = min(self.next_due, due)

    def _ask(self, due: int, request: Request) -> int:
        ticket = self._count()
        heapq.heappush(self._requests, (due, ticket, request))
        self.next_due = min(self.next_due, due)
        return ticket

    def _count(self) -> int:
        self._sequence += 1
        return self._sequence

    def _refresh_due(self) -> None:
        due: int = NEVER
        for heap in (self._requests, self._expiries, self._results):
            if heap and heap[0][0] < due:
                due = heap[0][0]
        self.next_due = due
