"""The user feed: what the exchange tells of our orders becomes facts and then news for the traders.

The stream's thread only tells. Nothing is conflated or dropped here: an event of a symbol without a
trader is stored all the same, and one about an order that the books do not know is kept as evidence by
the ledger and counted.

While the stream is lost nobody hears of fills: the market feed holds every touch back. When it is
ready again, the reconciler asks for what happened meanwhile. Both may be starting just then, so both
are told until they are there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from actors.base import BaseActor, Surroundings
from actors.news import Newsroom
from actors.protocol import FeedMessage, ReconcilerMessage, StreamsStarted, UserStreamHeard
from quietmaker.core.events import Tick
from quietmaker.core.product import Product
from quietmaker.ports import (
    UserEvent,
    UserFill,
    UserOrder,
    UserStream,
    UserStreamLost,
    UserStreamReady,
)
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

UserFeedMessage: TypeAlias = UserEvent | Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFeedLinks:
    """What the user feed works with.

    Attributes:
        ours: begins every client id of ours; the account may have other orders as well.
        feed: tells the market feed; returns whether it was there.
        reconciler: tells the reconciler; returns whether it was there.
    """

    ours: str
    stream: UserStream
    news: Newsroom
    products: Mapping[str, Product]
    feed: Callable[[FeedMessage], bool]
    reconciler: Callable[[ReconcilerMessage], bool]
    metrics: Metrics


class UserFeed(BaseActor[UserFeedMessage]):
    """Owns the user stream and hands on what it tells."""

    def __init__(self, around: Surroundings, links: UserFeedLinks) -> None:
        """Prepare; nothing is delivered yet."""
        super().__init__(around)
        self._links = links
        self._log = Log("user_feed")
        self._ready = False
        self._sweep_owed = False

    def begin(self) -> None:
        """Let the stream deliver."""
        self._links.stream.start(self.guarded(self._tell_self))

    def finish(self) -> None:
        """Let it deliver no more: from now on nobody hears of our orders."""
        self._links.stream.stop()
        self._links.feed(UserStreamHeard(ready=False))

    def receive(self, message: UserFeedMessage) -> None:
        """Store, then tell."""
        match message:
            case UserOrder(client_id=client_id):
                if self._is_ours(client_id, message):
                    self._moved(message)
            case UserFill(fill=fill):
                if self._is_ours(fill.client_id, message):
                    self._filled(message)
            case UserStreamReady():
                self._log.info(Event.USER_STREAM_READY, "what happened meanwhile is asked for")
                self._ready = self._sweep_owed = True
                self._tell()
            case UserStreamLost():
                self._log.warning(Event.USER_STREAM_LOST, message.reason)
                self._ready = False
                self._tell()
            case Tick():
                if not self._links.stream.alive:
                    raise RuntimeError("the thread of the user stream died")
                self._tell()
            case _:
                assert_never(message)

    def _tell_self(self, event: UserEvent) -> None:
        if self.actor_ref.is_alive():
            self.actor_ref.tell(event)

    def _tell(self) -> None:
        """Tell the feed how it stands, and the reconciler what it owes, if they are there."""
        self._links.feed(UserStreamHeard(ready=self._ready))
        if self._sweep_owed and self._links.reconciler(StreamsStarted()):
            self._sweep_owed = False

    def _is_ours(self, client_id: str, event: UserOrder | UserFill) -> bool:
        """Tell our orders from those that somebody else placed: those move no position of ours."""
        if client_id.startswith(self._links.ours):
            return True
        self._log.debug(
            Event.ORDER_MOVED,
            f"{type(event).__name__} of {client_id}: somebody else's, left alone",
            client_order_id=client_id,
            order_id=event.order_id,
        )
        return False

    def _moved(self, event: UserOrder) -> None:
        self._log.debug(
            Event.ORDER_MOVED,
            f"{event.client_id}: {event.move.value} {event.reason}".rstrip(),
            symbol=event.symbol,
            client_order_id=event.client_id,
            order_id=event.order_id,
        )
        self._links.news.moved(
            event.symbol,
            event.client_id,
            event.move,
            at=event.at,
            order_id=event.order_id,
            reason=event.reason,
            filled=event.filled,
        )

    def _filled(self, event: UserFill) -> None:
        fill = event.fill
        product = self._links.products.get(fill.symbol)
        if product is not None:
            self._links.metrics.fill(fill, product.notional(fill.price, fill.size))
            self._log.info(
                Event.ORDER_FILLED,
                f"{fill.side.value} {product.size(fill.size)} at {product.price(fill.price)} "
                f"({fill.liquidity.value.lower()}, fee {fill.fee:f})",
                symbol=fill.symbol,
                client_order_id=fill.client_id,
                order_id=event.order_id,
            )
        self._links.news.filled(fill)
