"""Streams on a scripted peer, with a clock that stands until the test moves it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

from quietmaker.coinbase.streams.backoff import Backoff
from quietmaker.coinbase.streams.market_stream import CoinbaseMarketStream
from quietmaker.coinbase.streams.socket_thread import TIMES, SocketTimes
from quietmaker.coinbase.streams.user_stream import CoinbaseUserStream
from quietmaker.coinbase.streams.watch import ConnectionState, LostBecause
from quietmaker.core.market import FeedLost, MarketEvent, StaleReason
from quietmaker.core.orders import Fill
from quietmaker.core.product import Product
from quietmaker.core.units import (
    MILLISECOND,
    SECOND,
    Instant,
    Liquidity,
    Lots,
    Nanos,
    Side,
    Ticks,
)
from quietmaker.ports import UserEvent, UserFill
from tests.coinbase.peer import PATIENCE, Line, Peer

E = TypeVar("E")
QUICK = replace(TIMES, patience=Nanos(5 * MILLISECOND))


def product(symbol: str) -> Product:
    """Return a product with a tick of 0.01 and a lot of 0.001."""
    base, _, quote = symbol.partition("-")
    return Product(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        min_size=Decimal("0.001"),
        max_size=Decimal(1_000_000),
        min_notional=Decimal(1),
        untradable="",
    )


class HandClock:
    """A clock that is moved by the test and read by the stream's threads."""

    def __init__(self) -> None:
        """Begin in 2026."""
        self._at = 1_790_000_000 * SECOND

    def now(self) -> Instant:
        """Return the time."""
        return Instant(self._at)

    def monotonic(self) -> Nanos:
        """Return the same time."""
        return Nanos(self._at)

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._at += int(seconds * SECOND)


class Heard(Generic[E]):
    """What was told, and a way to wait for it."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self.events: list[E] = []
        self._news = threading.Condition()

    def __call__(self, event: E) -> None:
        """Take an event, in the stream's thread."""
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def until(self, wanted: Callable[[list[E]], bool], what: str = "") -> list[E]:
        """Wait until something is so; return everything that was told."""
        with self._news:
            met = self._news.wait_for(lambda: wanted(self.events), PATIENCE)
            assert met, f"never heard {what}; heard {self.events[-20:]}"
            return list(self.events)

    def count(self, number: int) -> list[E]:
        """Wait until so many events were told."""
        return self.until(lambda events: len(events) >= number, f"{number} events")

    def of(self, kind: type[E] | type[Any], number: int = 1) -> list[Any]:
        """Wait until so many of a kind were told; return those."""
        self.until(lambda e: sum(isinstance(x, kind) for x in e) >= number, f"{number} {kind}")
        return [event for event in self.events if isinstance(event, kind)]


class Watched:
    """Remembers what the streams tell of themselves."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self.states: Heard[tuple[ConnectionState, str]] = Heard()
        self.issues: Heard[tuple[str, str, int]] = Heard()
        self.counted = 0
        self.lost: list[LostBecause] = []

    def connection(
        self, stream: str, state: ConnectionState, detail: str, why: LostBecause | None = None
    ) -> None:
        """Remember it."""
        if why is not None:
            self.lost.append(why)
        self.states((state, detail))

    def frames(self, stream: str, count: int) -> None:
        """Add them up."""
        self.counted += count

    def issue(self, stream: str, issue: str, detail: str, times: int) -> None:
        """Remember it."""
        self.issues((issue, detail, times))

    def until(self, state: ConnectionState, number: int = 1) -> str:
        """Wait until a state was reached so often; return the last detail."""
        told = self.states.until(
            lambda seen: sum(s is state for s, _ in seen) >= number, f"{number} {state}"
        )
        return [detail for s, detail in told if s is state][number - 1]

    def odd(self, issue: str, number: int = 1) -> str:
        """Wait until an issue was told so often; return its last detail."""
        told = self.issues.until(
            lambda seen: sum(i == issue for i, _, _ in seen) >= number, f"{number} {issue}"
        )
        return [detail for i, detail, _ in told if i == issue][number - 1]

    def words(self) -> set[str]:
        """Return every issue that was told."""
        return {issue for issue, _, _ in self.issues.events}


def quick(source: random.Random) -> Backoff:
    """Return pauses of a few milliseconds."""
    return Backoff(first=Nanos(4 * MILLISECOND), longest=Nanos(16 * MILLISECOND), random=source)


class MarketRig:
    """A market stream on a peer."""

    def __init__(
        self,
        peer: Peer,
        *symbols: str,
        aliases: Mapping[str, str] | None = None,
        token: Callable[[], str] | None = None,
        times: SocketTimes = QUICK,
        channels: tuple[str, ...] = ("level2",),
        url: str | None = None,
        ca_file: Path | None = None,
        products: Mapping[str, Product] | None = None,
        starts: bool = True,
    ) -> None:
        """Prepare and start it."""
        self.peer = peer
        self.symbols = symbols
        self.clock = HandClock()
        self.watch = Watched()
        self.heard: Heard[MarketEvent] = Heard()
        self.stream = stream = CoinbaseMarketStream(
            url=url or peer.url,
            products=products or {s: product(s) for s in symbols},
            aliases=aliases or {},
            token=token,
            clock=self.clock,
            times=times,
            watch=self.watch,
            random=random.Random(1),
            ca_file=ca_file,
            channels=channels,
            backoff=quick,
        )
        peer.clients.append(stream.stop)
        if starts:
            self.stream.start(self.heard)

    def open(self) -> Line:
        """Accept, and bring it to ready with a book of 10 x 11 for each symbol."""
        line = self.peer.take()
        line.requests("heartbeats", "level2")
        ready = sum(s is ConnectionState.READY for s, _ in self.watch.states.events)
        for symbol in self.symbols:
            line.book(symbol, {"10": "1"}, {"11": "1"})
        line.acknowledge(heartbeats=["heartbeats"], level2=list(self.symbols))
        line.beat()
        self.watch.until(ConnectionState.READY, ready + 1)
        return line

    def bytes_arrived(self, number: int) -> None:
        """Wait until the client holds so many bytes of an unfinished message."""
        thread = self.stream._runner
        assert thread is not None
        socket = thread._socket
        assert socket is not None
        waiting = threading.Event()
        for _ in range(int(PATIENCE * 1000)):
            held = max(sum(map(len, socket._parts)), len(socket._buffer) - socket._at)
            if held >= number:
                return
            waiting.wait(0.001)
        raise AssertionError(f"{number} bytes never arrived")

    def lost(self, reason: StaleReason, number: int = 1) -> list[str]:
        """Wait until so many books were lost for a reason; return their symbols."""
        self.heard.until(
            lambda events: sum(_is_lost(e, reason) for e in events) >= number, f"{reason}"
        )
        return [event.symbol for event in self.heard.events if _is_lost(event, reason)]


def _is_lost(event: MarketEvent, reason: StaleReason) -> bool:
    return isinstance(event, FeedLost) and event.reason is reason


class Listed:
    """The exchange's list of executions, as far as the test lets it be seen."""

    def __init__(self) -> None:
        """Nothing is listed yet."""
        self.fills: dict[str, list[UserFill]] = {}
        self.asked: Heard[tuple[str, ...]] = Heard()
        self.error: Exception | None = None
        self.before: Callable[[], None] = lambda: None

    def __call__(self, order_ids: Sequence[str]) -> Sequence[UserFill]:
        """Answer."""
        self.before()
        try:
            if self.error is not None:
                raise self.error
            return [fill for order_id in order_ids for fill in self.fills.get(order_id, ())]
        finally:
            self.asked(tuple(order_ids))


def execution(client_id: str, number: int, lots: int) -> UserFill:
    """Return an execution as the exchange lists it."""
    fill = Fill(
        trade_id=f"{client_id}-{number}",
        client_id=client_id,
        symbol="A-USD",
        side=Side.BUY,
        price=Ticks(1000),
        size=Lots(lots),
        fee=Decimal("0.01"),
        liquidity=Liquidity.MAKER,
        at=Instant(number),
    )
    return UserFill(order_id=f"id-{client_id}", fill=fill)


class UserRig:
    """A user stream on a peer."""

    def __init__(self, peer: Peer, *, times: SocketTimes = QUICK) -> None:
        """Prepare and start it."""
        self.peer = peer
        self.clock = HandClock()
        self.watch = Watched()
        self.heard: Heard[UserEvent] = Heard()
        self.listed = Listed()
        self.learnt: dict[str, str] = {}
        self.tokens = 0
        self.stream = stream = CoinbaseUserStream(
            url=peer.url,
            products={s: product(s) for s in ("A-USD", "B-USD")},
            token=self._token,
            fills_of=self.listed,
            learn=self.learnt.__setitem__,
            clock=self.clock,
            times=times,
            watch=self.watch,
            random=random.Random(1),
            ca_file=None,
            backoff=quick,
        )
        peer.clients.append(stream.stop)
        self.stream.start(self.heard)

    def _token(self) -> str:
        self.tokens += 1
        return f"token-{self.tokens}"

    def open(self, *orders: dict[str, Any]) -> Line:
        """Accept, and bring it to ready with a snapshot of these orders."""
        line = self.peer.take()
        line.requests("heartbeats", "user")
        ready = sum(s is ConnectionState.READY for s, _ in self.watch.states.events)
        line.message("user", {"type": "snapshot", "orders": list(orders)}, client_id="")
        line.acknowledge(heartbeats=["heartbeats"], user=["00000000"])
        line.beat()
        self.watch.until(ConnectionState.READY, ready + 1)
        return line


def no_thread_is_left() -> None:
    """Check that no thread of a stream runs any more."""
    for thread in threading.enumerate():
        if thread.name in {"market", "user", "user-fills"}:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{thread.name} still runs"
