"""The paper exchange: the floor as an `Exchange` and its two streams, in this process.

It plays a market source and matches orders against it (`floor`), and tells what happened to whoever
listens (`feed`). It outlives the bot: streams may be stopped and started
again, and orders rest, fill and expire meanwhile, to be asked for by query.

One lock guards everything. Whoever holds it first brings the floor up to the clock's now, so that a
query is as fresh as the clock whether or not the pump thread came by. Callbacks run in the pump
thread only, outside of the lock.

A request waits for its simulated latency and is then answered; it never ends as unknown here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, assert_never

from quietmaker.core.evidence import Execution
from quietmaker.core.fees import FeeRates
from quietmaker.core.market import CandleBar, FeedLost, MarketEvent, StaleReason
from quietmaker.core.orders import Fill, Intent
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import SourceError
from quietmaker.exchange.answers import CancelAnswer, Result, SubmitAnswer
from quietmaker.exchange.feed import Feed
from quietmaker.exchange.floor import Floor
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.models import FillModel
from quietmaker.exchange.pacing import Pacer, ThreadPacer
from quietmaker.exchange.venue import Venue
from quietmaker.ports import (
    Balance,
    CancelOutcome,
    Clock,
    MarketSource,
    OrderReport,
    SubmitOutcome,
    UserEvent,
    UserFill,
    UserOrder,
    UserStreamReady,
)

HISTORY: Final = 100_000
"""Executions that `fills` can answer with; finished orders are remembered as `matching` states."""
LONGEST_PAUSE: Final = Nanos(SECOND)


class PaperExchange:
    """An exchange to practise on. Implements `Exchange`; thread-safe.

    Attributes:
        market_stream: its public market; the source plays from the first start of this one.
        user_stream: what happens to its orders.
    """

    def __init__(
        self,
        *,
        source: MarketSource,
        clock: Clock,
        fees: FeeRates,
        balances: Mapping[str, Decimal],
        model: FillModel,
        latency: Latency,
        seed: int,
        speed: Decimal,
        warmup: Nanos,
        loop: bool,
        pacer: Pacer | None = None,
        session: str | None = None,
    ) -> None:
        """Open the exchange and run the warm-up; the market begins with the first `start` of its stream.

        Args:
            source: the market that it plays.
            clock: the time of day.
            fees: the account's rates.
            balances: what the account starts with, by currency.
            model: what to believe of queues.
            latency: of requests and answers, in time of the clock.
            seed: of the latency's jitter.
            speed: seconds of the source in each second of the clock.
            warmup: how much of the source is history at the start.
            loop: whether the source starts again when it ends.
            pacer: how time passes; a daemon thread when None.
            session: prefix of order and trade ids, unique in the ledger; by the clock when None.

        Raises:
            ValueError: if the speed is not positive or a balance is negative.
        """
        now = clock.now()
        self._clock = clock
        self._core = MatchingCore(
            products=source.info().products,
            balances=balances,
            fees=fees,
            model=model,
            latency=latency,
            seed=seed,
            session=session or f"paper-{now:x}",
            history=HISTORY,
        )
        self._lock = threading.RLock()
        self._answers: dict[int, SubmitAnswer | CancelAnswer] = {}
        self._floor = Floor(
            source=source,
            core=self._core,
            clock=clock,
            speed=speed,
            loop=loop,
            listener=self,
        )
        self._feed = Feed(self._floor.candles)
        self._pacer: Pacer = ThreadPacer() if pacer is None else pacer
        self._pumping = False
        self.market_stream = PaperMarketStream(self)
        self.user_stream = PaperUserStream(self)
        self._floor.warm_up(warmup)

    # --- Exchange -------------------------------------------------------------------------------

    def submit(self, intent: Intent) -> SubmitOutcome:
        """Send an order; returns after the simulated latency, accepted or rejected."""
        with self._lock:
            ticket = self._floor.submit(intent)
        answer = self._await(ticket)
        assert isinstance(answer, SubmitAnswer)
        return answer.outcome

    def cancel(self, client_ids: Sequence[str]) -> Sequence[CancelOutcome]:
        """Ask for cancellation; returns after the simulated latency, one outcome per id."""
        with self._lock:
            tickets = [self._floor.cancel(client_id) for client_id in client_ids]
        outcomes = []
        for ticket in tickets:
            answer = self._await(ticket)
            assert isinstance(answer, CancelAnswer)
            outcomes.append(answer.outcome)
        return tuple(outcomes)

    def order(self, client_id: str, *, since: Instant) -> OrderReport | None:  # noqa: ARG002
        """Return an order that is open or among the last ten thousand that ended.

        It is found by its client id, so that `since` says nothing more.
        """
        with self._lock:
            self._floor.catch_up()
            order = self._core.order(client_id)
            return None if order is None else order.report()

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every order that may still execute, oldest first."""
        with self._lock:
            self._floor.catch_up()
            return tuple(order.report() for order in self._core.open_orders())

    def fills(self, since: Instant) -> Sequence[UserFill]:
        """Return executions booked at or after a time, oldest first; the last hundred thousand."""
        with self._lock:
            self._floor.catch_up()
            return self._core.fills(since)

    def executions(self, since: Instant, until: Instant) -> Sequence[Execution]:
        """Return what was executed in a span of time, oldest first."""
        with self._lock:
            self._floor.catch_up()
            told = [each.fill for each in self._core.fills(since) if each.fill.at < until]
            return tuple(_execution(fill, self._floor.products[fill.symbol]) for fill in told)

    def balances(self) -> Mapping[str, Balance]:
        """Return all balances by currency."""
        with self._lock:
            self._floor.catch_up()
            return self._core.account.balances()

    def products(self) -> Mapping[str, Product]:
        """Return the products by symbol."""
        return dict(self._floor.products)

    def fees(self) -> FeeRates:
        """Return the account's rates."""
        with self._lock:
            return self._core.fees

    def candles(self, symbol: str) -> Sequence[CandleBar]:
        """Return recent five-minute buckets, oldest first, holes left out."""
        with self._lock:
            return self._floor.candles.bars(symbol, self._floor.catch_up())

    def time(self) -> Instant:
        """Return the exchange's clock."""
        return self._clock.now()

    # --- its streams ----------------------------------------------------------------------------

    def listen_to_market(self, listener: Callable[[MarketEvent], None]) -> None:
        """Begin to deliver; a snapshot of each symbol's book comes first, as soon as it has one."""
        with self._lock:
            now = self._floor.catch_up()
            self._feed.attach_market(listener)
            for symbol in self._floor.products:
                self._tell_book(symbol, now)
            self._floor.begin()
        self._pump()

    def listen_to_orders(self, listener: Callable[[UserEvent], None]) -> None:
        """Begin to deliver; nothing stands in between, so it is ready at once."""
        with self._lock:
            now = self._floor.catch_up()
            self._feed.attach_user(listener)
            self._feed.on_user(UserStreamReady(at=now))
        self._pump()

    def resync(self, symbol: str) -> None:
        """Deliver a fresh snapshot of one book, at once or as soon as it is known."""
        with self._lock:
            self._tell_book(symbol, self._floor.catch_up())
        self._pacer.wake()

    def leave_market(self) -> None:
        """Stop delivering the market; it goes on, and so do the orders."""
        with self._lock:
            self._feed.detach_market()
        self._feed.quiesce()

    def leave_orders(self) -> None:
        """Stop delivering what happens to orders; they go on."""
        with self._lock:
            self._feed.detach_user()
        self._feed.quiesce()

    # --- of the paper exchange ------------------------------------------------------------------

    @property
    def fill_model(self) -> FillModel:
        """Return the fill model; its `bias` belongs beside every result."""
        return self._core.model

    @property
    def pumping(self) -> bool:
        """Return whether what happens is delivered to those who listen."""
        return self._pacer.alive

    @property
    def ended(self) -> bool:
        """Return whether the source ran out: the market is silent for good."""
        return self._floor.ended

    @property
    def failure(self) -> SourceError | None:
        """Return why the source broke off, when it did."""
        return self._floor.failure

    def close(self) -> None:
        """Stop delivering and end the thread. Idempotent; queries still answer."""
        self.leave_market()
        self.leave_orders()
        self._pacer.close()

    # --- FloorListener: under the lock ----------------------------------------------------------

    def on_market(self, event: MarketEvent, venue: Venue) -> None:
        """Put a market event into the feed."""
        self._feed.on_market(event, venue)

    def on_candle(self, bar: CandleBar) -> None:
        """Put a bucket that closed into the feed."""
        self._feed.on_candle(bar)

    def on_result(self, result: Result) -> None:
        """Keep an answer for who waits for it; put the rest into the feed."""
        match result:
            case SubmitAnswer() | CancelAnswer():
                self._answers[result.ticket] = result
            case UserOrder() | UserFill():
                self._feed.on_user(result)
            case _:
                assert_never(result)

    # --- inside ---------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Have it delivered, by a thread that starts with the first listener."""
        with self._lock:
            starts, self._pumping = not self._pumping, True
        if starts:
            self._pacer.start(self._step)
        self._pacer.wake()

    def _step(self) -> Nanos:
        """Bring the exchange up to now and deliver; return the pause until there is more to do."""
        with self._lock:
            now = self._floor.catch_up()
            due = self._floor.next_due
        self._feed.deliver()
        return Nanos(min(max(due - now, 0), LONGEST_PAUSE))

    def _tell_book(self, symbol: str, now: Instant) -> None:
        """Tell a book as it stands, or that there is none to wait for."""
        venue = self._core.symbol(symbol)
        if self._floor.ended:
            lost = FeedLost(symbol=symbol, at=now, reason=StaleReason.DISCONNECTED)
            self._feed.on_market(lost, venue)
        else:
            self._feed.snapshot(venue, now)

    def _await(self, ticket: int) -> SubmitAnswer | CancelAnswer:
        """Wait until a request is answered: the due time of its answer is known to the core."""
        while True:
            with self._lock:
                now = self._floor.catch_up()
                answer = self._answers.pop(ticket, None)
                due = self._core.next_due
            self._pacer.wake()
            if answer is not None:
                return answer
            self._pacer.nap(Nanos(max(due - now, 0)))


class PaperMarketStream:
    """The market of a paper exchange as a `MarketStream`."""

    def __init__(self, exchange: PaperExchange) -> None:
        """Belong to an exchange."""
        self._exchange = exchange

    @property
    def alive(self) -> bool:
        """Return whether the exchange's thread runs."""
        return self._exchange.pumping

    def start(self, listener: Callable[[MarketEvent], None]) -> None:
        """Begin to deliver; the first start begins the market."""
        self._exchange.listen_to_market(listener)

    def resync(self, symbol: str) -> None:
        """Deliver a fresh snapshot of one book."""
        self._exchange.resync(symbol)

    def add(self, product: Product) -> None:
        """Deliver a fresh snapshot: every product of the market is delivered anyway."""
        self._exchange.resync(product.symbol)

    def remove(self, symbol: str) -> None:
        """Go on: whoever does not want it passes it over."""

    def stop(self) -> None:
        """Stop delivering; `start` may follow."""
        self._exchange.leave_market()


class PaperUserStream:
    """The orders of a paper exchange as a `UserStream`."""

    def __init__(self, exchange: PaperExchange) -> None:
        """Belong to an exchange."""
        self._exchange = exchange

    @property
    def alive(self) -> bool:
        """Return whether the exchange's thread runs."""
        return self._exchange.pumping

    def start(self, listener: Callable[[UserEvent], None]) -> None:
        """Begin to deliver."""
        self._exchange.listen_to_orders(listener)

    def stop(self) -> None:
        """Stop delivering; `start` may follow."""
        self._exchange.leave_orders()


def _execution(fill: Fill, product: Product) -> Execution:
    return Execution(
        trade_id=fill.trade_id,
        client_id=fill.client_id,
        symbol=fill.symbol,
        side=fill.side,
        price=product.price(fill.price),
        size=product.size(fill.size),
        fee=fill.fee,
        liquidity=fill.liquidity,
        at=fill.at,
    )
