"""One connection to the public market: its books, what is lost of them, and what it subscribes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from quietmaker.coinbase.fields import Found
from quietmaker.coinbase.frames import ProductStatus
from quietmaker.coinbase.streams.session import BaseSession
from quietmaker.coinbase.streams.socket import Socket, SocketClosed
from quietmaker.coinbase.streams.socket_thread import SocketTimes
from quietmaker.coinbase.streams.subscriptions import LEVEL2
from quietmaker.coinbase.streams.watch import LostBecause, StreamIssue, Tally
from quietmaker.core.market import BookDelta, BookSnapshot, FeedLost, MarketEvent, StaleReason
from quietmaker.core.units import SECOND, Nanos
from quietmaker.ports import Clock

if TYPE_CHECKING:
    from quietmaker.coinbase.streams.market_stream import CoinbaseMarketStream

REFUSED_AFTER: Final = Nanos(2 * SECOND)
"""A product that is missing in acknowledgements for so long was refused."""


class MarketSession(BaseSession):
    """One connection to the market. Books are known by their leaders."""

    def __init__(
        self,
        socket: Socket,
        stream: CoinbaseMarketStream,
        *,
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
        self._labels = stream.labels
        self._awaited: dict[str, Nanos] = dict.fromkeys(self._labels.leaders(), clock.monotonic())
        self._refused: frozenset[str] = frozenset()
        self._standing: set[str] = set()
        self._offline: dict[str, str] = {}

    # --- frames ---------------------------------------------------------------------------------

    def take(self, message: bytes) -> None:
        """Take a message; nothing that it may hold ends the connection."""
        frame = self._stream.decoder.read(message, self.clock.now())
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
        self._follow()
        self._ask(
            self._labels.leader(s) for s in self._stream.asked() if s in self._stream.products
        )
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

    def _follow(self) -> None:
        """Leave what is gone, subscribe to what is new, and ask for books that are told to others now."""
        came, gone = self._stream.change()
        if not came and not gone:
            return
        before, labels = self._labels, self._stream.labels
        self._labels = labels
        leaders, led = set(labels.leaders()), set(before.leaders())
        for known in (self._awaited, self._offline):
            for symbol in known.keys() - leaders:
                del known[symbol]
        self._standing &= leaders
        self._refused &= leaders
        self.subscriptions.follow(self._stream.channels, came, gone)
        new = {labels.leader(symbol) for symbol in came}
        self._awaited.update(dict.fromkeys((leaders - led) & new, self.clock.monotonic()))
        orphans = (leaders - led) - new
        if orphans:  # what led their book is gone: it begins anew under their own name
            self._lose(StaleReason.GAP, sorted(orphans))
        self._ask(sorted(orphans | (new & led)))  # whoever joins a book needs a snapshot, too

    def complete(self) -> bool:
        """Return whether every book that was not refused is there, and at least one is if any is wanted."""
        wanted = len(self._labels.leaders())
        return not self._awaited.keys() - self._refused and (
            not wanted or len(self._refused) < wanted
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
