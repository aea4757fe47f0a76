"""A hub with a market and an account around it, driven by hand, and clients that read what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import orjson

from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import MILLISECOND, SECOND, Instant, Lots, Side, Ticks
from quietmaker.exchange.orders import Order
from quietmaker.exchange.server.connection import Connection, Limits
from quietmaker.exchange.server.connection_outgoing import Outgoing, Text
from quietmaker.exchange.server.connection_requests import Endpoint, token_in
from quietmaker.exchange.server.faults import Faults, parse_rule
from quietmaker.exchange.server.hub import TICK, Hub
from quietmaker.exchange.server.monitor import Tally
from quietmaker.exchange.server.records import Draft, Kind, OrderRecord, OrderStatus, Records
from quietmaker.exchange.testing import ManualClock
from quietmaker.exchange.venue import Venue
from tests.exchange.support import FEES, OTHER, PRODUCT, SYMBOL, buy, make_core

NOW = 1_786_309_548_228_568_804
USDC = "TNSR-USDC"
GOOD = "a good token"
USER_ID = "00000000-0000-0000-0000-0000000000aa"


@dataclass
class House:
    """The exchange around the hub."""

    core: Any = field(default_factory=make_core)
    records: Records = field(default_factory=lambda: Records(session="test"))
    user_id: str = USER_ID
    portfolio_id: str = "00000000-0000-0000-0000-0000000000bb"
    offline: set[str] = field(default_factory=set)

    def canonical(self, symbol: str) -> str | None:
        """Know two products, and an alias of the first."""
        return {SYMBOL: SYMBOL, USDC: SYMBOL, OTHER.symbol: OTHER.symbol}.get(symbol)

    def product(self, symbol: str) -> Product:
        """Return a product."""
        return {SYMBOL: PRODUCT, OTHER.symbol: OTHER}[symbol]

    def symbols(self) -> Iterable[str]:
        """Return both."""
        return (SYMBOL, OTHER.symbol)

    def venue(self, symbol: str) -> Venue | None:
        """Return the market of the first; the second has none."""
        return self.core.symbol(symbol) if symbol == SYMBOL else None

    def play(self, symbol: str, *, on: bool) -> bool:
        """Take a product online or offline."""
        news = (symbol in self.offline) is on
        (self.offline.discard if on else self.offline.add)(symbol)
        return news

    def status_row(self, symbol: str) -> Mapping[str, str]:
        """Return a product as the status channel tells it."""
        status = "offline" if symbol in self.offline else "online"
        return {"product_type": "SPOT", "id": symbol, "status": status, "status_message": ""}

    def live_orders(self) -> Iterable[OrderRecord]:
        """Return the open orders."""
        return self.records.live()


class Client:
    """Reads what waits for a connection."""

    def __init__(self, hub: Hub, endpoint: Endpoint, peer: str) -> None:
        """Connect."""
        self.hub = hub
        self.wakes = 0
        self.line: Connection = hub.open(endpoint, peer, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def send(self, **message: Any) -> list[dict[str, Any]]:
        """Send a message and return the frames that wait then."""
        text = orjson.dumps(message)
        self.hub.receive(self.line, text, good=token_in(text) == GOOD)
        return self.frames()

    def subscribe(self, channel: str, *products: str, jwt: str = "") -> list[dict[str, Any]]:
        """Subscribe and return the frames that wait then."""
        token = {"jwt": jwt} if jwt else {}
        return self.send(type="subscribe", channel=channel, product_ids=list(products), **token)

    def outgoing(self) -> list[Outgoing]:
        """Return everything that waits."""
        taken = []
        while (outgoing := self.line.take()) is not None:
            taken.append(outgoing)
        return taken

    def raw(self) -> list[bytes]:
        """Return the text messages that wait."""
        return [outgoing.data for outgoing in self.outgoing() if isinstance(outgoing, Text)]

    def frames(self) -> list[dict[str, Any]]:
        """Return the text messages that wait, as JSON."""
        return [orjson.loads(data) for data in self.raw()]


class Rig:
    """A hub driven by hand."""

    def __init__(self, *, limits: Limits | None = None, market_client_id: bool = False) -> None:
        """Open it with a market of two levels a side."""
        self.clock = ManualClock(NOW)
        self.faults = Faults(seed=1)
        self.house = House()
        self.tally = Tally()
        self.hub = Hub(
            house=self.house,
            clock=self.clock,
            faults=self.faults,
            limits=limits or Limits(connections=1000, messages=1000),
            seed=1,
            market_client_id=market_client_id,
            monitor=self.tally,
        )
        self.book(bids=[(100, 10), (99, 20)], asks=[(102, 30), (103, 40)])

    def client(self, endpoint: Endpoint = Endpoint.MARKET, peer: str = "127.0.0.1") -> Client:
        """Connect a client."""
        return Client(self.hub, endpoint, peer)

    def fault(self, point: str, **rule: Any) -> None:
        """Install a rule."""
        self.faults.install(parse_rule({"point": point, **rule}))

    # --- the market -----------------------------------------------------------------------------

    def tell(self, event: MarketEvent) -> None:
        """Let something happen in the market."""
        self.house.core.apply(event)
        self.hub.market(event, self.house.core.symbol(event.symbol))

    def book(self, *, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]]) -> None:
        """Tell a whole book."""
        self.tell(BookSnapshot(symbol=SYMBOL, at=self.now, bids=_levels(bids), asks=_levels(asks)))

    def delta(self, *changes: tuple[Side, int, int]) -> None:
        """Tell changed levels."""
        rows = tuple((side, Ticks(price), Lots(size)) for side, price, size in changes)
        self.tell(BookDelta(symbol=SYMBOL, at=self.now, changes=rows))

    def touch(self, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        """Tell a touch."""
        self.tell(
            TouchQuote(
                symbol=SYMBOL,
                at=self.now,
                bid=Ticks(bid),
                bid_size=Lots(bid_size),
                ask=Ticks(ask),
                ask_size=Lots(ask_size),
            )
        )

    def trade(self, price: int, size: int, aggressor: Side = Side.BUY) -> None:
        """Tell a trade."""
        self.tell(
            TradePrint(
                symbol=SYMBOL,
                at=self.now,
                price=Ticks(price),
                size=Lots(size),
                aggressor=aggressor,
            )
        )

    def lose(self) -> None:
        """Lose the market."""
        self.tell(FeedLost(symbol=SYMBOL, at=self.now, reason=StaleReason.DISCONNECTED))

    # --- orders ---------------------------------------------------------------------------------

    def order(self, name: str, *, status: OrderStatus = OrderStatus.OPEN) -> OrderRecord:
        """Let an order be there, untold."""
        intent: Intent = replace(buy(name, 90, 50), decided_at=Instant(NOW))
        order = Order(intent, f"core-{name}", FEES, Decimal("1.004"))
        draft = Draft(
            intent=intent, product=PRODUCT, kind=Kind.LIMIT, configuration={}, quote_size=None
        )
        record = self.house.records.open(draft, order, self.now)
        record.status = status
        return record

    # --- time -----------------------------------------------------------------------------------

    @property
    def now(self) -> Instant:
        """Return the time."""
        return self.clock.now()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, ticking as the server does."""
        left = int(seconds * SECOND)
        while left > 0:
            step = min(left, TICK)
            self.clock.advance(step)
            self.hub.tick()
            left -= step

    def wait_ms(self, milliseconds: int) -> None:
        """Let time pass without a tick."""
        self.clock.advance(milliseconds * MILLISECOND)


def _levels(rows: Sequence[tuple[int, int]]) -> tuple[tuple[Ticks, Lots], ...]:
    return tuple((Ticks(price), Lots(size)) for price, size in rows)
