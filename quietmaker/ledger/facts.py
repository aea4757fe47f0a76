"""Store facts: one insert per kind, each fact once, contradictions found rather than ignored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.commands import Alert, HoldChanged, RoundTrip
from quietmaker.core.findings import BalanceSeen, CashMoved, DifferenceNoted, TieOutDone
from quietmaker.core.orders import Fill, OrderState
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError
from quietmaker.ledger import sql
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Row, insert, rows, savepoint
from quietmaker.ledger.rows import (
    alert_row,
    event_row,
    fill_row,
    hold_row,
    mark_row,
    product_of,
    text,
    trip_row,
)
from quietmaker.ledger.standing import Standing, fold
from quietmaker.ledger.tie_out_rows import balance_row, cash_row, difference_row, tie_out_row
from quietmaker.ports import FillMarked, LedgerFact, OrderFact

QUERIES: Final = sql.load("ledger.sql")
CONTRADICTION: Final = "the books hold another fact under the same identity"

Entry: TypeAlias = tuple[LedgerFact, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A fact that the books refuse, and why."""

    fact: LedgerFact
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How one kind of fact is stored.

    Attributes:
        name: prefix of its queries.
        key: the columns that identify a row; empty where repetition is all that can happen.
    """

    name: str
    key: tuple[int, ...]


_KINDS: Final[Mapping[type, _Kind]] = {
    OrderFact: _Kind(name="events", key=()),
    Fill: _Kind(name="fills", key=(0,)),
    FillMarked: _Kind(name="marks", key=(0, 1)),
    RoundTrip: _Kind(name="trips", key=(0, 5)),
    HoldChanged: _Kind(name="holds", key=()),
    Alert: _Kind(name="alerts", key=()),
    DifferenceNoted: _Kind(name="differences", key=()),
    CashMoved: _Kind(name="cash", key=(0,)),
    BalanceSeen: _Kind(name="balances", key=()),
    TieOutDone: _Kind(name="tie_outs", key=()),
}


def convert(
    facts: Sequence[LedgerFact], products: Mapping[str, Product]
) -> tuple[list[Entry], list[Refusal]]:
    """Return the facts with their rows, and those that have no row."""
    entries: list[Entry] = []
    refused: list[Refusal] = []
    for fact in facts:
        try:
            row = _row(fact, products)
            if any(isinstance(value, str) and text(value) != value for value in row):
                raise LedgerError("an id holds characters that no text column can hold")
            entries.append((fact, row))
        except LedgerError as error:
            refused.append(Refusal(fact=fact, error=str(error)))
    return entries, refused


def _row(fact: LedgerFact, products: Mapping[str, Product]) -> Row:
    match fact:
        case OrderFact():
            return event_row(fact, product_of(products, fact.symbol))
        case Fill():
            return fill_row(fact, product_of(products, fact.symbol))
        case FillMarked():
            return mark_row(fact, product_of(products, fact.symbol))
        case RoundTrip():
            return trip_row(fact, product_of(products, fact.symbol))
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


def store(cursor: Cursor, entries: Sequence[Entry]) -> list[Refusal]:
    """Store facts together; return those that contradict the books.

    Raises:
        psycopg2.IntegrityError, psycopg2.DataError: if a constraint refuses one; nothing is stored then.
    """
    refused: list[Refusal] = []
    touched: set[str] = set()
    for type_, kind in _KINDS.items():
        mine = [entry for entry in entries if isinstance(entry[0], type_)]
        if not mine:
            continue
        stored = insert(cursor, QUERIES[f"{kind.name}_insert"], [row for _, row in mine])
        if type_ is OrderFact:
            _advance(cursor, stored)
        if type_ in {OrderFact, Fill}:
            touched.update(fact.client_id for fact, _ in mine if isinstance(fact, OrderFact | Fill))
        if kind.key and len(stored) < len(mine):
            refused.extend(_contradictions(cursor, kind, mine))
    if touched:
        cursor.execute(QUERIES["states_settle"], {"ids": list(touched)})
        cursor.execute(QUERIES["states_unsettle"], {"ids": list(touched)})
    return refused


def store_one_by_one(cursor: Cursor, entries: Sequence[Entry]) -> list[Refusal]:
    """Store facts each for itself, so that one that is refused takes no other with it."""
    refused: list[Refusal] = []
    for entry in entries:
        try:
            with savepoint(cursor):
                refused.extend(store(cursor, [entry]))
        except CONSTRAINT_ERRORS as error:
            refused.append(Refusal(fact=entry[0], error=str(error).strip()))
    return refused


def set_aside(cursor: Cursor, refused: Sequence[Refusal]) -> None:
    """Keep refused facts as evidence."""
    for refusal in refused:
        values = {
            "kind": type(refusal.fact).__name__,
            "fact": text(repr(refusal.fact)),
            "error": text(refusal.error),
        }
        cursor.execute(QUERIES["refused_insert"], values)


def _contradictions(cursor: Cursor, kind: _Kind, entries: Sequence[Entry]) -> list[Refusal]:
    def key(row: Row) -> Row:
        return tuple(row[column] for column in kind.key)

    ids = list({row[0] for _, row in entries})
    stored = {key(row): row for row in rows(cursor, QUERIES[f"{kind.name}_stored"], ids=ids)}
    return [
        Refusal(fact=fact, error=CONTRADICTION) for fact, row in entries if stored[key(row)] != row
    ]


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
