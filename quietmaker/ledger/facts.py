"""Store facts: one insert per kind, each fact once, contradictions found rather than ignored.

What is derived from them is brought up to date in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.commands import Alert, DustLeft, HoldChanged
from quietmaker.core.findings import BalanceSeen, CashMoved, DifferenceNoted, TieOutDone
from quietmaker.core.modes import ModeNoted, OperatorActed
from quietmaker.core.orders import Fill, Intent, OrderState
from quietmaker.core.product import Product
from quietmaker.core.reloads import ConfigReloaded
from quietmaker.core.risk_desk import BreakerMoved, EquitySeen
from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError
from quietmaker.ledger import sql
from quietmaker.ledger.configs import reload_row
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Row, insert, rows, savepoint
from quietmaker.ledger.derivation.derive import ADVERSE_HORIZON, Key
from quietmaker.ledger.derivation.derived import Told, derive_symbol, split_again
from quietmaker.ledger.modes import action_row, mode_row
from quietmaker.ledger.risk_books import breaker_row, equity_row
from quietmaker.ledger.rows import (
    INTENT_COLUMNS,
    alert_row,
    dust_row,
    event_row,
    fill_row,
    hold_row,
    mark_row,
    product_of,
    text,
)
from quietmaker.ledger.standing import Standing, fold
from quietmaker.ledger.tie_out_rows import balance_row, cash_row, difference_row, tie_out_row
from quietmaker.ports import FillMarked, LedgerFact, OrderFact

QUERIES: Final = sql.load("ledger.sql")
CONTRADICTION: Final = "the books hold another fact under the same identity"

INTENTS: Final = "intents"

_UNDERIVED: Final = "not_derived"
"""Kind of the alert that tells that the books hold fills which they cannot derive."""

_SPLITTING: Final = frozenset({0, ADVERSE_HORIZON})
"""Horizons of the mids by which a round trip is split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A fact as it is stored: its kind, a key of `KINDS`, and the columns of its row."""

    kind: str
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the books refuse, as text, and why."""

    kind: str
    fact: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the journal holds under a number; None was taken back."""

    seq: int
    content: Entry | Refusal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How one kind of fact is stored.

    Attributes:
        of: what it is the row of.
        key: the columns that identify a row; empty where repetition is all that can happen.
        order: the column with the client id of the order that it may settle, None where there is none.
        told: how many columns its `_stored` query returns, where it returns not all of them.
    """

    of: type[LedgerFact | Intent]
    key: tuple[int, ...]
    order: int | None = None
    told: int | None = None


KINDS: Final[Mapping[str, _Kind]] = {
    INTENTS: _Kind(of=Intent, key=(0,), told=INTENT_COLUMNS),
    "events": _Kind(of=OrderFact, key=(), order=0),
    "fills": _Kind(of=Fill, key=(0,), order=1),
    "marks": _Kind(of=FillMarked, key=(0, 1)),
    "dust": _Kind(of=DustLeft, key=()),
    "holds": _Kind(of=HoldChanged, key=()),
    "alerts": _Kind(of=Alert, key=()),
    "differences": _Kind(of=DifferenceNoted, key=()),
    "cash": _Kind(of=CashMoved, key=(0,)),
    "balances": _Kind(of=BalanceSeen, key=()),
    "tie_outs": _Kind(of=TieOutDone, key=()),
    "modes": _Kind(of=ModeNoted, key=()),
    "actions": _Kind(of=OperatorActed, key=()),
    "reloads": _Kind(of=ConfigReloaded, key=()),
    "breakers": _Kind(of=BreakerMoved, key=()),
    "equities": _Kind(of=EquitySeen, key=()),
}
"""Every kind by the prefix of its queries, in the order in which a batch is stored."""

_NAMES: Final = {kind.of: name for name, kind in KINDS.items()}


def convert(
    facts: Iterable[LedgerFact], products: Mapping[str, Product]
) -> tuple[list[Entry], list[Refusal]]:
    """Return the facts as they are stored, and those that have no row."""
    entries: list[Entry] = []
    refused: list[Refusal] = []
    for fact in facts:
        kind = _NAMES[type(fact)]
        try:
            row = _row(fact, products)
            if any(isinstance(value, str) and text(value) != value for value in row):
                raise LedgerError("an id holds characters that no text column can hold")
            entries.append(Entry(kind=kind, row=row))
        except LedgerError as error:
            refused.append(Refusal(kind=kind, fact=text(repr(fact)), error=text(str(error))))
    return entries, refused


def _row(fact: LedgerFact, products: Mapping[str, Product]) -> Row:
    match fact:
        case OrderFact():
            return event_row(fact, product_of(products, fact.symbol))
        case Fill():
            return fill_row(fact, product_of(products, fact.symbol))
        case FillMarked():
            return mark_row(fact, product_of(products, fact.symbol))
        case DustLeft():
            return dust_row(fact, product_of(products, fact.symbol))
        case _:
            return _plain_row(fact)


def _plain_row(
    fact: HoldChanged
    | Alert
    | DifferenceNoted
    | CashMoved
    | BalanceSeen
    | TieOutDone
    | ModeNoted
    | OperatorActed
    | ConfigReloaded
    | BreakerMoved
    | EquitySeen,
) -> Row:
    """Return the row of a fact that no product is needed for."""
    match fact:
        case HoldChanged():
            return hold_row(fact)
        case Alert():
            return alert_row(fact)
        case DifferenceNoted():
            return difference_row(fact)
        case CashMoved():
            return cash_row(fact)
        case BalanceSeen():
            return balance_row(fact)
        case TieOutDone():
            return tie_out_row(fact)
        case ModeNoted():
            return mode_row(fact)
        case OperatorActed():
            return action_row(fact)
        case ConfigReloaded():
            return reload_row(fact)
        case BreakerMoved():
            return breaker_row(fact)
        case EquitySeen():
            return equity_row(fact)


def store(cursor: Cursor, entries: Sequence[Entry]) -> list[Refusal]:
    """Store facts together and derive what follows; return those that contradict the books.

    Raises:
        psycopg2.IntegrityError, psycopg2.DataError: if a constraint refuses one; nothing is stored then.
    """
    refused: list[Refusal] = []
    touched: set[str] = set()
    news: dict[str, list[Row]] = {}
    for name, kind in KINDS.items():
        mine = [entry.row for entry in entries if entry.kind == name]
        if not mine:
            continue
        stored = news[name] = insert(cursor, QUERIES[f"{name}_insert"], mine)
        if name == "events":
            _advance(cursor, stored)
        if kind.order is not None:
            touched.update(row[kind.order] for row in mine)
        if kind.key and len(stored) < len(mine):
            refused.extend(_contradictions(cursor, name, kind, mine))
    if touched:
        cursor.execute(QUERIES["states_settle"], {"ids": list(touched)})
        cursor.execute(QUERIES["states_unsettle"], {"ids": list(touched)})
    _derive(cursor, news)
    return refused


def _derive(cursor: Cursor, news: Mapping[str, Sequence[Row]]) -> None:
    """Bring what is derived up to the facts that are new."""
    fills: dict[str, list[Key]] = defaultdict(list)
    ends: dict[str, list[Key]] = defaultdict(list)
    for trade_id, symbol, at in news.get("fills", ()):
        fills[symbol].append((at, trade_id))
    for trade_id, symbol, at in news.get("dust", ()):
        ends[symbol].append((at, trade_id))
    for symbol in sorted({*fills, *ends}):
        told = Told(fills=fills[symbol], ends=ends[symbol])
        if flaw := derive_symbol(cursor, symbol, told):
            at = max(at for at, _ in (*told.fills, *told.ends))
            insert(cursor, QUERIES["alerts_insert"], [(symbol, at, _UNDERIVED, text(flaw))])
    marked = {trade for trade, horizon in news.get("marks", ()) if horizon in _SPLITTING}
    if marked:
        split_again(cursor, marked)


def store_one_by_one(cursor: Cursor, entries: Sequence[Entry]) -> list[Refusal]:
    """Store facts each for itself, so that one that is refused takes no other with it."""
    refused: list[Refusal] = []
    for entry in entries:
        try:
            with savepoint(cursor):
                refused.extend(store(cursor, [entry]))
        except CONSTRAINT_ERRORS as error:
            refused.append(_refusal(entry.kind, entry.row, str(error).strip()))
    return refused


def set_aside(cursor: Cursor, refused: Sequence[Refusal]) -> None:
    """Keep refused facts as evidence."""
    for refusal in refused:
        values = {"kind": refusal.kind, "fact": refusal.fact, "error": refusal.error}
        cursor.execute(QUERIES["refused_insert"], values)


def _contradictions(cursor: Cursor, name: str, kind: _Kind, mine: Sequence[Row]) -> list[Refusal]:
    def key(row: Row) -> Row:
        return tuple(row[column] for column in kind.key)

    ids = list({row[0] for row in mine})
    stored = {key(row): row for row in rows(cursor, QUERIES[f"{name}_stored"], ids=ids)}
    return [
        _refusal(name, row, CONTRADICTION) for row in mine if stored[key(row)] != row[: kind.told]
    ]


def _refusal(kind: str, row: Row, error: str) -> Refusal:
    fact = f"{kind} ({', '.join(str(value) for value in row)})"
    return Refusal(kind=kind, fact=text(fact), error=text(error))


def _advance(cursor: Cursor, events: Sequence[Row]) -> None:
    """Fold new events into their orders' states, in the order in which they were told."""
    if not events:
        return
    ids = list({event[1] for event in events})
    standings = {
        client_id: Standing(state=OrderState(state), order_id=order_id, sent_at=sent, final=final)
        for client_id, state, order_id, sent, final in rows(cursor, QUERIES["states_lock"], ids=ids)
    }
    for _, client_id, at, what, order_id, filled in sorted(events):
        standings[client_id] = fold(
            client_id,
            standings[client_id],
            what=what,
            at=Instant(at),
            order_id=order_id,
            filled=filled,
        )
    values = [(c, s.state.value, s.order_id, s.sent_at, s.final) for c, s in standings.items()]
    insert(cursor, QUERIES["states_update"], values)
