"""The whole wire under the contract: our adapter and streams on the exchange's server, over real sockets."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.coinbase.streams.market_stream import CoinbaseMarketStream
from quietmaker.coinbase.streams.socket_thread import TIMES
from quietmaker.coinbase.streams.user_stream import CoinbaseUserStream
from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product
from quietmaker.core.units import MILLISECOND, SECOND, Instant, Nanos
from quietmaker.exchange.latency import INSTANT
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.server.app import ExchangeServer, ServerSettings
from quietmaker.exchange.server.catalogue import Recorded
from quietmaker.exchange.server.connection import Limits
from quietmaker.exchange.server.keys import Permissions, new_key
from quietmaker.exchange.server.limits import Rates
from quietmaker.exchange.server.monitor import Tally
from quietmaker.ports import MarketStream, UserEvent, UserStream
from supervisors.clock import SystemClock
from tests.coinbase.rig import FREELY, Watch
from tests.coinbase.rigs import Watched, quick
from tests.exchange.rigs import NOW
from tests.exchange.sources import ListSource
from tests.exchange.support import BALANCES, FEES, OTHER, PRODUCT, SYMBOL

LIMIT: Final = 10.0
QUIET: Final = 0.4
"""Seconds without news after which all was told: the server gathers trades for a quarter of a second."""
PRODUCTS: Final = {SYMBOL: PRODUCT, OTHER.symbol: OTHER}


class StandingClock:
    """The time of day stands still but for the hand; time-outs run as they do."""

    def __init__(self) -> None:
        """Stand where the other rigs begin."""
        self.at = NOW
        self._system = SystemClock()

    def now(self) -> Instant:
        """Return the time of day."""
        return Instant(self.at)

    def monotonic(self) -> Nanos:
        """Return real time."""
        return self._system.monotonic()


class News:
    """Knows when something was last told."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._told = threading.Condition()

    def tell(self) -> None:
        """Note that something was told."""
        with self._told:
            self._told.notify_all()

    def settle(self) -> None:
        """Return once nothing more is told."""
        with self._told:
            while self._told.wait(QUIET):
                pass


class MarketHeard:
    """The market stream, with an ear on what it tells."""

    def __init__(self, stream: MarketStream, news: News) -> None:
        """Wrap a stream."""
        self._stream, self._news = stream, news

    @property
    def alive(self) -> bool:
        """Return whether its thread runs."""
        return self._stream.alive

    def start(self, listener: Callable[[MarketEvent], None]) -> None:
        """Begin."""

        def told(event: MarketEvent) -> None:
            listener(event)
            self._news.tell()

        self._stream.start(told)

    def resync(self, symbol: str) -> None:
        """Ask for a book anew."""
        self._stream.resync(symbol)

    def add(self, product: Product) -> None:
        """Listen to one more."""
        self._stream.add(product)

    def remove(self, symbol: str) -> None:
        """Listen to one no more."""
        self._stream.remove(symbol)

    def stop(self) -> None:
        """End."""
        self._stream.stop()


class UserHeard:
    """The user stream, with an ear on what it tells."""

    def __init__(self, stream: UserStream, news: News) -> None:
        """Wrap a stream."""
        self._stream, self._news = stream, news

    @property
    def alive(self) -> bool:
        """Return whether its thread runs."""
        return self._stream.alive

    def start(self, listener: Callable[[UserEvent], None]) -> None:
        """Begin."""

        def told(event: UserEvent) -> None:
            listener(event)
            self._news.tell()

        self._stream.start(told)

    def stop(self) -> None:
        """End."""
        self._stream.stop()


class WireRig:
    """Our adapter on the exchange's server: a tape, and time by hand."""

    def __init__(
        self,
        server: ExchangeServer,
        loop: asyncio.AbstractEventLoop,
        clock: StandingClock,
        key: ApiKey,
        port: int,
    ) -> None:
        """Connect, over plain HTTP: certificates would be those of the standing time."""
        self._server, self._loop, self._clock = server, loop, clock
        self._news = News()
        signer = Signer(key, clock)
        self.exchange = CoinbaseExchange(
            url=f"http://127.0.0.1:{port}",
            ca_file=None,
            signer=signer,
            id_prefix="",
            timeouts=Timeouts(connect=Nanos(5 * SECOND), read=Nanos(5 * SECOND)),
            limits=FREELY,
            clock=clock,
            watch=Watch(),
            pause=lambda _: None,
            jitter=lambda: 0.0,
        )
        self.exchange.serve(PRODUCTS)
        self.exchange.products()
        times = replace(TIMES, patience=Nanos(20 * MILLISECOND))
        market = CoinbaseMarketStream(
            url=f"ws://127.0.0.1:{port}/",
            products=PRODUCTS,
            aliases={},
            token=signer.socket,
            clock=clock,
            times=times,
            watch=Watched(),
            random=random.Random(1),
            ca_file=None,
            backoff=quick,
        )
        user = CoinbaseUserStream(
            url=f"ws://127.0.0.1:{port}/user",
            products=PRODUCTS,
            token=signer.socket,
            fills_of=self.exchange.fills_of,
            learn=self.exchange.learn,
            clock=clock,
            times=times,
            watch=Watched(),
            random=random.Random(1),
            ca_file=None,
            backoff=quick,
        )
        self.market_stream = MarketHeard(market, self._news)
        self.user_stream = UserHeard(user, self._news)

    def run(self, seconds: float) -> None:
        """Let time pass, and return once what happened in it was told."""
        self._news.settle()
        self._clock.at += int(seconds * SECOND)
        settled = asyncio.run_coroutine_threadsafe(self._server.desk.settle(), self._loop)
        settled.result(LIMIT)
        self._news.settle()

    def close(self) -> None:
        """Disconnect."""
        self.market_stream.stop()
        self.user_stream.stop()
        self.exchange.close()


@contextmanager
def wired(tape: tuple[MarketEvent, ...], *, warmup: float) -> Iterator[WireRig]:
    """Run a server that plays a tape, in a thread, and connect to it."""
    ready = threading.Event()
    stop = asyncio.Event()
    made: list[tuple[ExchangeServer, asyncio.AbstractEventLoop, ApiKey, int]] = []
    clock = StandingClock()

    async def main(folder: Path) -> None:
        try:
            await serve(folder)
        finally:
            ready.set()

    async def serve(folder: Path) -> None:
        key = new_key(folder / "keys", name="test", ed25519_key=True, permissions=Permissions())
        server = _server(folder, tape, clock, warmup)
        addresses = await server.open(host="127.0.0.1", port=0, tls_port=0)
        running = asyncio.create_task(server.run())
        made.append((server, asyncio.get_running_loop(), ApiKey.load(key), addresses.port))
        ready.set()
        await stop.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.close()

    with TemporaryDirectory() as folder:
        thread = threading.Thread(target=lambda: asyncio.run(main(Path(folder))))
        thread.start()
        assert ready.wait(LIMIT)
        assert made, "the server did not start"
        server, loop, key, port = made[0]
        try:
            opened = WireRig(server, loop, clock, key, port)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(LIMIT)
            assert not thread.is_alive()


def _server(
    folder: Path, tape: tuple[MarketEvent, ...], clock: StandingClock, warmup: float
) -> ExchangeServer:
    return ExchangeServer(
        ServerSettings(
            folder=folder,
            balances=BALANCES,
            fees=FEES,
            model=FILL_MODELS["touch"],
            latency=INSTANT,
            seed=1,
            session="contract",
            speed=Decimal(1),
            warmup=Nanos(int(warmup * SECOND)),
            loop=False,
            rates=Rates(private=0, public=0),
            sockets=Limits(connections=0, messages=0),
            market_client_id=False,
            admin=False,
        ),
        source=ListSource(tape),
        recorded=Recorded(rows={}, products={}, aliases={}),
        clock=clock,
        tally=Tally(),
    )
