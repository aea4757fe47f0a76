"""What a trader is told. Facts in the past tense, frozen, each with its own time.

Market data may be lost in a crash (the next touch replaces it). Nothing about an order may: the
ledger holds it before the trader hears of it, and `Recovered` tells it again after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from quietmaker.core.fees import FeeRates
from quietmaker.core.market import CandleBar, StaleReason
from quietmaker.core.orders import ExitReason, Fill, Move, Working
from quietmaker.core.params import TraderParams
from quietmaker.core.positions import Lot
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Name, Rate, Side, Ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchChanged:
    """The best bid and ask are now these, from a consistent book."""

    now: Instant
    bid: Ticks
    bid_size: Lots
    ask: Ticks
    ask_size: Lots


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePrinted:
    """The public tape printed a trade."""

    now: Instant
    price: Ticks
    size: Lots
    aggressor: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class CandlesLoaded:
    """The exchange stated these five-minute buckets; missing buckets are holes, not zeros."""

    now: Instant
    candles: tuple[CandleBar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLost:
    """The book is not to be trusted until the next touch."""

    now: Instant
    reason: StaleReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passed."""

    now: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class FeesChanged:
    """The account's fee rates are now these; None means that nobody knows them."""

    now: Instant
    fees: FeeRates | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductChanged:
    """The product's rules are now these. Increments never change under open orders."""

    now: Instant
    product: Product


@dataclass(frozen=True, slots=True, kw_only=True)
class FundsChanged:
    """What this symbol may spend (quote) and sell (base lots) in entries; None is unknown, not zero."""

    now: Instant
    quote: Decimal | None
    base: Lots | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamsChanged:
    """A new configuration generation applies from here."""

    now: Instant
    params: TraderParams


@dataclass(frozen=True, slots=True, kw_only=True)
class EligibilityChanged:
    """The symbol filter's verdict: eligible when `rule` is None, else excluded by that rule.

    Attributes:
        size_share: the share of its usual size that an entry has; less than all in a probation.
    """

    now: Instant
    rule: str | None
    size_share: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerChanged:
    """Whether the books take what happens: `trouble` says why they do not, empty when they do.

    Entries wait for better times; exits are recorded as long as there is any way to.
    """

    now: Instant
    trouble: str


class Mode(Name):
    """What the operator, a breaker or the roster lets this symbol do; the later, the severer.

    PAUSE and DRAIN stop entries while exits go on; FLATTEN and HALT also leave at once. After DRAIN a
    symbol is not expected to come back.
    """

    RUN = "run"
    PAUSE = "pause"
    DRAIN = "drain"
    FLATTEN = "flatten"
    HALT = "halt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged:
    """The mode that is in force changed; `reason` says who imposed it and why, empty for RUN."""

    now: Instant
    mode: Mode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureChanged:
    """What the other symbols use of the account's limits (open positions and entry orders, in quote)."""

    now: Instant
    others: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMoved:
    """An order changed state at the exchange, or its request came back.

    `reason` is the exchange's word for a rejection or cancellation, else empty. `filled` is the total
    executed size the exchange states with a terminal state (None where it states none): fills that
    were not told yet are still to come.
    """

    now: Instant
    client_id: str
    move: Move
    reason: str
    filled: Lots | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled:
    """One execution. Repeats are recognised by trade id."""

    now: Instant
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The state that the ledger and the exchange agreed on at boot or after a restart.

    Attributes:
        round_trip: the open one; None when flat, or when what is held is dust that an earlier one left.
        newest: time and trade id of the newest execution that the ledger holds, None before the first.
        latest: the latest UTC day with closed round trips, and their net; None before the first.
    """

    now: Instant
    orders: tuple[Working, ...]
    lots: tuple[Lot, ...]
    round_trip: str | None
    reason: ExitReason | None
    newest: tuple[Instant, str] | None
    latest: tuple[int, Decimal] | None
    next_sequence: int


TraderEvent: TypeAlias = (
    TouchChanged
    | TradePrinted
    | CandlesLoaded
    | DataLost
    | Tick
    | FeesChanged
    | ProductChanged
    | FundsChanged
    | ParamsChanged
    | EligibilityChanged
    | LedgerChanged
    | ModeChanged
    | ExposureChanged
    | OrderMoved
    | OrderFilled
    | Recovered
)
