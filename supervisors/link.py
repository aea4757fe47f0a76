"""The connection to an exchange: Coinbase, or the paper exchange that speaks the same protocol.

There is one adapter. Paper differs from live by its addresses and by whose key it uses, and by nothing
that sends, cancels, or listens.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.coinbase.rest.limits import RateLimits
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.coinbase.streams.market_stream import CoinbaseMarketStream
from quietmaker.coinbase.streams.socket_thread import TIMES, SocketTimes
from quietmaker.coinbase.streams.user_stream import CoinbaseUserStream
from quietmaker.core.fees import FeeRates
from quietmaker.core.product import Product
from quietmaker.core.units import seconds
from quietmaker.errors import ExchangeRefused, SafetyRefusal, WireError
from quietmaker.ports import Clock, MarketStream, UserStream
from quietmaker.settings import Settings
from quietmaker.telemetry.metrics import Metrics
from supervisors.closing import OURS
from supervisors.paper_server import Endpoints
from supervisors.watch import RequestsWatch, StreamsWatch

URGENT_SHARE: Final = 40
"""Percent of the request limits that only orders and cancellations may use."""
SIGNED_AGAIN: Final = (1.0, 2.0, 4.0)
"""Seconds between the first requests of a start that are answered with 401: Coinbase does that in bursts."""

T = TypeVar("T")


@dataclass(slots=True)
class Link:
    """An exchange with its streams, for the products that are traded.

    Attributes:
        offered: every product of the exchange, by symbol.
    """

    endpoints: Endpoints
    exchange: CoinbaseExchange
    market: MarketStream
    user: UserStream
    offered: Mapping[str, Product]

    def fees(self) -> FeeRates | None:
        """Return the account's rates; None while the exchange cannot be asked."""
        try:
            return self.exchange.fees()
        except WireError:
            return None

    def close(self) -> None:
        """Close the connections; the streams belong to their actors."""
        self.exchange.close()


class Connection:
    """An exchange that answers, and a key that may trade there.

    Attributes:
        offered: every product of the exchange, by symbol.
    """

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        key: ApiKey,
        *,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Connect, check the key, and ask what is offered. Nothing is sent that changes anything.

        Raises:
            SafetyRefusal: if the key can transfer funds, or cannot trade.
            WireError: if the exchange cannot be asked.
        """
        self._settings, self._endpoints, self._clock = settings, endpoints, clock
        self._signer = Signer(key, clock)
        self._metrics = metrics
        self._exchange = make_exchange(
            settings, endpoints, self._signer, clock=clock, metrics=metrics
        )
        try:
            patiently(lambda: check_permissions(self._exchange, key), time.sleep)
            self.offered = patiently(self._exchange.products, time.sleep)
        except BaseException:
            self._exchange.close()
            raise

    def serve(self, products: Mapping[str, Product]) -> Link:
        """Return the link for the products that are traded."""
        self._exchange.serve(products)
        endpoints, exchange = self._endpoints, self._exchange
        market = make_market_stream(
            self._settings,
            endpoints,
            products,
            exchange.aliases,
            token=self._signer.socket,
            clock=self._clock,
            metrics=self._metrics,
        )
        user = CoinbaseUserStream(
            url=endpoints.user,
            products=products,
            token=self._signer.socket,
            fills_of=exchange.fills_of,
            learn=exchange.learn,
            clock=self._clock,
            times=stream_times(self._settings),
            watch=StreamsWatch(self._metrics, now=self._clock.now),
            random=random.Random(),
            ca_file=endpoints.ca_file,
        )
        return Link(
            endpoints=endpoints,
            exchange=exchange,
            market=market,
            user=user,
            offered=self.offered,
        )

    def close(self) -> None:
        """Close the connections."""
        self._exchange.close()


def make_exchange(
    settings: Settings,
    endpoints: Endpoints,
    signer: Signer | None,
    *,
    clock: Clock,
    metrics: Metrics,
) -> CoinbaseExchange:
    """Return the adapter of an exchange, as configured; without a signer only public questions answer."""
    requests = settings.exchange.requests
    return CoinbaseExchange(
        url=endpoints.rest,
        ca_file=endpoints.ca_file,
        signer=signer,
        id_prefix=OURS,
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


def make_market_stream(
    settings: Settings,
    endpoints: Endpoints,
    products: Mapping[str, Product],
    aliases: Mapping[str, str],
    *,
    token: Callable[[], str] | None,
    clock: Clock,
    metrics: Metrics,
) -> CoinbaseMarketStream:
    """Return the market stream of an exchange, as configured; public without a token."""
    return CoinbaseMarketStream(
        url=endpoints.market,
        products=products,
        aliases=aliases,
        token=token,
        clock=clock,
        times=stream_times(settings),
        watch=StreamsWatch(metrics, now=clock.now),
        random=random.Random(),
        ca_file=endpoints.ca_file,
    )


def stream_times(settings: Settings) -> SocketTimes:
    """Return the times of a WebSocket, as configured."""
    streams = settings.exchange.streams
    return replace(
        TIMES,
        ping_every=seconds(streams.ping_seconds),
        pong_within=seconds(streams.ping_timeout_seconds),
        stale_after=seconds(streams.stale_seconds),
        reconnect_after=seconds(streams.reconnect_seconds),
    )


def rate_limits(settings: Settings) -> RateLimits:
    """Return how many requests may be sent, as configured."""
    requests = settings.exchange.requests
    return RateLimits(
        private_per_second=requests.private_per_second,
        public_per_second=requests.public_per_second,
        per_hour=requests.per_hour,
        urgent_share=URGENT_SHARE,
    )


def live_endpoints(settings: Settings) -> Endpoints:
    """Return where Coinbase answers."""
    address = settings.exchange.address
    ca_file = None if address.ca_file is None else Path(address.ca_file)
    return Endpoints(rest=address.rest, market=address.market, user=address.user, ca_file=ca_file)


def paper_endpoints(settings: Settings, url: str) -> Endpoints:
    """Return where a paper exchange answers that somebody started."""
    parts = urlsplit(url)
    socket = parts._replace(scheme="wss" if parts.scheme == "https" else "ws")
    ca_file = settings.exchange.address.ca_file
    return Endpoints(
        rest=url,
        market=urlunsplit(socket._replace(path="/")),
        user=urlunsplit(socket._replace(path="/user")),
        ca_file=None if ca_file is None else Path(ca_file),
    )


def patiently(ask: Callable[[], T], pause: Callable[[float], None]) -> T:
    """Ask, and again after a pause while the key is refused: one that is valid is refused in bursts only.

    Raises:
        WireError: if the exchange cannot be asked, or refuses the key every time.
    """
    for seconds_more in SIGNED_AGAIN:
        try:
            return ask()
        except ExchangeRefused as refused:
            if refused.status != HTTPStatus.UNAUTHORIZED:
                raise
            pause(seconds_more)
    return ask()


def check_permissions(exchange: CoinbaseExchange, key: ApiKey) -> None:
    """Refuse a key that could move money away, or that cannot trade.

    Raises:
        SafetyRefusal: if it is such a key.
        WireError: if the exchange cannot be asked; nothing was sent before.
    """
    allowed = exchange.permissions()
    if allowed.transfer:
        raise SafetyRefusal(
            f"the API key {key.name} can transfer funds; make one that can view and trade only"
        )
    if not (allowed.view and allowed.trade):
        raise SafetyRefusal(
            f"the API key {key.name} cannot {'trade' if allowed.view else 'view the account'}; "
            "make one that can view and trade"
        )
