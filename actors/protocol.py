"""What actors tell one another: frozen, facts in the past tense, commands in the imperative.

Nothing about an order may depend on a message alone: the fact is recorded, in order and with a number,
before the trader hears of it. `upto` lets a recovered trader tell what its books already hold
from what is still to be applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from quietmaker.core.commands import CancelOrder, SubmitOrder
from quietmaker.core.events import (
    CandlesLoaded,
    EligibilityChanged,
    FeesChanged,
    FundsChanged,
    LedgerChanged,
    ModeChanged,
    OrderFilled,
    OrderMoved,
    ParamsChanged,
    ProductChanged,
    Recovered,
    Tick,
)
from quietmaker.core.filter_desk import Floor
from quietmaker.core.filter_states import Policy
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Nanos, Rate
from quietmaker.ports import SymbolBooks


@dataclass(frozen=True, slots=True)
class MarketMoved:
    """The symbol's slot holds news. At most one of these is outstanding per trader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNews:
    """Something happened to an order; its fact was recorded under this number."""

    number: int
    event: OrderMoved | OrderFilled


@dataclass(frozen=True, slots=True, kw_only=True)
class Recover:
    """Begin from these books.

    Attributes:
        life: of the trader that asked; another one ignores it.
        upto: the number of the last fact that is in them.
        setting: what else a trader must know before it decides, told first.
    """

    life: str
    recovered: Recovered
    upto: int
    setting: tuple[CandlesLoaded | EligibilityChanged | FeesChanged | FundsChanged, ...]


@dataclass(frozen=True, slots=True)
class StopTrading:
    """Cancel everything and place nothing any more."""


TraderMessage: TypeAlias = (
    MarketMoved
    | OrderNews
    | Recover
    | StopTrading
    | Tick
    | CandlesLoaded
    | FeesChanged
    | ProductChanged
    | FundsChanged
    | ParamsChanged
    | EligibilityChanged
    | LedgerChanged
    | ModeChanged
)

# --- gateway ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """A trader started: have it recovered once everything that an earlier life sent is answered.

    `life` tells the lives of one symbol's trader apart, here and in what follows from it.
    """

    symbol: str
    life: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveUnknown:
    """Nobody knows what became of this order: ask until somebody does.

    `replay` is the order as it was sent, where it may still be wanted: sent again with its client id it
    is the same order, so the answer to the repetition is the answer to the first request.
    """

    symbol: str
    client_id: str
    decided_at: Instant
    replay: Intent | None


GatewayMessage: TypeAlias = SubmitOrder | CancelOrder | Fence | ResolveUnknown | Tick

# --- ledger writer ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FactsQueued:
    """Facts were recorded that the books do not hold yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBooks:
    """Read the books once every fact recorded so far is in them; the reconciler gets `BooksRead`."""

    token: int
    products: Mapping[str, Product]


LedgerMessage: TypeAlias = FactsQueued | ReadBooks | Tick

# --- reconciler ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverSymbol:
    """A trader started and knows nothing."""

    symbol: str
    life: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksRead:
    """The answer to `ReadBooks`: the facts up to this number are in the books."""

    token: int
    upto: int
    books: Mapping[str, SymbolBooks]


@dataclass(frozen=True, slots=True)
class StreamsStarted:
    """What the user stream did not tell must be asked for: it delivers from now on, or told too little."""


@dataclass(frozen=True, slots=True)
class BooksLost:
    """The writer began anew: what it was asked to read before is not answered any more."""


ReconcilerMessage: TypeAlias = RecoverSymbol | BooksRead | BooksLost | StreamsStarted | Tick

# --- market feed --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDoubted:
    """A trader's orders were refused as if the market stood elsewhere; its book is to be asked for anew."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookBroke:
    """A book cannot be trusted: the trader knows already; ask for a fresh snapshot."""

    symbol: str
    reason: StaleReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCompared:
    """Our clock and the exchange's were compared; `skewed` when they are too far apart to trade on."""

    skewed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStreamHeard:
    """Whether the exchange tells us of our orders; without that nothing new is quoted.

    Told at every change and with every tick: a feed that starts later learns it, too.
    """

    ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolsChanged:
    """A symbol came or went: the slots say which there are."""


FeedMessage: TypeAlias = (
    BookBroke | BookDoubted | ClockCompared | UserStreamHeard | SymbolsChanged | Tick
)
ClockMessage: TypeAlias = Tick
StatusMessage: TypeAlias = Tick
RiskMessage: TypeAlias = Tick
TieOutMessage: TypeAlias = Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfigured:
    """A new configuration applies from here; its fields are those of `FilterLinks`."""

    policy: Policy
    floor: Floor
    period: Nanos
    window: Nanos
    probation: Rate
    banned: Callable[[str], str | None]
    config_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowConfigured:
    """A new configuration applies from here.

    Attributes:
        enabled, share: as in `ShadowLinks`.
        anew: symbols whose shadow traded by other parameters, and must begin anew.
    """

    enabled: bool
    share: Rate
    anew: frozenset[str]


FilterMessage: TypeAlias = FilterConfigured | Tick
ShadowMessage: TypeAlias = ShadowConfigured | Tick
