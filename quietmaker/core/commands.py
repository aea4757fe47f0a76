"""What a trader wants done, and what it wants known. Commands in the imperative, records as facts."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from quietmaker.core.orders import ExitReason, Intent
from quietmaker.core.units import Instant, Lots, Name, Rate, Side


class Gate(Name):
    """Why an entry is refused. The order is that in which they are shown when several apply."""

    HALTED = "halted"
    FLATTENING = "flattening"
    DRAINING = "draining"
    PAUSED = "paused"
    WARMING_UP = "warming_up"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    PRODUCT_NOT_TRADABLE = "product_not_tradable"
    EXCLUDED = "excluded"
    SIDE_OFF = "side_off"
    STALE_DATA = "stale_data"
    BOOK_CROSSED = "book_crossed"
    ORDER_UNRESOLVED = "order_unresolved"
    FEES_UNKNOWN = "fees_unknown"
    FUNDS_UNKNOWN = "funds_unknown"
    COOLDOWN = "cooldown"
    POST_ONLY_REFUSED = "post_only_refused"
    POSITION_OPEN = "position_open"
    RISK_REFUSED = "risk_refused"
    SPREAD_BELOW_REQUIRED = "spread_below_required"
    TICK_TOO_COARSE = "tick_too_coarse"
    INSUFFICIENT_DATA = "insufficient_data"
    INSUFFICIENT_VOLATILITY = "insufficient_volatility"
    PRICE_BAND = "price_band"
    BELOW_MINIMUM = "below_minimum"
    INSUFFICIENT_FUNDS = "insufficient_funds"


class CancelReason(Name):
    """Why we cancel one of our orders."""

    REPRICE = "reprice"
    MAX_AGE = "max_age"
    RENEW = "renew"
    """It is kept, and would soon expire."""
    GATE = "gate"
    CONFIG = "config"
    """It was quoted by an earlier configuration."""
    EXIT_CHANGED = "exit_changed"
    RETRY = "retry"
    SHUTDOWN = "shutdown"
    STRAY = "stray"
    """It was given up as never placed, and is there after all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrder:
    """Make the intent durable, then send exactly it."""

    intent: Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel an order. The order lives until the exchange says otherwise."""

    client_id: str
    symbol: str
    reason: CancelReason
    now: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshBook:
    """Distrust the book and ask for it anew: orders that should rest on it were refused for crossing."""

    symbol: str
    now: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged:
    """The reason for not quoting a side changed; `gate` None means that the side is quoted.

    `detail` names the numbers: the value, the limit, and the setting it comes from.
    """

    symbol: str
    now: Instant
    side: Side
    gate: Gate | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """A position from first fill to flat (or to dust that cannot be sold).

    gross = exit value - entry value (signed for a short) = spread_captured + price_move;
    net = gross - fees. All in quote, exact.

    Attributes:
        id: client id of the entry that opened it.
        entry: side of the entry.
        lots: quantity that was closed.
        spread_captured: distance of our fill prices from the mid at each fill, summed.
        price_move: what the mid moved between our fills, summed.
        dust: lots that stay because the exchange takes no order that small.
        closing_order: client id of the order that closed it.
    """

    id: str
    symbol: str
    entry: Side
    lots: Lots
    opened_at: Instant
    closed_at: Instant
    exit_reason: ExitReason
    entry_value: Decimal
    exit_value: Decimal
    fees: Decimal
    spread_captured: Decimal
    price_move: Decimal
    net: Decimal
    net_return: Rate
    maker_fills: int
    taker_fills: int
    dust: Lots
    closing_order: str
    strategy_tag: str
    config_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DustLeft:
    """A round trip is over although units are held: the exchange takes no order that small.

    The books derive round trips from fills alone; where one ends without being flat they must be told.

    Attributes:
        trade_id: the newest execution, by its time, that belongs to what is over.
        lots: what is left.
    """

    symbol: str
    now: Instant
    trade_id: str
    lots: Lots


class AlertKind(Name):
    """What must never happen quietly."""

    ILLEGAL_MOVE = "illegal_move"
    TAKER_FILL = "taker_fill"
    UNKNOWN_ORDER = "unknown_order"
    EXIT_REFUSED = "exit_refused"
    EXIT_STUCK = "exit_stuck"
    OVERFILL = "overfill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something for the operator's eyes and a counter."""

    symbol: str
    now: Instant
    kind: AlertKind
    detail: str


Command: TypeAlias = (
    SubmitOrder | CancelOrder | RefreshBook | HoldChanged | RoundTrip | DustLeft | Alert
)
