"""What the exchange remembers of orders and fills: everything that its clients may ask for.

The matching core knows an order as ticks, lots and a state; a record adds what the wire wants to know
of it: the configuration as it was sent, Coinbase's words, times, sums, and its history. Records change
when the core tells a result, so that REST and the user channel always say the same.

Memory is bounded: every live order is kept, of the ended ones and of the fills the newest.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Any, Final

from quietmaker.core.orders import Intent, Move
from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, ROUNDED, ZERO, Instant, Liquidity, Nanos, Side
from quietmaker.exchange.orders import Order
from quietmaker.ports import UserFill

ENGINE_TIME: Final = 1_000
"""The engine's times are in microseconds; what is shown is what is compared with."""
ENDED_KEPT: Final = 20_000
"""Ended orders that can be asked for, and whose client ids are recognised."""
FILLS_KEPT: Final = 50_000
EDITS_KEPT: Final = 5
"""As many as Coinbase shows."""
DOLLARS: Final = frozenset({"USD", "USDC", "USDT"})
"""Quote currencies whose volume counts as dollars."""
_AVERAGE: Final = Decimal("1e-16")
_NAMES: Final = uuid.UUID("6f0d5f0e-2a27-5a3e-9d38-7f0f3f5b6d10")


class OrderStatus(StrEnum):
    """Coinbase's words for where an order stands."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    QUEUED = "QUEUED"
    CANCEL_QUEUED = "CANCEL_QUEUED"
    EDIT_QUEUED = "EDIT_QUEUED"
    UNKNOWN = "UNKNOWN_ORDER_STATUS"


ENDED: Final = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.FAILED}
)
_ENDS: Final = {
    Move.FILLED: OrderStatus.FILLED,
    Move.CANCELLED: OrderStatus.CANCELLED,
    Move.EXPIRED: OrderStatus.EXPIRED,
    Move.FAILED: OrderStatus.FAILED,
}


class Kind(StrEnum):
    """Coinbase's `order_type`."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An order as a client sent it, understood and not yet decided on.

    Attributes:
        intent: what the matching core gets; without price, or size, of a market order.
        product: what is ordered.
        kind: limit or market.
        configuration: the `order_configuration` that is echoed.
        quote_size: what a market buy may cost; None when its size is in base.
    """

    intent: Intent
    product: Product
    kind: Kind
    configuration: Mapping[str, Any]
    quote_size: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of an order, as its history shows it."""

    price: Decimal
    size: Decimal
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRecord:
    """An execution, as it is listed.

    Attributes:
        number: running number, the cursor's unit.
        entry_id: unique; clients tell repeats by it.
        trade_id: unique, and not the public trade's.
        in_quote: whether its size is listed in quote, as for orders whose size was given so.
        visible_at: from when on it is listed; a fault may delay that.
    """

    number: int
    entry_id: str
    trade_id: str
    order_id: str
    client_id: str
    product: Product
    side: Side
    price: Decimal
    size: Decimal
    commission: Decimal
    liquidity: Liquidity
    in_quote: bool
    at: Instant
    visible_at: Instant


@dataclass(slots=True, kw_only=True)
class OrderRecord:
    """An order as the wire tells of it; `records` alone changes it.

    Attributes:
        number: running number in the order of creation, the cursor's unit.
        order_id: a UUID, as on Coinbase.
        draft: what the client sent.
        order: the matching core's own view: limit, size and hold as they are now.
        reason: why it ended, where the exchange says so.
        filled: base executed.
        value: quote executed.
        fees: paid, in quote.
        unsettled: shown as still held after the end, until the exchange settles.
    """

    number: int
    order_id: str
    draft: Draft
    order: Order
    created: Instant
    status: OrderStatus = OrderStatus.PENDING
    reason: str = ""
    filled: Decimal = ZERO
    value: Decimal = ZERO
    fees: Decimal = ZERO
    fills: int = 0
    last_fill: Instant | None = None
    unsettled: Decimal = ZERO
    edits: deque[Edit] = field(default_factory=lambda: deque(maxlen=EDITS_KEPT))

    @property
    def client_id(self) -> str:
        """Return the client's own id."""
        return self.draft.intent.client_id

    @property
    def symbol(self) -> str:
        """Return the product id that it was submitted for."""
        return self.draft.product.symbol

    @property
    def side(self) -> Side:
        """Return its side."""
        return self.draft.intent.side

    @property
    def pending_cancel(self) -> bool:
        """Return whether its cancellation was asked for and has not happened yet."""
        return self.status is OrderStatus.CANCEL_QUEUED

    @property
    def ended(self) -> bool:
        """Return whether nothing more will happen to it."""
        return self.status in ENDED

    @property
    def size(self) -> Decimal:
        """Return its total size in base, as it is now."""
        return self.draft.product.size(self.order.intent.size)

    @property
    def limit(self) -> Decimal:
        """Return its limit price, as it is now; of a market order, how far it may reach."""
        return self.draft.product.price(self.order.intent.price)

    @property
    def leaves(self) -> Decimal:
        """Return what may still execute, in base; nothing once it ended."""
        return ZERO if self.ended else EXACT.subtract(self.size, self.filled)

    @property
    def hold(self) -> Decimal:
        """Return what is still reserved for it, in the currency that it spends."""
        return self.unsettled if self.ended else self.order.held

    @property
    def average(self) -> Decimal:
        """Return the average price of what executed, zero before that."""
        if not self.filled:
            return ZERO
        return ROUNDED.divide(self.value, self.filled).quantize(_AVERAGE, context=ROUNDED)

    @property
    def completion(self) -> Decimal:
        """Return how much of it executed, in percent."""
        return ROUNDED.divide(ROUNDED.multiply(self.filled, Decimal(100)), self.size)

    @property
    def after_fees(self) -> Decimal:
        """Return what a buy cost with its fees, or what a sell brought without them."""
        change = self.fees if self.side is Side.BUY else -self.fees
        return EXACT.add(self.value, change)


class Records:
    """All orders and fills that can be asked for.

    Attributes:
        volume: what was traded in dollars, for the fee tier.
        fees: what was paid for it.
        positions: what all orders of this life have bought and not sold, in base, by symbol.
    """

    def __init__(self, *, session: str) -> None:
        """Start without any; `session` makes the ids of this life of the exchange its own."""
        self.volume = ZERO
        self.fees = ZERO
        self.positions: dict[str, Decimal] = {}
        self._session = session
        self._numbers = 0
        self._orders: dict[str, OrderRecord] = {}
        self._by_client: dict[str, OrderRecord] = {}
        self._live: dict[str, OrderRecord] = {}
        self._ended: deque[OrderRecord] = deque()
        self._fills: deque[FillRecord] = deque()
        self._fills_of: dict[str, list[FillRecord]] = {}
        self._late: list[FillRecord] = []

    # --- queries --------------------------------------------------------------------------------

    def by_id(self, order_id: str) -> OrderRecord | None:
        """Return the order with the exchange's id."""
        return self._orders.get(order_id)

    def by_client(self, client_id: str) -> OrderRecord | None:
        """Return the order with the client's id."""
        return self._by_client.get(client_id)

    def newest_first(self) -> Iterator[OrderRecord]:
        """Yield all orders, by creation."""
        return reversed(self._orders.values())

    def live(self) -> Iterator[OrderRecord]:
        """Yield the orders that may still execute, oldest first."""
        return iter(self._live.values())

    def fills(self, now: Instant, order_ids: Collection[str] = ()) -> Iterator[FillRecord]:
        """Yield the fills that are listed now, newest first; only those of some orders, if any is named."""
        found: Iterable[FillRecord] = reversed(self._fills)
        if order_ids:
            own = (self._fills_of.get(order_id, ()) for order_id in set(order_ids))
            found = sorted(chain.from_iterable(own), key=_number, reverse=True)
        return (fill for fill in found if fill.visible_at <= now)

    @property
    def count(self) -> int:
        """Return how many orders can be asked for."""
        return len(self._orders)

    def listed(self, now: Instant) -> int:
        """Return how many fills are listed now."""
        self._late = [fill for fill in self._late if fill.visible_at > now]
        return len(self._fills) - len(self._late)

    # --- changes --------------------------------------------------------------------------------

    def open(self, draft: Draft, order: Order, at: Instant) -> OrderRecord:
        """Record an order that the core took."""
        self._numbers += 1
        record = OrderRecord(
            number=self._numbers,
            order_id=self.uuid(order.order_id),
            draft=draft,
            order=order,
            created=Instant(at // ENGINE_TIME * ENGINE_TIME),
        )
        self._orders[record.order_id] = record
        self._by_client[record.client_id] = record
        self._live[record.order_id] = record
        return record

    def fill(self, record: OrderRecord, told: UserFill, *, delay: Nanos) -> FillRecord:
        """Record an execution; it is listed after `delay`."""
        fill, product = told.fill, record.draft.product
        value = product.notional(fill.price, fill.size)
        record.filled = EXACT.add(record.filled, product.size(fill.size))
        record.value = EXACT.add(record.value, value)
        record.fees = EXACT.add(record.fees, fill.fee)
        record.fills += 1
        record.last_fill = fill.at
        signed = EXACT.multiply(product.size(fill.size), Decimal(record.side.sign))
        before = self.positions.get(record.symbol, ZERO)
        self.positions[record.symbol] = EXACT.add(before, signed)
        if product.quote in DOLLARS:
            self.volume = EXACT.add(self.volume, value)
            self.fees = EXACT.add(self.fees, fill.fee)
        self._numbers += 1
        listed = FillRecord(
            number=self._numbers,
            entry_id=hashlib.sha256(f"{self._session}:{fill.trade_id}".encode()).hexdigest(),
            trade_id=self.uuid(fill.trade_id),
            order_id=record.order_id,
            client_id=record.client_id,
            product=product,
            side=fill.side,
            price=product.price(fill.price),
            size=product.size(fill.size),
            commission=fill.fee,
            liquidity=fill.liquidity,
            in_quote=record.draft.quote_size is not None,
            at=fill.at,
            visible_at=Instant(fill.at + delay),
        )
        self._fills.append(listed)
        if delay:
            self._late.append(listed)
        self._fills_of.setdefault(record.order_id, []).append(listed)
        if len(self._fills) > FILLS_KEPT:
            self._forget_fill(self._fills.popleft())
        return listed

    def edit(self, record: OrderRecord, at: Instant) -> None:
        """Record that the core gave an order another price or size."""
        record.edits.append(Edit(price=record.limit, size=record.size, at=at))

    def end(self, record: OrderRecord, move: Move, reason: str) -> None:
        """Record that nothing more will happen to an order, and forget the oldest beyond the bound."""
        record.status = _ENDS[move]
        record.reason = reason
        self._live.pop(record.order_id, None)
        self._ended.append(record)
        while len(self._ended) > ENDED_KEPT:
            oldest = self._ended.popleft()
            del self._orders[oldest.order_id]
            if self._by_client.get(oldest.client_id) is oldest:
                del self._by_client[oldest.client_id]

    def _forget_fill(self, fill: FillRecord) -> None:
        own = self._fills_of[fill.order_id]
        own.remove(fill)
        if not own:
            del self._fills_of[fill.order_id]

    def uuid(self, name: str) -> str:
        """Return the UUID that the wire knows one of the core's ids by."""
        return str(uuid.uuid5(_NAMES, f"{self._session}:{name}"))


def _number(fill: FillRecord) -> int:
    return fill.number
