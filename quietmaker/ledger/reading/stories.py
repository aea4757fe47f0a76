"""What there is to tell of one trade: the values that `explain` reads and commands show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum

from quietmaker.core.orders import ExitReason, OrderState, Purpose, TimeInForce
from quietmaker.core.units import Liquidity, Side
from quietmaker.ledger.reading.reports import ClosedTrip


class Named(Enum):
    """What the id that was asked for names."""

    CLIENT_ID = "client_id"
    ORDER_ID = "order_id"
    TRADE_ID = "trade_id"
    IMPORTED = "imported_order_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """Something that happened to an order."""

    at: datetime
    what: str
    order_id: str | None
    reason: str
    cancel_reason: str | None
    filled: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillStory:
    """An execution, and the mids after it by horizon in seconds (0: at the fill)."""

    trade_id: str
    at: datetime
    price: Decimal
    size: Decimal
    fee: Decimal
    liquidity: Liquidity
    mids: Mapping[int, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory:
    """An order from its decision to its end.

    Attributes:
        inputs: what it was decided on beside the touch, name and value, in that order.
        held: what of its executions is still held, in base.
    """

    client_id: str
    order_id: str | None
    run: int
    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    post_only: bool
    time_in_force: TimeInForce
    expire_at: datetime | None
    purpose: Purpose
    exit_reason: ExitReason | None
    strategy_tag: str
    passive_order_id: str
    source: str
    decided_at: datetime
    bid: Decimal
    ask: Decimal
    inputs: tuple[tuple[str, str], ...]
    config_sha: str
    state: OrderState
    settled: bool
    held: Decimal
    events: tuple[OrderEvent, ...]
    fills: tuple[FillStory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertStory:
    """What was alarming at that time, of that symbol."""

    at: datetime
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedStory:
    """A predecessor's order: all that is known of it."""

    source: str
    order_id: str
    batch: int
    symbol: str
    side: str
    order_time: datetime
    price: Decimal
    size: Decimal
    fees: Decimal
    status: str
    pnl: Decimal | None
    entry_value: Decimal | None
    hold_seconds: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What an id leads to.

    Attributes:
        asked: client id of the order that the id names.
        trips: the round trips that it took part in, empty while its position is open or if it never filled.
        orders: it, and every order of these round trips or of its position, by the time of decision.
        left_out: whether there were more orders than can be told.
    """

    named: Named
    symbol: str
    asked: str
    trips: tuple[ClosedTrip, ...]
    orders: tuple[OrderStory, ...]
    left_out: bool
    alerts: tuple[AlertStory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFound:
    """The id names imported orders."""

    orders: tuple[ImportedStory, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """Nothing has this id.

    Attributes:
        looked_at: how many of each kind, at most 100,000.
        near: similar ids among the latest, with what they name.
        refused: where an import refused it: batch, line and reason.
    """

    looked_at: Mapping[str, int]
    near: tuple[tuple[str, str], ...]
    refused: tuple[tuple[int, int, str], ...]
