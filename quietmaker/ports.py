"""The doors between the packages: what actors and the composition root may rely on.

Adapters (`coinbase`, `exchange`, `ledger`, `market`, `telemetry`) implement these protocols and never
import one another. One contract suite per port runs over every implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeAlias

from quietmaker.core.breakers import Breaker, BreakerState
from quietmaker.core.commands import Alert, CancelReason, DustLeft, HoldChanged, RoundTrip
from quietmaker.core.differences import Difference
from quietmaker.core.equity import Equity
from quietmaker.core.evidence import Account, Books, Checkpoint, Execution
from quietmaker.core.fees import FeeRates
from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_rules import DayOfTrades, Trades
from quietmaker.core.filter_states import Transition
from quietmaker.core.findings import BalanceSeen, CashMoved, DifferenceNoted, TieOutDone
from quietmaker.core.market import CandleBar, MarketEvent
from quietmaker.core.modes import ModeNoted, OperatorActed
from quietmaker.core.orders import ExitReason, Fill, Intent, Move, OrderState, Working
from quietmaker.core.positions import Lot
from quietmaker.core.product import Product
from quietmaker.core.reloads import ConfigReloaded
from quietmaker.core.risk_desk import BreakerMoved, EquitySeen
from quietmaker.core.units import Instant, Lots, Nanos


class Clock(Protocol):
    """Time, injected. Nothing else in the project asks the operating system."""

    def now(self) -> Instant:
        """Return the time of day in UTC; it never runs backwards within a process."""

    def monotonic(self) -> Nanos:
        """Return nanoseconds of a clock for time-outs."""


# --- market sources -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What a source says of itself.

    Attributes:
        name: file name, ``synthetic`` or ``manual``.
        kind: ``synthetic``, ``manual``, ``coinbase-ws``, ``binance-combined`` or ``parquet``.
        products: one per symbol, in the order of first appearance.
        inferred: symbols whose increments were inferred from the data, with the statement to print.
    """

    name: str
    kind: str
    products: Mapping[str, Product]
    inferred: Mapping[str, str]


class MarketSource(Protocol):
    """A market: events in time order, over all its symbols."""

    def info(self) -> SourceInfo:
        """Describe the source. May read ahead in a file."""

    def events(self) -> Iterator[MarketEvent]:
        """Yield every event once, in non-decreasing `at`. Each call starts from the beginning."""


# --- exchange -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The exchange took the order. It may still end at once; the stream tells."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The order was not taken, for good.

    Attributes:
        reason: Coinbase's word, or one of ours in lower case when the request provably got no further
            (``not_sent``, ``unauthorized``, ``rate_limited``); after a colon what was said besides.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody knows whether the exchange took the order: time-out, broken connection, 5xx."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatched:
    """The exchange confirmed another order than the one sent: this client id was used before.

    The order that was meant does not exist. The one that was named must not be taken for it.

    Attributes:
        order_id: of the order that was named.
        detail: what differs.
    """

    order_id: str
    detail: str


SubmitOutcome: TypeAlias = Accepted | Rejected | Mismatched | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOutcome:
    """The exchange's answer for one order: queued when `reason` is None, else refused for it."""

    client_id: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """An order as the exchange has it now; `filled` is cumulative."""

    order_id: str
    client_id: str
    symbol: str
    state: OrderState
    filled: Lots
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency: `available` can be spent, `hold` is reserved by open orders."""

    currency: str
    available: Decimal
    hold: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOrder:
    """The user stream told of an order; `at` is the exchange's time."""

    at: Instant
    symbol: str
    client_id: str
    order_id: str
    move: Move
    reason: str
    filled: Lots | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFill:
    """The user stream told of an execution."""

    order_id: str
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStreamReady:
    """The user stream is subscribed, acknowledged, and told every open order.

    What happened to orders before, while nobody listened, must be asked for. It may be told again while
    it is ready: then something about an order came that could not be read.
    """

    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStreamLost:
    """Nothing is heard of our orders until the stream is ready again. `reason` is for the operator."""

    at: Instant
    reason: str


UserEvent: TypeAlias = UserOrder | UserFill | UserStreamReady | UserStreamLost


class Exchange(Protocol):
    """Where orders go. Implemented by the paper exchange and by the Coinbase adapter. Thread-safe.

    Calls may block for a request's time-out; only the order gateway and the reconciler make them.
    """

    def submit(self, intent: Intent) -> SubmitOutcome:
        """Send an order exactly as decided. Never raises for a network fault: that is `Unknown`."""

    def cancel(self, client_ids: Sequence[str]) -> Sequence[CancelOutcome]:
        """Ask for cancellation; the stream tells the end."""

    def order(self, client_id: str, *, since: Instant) -> OrderReport | None:
        """Return the order, or None when the exchange never had it.

        Args:
            client_id: as sent.
            since: when it was decided on. Coinbase cannot be asked by client id, so an order whose
                exchange id nobody has learned is looked for among those created from then on.
        """

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every order that may still execute."""

    def fills(self, since: Instant) -> Sequence[UserFill]:
        """Return executions booked at or after a time, oldest first."""

    def executions(self, since: Instant, until: Instant) -> Sequence[Execution]:
        """Return what was executed on the account from `since` until before `until`, oldest first.

        That is everything, of whatever product and by whomever, in decimals; reversals and corrections too.
        """

    def balances(self) -> Mapping[str, Balance]:
        """Return all balances by currency. A currency without a row was never funded."""

    def products(self) -> Mapping[str, Product]:
        """Return the products by symbol."""

    def fees(self) -> FeeRates:
        """Return the account's current rates."""

    def candles(self, symbol: str) -> Sequence[CandleBar]:
        """Return recent five-minute buckets, oldest first, holes left out."""

    def time(self) -> Instant:
        """Return the exchange's clock."""


class MarketStream(Protocol):
    """The public market. Owned by one actor; the listener runs in the stream's own thread."""

    @property
    def alive(self) -> bool:
        """Return whether its thread runs; one that died of a defect has to be started anew."""

    def start(self, listener: Callable[[MarketEvent], None]) -> None:
        """Begin to deliver. A snapshot of each symbol's book comes first; `stop` may be followed by it."""

    def resync(self, symbol: str) -> None:
        """Ask for a fresh snapshot of one book."""

    def add(self, product: Product) -> None:
        """Deliver one more product from now on, its snapshot first. Nothing new for one that is there."""

    def remove(self, symbol: str) -> None:
        """Deliver a product no more. Events that are under way may still come."""

    def stop(self) -> None:
        """Stop delivering; returns once no callback runs any more."""


class UserStream(Protocol):
    """What happens to our orders. Owned by one actor; the listener runs in the stream's own thread."""

    @property
    def alive(self) -> bool:
        """Return whether its thread runs; one that died of a defect has to be started anew."""

    def start(self, listener: Callable[[UserEvent], None]) -> None:
        """Begin to deliver: `UserStreamReady` as soon as nothing can be missed any more."""

    def stop(self) -> None:
        """Stop delivering; returns once no callback runs any more."""


# --- ledger -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFact:
    """Something that happened to an order: a send, an answer, a move, a cancel request.

    Attributes:
        what: the value of a `Move`, which changes the order's state, or another word, which does not
            (``sent`` for the request itself).
        filled: the total executed size that the exchange states with the end of an order.
    """

    at: Instant
    client_id: str
    symbol: str
    what: str
    order_id: str | None
    reason: str
    cancel_reason: CancelReason | None
    filled: Lots | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillMarked:
    """The market some time after one of our fills; horizon 0 is the moment of the fill itself."""

    trade_id: str
    symbol: str
    horizon: Nanos
    twice_mid: int


LedgerFact: TypeAlias = (
    OrderFact
    | Fill
    | FillMarked
    | DustLeft
    | HoldChanged
    | Alert
    | DifferenceNoted
    | CashMoved
    | BalanceSeen
    | TieOutDone
    | ModeNoted
    | OperatorActed
    | ConfigReloaded
    | BreakerMoved
    | EquitySeen
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolBooks:
    """What the ledger knows of one symbol: the start of every recovery.

    Attributes:
        orders: orders that had not ended, or ended with fills still to come, with their state and what
            was filled. An order whose request has no stored answer is UNKNOWN: it may have been sent.
        lots: units of the open position, oldest first.
        round_trip: id of the open round trip, None when flat, or when what is held is dust.
        reason: the exit rule last decided on, for an open position.
        newest: time and trade id of the newest execution that is stored.
        latest: the latest UTC day with closed round trips of ours, and their net; None before the first.
    """

    symbol: str
    orders: tuple[Working, ...]
    lots: tuple[Lot, ...]
    round_trip: str | None
    reason: ExitReason | None
    newest: tuple[Instant, str] | None
    latest: tuple[int, Decimal] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksAsOf:
    """The state of each symbol, as of a fact: those up to this number are in it, and no later one.

    Attributes:
        upto: a number that `Ledger.write` returned; 0 when nothing was ever written.
    """

    upto: int
    symbols: Mapping[str, SymbolBooks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a step of `Ledger.apply` brought.

    Attributes:
        left: how many facts and intents the books do not hold yet.
        refused: what the books refused since the last step, and why; it was set aside there.
    """

    left: int
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerStanding:
    """How the ledger stands, as it was last seen.

    Attributes:
        trouble: why nothing should be begun that must be recorded, empty when all is well. What has to
            be done nevertheless is recorded as long as there is any way to.
        backlog: how many facts and intents are recorded and not in the books yet.
        oldest: when the oldest of them was recorded.
    """

    trouble: str
    backlog: int
    oldest: Instant | None


class Ledger(Protocol):
    """The books. Thread-safe; `write_intent` and `write` are on the order path, the rest is not.

    What is written is recorded at once and survives a kill; the books that are read are brought up to it
    in order, each record once, by `apply`.
    """

    def write_intent(self, intent: Intent) -> None:
        """Return once the intent is durable, and everything that was written before it.

        Raises:
            LedgerUnavailable: if it cannot be made durable, or an entry while there is `trouble`; the order
                must not be sent.
            LedgerError: if it contradicts the books; the order must not be sent.
        """

    def write(self, facts: Iterable[LedgerFact]) -> int:
        """Record facts in order behind all earlier ones; return the number of the last one recorded.

        Facts are idempotent. One that contradicts the books is found, set aside and told by `apply`.

        Raises:
            LedgerUnavailable: once the ledger is closed.
        """

    def apply(self) -> Applied:
        """Bring the books nearer to what was written, by a bounded step; also make it durable.

        Raises:
            LedgerUnavailable: if the database is away; everything stays recorded.
        """

    def standing(self) -> LedgerStanding:
        """Return how the ledger stands. Does not wait."""

    def books(self, symbols: Mapping[str, Product]) -> BooksAsOf:
        """Return the state of each symbol, rebuilt from intents and fills, with everything written before.

        Raises:
            LedgerUnavailable: if the database is away.
        """

    def begin_run(self, *, mode: str, config_sha: str, version: str, at: Instant) -> int:
        """Open a run and return its number: client ids carry it."""

    def end_run(self, run: int, *, at: Instant, reason: str) -> None:
        """Close a run."""

    def close(self) -> None:
        """Release everything. Idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOutStart:
    """Where a tie-out begins.

    Attributes:
        checkpoint: of the last one that concluded; None before the first.
        oldest: the first execution in the books; None while there is none.
        differences: those that are open.
    """

    checkpoint: Checkpoint | None
    oldest: Instant | None
    differences: tuple[Difference, ...]


class TieOutBooks(Protocol):
    """The books as a tie-out reads them. One thread at a time."""

    def start(self) -> TieOutStart:
        """Return where to begin.

        Raises:
            LedgerUnavailable: if the database is away.
        """

    def read(
        self, since: Instant, until: Instant, *, account: Account, references: Iterable[str]
    ) -> Books:
        """Return what the ledger says, in one consistent reading.

        Args:
            since: where the window begins.
            until: before which it ends.
            account: what it is to be compared with.
            references: of cash movements, to say whether they are in the books.

        Raises:
            LedgerUnavailable: if the database is away.
        """


# --- the symbol filter's part of the books -------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What the operator said of a symbol; the latest one of a symbol counts.

    Attributes:
        include: lets it in against the rules; else it is denied.
        until: when that ends by itself. Without it a denial lasts until it is taken back, and a symbol is
            let in once: what it does afterwards is judged as usual.
    """

    symbol: str
    at: Instant
    include: bool
    reason: str
    until: Instant | None
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterTrades:
    """A symbol's closed trades within their windows."""

    real: Trades
    shadow: Trades


class Shadow(Protocol):
    """An excluded symbol that goes on trading, on paper: the same core against the live market."""

    def load(self, candles: Sequence[CandleBar], now: Instant) -> None:
        """Learn the recent candles."""

    def feed(self, events: Sequence[MarketEvent]) -> Sequence[RoundTrip]:
        """Take what happened in the market; return the round trips that it closed."""

    def pass_time(self, now: Instant) -> Sequence[RoundTrip]:
        """Let time pass without news of the market."""


class FilterBooks(Protocol):
    """What the symbol filter reads and writes. Thread-safe; none of it is on the order path.

    Every method raises `LedgerError` (`LedgerUnavailable`) if the books cannot be asked.
    """

    def trades(self, windows: Mapping[str, Windows]) -> Mapping[str, FilterTrades]:
        """Return the closed trades of each symbol, real and in the shadow, since the times given."""

    def days(self, symbol: str, *, since: Instant) -> Sequence[DayOfTrades]:
        """Return the real closed trades of a symbol by UTC day, oldest first."""

    def transitions(self, symbols: Sequence[str]) -> Mapping[str, Sequence[Transition]]:
        """Return what moved each symbol, oldest first; of very many the latest."""

    def store_transitions(self, transitions: Sequence[Transition], *, config_sha: str) -> None:
        """Store transitions, all or none, each once."""

    def overrides(self) -> Mapping[str, Override]:
        """Return the operator's latest word on each symbol."""

    def store_shadow(self, trips: Sequence[RoundTrip], products: Mapping[str, Product]) -> None:
        """Store round trips of the shadow, each once; they are never mixed with real ones."""


# --- the risk guard's part of the books ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskMemory:
    """What breakers and equities were when they were last stored; by scope (None: the account) and money."""

    states: Mapping[tuple[str | None, Breaker], BreakerState]
    equities: Mapping[str, Equity]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskResults:
    """What trading came to, in one consistent reading.

    Attributes:
        lost: net of round trips since the time that was asked of each symbol.
        account: the same of the whole account, by quote currency.
        total: net of all round trips ever, by quote currency.
        open: net of what was closed of round trips that are open, by symbol.
        held: base currency that the books hold, by symbol.
        capital: money that came less money that went, by currency; empty before the books were opened.
        recent: time and net of the latest round trips of each symbol, the latest first.
    """

    lost: Mapping[str, Decimal]
    account: Mapping[str, Decimal]
    total: Mapping[str, Decimal]
    open: Mapping[str, Decimal]
    held: Mapping[str, Decimal]
    capital: Mapping[str, Decimal]
    recent: Mapping[str, Sequence[tuple[Instant, Decimal]]]


class RiskBooks(Protocol):
    """The books as the risk guard reads them. One thread at a time.

    Every method raises `LedgerError` (`LedgerUnavailable`) if the books cannot be asked.
    """

    def remembered(self) -> RiskMemory:
        """Return what was stored of breakers and equities."""

    def results(
        self, since: Mapping[str, Instant], *, account_since: Instant, recent: int
    ) -> RiskResults:
        """Return what trading came to.

        Args:
            since: for each symbol, from when on its losses count.
            account_since: the same of the account.
            recent: how many of the latest round trips of each symbol are wanted.
        """
