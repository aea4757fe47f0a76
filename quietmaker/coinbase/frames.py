"""What a market-data frame means, as values: events, notices, and everything that was odd about it.

A frame is taken whole or refused whole. A refused `l2_data` frame leaves a hole in a book, so it
says `FeedLost` for the books it would have changed. Nothing is dropped without an `Issue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from quietmaker.core.market import MarketEvent, TradePrint
from quietmaker.core.units import Instant


class IssueKind(Enum):
    """What was odd. The first block refuses the frame; the second is tolerated and counted."""

    NOT_JSON = "not_json"
    NOT_A_FRAME = "not_a_frame"
    MISSING_FIELD = "missing_field"
    BAD_NUMBER = "bad_number"
    OFF_GRID = "off_grid"
    BAD_TIME = "bad_time"
    UNKNOWN_SIDE = "unknown_side"
    UNKNOWN_TYPE = "unknown_event_type"

    UNKNOWN_CHANNEL = "unknown_channel"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_PRODUCT = "unknown_product"
    EMPTY_TICKER = "empty_ticker"
    TIME_REPLACED = "time_replaced"
    """The gateway's time was unreadable; the time of reception stands in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One odd thing, with its place in the frame."""

    kind: IssueKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The connection lives. `counter` grows by one a second."""

    counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The complete current subscriptions: products (or names) by channel."""

    channels: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """The exchange refused a request; an unknown channel reads as `authentication failure` too."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductStatus:
    """The exchange stated a product's status; anything but `online` takes no orders."""

    symbol: str
    status: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOrders:
    """A frame of the user channel with this many orders: recognised, of no concern to a market."""

    snapshot: bool
    orders: int


Notice: TypeAlias = Heartbeat | Subscribed | ServerError | ProductStatus | UserOrders


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded frame.

    Attributes:
        sequence: the connection's running number; None on error messages and unreadable frames.
        channel: as the frame says; ``error`` for error messages, empty when unreadable.
        at: the gateway's send time, else the time of reception.
        events: market events in the order of the frame, trades oldest first.
        history: trades from before the subscription, oldest first, at their own engine time. A
            reconnect repeats them; they are no news and no order may fill against them.
        notices: what concerns the connection and not a market.
        issues: everything odd.
        refused: whether the frame was refused whole because of an issue.
    """

    sequence: int | None
    channel: str
    at: Instant
    events: tuple[MarketEvent, ...]
    history: tuple[TradePrint, ...]
    notices: tuple[Notice, ...]
    issues: tuple[Issue, ...]
    refused: bool
