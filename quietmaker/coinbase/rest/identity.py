"""Which order of the exchange is which of ours.

Coinbase cancels, and answers about executions, by its own order ids only. They are learned from the answer to
the order, from every listing, and from the user stream. The memory is bounded: what was forgotten is found
again by a query.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from quietmaker.coinbase.rest.orders import NO_ORDER
from quietmaker.core.orders import Intent

REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An order's two ids, and whether it can only make; None where nobody said."""

    order_id: str
    client_id: str
    post_only: bool | None


class OrderIds:
    """The memory. Thread-safe."""

    def __init__(self, remembered: int) -> None:
        """Start empty, to hold so many orders at most."""
        self._most = remembered
        self._lock = threading.Lock()
        self._by_order: OrderedDict[str, Known] = OrderedDict()
        self._by_client: dict[str, str] = {}
        self._intents: OrderedDict[str, Intent] = OrderedDict()

    def sent(self, intent: Intent) -> None:
        """Remember what was meant by a client id."""
        with self._lock:
            self._intents.setdefault(intent.client_id, intent)  # a repetition means the same
            if len(self._intents) > self._most:
                self._intents.popitem(last=False)

    def intent(self, client_id: str) -> Intent | None:
        """Return what was meant, if it was sent by this process and is not forgotten."""
        return self._intents.get(client_id)

    def learn(self, client_id: str, order_id: str, post_only: bool | None = None) -> None:
        """Remember an order; what is no id is not learned."""
        if order_id in NO_ORDER or not client_id:
            return
        with self._lock:
            known = self._by_order.get(order_id)
            if post_only is None and known is not None:
                post_only = known.post_only
            self._by_order[order_id] = Known(
                order_id=order_id, client_id=client_id, post_only=post_only
            )
            self._by_order.move_to_end(order_id)
            self._by_client[client_id] = order_id
            if len(self._by_order) > self._most:
                _, oldest = self._by_order.popitem(last=False)
                if self._by_client.get(oldest.client_id) == oldest.order_id:
                    del self._by_client[oldest.client_id]

    def order_id(self, client_id: str) -> str | None:
        """Return the exchange's id of one of our orders."""
        return self._by_client.get(client_id)

    def order(self, order_id: str) -> Known | None:
        """Return what is known of an order of the exchange."""
        return self._by_order.get(order_id)
