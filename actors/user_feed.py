"""The user feed: what the exchange tells of our orders becomes facts and then news for the traders.

The stream's thread only tells. Nothing is conflated or dropped here: an event of a symbol without a
trader is stored all the same, and one about an order that the books do not know is kept as evidence by
the ledger and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias, assert_never

from actors.base import BaseActor, Surroundings
from actors.news import Newsroom
from quietmaker.core.events import Tick
from quietmaker.core.product import Product
from quietmaker.ports import UserEvent, UserFill, UserOrder
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

UserFeedMessage: TypeAlias = UserEvent | Tick


class UserFeed(BaseActor[UserFeedMessage]):
    """Hands on what the user stream tells."""

    def __init__(
        self,
        around: Surroundings,
        *,
        news: Newsroom,
        products: Mapping[str, Product],
        metrics: Metrics,
    ) -> None:
        """Serve the traders of these products."""
        super().__init__(around)
        self._news = news
        self._products = products
        self._metrics = metrics
        self._log = Log("user_feed")

    def receive(self, message: UserFeedMessage) -> None:
        """Store, then tell."""
        match message:
            case UserOrder():
                self._moved(message)
            case UserFill():
                self._filled(message)
            case Tick():
                pass
            case _:
                assert_never(message)

    def _moved(self, event: UserOrder) -> None:
        self._log.debug(
            Event.ORDER_MOVED,
            f"{event.client_id}: {event.move.value} {event.reason}".rstrip(),
            symbol=event.symbol,
            client_order_id=event.client_id,
            order_id=event.order_id,
        )
        self._news.moved(
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
        product = self._products.get(fill.symbol)
        if product is not None:
            self._metrics.fill(fill, product.notional(fill.price, fill.size))
            self._log.info(
                Event.ORDER_FILLED,
                f"{fill.side.value} {product.size(fill.size)} at {product.price(fill.price)} "
                f"({fill.liquidity.value.lower()}, fee {fill.fee:f})",
                symbol=fill.symbol,
                client_order_id=fill.client_id,
                order_id=event.order_id,
            )
        self._news.filled(fill)
