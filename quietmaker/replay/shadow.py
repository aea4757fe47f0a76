"""Shadow trading: what one symbol would earn, by the same core on the matching core, against the live touch.

Its exchange is told touches and trades. Behind the touch the queue is unknown, and all of the displayed size
stands before us when the touch arrives at our price: results are pessimistic rather than flattering. Nothing
of it reaches the real exchange, the order path or the books of real orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from quietmaker.core.commands import Command, RoundTrip
from quietmaker.core.fees import FeeRates
from quietmaker.core.market import CandleBar, MarketEvent
from quietmaker.core.params import TraderParams
from quietmaker.core.product import Product
from quietmaker.core.units import MILLISECOND, Instant, Nanos, times
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.models import FILL_MODELS, QueueModel
from quietmaker.replay.engine import Engine, Setup

LATENCY: Final = Latency(
    entry=Nanos(50 * MILLISECOND),
    cancel=Nanos(50 * MILLISECOND),
    response=Nanos(10 * MILLISECOND),
    jitter=Nanos(0),
)
_FUNDS: Final = Decimal(1_000_000)
"""Times the greatest position: a shadow loses for months and is never short of funds."""


class ShadowTrader:
    """Implements `quietmaker.ports.Shadow`. One caller at a time."""

    def __init__(self, product: Product, params: TraderParams, fees: FeeRates) -> None:
        """Open an account of its own, with a trader that knows no candles yet."""
        self._trips: list[RoundTrip] = []
        self._at = 0
        setup = Setup(
            products={product.symbol: product},
            params={product.symbol: params},
            fees=fees,
            balances={product.quote: times(params.quote.max_position, _FUNDS)},
            excluded={},
            latency=LATENCY,
            seed=0,
        )
        self._engine = Engine(setup, FILL_MODELS[QueueModel.name], sink=self._heard)

    def load(self, candles: Sequence[CandleBar], now: Instant) -> None:
        """Learn the recent candles; what is closed by now counts."""
        self.feed([replace(bar, at=now) for bar in candles])

    def feed(self, events: Sequence[MarketEvent]) -> Sequence[RoundTrip]:
        """Take what happened in the market; return the round trips that it closed."""
        ordered = []
        for event in events:
            # Trades are dated by the exchange and touches by us: neither may seem to come before the other.
            self._at = max(self._at, event.at)
            ordered.append(event if event.at == self._at else replace(event, at=Instant(self._at)))
        self._engine.run_events(ordered)
        return self._closed()

    def pass_time(self, now: Instant) -> Sequence[RoundTrip]:
        """Let time pass without news of the market."""
        self._at = max(self._at, now)
        self._engine.pass_time(self._at)
        return self._closed()

    def _closed(self) -> Sequence[RoundTrip]:
        closed, self._trips = self._trips, []
        return closed

    def _heard(self, command: Command) -> None:
        if isinstance(command, RoundTrip):
            self._trips.append(command)
