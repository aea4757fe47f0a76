"""One of our orders as the matching core has it, and the bounded memory of the finished ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Final

from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import Intent, Move, OrderState
from quietmaker.core.units import ZERO, Instant, Lots, Side, Ticks
from quietmaker.ports import OrderReport, UserOrder

_OPEN: Final = OrderState.OPEN


class Order:
    """An order that the exchange took.

    Attributes:
        intent: what was sent.
        order_id: the exchange's id.
        rates: the fee rates at placement; every fill of the order pays by them.
        hold_factor: what a buy holds, as a multiple of its limit value.
        left: lots that may still execute.
        ahead: lots of others before it at its level, as the fill model believes.
        held: what is reserved for it (quote for a buy, base for a sell).
        fees: paid so far, in quote.
        state: OPEN or one of the terminal states.
        reason: why it ended, where the exchange says so.
    """

    __slots__ = (
        "ahead",
        "fees",
        "held",
        "hold_factor",
        "intent",
        "left",
        "order_id",
        "price",
        "rates",
        "reason",
        "side",
        "state",
    )

    def __init__(
        self, intent: Intent, order_id: str, rates: FeeRates, hold_factor: Decimal
    ) -> None:
        """Open an order of which nothing has executed."""
        self.intent = intent
        self.order_id = order_id
        self.rates = rates
        self.hold_factor = hold_factor
        self.side: Side = intent.side
        self.price: int = intent.price
        self.left: int = intent.size
        self.ahead: int = 0
        self.held: Decimal = ZERO
        self.fees: Decimal = ZERO
        self.state = _OPEN
        self.reason = ""

    @property
    def filled(self) -> int:
        """Return the lots executed so far."""
        return self.intent.size - self.left

    def changed(self, price: Ticks, size: Lots) -> Order:
        """Return the order as it would be with another price and total size, holding nothing."""
        intent = replace(self.intent, price=price, size=size)
        changed = Order(intent, self.order_id, self.rates, self.hold_factor)
        changed.left = size - self.filled
        return changed

    def become(self, changed: Order) -> None:
        """Take the price, the size and the hold of `changed`."""
        self.intent = changed.intent
        self.price = changed.price
        self.left = changed.left
        self.held = changed.held

    def moved(self, move: Move, at: int) -> UserOrder:
        """Return what the user stream tells of a move."""
        return UserOrder(
            at=Instant(at),
            symbol=self.intent.symbol,
            client_id=self.intent.client_id,
            order_id=self.order_id,
            move=move,
            reason=self.reason,
            filled=Lots(self.filled),
        )

    def report(self) -> OrderReport:
        """Return the order as a query answers it."""
        return OrderReport(
            order_id=self.order_id,
            client_id=self.intent.client_id,
            symbol=self.intent.symbol,
            state=self.state,
            filled=Lots(self.filled),
            reason=self.reason,
        )


class OrderStore:
    """All open orders and the last `retain` finished ones.

    A client id is recognised as a repeat, and a finished order can be asked for, as long as it is
    among those; memory does not grow with the number of orders ever placed.
    """

    __slots__ = ("_finished", "_open", "_orders", "_retain")

    def __init__(self, *, retain: int) -> None:
        """Start empty."""
        self._orders: dict[str, Order] = {}
        self._open: dict[str, Order] = {}
        self._finished: deque[str] = deque()
        self._retain = retain

    def get(self, client_id: str) -> Order | None:
        """Return an order that is open or still remembered."""
        return self._orders.get(client_id)

    def add(self, order: Order) -> None:
        """Remember a new open order."""
        self._orders[order.intent.client_id] = order
        self._open[order.intent.client_id] = order

    def finish(self, order: Order) -> None:
        """Move an order to the finished ones and forget the oldest beyond the bound."""
        del self._open[order.intent.client_id]
        self._finished.append(order.intent.client_id)
        while len(self._finished) > self._retain:
            del self._orders[self._finished.popleft()]

    def open(self) -> Iterator[Order]:
        """Yield the open orders, oldest first."""
        return iter(self._open.values())

    def __len__(self) -> int:
        """Return how many orders are remembered, open and finished."""
        return len(self._orders)

    @property
    def open_count(self) -> int:
        """Return how many orders are open."""
        return len(self._open)
