"""The channels: who listens to what, and what the floor's events become for them.

The server tells it the market (`market`), orders (`order`) and the passing of time (`tick`); a
connection's messages come in by `receive`. Everything happens on one event loop, in the call that
brings it; nothing here waits for a client (`connection`).

An alias shares its product's channels: who subscribes to BTC-USDC listens to BTC-USD, and is told so by
the acknowledgement; only the orders of the user channel keep the product they were placed on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, assert_never

from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.product import Product
from quietmaker.core.units import MILLISECOND, SECOND, Nanos
from quietmaker.exchange.server import channels
from quietmaker.exchange.server.channels import SNAPSHOT, UPDATE
from quietmaker.exchange.server.channels_user import order_state
from quietmaker.exchange.server.connection import IDLE_LEAST, IDLE_MOST, Connection, Limits
from quietmaker.exchange.server.connection_requests import (
    BY_PRODUCT,
    SUBSCRIBE,
    TOO_MANY,
    Channel,
    Endpoint,
    Refused,
    Subscribe,
    Unsubscribe,
    read_message,
)
from quietmaker.exchange.server.faults import Faults
from quietmaker.exchange.server.frames import ChannelEvent
from quietmaker.exchange.server.hub_board import Board
from quietmaker.exchange.server.hub_history import History
from quietmaker.exchange.server.hub_pace import Every
from quietmaker.exchange.server.limits import RateLimiter
from quietmaker.exchange.server.monitor import Monitor
from quietmaker.exchange.server.records import OrderRecord
from quietmaker.exchange.venue import Venue
from quietmaker.ports import Clock

TICK: Final = Nanos(50 * MILLISECOND)
"""How often `tick` wants to be called; the batch of level2."""
USER_BATCH: Final = 50
"""Orders of one frame of the user channel's snapshot."""


class House(Protocol):
    """What the hub asks of the exchange around it."""

    @property
    def user_id(self) -> str:
        """Return the id of the account's user."""

    @property
    def portfolio_id(self) -> str:
        """Return the id of its portfolio."""

    def canonical(self, symbol: str) -> str | None:
        """Return the product whose market a product shares, itself without an alias; None: unknown."""

    def product(self, symbol: str) -> Product:
        """Return a product that `canonical` knows."""

    def symbols(self) -> Iterable[str]:
        """Return all products that have a market of their own."""

    def venue(self, symbol: str) -> Venue | None:
        """Return the market of a product; None when the source does not play it."""

    def play(self, symbol: str, *, on: bool) -> bool:
        """Take a product online or offline, as its market begins or ends; return whether that is news."""

    def status_row(self, symbol: str) -> Mapping[str, str]:
        """Return a product as the status channel tells it."""

    def live_orders(self) -> Iterable[OrderRecord]:
        """Return the orders that may still execute, oldest first."""


class Hub:
    """All connections and all channels.

    Attributes:
        clock: the time of the exchange.
        limits: what a client may ask and cost.
        connections: the open ones by number.
    """

    def __init__(
        self,
        *,
        house: House,
        clock: Clock,
        faults: Faults,
        limits: Limits,
        seed: int,
        market_client_id: bool,
        monitor: Monitor,
    ) -> None:
        """Open the channels.

        Args:
            house: the exchange around it.
            clock: its time.
            faults: what goes wrong.
            limits: what a client may ask and cost.
            seed: of the idle times, which lie between 60 and 90 s, and of the first trade ids.
            market_client_id: whether frames of the market endpoint carry ``client_id``.
            monitor: counts connections, and how they ended.
        """
        self.clock = clock
        self.limits = limits
        self.connections: dict[int, Connection] = {}
        self._house = house
        self._faults = faults
        self._monitor = monitor
        self._client_id = {Endpoint.MARKET: market_client_id, Endpoint.USER: True}
        self._rng = random.Random(seed)
        self._numbers = 0
        self._boards: dict[str, Board] = {}
        self._heard: dict[tuple[Channel, str], dict[int, Connection]] = {}
        self._arrivals = RateLimiter(rate=limits.connections, clock=clock)
        self._messages = RateLimiter(rate=limits.messages, clock=clock)
        self._started = now = clock.monotonic()
        self._beats = Every(Nanos(SECOND), now)
        self._trades = Every(Nanos(250 * MILLISECOND), now)
        self._candles = Every(Nanos(10 * SECOND), now)
        self._tickers = Every(Nanos(5 * SECOND), now)
        self._checks = Every(Nanos(SECOND // 4), now)

    # --- the exchange tells ---------------------------------------------------------------------

    def market(self, event: MarketEvent, venue: Venue) -> None:
        """Take a market event that the venue took; those of aliases are told by their product."""
        if self._house.canonical(event.symbol) != event.symbol:
            return
        board = self.board(event.symbol)
        match event:
            case BookSnapshot():
                board.on_book(event, venue)
            case BookDelta():
                board.on_delta(event, venue)
            case TouchQuote():
                board.on_touch(event, venue)
            case TradePrint():
                board.on_trade(event)
            case CandleBar():
                board.history.on_bar(event.start, event.low, event.high)
            case FeedLost():
                board.on_lost()
            case _:
                assert_never(event)
        ended = isinstance(event, FeedLost) and event.reason is StaleReason.DISCONNECTED
        began = isinstance(event, BookSnapshot | BookDelta | TouchQuote)
        if (ended or began) and self._house.play(event.symbol, on=began):
            self.status(event.symbol)

    def candle(self, bar: CandleBar) -> None:
        """Tell a bucket that closed; the rest of its channel waits for the next batch."""
        if self._house.canonical(bar.symbol) == bar.symbol:
            self.board(bar.symbol).flush_candles()

    def order(self, record: OrderRecord) -> None:
        """Tell an order's cumulative state."""
        state = order_state(record, portfolio=self._house.portfolio_id)
        event = channels.user(UPDATE, (state,))
        for connection in self._listeners(Channel.USER, self._house.user_id):
            if connection.concerns(record.symbol):
                connection.tell(event)

    def status(self, symbol: str) -> None:
        """Tell that a product's market state changed."""
        event = channels.status(UPDATE, (self._house.status_row(symbol),))
        self._tell(Channel.STATUS, symbol, event)

    def tick(self) -> None:
        """Do what time brings: batches, heartbeats, deadlines. Call every `TICK`."""
        now = self.clock.monotonic()
        boards = self._boards.values()
        for board in boards:
            board.flush_book()
        if self._trades.due(now):
            for board in boards:
                board.flush_trades()
        if self._candles.due(now):
            for board in boards:
                board.flush_candles()
        if self._tickers.due(now):
            for board in boards:
                board.flush_ticker_batch()
        if self._beats.due(now):
            self._beat(now)
        if self._checks.due(now):
            for connection in tuple(self.connections.values()):
                connection.check()

    def board(self, symbol: str) -> Board:
        """Return the board of a product that `House.canonical` knows."""
        board = self._boards.get(symbol)
        if board is None:
            board = self._boards[symbol] = Board(
                self._house.product(symbol),
                history=History(first_id=self._rng.randrange(10**6, 10**9)),
                tell=lambda channel, event: self._tell(channel, symbol, event),
                heard=lambda channel: bool(self._heard.get((channel, symbol))),
                now=self.clock.now(),
            )
        return board

    # --- connections ----------------------------------------------------------------------------

    def admits(self, peer: str) -> bool:
        """Return whether an address may open one more connection now."""
        verdict = self._arrivals.take(peer)
        return verdict is None or verdict.passed

    def open(self, endpoint: Endpoint, peer: str, wake: Callable[[], None]) -> Connection:
        """Take in a connection; `wake` is called when something waits for it."""
        self._numbers += 1
        connection = Connection(
            number=self._numbers,
            endpoint=endpoint,
            peer=peer,
            client_id=self._client_id[endpoint],
            idle=Nanos(self._rng.randrange(IDLE_LEAST, IDLE_MOST)),
            limits=self.limits,
            clock=self.clock,
            faults=self._faults,
            wake=wake,
        )
        self.connections[connection.number] = connection
        self._monitor.count("sockets_opened", endpoint.value)
        return connection

    def leave(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        if self.connections.pop(connection.number, None) is not None:
            self._monitor.count("sockets_closed", connection.ending.value)
        for listeners in self._heard.values():
            listeners.pop(connection.number, None)

    def receive(self, connection: Connection, text: str | bytes, *, good: bool) -> None:
        """Take a message of a client and answer it; `good` says whether a good token came with it."""
        message = read_message(text, connection.endpoint, good=good)
        if not message.authenticated:
            verdict = self._messages.take(connection.peer)
            if verdict is not None and not verdict.passed:
                connection.refuse(TOO_MANY)
                return
        match message.request:
            case Subscribe() as request:
                self._subscribe(connection, request)
            case Unsubscribe() as request:
                self._unsubscribe(connection, request)
            case Refused(message=reason):
                connection.refuse(reason)
            case _:
                assert_never(message.request)

    # --- inside ---------------------------------------------------------------------------------

    def _subscribe(self, connection: Connection, request: Subscribe) -> None:
        channel = request.channel
        subject = {"endpoint": connection.endpoint.value, "channel": channel.value}
        refusal = self._faults.first("subscribe.refuse", subject)
        if refusal is not None:
            connection.refuse(refusal.parameters["message"])
            return
        names = self._names(channel, request.products)
        if not names:
            connection.refuse(SUBSCRIBE)
            return
        if channel is Channel.USER:
            connection.narrow(request.products)
        for event in self._snapshots(connection, channel, names):
            connection.tell(event)
        connection.subscribe(channel, names)
        for name in names:
            self._heard.setdefault((channel, name), {})[connection.number] = connection
        connection.acknowledge()

    def _unsubscribe(self, connection: Connection, request: Unsubscribe) -> None:
        channel = request.channel
        names = self._names(channel, request.products) if request.products else ()
        if names or not request.products:  # names that are all unknown are not the whole channel
            connection.unsubscribe(channel, names)
        for (heard, name), listeners in self._heard.items():
            if heard is channel and not connection.listens(channel, name):
                listeners.pop(connection.number, None)
        connection.acknowledge()

    def _names(self, channel: Channel, products: Sequence[str]) -> tuple[str, ...]:
        """Return under which names a channel is listened to; empty when nothing can be."""
        if channel is Channel.HEARTBEATS:
            return (channel.value,)
        if channel not in BY_PRODUCT:
            return (self._house.user_id,)
        if channel is Channel.STATUS and not products:
            return tuple(self._house.symbols())
        known = (self._house.canonical(symbol) for symbol in products)
        return tuple(dict.fromkeys(symbol for symbol in known if symbol is not None))

    def _snapshots(
        self, connection: Connection, channel: Channel, names: Sequence[str]
    ) -> Iterable[ChannelEvent]:
        match channel:
            case Channel.HEARTBEATS:
                pass
            case Channel.STATUS:
                yield channels.status(SNAPSHOT, [self._house.status_row(name) for name in names])
            case Channel.USER:
                house = self._house
                orders = [
                    order_state(record, portfolio=house.portfolio_id)
                    for record in house.live_orders()
                    if connection.concerns(record.symbol)
                ]
                yield from user_snapshot(orders)
            case Channel.FUTURES_BALANCE_SUMMARY:
                yield channels.futures_balance_summary()
            case _:
                now = self.clock.now()
                for name in names:
                    event = self.board(name).snapshot(channel, self._house.venue(name), now)
                    if event is not None:
                        yield event

    def _tell(self, channel: Channel, name: str, event: ChannelEvent) -> None:
        for connection in self._listeners(channel, name):
            connection.tell(event)

    def _listeners(self, channel: Channel, name: str) -> Sequence[Connection]:
        return tuple(self._heard.get((channel, name), {}).values())

    def _beat(self, now: int) -> None:
        running = Nanos(now - self._started)
        event = channels.heartbeat(self.clock.now(), running=running, counter=running // SECOND)
        self._tell(Channel.HEARTBEATS, Channel.HEARTBEATS.value, event)


def user_snapshot(orders: Sequence[Mapping[str, str]]) -> Iterable[ChannelEvent]:
    """Yield open orders in full batches and, as the end of the snapshot, one that is not full."""
    for start in range(0, len(orders) + 1, USER_BATCH):
        yield channels.user(SNAPSHOT, orders[start : start + USER_BATCH])
