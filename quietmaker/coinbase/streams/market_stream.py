"""The public market of Coinbase over one WebSocket connection, as a `MarketStream`.

Rules that hold here:

* A book is told only from its snapshot on this connection on. What breaks it (gap, silence, the end of
  the connection, a status other than online) is told first; then it is asked for again.
* A symbol that shares another product's book is subscribed under its own name and labelled with the
  other's (X-USDC as X-USD); both may be traded at once.
* The first trades after subscribing are history and are not told.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from quietmaker.coinbase.fields import Found
from quietmaker.coinbase.frames import ProductStatus
from quietmaker.coinbase.streams.backoff import Backoff
from quietmaker.coinbase.streams.session import BaseSession
from quietmaker.coinbase.streams.socket import Socket, SocketClosed
from quietmaker.coinbase.streams.socket_thread import Dialling, SocketThread, SocketTimes
from quietmaker.coinbase.streams.subscriptions import HEARTBEATS, LEVEL2
from quietmaker.coinbase.streams.watch import LostBecause, StreamIssue, StreamWatch, Tally
from quietmaker.coinbase.wire import MarketDecoder
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    FeedLost,
    MarketEvent,
    StaleReason,
)
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Nanos
from quietmaker.ports import Clock

NAME: Final = "market"
CHANNELS: Final = (LEVEL2, "market_trades", "candles", "status")
"""Beside heartbeats. A ticker repeats the touch of a book that is subscribed anyway."""
REFUSED_AFTER: Final = Nanos(2 * SECOND)
"""A product that is missing in acknowledgements for so long was refused."""


class CoinbaseMarketStream:
    """The market over a socket; implements `MarketStream`.

    Attributes:
        products: what is traded, by symbol.
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
            aliases: the product that a symbol's data is labelled with, where that is another.
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
        self._labels = _Labels(products, aliases)
        self._decoder = MarketDecoder(products, aliases)
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
        self._channels = channels
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
            for twin in self._labels.twins(event.symbol):
                listener(replace(event, symbol=twin))

    def asked(self) -> set[str]:
        """Return the symbols whose snapshot was asked for, once."""
        if not self._asked:
            return set()
        with self._mutex:
            asked, self._asked = self._asked, set()
        return asked

    def _open(self, socket: Socket) -> MarketSession:
        names = tuple(self.products)
        return MarketSession(
            socket,
            self,
            labels=self._labels,
            decoder=self._decoder,
            channels={HEARTBEATS: (), **dict.fromkeys(self._channels, names)},
            token=self._token,
            times=self._dialling.times,
            clock=self._clock,
            tally=Tally(NAME, self._dialling.watch),
        )


class _Labels:
    """Which symbols stand behind a label of the market-data channels."""

    def __init__(self, products: Mapping[str, Product], aliases: Mapping[str, str]) -> None:
        self._first: dict[str, str] = {}
        self._twins: dict[str, tuple[str, ...]] = {}
        self._names = {s: frozenset({s, aliases.get(s, s)}) for s in products}
        for symbol in products:
            first = self._first.setdefault(aliases.get(symbol, symbol), symbol)
            if first != symbol:
                self._twins[first] = (*self._twins.get(first, ()), symbol)
        self._leader = {s: first for first, twins in self._twins.items() for s in twins}

    def twins(self, symbol: str) -> tuple[str, ...]:
        """Return the other symbols that hear what this one hears."""
        return self._twins.get(symbol, ()) if self._twins else ()

    def leader(self, symbol: str) -> str:
        """Return the symbol under which the book of this one is decoded."""
        return self._leader.get(symbol, symbol)

    def leaders(self) -> tuple[str, ...]:
        """Return every symbol under which a book is decoded."""
        return tuple(dict.fromkeys(self._first.values()))

    def names(self, symbol: str) -> frozenset[str]:
        """Return the names that the exchange may use for a symbol."""
        return self._names[symbol]


class MarketSession(BaseSession):
    """One connection to the market. Books are known by their leaders."""

    def __init__(
        self,
        socket: Socket,
        stream: CoinbaseMarketStream,
        *,
        labels: _Labels,
        decoder: MarketDecoder,
        channels: Mapping[str, tuple[str, ...]],
        token: Callable[[], str] | None,
        times: SocketTimes,
        clock: Clock,
        tally: Tally,
    ) -> None:
        """Begin without a book."""
        super().__init__(
            socket, channels=channels, token=token, times=times, clock=clock, tally=tally
        )
        self._stream = stream
        self._labels = labels
        self._decoder = decoder
        self._awaited: dict[str, Nanos] = dict.fromkeys(labels.leaders(), clock.monotonic())
        self._refused: frozenset[str] = frozenset()
        self._standing: set[str] = set()
        self._offline: dict[str, str] = {}

    # --- frames ---------------------------------------------------------------------------------

    def take(self, message: bytes) -> None:
        """Take a message; nothing that it may hold ends the connection."""
        frame = self._decoder.read(message, self.clock.now())
        if not self.in_order(frame.sequence):
            return
        if frame.issues:
            self._count(frame)
        if frame.notices:
            self.hear(frame.notices)
        for event in frame.events:
            self._tell(event)

    def _tell(self, event: MarketEvent) -> None:
        symbol = event.symbol
        if isinstance(event, BookDelta):
            if symbol not in self._standing:
                return  # what it changes is not known
        elif isinstance(event, BookSnapshot):
            self._snapshot(symbol)
            if symbol in self._offline:
                return
            self._standing.add(symbol)
        self._stream.tell(event)
        if isinstance(event, FeedLost):  # the decoder refused a part of its book
            self._standing.discard(symbol)
            self._ask((symbol,))

    def _snapshot(self, symbol: str) -> None:
        if self._awaited.pop(symbol, None) is None:
            self.tally.count(StreamIssue.UNASKED_SNAPSHOT.value, symbol, self.clock.monotonic())
        if not self.ready:
            self.look()

    def _count(self, frame: Found) -> None:
        now = self.clock.monotonic()
        for issue in frame.issues:
            self.tally.count(issue.kind.value, f"{frame.channel}: {issue.detail}", now)

    # --- what the connection says ---------------------------------------------------------------

    def gap(self) -> None:
        """Distrust every book, then ask for all of them."""
        self._lose(StaleReason.GAP)
        self._awaited.clear()  # a snapshot on its way may be among what was lost
        self._ask(self._labels.leaders())

    def mute(self) -> None:
        """Distrust every book while nothing is known to come."""
        self._lose(StaleReason.SILENT)

    def audible(self) -> None:
        """Ask for every book: nobody knows how old the exchange's side of them became."""
        self._ask(self._labels.leaders())

    def end(self, reason: str) -> None:
        """Say that nothing comes until there is a new connection."""
        del reason
        self._lose(StaleReason.DISCONNECTED)
        self.tally.flush(self.clock.monotonic(), all_of_it=True)

    def status(self, status: ProductStatus) -> None:
        """Stop quoting a product that is not online, and begin again when it is."""
        for symbol in self._stream.products:
            if status.symbol in self._labels.names(symbol) and status.status:
                self._stated(self._labels.leader(symbol), status)

    def _stated(self, leader: str, status: ProductStatus) -> None:
        online = status.status.lower() == "online"
        if online and self._offline.pop(leader, None) is not None:
            self._ask((leader,))
        elif not online and leader not in self._offline:
            self._offline[leader] = status.status
            detail = f"{status.symbol}: {status.status} {status.message}".rstrip()
            self.tally.count(StreamIssue.PRODUCT_NOT_ONLINE.value, detail, self.clock.monotonic())
            self._lose(StaleReason.NOT_ONLINE, (leader,))

    def _lose(self, reason: StaleReason, leaders: Iterable[str] | None = None) -> None:
        at = self.clock.now()
        for symbol in self._labels.leaders() if leaders is None else leaders:
            self._standing.discard(symbol)
            self._stream.tell(FeedLost(symbol=symbol, at=at, reason=reason))

    # --- subscriptions --------------------------------------------------------------------------

    def check(self, now: Nanos) -> None:
        """Look at the times and at what was asked for.

        Raises:
            SocketClosed: if the connection is of no use any more.
        """
        self._ask(self._labels.leader(symbol) for symbol in self._stream.asked())
        super().check(now)
        self._look_for_refusals(now)
        late = [
            symbol
            for symbol, since in self._awaited.items()
            if self.ready and symbol not in self._refused and now - since > self.times.resync_within
        ]
        if late:
            raise SocketClosed(
                f"no snapshot of {', '.join(late)} although it was asked for",
                LostBecause.INCOMPLETE,
            )

    def complete(self) -> bool:
        """Return whether every book that was not refused is there, and at least one is."""
        return not self._awaited.keys() - self._refused and len(self._refused) < len(
            self._labels.leaders()
        )

    def missing(self) -> str:
        """Return what is not complete, in words."""
        books = ", ".join(sorted(self._awaited))
        parts = (self.unacknowledged(), f"no snapshot of {books}" if books else "")
        return "; ".join(part for part in parts if part)

    def _ask(self, leaders: Iterable[str]) -> None:
        """Subscribe to books anew, unless their snapshot is on its way."""
        now = self.clock.monotonic()
        fresh = [leader for leader in dict.fromkeys(leaders) if leader not in self._awaited]
        if fresh:
            self._awaited.update(dict.fromkeys(fresh, now))
            names = [s for s in self._stream.products if self._labels.leader(s) in fresh]
            self.subscriptions.renew(LEVEL2, names)

    def _look_for_refusals(self, now: Nanos) -> None:
        """Name the products that are missing in an acknowledgement and have no data either."""
        names = self.subscriptions.acknowledged.get(LEVEL2)
        if names is None or self.ready or now - self.subscriptions.since[LEVEL2] < REFUSED_AFTER:
            return
        refused = frozenset(
            leader
            for leader in self._awaited
            if not any(
                self._labels.names(s) & names
                for s in self._stream.products
                if self._labels.leader(s) == leader
            )
        )
        for symbol in sorted(refused - self._refused):
            self.tally.count(StreamIssue.PRODUCT_REFUSED.value, f"level2: {symbol}", now)
        self._refused = refused
        self.look()
