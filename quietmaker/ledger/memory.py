"""The ledger in memory: same contract, nothing durable. For tests, replays and trying things out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, TypeAlias

from quietmaker.core.commands import Alert, DustLeft, HoldChanged
from quietmaker.core.findings import BalanceSeen, CashMoved, DifferenceNoted, TieOutDone
from quietmaker.core.modes import ModeNoted, OperatorActed
from quietmaker.core.orders import (
    TERMINAL,
    ExitReason,
    Fill,
    Intent,
    OrderState,
    Purpose,
    Working,
)
from quietmaker.core.product import Product
from quietmaker.core.reloads import ConfigReloaded
from quietmaker.core.risk_desk import BreakerMoved, EquitySeen
from quietmaker.core.rounds import net_of
from quietmaker.core.trips import DAY
from quietmaker.core.units import Instant, Lots, Nanos, Side, add
from quietmaker.errors import LedgerError, LedgerUnavailable, WrongLedgerMode
from quietmaker.ledger.derivation.derive import (
    ADVERSE_HORIZON,
    Background,
    Booked,
    Deriver,
    Trip,
    derive,
)
from quietmaker.ledger.flaws import intent_flaw
from quietmaker.ledger.memory_tie_out import MemoryTieOutBooks, TieOutMemory
from quietmaker.ledger.standing import Standing, at_recovery, fold
from quietmaker.ports import (
    Applied,
    BooksAsOf,
    FillMarked,
    LedgerFact,
    LedgerStanding,
    OrderFact,
    SymbolBooks,
)

_Kept: TypeAlias = Alert | ModeNoted | OperatorActed | ConfigReloaded | BreakerMoved | EquitySeen
_Identity: TypeAlias = OrderFact | _Kept | tuple[str, Side, Instant]

_AT_FILL: Final = Nanos(0)
_UNKNOWN_ORDER: Final = "no intent was written for its order"
_AWAY: Final = "the ledger was made unavailable"
_CONTRADICTION: Final = "the books hold another fact under the same identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRun:
    """A run as it was begun and, once it is over, ended."""

    mode: str
    config_sha: str
    version: str
    started_at: Instant
    ended_at: Instant | None = None
    end_reason: str | None = None


class MemoryLedger:
    """Implements `quietmaker.ports.Ledger`. Thread-safe.

    Attributes:
        available: set it to False and the database is away: what is written waits, entries are refused.
        waiting: facts that were written and not applied yet, in order.
        runs, intents, fills, marks, dust: what is stored, by its identity.
        events, holds, alerts, modes, actions, reloads, risk, refused: what is stored, in the order of its
            telling.
        tie_out: what tie-outs told.
    """

    def __init__(self, *, mode: str | None = None) -> None:
        """Begin empty, belonging to a mode or to that of the first run."""
        self.available = True
        self.runs: dict[int, MemoryRun] = {}
        self.intents: dict[str, Intent] = {}
        self.events: list[OrderFact] = []
        self.fills: dict[str, Fill] = {}
        self.marks: dict[tuple[str, Nanos], FillMarked] = {}
        self.dust: dict[str, DustLeft] = {}
        self.holds: list[HoldChanged] = []
        self.alerts: list[Alert] = []
        self.modes: list[ModeNoted] = []
        self.actions: list[OperatorActed] = []
        self.reloads: list[ConfigReloaded] = []
        self.risk: list[BreakerMoved | EquitySeen] = []
        self.refused: list[LedgerFact] = []
        self.tie_out = TieOutMemory()
        self.waiting: list[LedgerFact] = []
        self._mode = mode
        self._configs: dict[str, str] = {}
        self._standings: dict[str, Standing] = {}
        self._seen: set[_Identity] = set()
        self._last = 0
        self._told: list[str] = []
        self._closed = False
        self._mutex = threading.RLock()

    def begin_run(self, *, mode: str, config_sha: str, version: str, at: Instant) -> int:
        """Open a run and return its number.

        Raises:
            WrongLedgerMode: if the ledger belongs to the other mode.
            LedgerError: if a value is empty or no mode.
        """
        with self._mutex:
            self._check_available()
            if mode not in {"paper", "live"} or not config_sha or not version:
                raise LedgerError(
                    f"the books refuse a run of mode {mode!r}, {config_sha!r}, {version!r}"
                )
            if self._mode not in {None, mode}:
                raise WrongLedgerMode(f"this is a {self._mode} ledger and the run is {mode}")
            self._mode = mode
            run = len(self.runs) + 1
            self.runs[run] = MemoryRun(
                mode=mode, config_sha=config_sha, version=version, started_at=at
            )
            return run

    def end_run(self, run: int, *, at: Instant, reason: str) -> None:
        """Close a run; one that has ended stays as it ended.

        Raises:
            LedgerUnavailable: if `available` is off.
            LedgerError: if it would end before it began.
        """
        with self._mutex:
            self._check_available()
            begun = self.runs.get(run)
            if begun is None or begun.ended_at is not None:
                return
            if at < begun.started_at:
                raise LedgerError(f"run {run} cannot end before it began")
            self.runs[run] = replace(begun, ended_at=at, end_reason=reason)

    def write_intent(self, intent: Intent) -> None:
        """Store an intent.

        Raises:
            LedgerUnavailable: if it is an entry and `available` is off, or the ledger is closed.
            LedgerError: if it contradicts the books.
        """
        with self._mutex:
            if self._closed or intent.purpose is Purpose.ENTRY:
                self._check_available()
            if not self.runs:
                raise LedgerError("no run is open; begin_run comes before the first intent")
            stored = self.intents.setdefault(intent.client_id, intent)
            if stored is intent and (flaw := self._flaw(intent)):
                del self.intents[intent.client_id]
                raise LedgerError(f"the books refuse it: {flaw}")
            if stored != intent:
                raise LedgerError(
                    f"client id {intent.client_id}: {_CONTRADICTION}; ids are used once"
                )
            if intent.client_id not in self._standings:
                self._last += 1
                self._configs[intent.client_id] = intent.config_sha
                self._standings[intent.client_id] = Standing(
                    state=OrderState.PENDING, order_id=None, sent_at=intent.decided_at, final=None
                )

    def write(self, facts: Iterable[LedgerFact]) -> int:
        """Take facts in order.

        Raises:
            LedgerUnavailable: if the ledger is closed.
        """
        with self._mutex:
            if self._closed:
                self._check_available()
            before = len(self.waiting)
            self.waiting.extend(facts)
            self._last += len(self.waiting) - before
            return self._last

    def apply(self) -> Applied:
        """Store what waits, each fact once.

        Raises:
            LedgerUnavailable: if `available` is off; nothing was stored.
        """
        with self._mutex:
            self._check_available()
            self._apply()
            told, self._told = tuple(self._told), []
            return Applied(left=0, refused=told)

    def standing(self) -> LedgerStanding:
        """Return how it stands; facts in memory have no age."""
        trouble = "" if self.available else _AWAY
        return LedgerStanding(trouble=trouble, backlog=len(self.waiting), oldest=None)

    def books(self, symbols: Mapping[str, Product]) -> BooksAsOf:
        """Return the state of each symbol.

        Raises:
            LedgerUnavailable: if `available` is off.
        """
        with self._mutex:
            self._check_available()
            self._apply()
            return BooksAsOf(
                upto=self._last,
                symbols={symbol: self._books(product) for symbol, product in symbols.items()},
            )

    def tie_out_books(self, products: Mapping[str, Product]) -> MemoryTieOutBooks:
        """Return the books as a tie-out reads them."""

        def unsettled() -> list[Working]:
            with self._mutex:
                self._check_available()
                every = map(self._working, self.intents.values())
                return [order for order in every if not _settled(order)]

        return MemoryTieOutBooks(self, products, unsettled)

    def round_trips(self, product: Product) -> tuple[Trip, ...]:
        """Return the round trips of a symbol, oldest first, derived from its fills."""
        with self._mutex:
            return tuple(self._derive(product).trips)

    def open_result(self, product: Product) -> Decimal:
        """Return the net result of what was closed of a round trip that is still open."""
        with self._mutex:
            open_parts = [a.closed for a in self._derive(product).allocations if a.trip_id is None]
            return net_of(open_parts, product)

    def close(self) -> None:
        """Close for good. Idempotent."""
        self.available, self._closed = False, True

    def _apply(self) -> None:
        waiting, self.waiting = self.waiting, []
        for fact in waiting:
            if flaw := self._store(fact):
                self.refused.append(fact)
                self._told.append(f"{fact}: {flaw}")

    def _check_available(self) -> None:
        if not self.available:
            raise LedgerUnavailable(_AWAY)

    def _flaw(self, intent: Intent) -> str:
        """Return what the database would refuse, or nothing."""
        flaw = intent_flaw(intent)
        unknown = intent.passive_order_id not in self.intents
        return flaw or ("its passive order was never written" if unknown else "")

    def _store(self, fact: LedgerFact) -> str:
        """Store a fact and return nothing, or return why it is refused."""
        match fact:
            case OrderFact():
                return self._store_event(fact)
            case Fill():
                return self._store_fill(fact)
            case FillMarked():
                known = fact.trade_id in self.fills
                same = known and self.marks.setdefault((fact.trade_id, fact.horizon), fact) == fact
                return "" if same else _CONTRADICTION if known else "no such fill"
            case DustLeft():
                if fact.trade_id not in self.fills:
                    return "no such fill"
                self.dust.setdefault(fact.trade_id, fact)
                return ""
            case HoldChanged():
                if self._is_new((fact.symbol, fact.side, fact.now)):
                    self.holds.append(fact)
                return ""
            case (
                Alert()
                | ModeNoted()
                | OperatorActed()
                | ConfigReloaded()
                | BreakerMoved()
                | EquitySeen()
            ):
                return self._keep(fact)
            case DifferenceNoted() | CashMoved() | BalanceSeen() | TieOutDone():
                return self.tie_out.store(fact)

    def _keep(self, fact: _Kept) -> str:
        """Store what nothing else refers to."""
        if self._is_new(fact):
            match fact:
                case Alert():
                    self.alerts.append(fact)
                case ModeNoted():
                    self.modes.append(fact)
                case OperatorActed():
                    self.actions.append(fact)
                case ConfigReloaded():
                    self.reloads.append(fact)
                case BreakerMoved() | EquitySeen():
                    self.risk.append(fact)
        return ""

    def _is_new(self, identity: _Identity) -> bool:
        """Return whether this was not stored before, without looking through everything that was."""
        known = identity in self._seen
        self._seen.add(identity)
        return not known

    def _store_event(self, fact: OrderFact) -> str:
        if fact.client_id not in self.intents:
            return _UNKNOWN_ORDER
        if not self._is_new(fact):
            return ""
        self.events.append(fact)
        self._standings[fact.client_id] = fold(
            fact.client_id,
            self._standings[fact.client_id],
            what=fact.what,
            at=fact.at,
            order_id=fact.order_id,
            filled=Decimal(fact.filled) if fact.filled is not None else None,
        )
        return ""

    def _store_fill(self, fill: Fill) -> str:
        intent = self.intents.get(fill.client_id)
        if intent is None or (intent.symbol, intent.side) != (fill.symbol, fill.side):
            return _UNKNOWN_ORDER
        if fill.price <= 0 or fill.size <= 0:
            return "price and size must be positive"
        return "" if self.fills.setdefault(fill.trade_id, fill) == fill else _CONTRADICTION

    def _books(self, product: Product) -> SymbolBooks:
        symbol = product.symbol
        mine = sorted(
            (intent for intent in self.intents.values() if intent.symbol == symbol),
            key=lambda intent: (intent.decided_at, intent.client_id),
        )
        orders = [order for order in map(self._working, mine) if not _settled(order)]
        derived = self._derive(product)
        trip = derived.trip.id if derived.trip is not None else None
        fills = [(fill.at, fill.trade_id) for fill in self.fills.values() if fill.symbol == symbol]
        return SymbolBooks(
            symbol=symbol,
            orders=tuple(replace(order, state=at_recovery(order.state)) for order in orders),
            lots=derived.position.open_lots(),
            round_trip=trip,
            reason=self._reason_of(trip) if trip is not None else None,
            newest=max(fills, default=None),
            latest=_latest_day(derived.trips),
        )

    def _derive(self, product: Product) -> Deriver:
        fills = [fill for fill in self.fills.values() if fill.symbol == product.symbol]
        return derive(product, map(self._booked, fills))

    def _working(self, intent: Intent) -> Working:
        standing = self._standings[intent.client_id]
        fills = [fill for fill in self.fills.values() if fill.client_id == intent.client_id]
        final = Lots(int(standing.final)) if standing.final is not None else None
        if final is None and standing.state is OrderState.FILLED:
            final = intent.size
        return Working(
            intent=intent,
            state=standing.state,
            sent_at=standing.sent_at,
            filled=sum(fill.size for fill in fills),
            trade_ids={fill.trade_id for fill in fills},
            final=final,
        )

    def _booked(self, fill: Fill) -> Booked:
        intent = self.intents[fill.client_id]
        mark = self.marks.get((fill.trade_id, _AT_FILL))
        later = self.marks.get((fill.trade_id, ADVERSE_HORIZON))
        return Booked(
            fill=fill,
            twice_mid=mark.twice_mid if mark is not None else intent.bid + intent.ask,
            background=Background(
                order=fill.client_id,
                reason=intent.exit_reason,
                strategy_tag=intent.strategy_tag,
                config_sha=self._configs[fill.client_id],
                marked=mark is not None,
                later=later.twice_mid if later is not None else None,
            ),
            ends=fill.trade_id in self.dust,
        )

    def _reason_of(self, round_trip: str) -> ExitReason | None:
        exits = [
            intent
            for intent in self.intents.values()
            if intent.passive_order_id == round_trip and intent.purpose is Purpose.EXIT
        ]
        return max(exits, key=lambda intent: intent.decided_at).exit_reason if exits else None


def _latest_day(trips: Sequence[Trip]) -> tuple[int, Decimal] | None:
    day = max((each.record.closed_at // DAY for each in trips), default=None)
    if day is None:
        return None
    return day, add(*(each.record.net for each in trips if each.record.closed_at // DAY == day))


def _settled(order: Working) -> bool:
    """Return whether nothing of an order is still to come: its fills make up its size, or it ended."""
    return order.filled >= order.intent.size or (
        order.state in TERMINAL and order.filled >= (order.final or 0)
    )
