"""Coinbase's public market as it happens, for the paper exchange: real prices, and orders that risk nothing.

It is moved from outside, like a manual market: the public stream tells events in a thread of its own, and
whoever plays the market takes them where it likes. No key is used, and nothing is sent but subscriptions.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from quietmaker.coinbase.exchange import CoinbaseExchange
from quietmaker.coinbase.market_stream import CoinbaseMarketStream
from quietmaker.coinbase.origin import Timeouts
from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product
from quietmaker.core.units import seconds
from quietmaker.market.manual import ManualMarket
from quietmaker.ports import Clock
from quietmaker.settings import Settings
from quietmaker.telemetry.metrics import Metrics
from supervisors import build
from supervisors.link import rate_limits, stream_times
from supervisors.watch import RequestsWatch, StreamsWatch

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
        address = settings.exchange.address
        ca_file = None if address.ca_file is None else Path(address.ca_file)
        requests = settings.exchange.requests
        # Its numbers are those of the exchange's process, which exposes none: the log has what matters.
        metrics = Metrics(version=build.version(), revision="", mode="paper", now=clock.now)
        exchange = CoinbaseExchange(
            url=address.rest,
            ca_file=ca_file,
            signer=None,
            id_prefix="",
            timeouts=Timeouts(
                connect=seconds(requests.connect_timeout_seconds),
                read=seconds(requests.read_timeout_seconds),
            ),
            limits=rate_limits(settings),
            clock=clock,
            watch=RequestsWatch(metrics),
            pause=time.sleep,
            jitter=random.random,
        )
        try:
            offered = exchange.products()
        finally:
            exchange.close()
        self.products: Mapping[str, Product] = {s: offered[s] for s in settings.select(offered)}
        self.source = ManualMarket(self.products)
        self._stream = CoinbaseMarketStream(
            url=address.market,
            products=self.products,
            aliases=exchange.aliases,
            token=None,
            clock=clock,
            times=stream_times(settings),
            watch=StreamsWatch(metrics, now=clock.now),
            random=random.Random(),
            ca_file=ca_file,
        )

    def start(self, tell: Callable[[MarketEvent], None]) -> None:
        """Begin to tell events, in the stream's own thread."""
        self._stream.start(tell)

    def stop(self) -> None:
        """Tell nothing any more."""
        self._stream.stop()
