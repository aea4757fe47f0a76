"""The public market of Coinbase over one WebSocket connection, as a `MarketStream`.

Rules that hold here:

* A book is told only from its snapshot on this connection on. What breaks it (gap, silence, the end of
  the connection, a status other than online) is told first; then it is asked for again.
* A symbol that shares another product's book is subscribed under its own name and labelled with the
  other's (X-USDC as X-USD); both may be traded at once.
* The first trades after subscribing are history and are not told.
* Symbols come and go on the open connection: what changes is noted, and the stream's thread takes it over
  between two frames, so that nothing that reads them changes under a frame.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from quietmaker.coinbase.streams.backoff import Backoff
from quietmaker.coinbase.streams.labels import Labels
from quietmaker.coinbase.streams.market_session import MarketSession
from quietmaker.coinbase.streams.socket import Socket
from quietmaker.coinbase.streams.socket_thread import Dialling, SocketThread, SocketTimes
from quietmaker.coinbase.streams.subscriptions import HEARTBEATS, LEVEL2
from quietmaker.coinbase.streams.watch import StreamWatch, Tally
from quietmaker.coinbase.wire import MarketDecoder
from quietmaker.core.market import (
    MarketEvent,
)
from quietmaker.core.product import Product
from quietmaker.ports import Clock

NAME: Final = "market"
CHANNELS: Final = (LEVEL2, "market_trades", "candles", "status")
"""Beside heartbeats. A ticker repeats the touch of a book that is subscribed anyway."""


class CoinbaseMarketStream:
    """The market over a socket; implements `MarketStream`.

    Attributes:
        products: what is traded, by symbol.
        labels: which symbols stand behind a label.
        decoder: for these products.
        channels: subscribed to beside heartbeats.
    """

    def __init__(
        self,
        *,
        url: str,
        products: Mapping[str, Product],
        aliases: Mapping[str, str],
        token: Callable[[], str] | None,
        clock: Clock,
        times: SocketTimes,
        watch: StreamWatch,
        random: random.Random,
        ca_file: Path | None,
        channels: tuple[str, ...] = CHANNELS,
        backoff: Callable[[random.Random], Backoff] | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: of the market-data endpoint.
            products: what is traded, by symbol.
            aliases: the product that a symbol's data is labelled with, where that is another; also of
                symbols that may come later.
            token: makes a token for each message; None without a key: the channels are public.
            clock: the clock.
            times: of the connection.
            watch: hears of the connection and of what is odd.
            random: for the jitter of pauses.
            ca_file: certificates to trust instead of the system's.
            channels: to subscribe to beside heartbeats; level2 must be among them.
            backoff: makes the pauses between connections; the usual ones when None.
        """
        self.products = dict(products)
        self._aliases = aliases
        self.labels = Labels(products, aliases)
        self.decoder = MarketDecoder(products, aliases)
        self._changes: list[tuple[str, Product | None]] = []
        self._token = token
        self._clock = clock
        self._dialling = Dialling(
            url=url,
            times=times,
            clock=clock,
            watch=watch,
            random=random,
            ca_file=ca_file,
            backoff=backoff,
        )
        self.channels = channels
        self._runner: SocketThread | None = None
        self._listener: Callable[[MarketEvent], None] | None = None
        self._asked: set[str] = set()
        self._mutex = threading.Lock()
        self._quiet = threading.RLock()

    def start(self, listener: Callable[[MarketEvent], None]) -> None:
        """Begin to connect and to deliver; every book counts as lost until its snapshot.

        Raises:
            RuntimeError: if it runs.
        """
        if self._runner is not None:
            raise RuntimeError("the market stream runs already; stop it first")
        self._listener = listener
        with self._mutex:
            self._asked.clear()
        self._runner = SocketThread(NAME, self._dialling, self._open)
        self._runner.start()

    @property
    def alive(self) -> bool:
        """Return whether the stream's thread runs."""
        thread = self._runner
        return thread is not None and thread.alive

    def resync(self, symbol: str) -> None:
        """Ask for a fresh snapshot of one book; the stream's thread does it."""
        with self._mutex:
            self._asked.add(symbol)

    def add(self, product: Product) -> None:
        """Deliver one more product; the stream's thread subscribes to it."""
        with self._mutex:
            self._changes.append((product.symbol, product))

    def remove(self, symbol: str) -> None:
        """Deliver a product no more; the stream's thread leaves it."""
        with self._mutex:
            self._changes.append((symbol, None))

    def stop(self) -> None:
        """Stop delivering; `start` may follow."""
        thread, self._runner = self._runner, None
        self._listener = None
        if thread is not None:
            thread.stop()
        with self._quiet:
            return

    # --- of the stream's thread -----------------------------------------------------------------

    def tell(self, event: MarketEvent) -> None:
        """Deliver, under every symbol that shares the book."""
        listener = self._listener
        if listener is None:
            return
        with self._quiet:
            listener(event)
            for twin in self.labels.twins(event.symbol):
                listener(replace(event, symbol=twin))

    def asked(self) -> set[str]:
        """Return the symbols whose snapshot was asked for, once."""
        if not self._asked:
            return set()
        with self._mutex:
            asked, self._asked = self._asked, set()
        return asked

    def change(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take over what came and went; return which symbols are new, and which are gone."""
        if not self._changes:
            return (), ()
        with self._mutex:
            changes, self._changes = self._changes, []
        after = dict(self.products)
        came: dict[str, None] = {}
        gone: dict[str, None] = {}
        for symbol, product in changes:
            if product is None:
                if symbol in after:
                    del after[symbol]
                    if symbol in came:
                        del came[symbol]
                    else:
                        gone[symbol] = None
            elif symbol not in after:
                after[symbol] = product
                came[symbol] = (
                    None  # also one that was there before: whoever listens now knows nothing
                )
        if came or gone:
            self.products = after
            self.labels = Labels(after, self._aliases)
            self.decoder = MarketDecoder(after, self._aliases)
        return tuple(came), tuple(gone)

    def _open(self, socket: Socket) -> MarketSession:
        self.change()
        names = tuple(self.products)
        by_product = dict.fromkeys(self.channels, names) if names else {}
        return MarketSession(
            socket,
            self,
            channels={HEARTBEATS: (), **by_product},
            token=self._token,
            times=self._dialling.times,
            clock=self._clock,
            tally=Tally(NAME, self._dialling.watch),
        )
