"""Coinbase's public market as it happens, for the paper exchange: real prices, and orders that risk nothing.

It is moved from outside, like a manual market: the public stream tells events in a thread of its own, and
whoever plays the market takes them where it likes. No key is used, and nothing is sent but subscriptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product
from quietmaker.market.manual import ManualMarket
from quietmaker.ports import Clock
from quietmaker.settings import Settings
from quietmaker.telemetry.metrics import Metrics
from supervisors import build
from supervisors.link import live_endpoints, make_exchange, make_market_stream

LIVE: Final = "live"
"""The name of this market in `paper.market`."""


class LiveMarket:
    """The products that were chosen, and their public stream."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Ask which products there are; nothing is subscribed to yet.

        Raises:
            InvalidSettings: if a symbol is named that Coinbase does not have.
            WireError: if it cannot be asked.
        """
        endpoints = live_endpoints(settings)
        # Its numbers are those of the exchange's process, which exposes none: the log has what matters.
        metrics = Metrics(version=build.version(), revision="", mode="paper", now=clock.now)
        exchange = make_exchange(settings, endpoints, None, clock=clock, metrics=metrics)
        try:
            offered = exchange.products()
        finally:
            exchange.close()
        self.products: Mapping[str, Product] = {s: offered[s] for s in settings.select(offered)}
        self.source = ManualMarket(self.products)
        self._stream = make_market_stream(
            settings,
            endpoints,
            self.products,
            exchange.aliases,
            token=None,
            clock=clock,
            metrics=metrics,
        )

    def start(self, tell: Callable[[MarketEvent], None]) -> None:
        """Begin to tell events, in the stream's own thread."""
        self._stream.start(tell)

    def stop(self) -> None:
        """Tell nothing any more."""
        self._stream.stop()
