"""The tie-out's part of the ledger in memory, and the books as a tie-out reads them there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from quietmaker.core.differences import Difference, DifferenceKind
from quietmaker.core.evidence import (
    Account,
    Books,
    Execution,
    LiveOrder,
    flows_after,
    movement_reference,
)
from quietmaker.core.findings import BalanceSeen, CashMoved, DifferenceNoted, TieOutDone
from quietmaker.core.orders import TERMINAL, Fill, Intent, Working
from quietmaker.core.product import Product
from quietmaker.core.units import ZERO, Instant, plus
from quietmaker.ports import OrderFact, TieOutStart

TieOutFact = DifferenceNoted | CashMoved | BalanceSeen | TieOutDone


@dataclass(slots=True)
class TieOutMemory:
    """What tie-outs told.

    Attributes:
        notes: each time that a difference was found or resolved, in the order of telling.
        open: the differences that are open, by name.
        cash: the movements, by reference.
        tie_outs: the verdicts, by time.
        balances: as they were seen, by currency and time.
    """

    notes: list[DifferenceNoted] = field(default_factory=list)
    open: dict[tuple[DifferenceKind, str], Difference] = field(default_factory=dict)
    cash: dict[str, CashMoved] = field(default_factory=dict)
    tie_outs: dict[Instant, TieOutDone] = field(default_factory=dict)
    balances: dict[tuple[str, Instant], BalanceSeen] = field(default_factory=dict)

    def store(self, fact: TieOutFact) -> str:
        """Store a fact and return nothing, or return why it is refused."""
        match fact:
            case DifferenceNoted():
                self._note(fact)
            case CashMoved():
                if not fact.amount:
                    return "a movement of nothing"
                if self.cash.setdefault(fact.reference, fact) != fact:
                    return "the books hold another fact under the same identity"
            case BalanceSeen():
                self.balances.setdefault((fact.currency, fact.at), fact)
            case TieOutDone():
                self.tie_outs.setdefault(fact.at, fact)
        return ""

    def _note(self, fact: DifferenceNoted) -> None:
        if fact in self.notes:
            return
        self.notes.append(fact)
        if fact.resolution is None:
            self.open[fact.difference.name] = fact.difference
        else:
            self.open.pop(fact.difference.name, None)


class Stored(Protocol):
    """What the ledger in memory holds besides."""

    @property
    def intents(self) -> Mapping[str, Intent]:
        """Return the intents by client id."""

    @property
    def events(self) -> Iterable[OrderFact]:
        """Return what happened to orders."""

    @property
    def fills(self) -> Mapping[str, Fill]:
        """Return the executions by trade id."""

    @property
    def tie_out(self) -> TieOutMemory:
        """Return what tie-outs told."""


class MemoryTieOutBooks:
    """Implements `quietmaker.ports.TieOutBooks`."""

    def __init__(
        self,
        ledger: Stored,
        products: Mapping[str, Product],
        unsettled: Callable[[], Iterable[Working]],
    ) -> None:
        """Read a ledger.

        Args:
            ledger: what is stored.
            products: by symbol; the ledger in memory counts in their increments.
            unsettled: returns the orders that are not settled, or raises if the ledger is away.
        """
        self._ledger = ledger
        self._products = products
        self._unsettled = unsettled

    def start(self) -> TieOutStart:
        """Return where to begin."""
        self._unsettled()
        last = self._last()
        return TieOutStart(
            checkpoint=None if last is None else last.checkpoint,
            oldest=min((fill.at for fill in list(self._ledger.fills.values())), default=None),
            differences=tuple(self._ledger.tie_out.open.values()),
        )

    def read(
        self, since: Instant, until: Instant, *, account: Account, references: Iterable[str]
    ) -> Books:
        """Return what the ledger says of the window and of what it is to be compared with."""
        told = self._ledger.tie_out
        stored = list(self._ledger.fills.items())  # others write meanwhile
        every = {trade_id: self._execution(fill) for trade_id, fill in stored}
        asked = {each.trade_id for each in account.executions} | {s for _, s in told.open}
        ids = account.client_ids
        wanted = {movement_reference(e, c) for e in account.executions for c in e.currencies}
        last = self._last()
        return Books(
            executions=tuple(each for each in every.values() if since <= each.at < until),
            orders=tuple(map(self._order, self._unsettled())),
            known={i: self._heard(i) for i in ids if i in self._ledger.intents},
            flows=flows_after({}, every.values()),
            movements=self._movements(),
            stored=frozenset(told.cash) & (wanted | {*references}),
            by_id={trade_id: every[trade_id] for trade_id in asked if trade_id in every},
            opened_at=None if last is None else last.opened_at,
            checkpoint=None if last is None else last.checkpoint,
            differences=tuple(told.open.values()),
        )

    def _last(self) -> TieOutDone | None:
        done = (d for d in list(self._ledger.tie_out.tie_outs.values()) if d.checkpoint is not None)
        return max(done, key=lambda each: each.at, default=None)

    def _movements(self) -> dict[str, Decimal]:
        sums: dict[str, Decimal] = {}
        for each in list(self._ledger.tie_out.cash.values()):
            sums[each.currency] = plus(sums.get(each.currency, ZERO), each.amount)
        return sums

    def _heard(self, client_id: str) -> Instant:
        events = (fact.at for fact in self._ledger.events if fact.client_id == client_id)
        return max(events, default=self._ledger.intents[client_id].decided_at)

    def _order(self, order: Working) -> LiveOrder:
        intent = order.intent
        return LiveOrder(
            client_id=intent.client_id,
            symbol=intent.symbol,
            filled=self._products[intent.symbol].size(order.filled),
            heard_at=max(order.sent_at, self._heard(intent.client_id)),
            is_open=order.state not in TERMINAL,
        )

    def _execution(self, fill: Fill) -> Execution:
        product = self._products[fill.symbol]
        return Execution(
            trade_id=fill.trade_id,
            client_id=fill.client_id,
            symbol=fill.symbol,
            side=fill.side,
            price=product.price(fill.price),
            size=product.size(fill.size),
            fee=fill.fee,
            liquidity=fill.liquidity,
            at=fill.at,
        )
