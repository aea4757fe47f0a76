"""The paper exchange: the matching core as an `Exchange` and its `Streams`, in this process.

It plays a market source against the clock (`tape`), matches orders against it (`matching`), and tells
what happened to whoever listens (`feed`). It outlives the bot: streams may be stopped and started
again, and orders rest, fill and expire meanwhile, to be asked for by query.

One lock guards everything. Whoever holds it first brings the exchange up to the clock's now: market
events and what is due of requests, strictly in order of time. So a query is as fresh as the clock
whether or not the pump thread came by, and no order ever meets a market of another time. Callbacks
run in the pump thread only, outside of the lock.

Latency is time of the clock, whatever the speed of the source: at speed 10, ten milliseconds are a
hundred of the market. A request waits for its simulated latency and is then answered; it never ends
as unknown here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, assert_never

from quietmaker.core.candles import next_boundary
from quietmaker.core.fees import FeeRates
from quietmaker.core.market import (
    CandleBar,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import SourceError
from quietmaker.exchange.candles import CandleStore
from quietmaker.exchange.feed import Feed
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.matching import CancelAnswer, MatchingCore, SubmitAnswer
from quietmaker.exchange.models import FillModel
from quietmaker.exchange.pacing import Pacer, ThreadPacer
from quietmaker.exchange.tape import Tape
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
)

HISTORY: Final = 100_000
"""Executions that `fills` can answer with; finished orders are remembered as `matching` states."""
BATCH: Final = 2_000
"""Market events taken before callbacks get their turn."""
LONGEST_PAUSE: Final = Nanos(SECOND)


class PaperExchange:
    """An exchange to practise on. Implements `Exchange` and `Streams`; thread-safe."""

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
        """Open the exchange and run the warm-up; the market begins with the first `start`.

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
        self._products = dict(source.info().products)
        self._core = MatchingCore(
            products=self._products,
            balances=balances,
            fees=fees,
            model=model,
            latency=latency,
            seed=seed,
            session=session or f"paper-{now:x}",
            history=HISTORY,
        )
        self._candles = CandleStore(now=now)
        self._feed = Feed(self._candles)
        self._tape = Tape(source, speed=speed, loop=loop)
        self._pacer: Pacer = ThreadPacer() if pacer is None else pacer
        self._lock = threading.RLock()
        self._answers: dict[int, SubmitAnswer | CancelAnswer] = {}
        self._begun = False
        for event in self._tape.warm_up(now, warmup):
            self._take(event)

    # --- Exchange -------------------------------------------------------------------------------

    def submit(self, intent: Intent) -> SubmitOutcome:
        """Send an order; returns after the simulated latency, accepted or rejected."""
        with self._lock:
            ticket = self._core.submit(self._catch_up(), intent)
        answer = self._await(ticket)
        assert isinstance(answer, SubmitAnswer)
        return answer.outcome

    def cancel(self, client_ids: Sequence[str]) -> Sequence[CancelOutcome]:
        """Ask for cancellation; returns after the simulated latency, one outcome per id."""
        with self._lock:
            now = self._catch_up()
            tickets = [self._core.cancel(now, client_id) for client_id in client_ids]
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
            self._catch_up()
            order = self._core.order(client_id)
            return None if order is None else order.report()

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every order that may still execute, oldest first."""
        with self._lock:
            self._catch_up()
            return tuple(order.report() for order in self._core.open_orders())

    def fills(self, since: Instant) -> Sequence[UserFill]:
        """Return executions booked at or after a time, oldest first; the last hundred thousand."""
        with self._lock:
            self._catch_up()
            return self._core.fills(since)

    def balances(self) -> Mapping[str, Balance]:
        """Return all balances by currency."""
        with self._lock:
            self._catch_up()
            return self._core.account.balances()

    def products(self) -> Mapping[str, Product]:
        """Return the products by symbol."""
        return dict(self._products)

    def fees(self) -> FeeRates:
        """Return the account's rates."""
        with self._lock:
            return self._core.fees

    def candles(self, symbol: str) -> Sequence[CandleBar]:
        """Return recent five-minute buckets, oldest first, holes left out."""
        with self._lock:
            return self._candles.bars(symbol, self._catch_up())

    def time(self) -> Instant:
        """Return the exchange's clock."""
        return self._clock.now()

    # --- Streams --------------------------------------------------------------------------------

    def start(
        self, *, market: Callable[[MarketEvent], None], user: Callable[[UserEvent], None]
    ) -> None:
        """Begin to deliver; a snapshot of each symbol's book comes first, as soon as it has one."""
        with self._lock:
            now = self._catch_up()
            self._feed.attach(market=market, user=user)
            for symbol in self._products:
                self._tell_book(symbol, now)
            begins = not self._begun
            if begins:
                self._begun = True
                self._tape.begin(now)
        if begins:
            self._pacer.start(self._step)
        self._pacer.wake()

    def resync(self, symbol: str) -> None:
        """Deliver a fresh snapshot of one book, at once or as soon as it is known."""
        with self._lock:
            self._tell_book(symbol, self._catch_up())
        self._pacer.wake()

    def stop(self) -> None:
        """Stop delivering; orders and the market go on. `start` may follow."""
        with self._lock:
            self._feed.detach()
        self._feed.quiesce()

    # --- of the paper exchange ------------------------------------------------------------------

    @property
    def fill_model(self) -> FillModel:
        """Return the fill model; its `bias` belongs beside every result."""
        return self._core.model

    @property
    def ended(self) -> bool:
        """Return whether the source ran out: the market is silent for good."""
        return self._tape.ended

    @property
    def failure(self) -> SourceError | None:
        """Return why the source broke off, when it did."""
        return self._tape.failure

    def close(self) -> None:
        """Stop delivering and end the thread. Idempotent; queries still answer."""
        self.stop()
        self._pacer.close()

    # --- inside ---------------------------------------------------------------------------------

    def _step(self) -> Nanos:
        """Bring the exchange up to now and deliver; return the pause until there is more to do."""
        with self._lock:
            now = self._catch_up()
            due = min(self._core.next_due, self._tape.due, next_boundary(now))
        self._feed.deliver()
        return Nanos(min(max(due - now, 0), LONGEST_PAUSE))

    def _catch_up(self) -> Instant:
        """Do what is due by now, in order of time; at most a batch, the rest stays due."""
        now = self._clock.now()
        for _ in range(BATCH):
            reached = min(now, self._tape.due)
            self._settle(reached)
            if self._tape.due > now:
                break
            self._take(self._tape.take())
        reached = Instant(min(now, self._tape.due))
        self._settle(reached)
        for bar in self._candles.closed(reached):
            self._feed.on_candle(bar)
        return now

    def _tell_book(self, symbol: str, now: Instant) -> None:
        """Tell a book as it stands, or that there is none to wait for."""
        venue = self._core.symbol(symbol)
        if self._tape.ended:
            lost = FeedLost(symbol=symbol, at=now, reason=StaleReason.DISCONNECTED)
            self._feed.on_market(lost, venue)
        else:
            self._feed.snapshot(venue, now)

    def _take(self, event: MarketEvent) -> None:
        venue = self._core.symbol(event.symbol)
        if isinstance(event, TouchQuote) and venue.deep:
            return  # the book tells it
        if isinstance(event, TradePrint):
            self._candles.on_trade(event.symbol, event.at, event.price)
        elif isinstance(event, CandleBar):
            self._candles.load(event)
        self._core.apply(event)
        self._feed.on_market(event, venue)

    def _settle(self, now: int) -> None:
        while self._core.next_due <= now:
            for result in self._core.advance(now):
                match result:
                    case SubmitAnswer() | CancelAnswer():
                        self._answers[result.ticket] = result
                    case UserOrder() | UserFill():
                        self._feed.on_user(result)
                    case _:
                        assert_never(result)

    def _await(self, ticket: int) -> SubmitAnswer | CancelAnswer:
        """Wait until a request is answered: the due time of its answer is known to the core."""
        while True:
            with self._lock:
                now = self._catch_up()
                answer = self._answers.pop(ticket, None)
                due = self._core.next_due
            self._pacer.wake()
            if answer is not None:
                return answer
            self._pacer.nap(Nanos(max(due - now, 0)))
