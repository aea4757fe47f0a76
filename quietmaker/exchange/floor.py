"""The trading floor: a market played against the clock, and orders matched against it.

The one engine of every paper exchange: `paper` puts a lock and a thread around it, `server` an event
loop. It has neither, and one caller at a time. Whoever asks it something first brings it up to the
clock's now (`catch_up`): market events and what is due of requests, strictly in order of time. So an
answer is as fresh as the clock, and no order ever meets a market of another time.

Latency is time of the clock, whatever the speed of the source: at speed 10, ten milliseconds are a
hundred of the market.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Protocol

from quietmaker.core.candles import next_boundary
from quietmaker.core.market import CandleBar, MarketEvent, TouchQuote, TradePrint
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Nanos
from quietmaker.errors import SourceError
from quietmaker.exchange.answers import Result
from quietmaker.exchange.candles import CandleStore
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.tape import Tape
from quietmaker.exchange.venue import Venue
from quietmaker.ports import Clock, MarketSource

BATCH: Final = 2_000
"""Market events taken by one `catch_up`, so that its caller gets a turn."""


class FloorListener(Protocol):
    """Hears what happens on the floor, in order, inside the call that made it happen."""

    def on_market(self, event: MarketEvent, venue: Venue) -> None:
        """Hear of a market event that the venue has just taken."""

    def on_candle(self, bar: CandleBar) -> None:
        """Hear of a five-minute bucket that closed."""

    def on_result(self, result: Result) -> None:
        """Hear what the matching core says: answers to requests, orders and fills."""


class Floor:
    """A market that plays, and the orders on it.

    Attributes:
        products: what the source plays, by symbol.
        core: the matching core with orders, balances and fees; to be asked after `catch_up`.
        candles: the recent buckets of each symbol.
    """

    def __init__(
        self,
        *,
        source: MarketSource,
        core: MatchingCore,
        clock: Clock,
        speed: Decimal,
        loop: bool,
        listener: FloorListener,
        batch: int = BATCH,
    ) -> None:
        """Open the floor; the market moves from `begin` on.

        Args:
            source: the market that it plays.
            core: what matches; it must have every product of the source.
            clock: the time of day.
            speed: seconds of the source in each second of the clock.
            loop: whether the source starts again when it ends.
            listener: hears everything, from `warm_up` on.
            batch: market events taken by one `catch_up`.

        Raises:
            ValueError: if the speed is not positive.
        """
        self.products: Mapping[str, Product] = dict(source.info().products)
        self.core = core
        self.candles = CandleStore(now=clock.now())
        self._clock = clock
        self._listener = listener
        self._batch = batch
        self._tape = Tape(source, speed=speed, loop=loop)
        self._begun = False

    @property
    def ended(self) -> bool:
        """Return whether the source ran out: the market is silent for good."""
        return self._tape.ended

    @property
    def failure(self) -> SourceError | None:
        """Return why the source broke off, when it did."""
        return self._tape.failure

    @property
    def next_due(self) -> int:
        """Return when there is something to do next, for who wants to sleep until then."""
        return min(self.core.next_due, self._tape.due, next_boundary(self._clock.now()))

    def warm_up(self, span: Nanos) -> None:
        """Make the first `span` of the source the history that ends now. Before `begin` only."""
        for event in self._tape.warm_up(self._clock.now(), span):
            self._take(event)

    def begin(self) -> bool:
        """Let the market move from now on. Return whether it stood still before; repeats do nothing."""
        begins = not self._begun
        if begins:
            self._begun = True
            self._tape.begin(self.catch_up())
        return begins

    def catch_up(self) -> Instant:
        """Do what is due by now, in order of time; at most a batch, the rest stays due.

        Returns:
            The time of the clock.
        """
        now = self._clock.now()
        for _ in range(self._batch):
            self._settle(min(now, self._tape.due))
            if self._tape.due > now:
                break
            self._take(self._tape.take())
        reached = Instant(min(now, self._tape.due))
        self._settle(reached)
        for bar in self.candles.closed(reached):
            self._listener.on_candle(bar)
        return now

    def submit(self, order: Intent | MarketOrder) -> int:
        """Send an order now. Return the ticket that its answer will carry."""
        return self.core.submit(self.catch_up(), order)

    def cancel(self, client_id: str) -> int:
        """Send a cancellation now. Return the ticket that its answer will carry."""
        return self.core.cancel(self.catch_up(), client_id)

    @property
    def reached(self) -> Instant:
        """Return up to when everything has happened: now, or earlier while a fast source runs late."""
        return Instant(min(self._clock.now(), self._tape.due))

    def happen(self, event: MarketEvent) -> None:
        """Let something happen in the market that the source does not tell, at the time `reached`."""
        self._take(event)
        self._settle(event.at)

    def _take(self, event: MarketEvent) -> None:
        venue = self.core.symbol(event.symbol)
        if isinstance(event, TouchQuote) and venue.deep:
            return  # the book tells it
        if isinstance(event, TradePrint):
            self.candles.on_trade(event.symbol, event.at, event.price, event.size)
        elif isinstance(event, CandleBar):
            self.candles.load(event)
        self.core.apply(event)
        self._listener.on_market(event, venue)

    def _settle(self, now: int) -> None:
        while self.core.next_due <= now:
            for result in self.core.advance(now):
                self._listener.on_result(result)
