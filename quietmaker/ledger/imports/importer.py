"""Import a predecessor's trades: what can be trusted, with results, so that the filter has a history.

Imported trades are no fills of ours: they have tables of their own, move no position, and count in no sum of
what our own trading earned. The view ``trade_records`` shows them beside ours, tagged ``imported``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final, TypeAlias

from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from quietmaker.core.units import ZERO, Instant, Side, add
from quietmaker.errors import LedgerError
from quietmaker.ledger import sql
from quietmaker.ledger.actions import Action
from quietmaker.ledger.actions import insert as insert_action
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Row, Session, rows
from quietmaker.ledger.imports.match import Matched, Result, Unmatched, match
from quietmaker.ledger.imports.rows import Distrusted, ImportedOrder, RawRow, distrust, read
from quietmaker.ledger.imports.sources import Source
from quietmaker.ledger.rows import text

_QUERIES: Final = sql.load("import.sql")
_PAGE: Final = 1_000
_TELL_EVERY: Final = 100_000
_NO_LINE: Final = 0

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did, or would do.

    Attributes:
        batch: its number; None where nothing was stored.
        already: whether the same content was imported before: nothing changed.
        read: rows of the source.
        imported: orders that are new.
        known: rows that say again what is imported already, or stands twice in the source.
        refused: rows that are not trusted, by line.
        closing: new orders that closed something, and so have a result.
        net: the sum of these results.
        since, until: the times of the first and the last new order.
    """

    batch: int | None
    already: bool
    read: int
    imported: int
    known: int
    refused: tuple[Distrusted, ...]
    closing: int
    net: Decimal
    since: Instant | None
    until: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is wanted of an import.

    Attributes:
        now: later times are refused.
        zone: of times that name none; None refuses them.
        options: what else decides what the rows mean; part of what makes two imports the same.
        dry: whether to store nothing.
    """

    now: datetime
    zone: tzinfo | None
    options: str
    dry: bool


@dataclass(slots=True)
class _Work:
    """An import under way."""

    raw: dict[int, RawRow]
    orders: dict[str, ImportedOrder]
    refused: list[Distrusted]
    known: int = 0

    def refuse(self, line: int, reason: str) -> None:
        self.refused.append(distrust(self.raw[line], reason))


def import_trades(
    url: str, source: Source, request: Request, *, action: Action, tell: Callable[[str], None]
) -> Imported:
    """Read a source, store what can be trusted, and return what was done.

    Raises:
        SourceError: if the source cannot be read.
        LedgerUnavailable: if the database cannot be reached.
        LedgerError: if it refuses a row; nothing is stored then.
    """
    work = _read(source, request, tell)
    digest = f"{source.digest} {request.options}".strip()
    session = Session(lambda: url)

    def store(cursor: Cursor) -> Imported:
        cursor.execute(_QUERIES["lock"])
        if found := rows(cursor, _QUERIES["batch_of"], digest=digest):
            return _already(cursor, int(found[0][0]), work)
        return _settle(cursor, work, source.origin, digest, action, dry=request.dry)

    try:
        return session.run(store)
    except CONSTRAINT_ERRORS as error:
        raise LedgerError(f"the books refuse the import, nothing was stored: {error}") from error
    finally:
        session.close()


def _read(source: Source, request: Request, tell: Callable[[str], None]) -> _Work:
    work = _Work(raw={}, orders={}, refused=[])
    doubtful: set[str] = set()
    for row in source.rows():
        work.raw[row.line] = row
        if len(work.raw) % _TELL_EVERY == 0:
            tell(f"{len(work.raw)} rows read")
        match read(row, now=request.now, zone=request.zone):
            case Distrusted() as refusal:
                work.refused.append(refusal)
            case ImportedOrder() as order:
                _take(work, order, doubtful)
    for order_id in doubtful:
        del work.orders[order_id]
    return work


def _take(work: _Work, order: ImportedOrder, doubtful: set[str]) -> None:
    """Take an order; two rows that say different things of one order are both refused."""
    earlier = work.orders.setdefault(order.order_id, order)
    if earlier is order:
        return
    if earlier.same_as(order):
        work.known += 1
        return
    if order.order_id not in doubtful:
        work.refuse(earlier.line, f"id used twice: line {order.line} says something else")
    work.refuse(order.line, f"id used twice: line {earlier.line} says something else")
    doubtful.add(order.order_id)


def _settle(
    cursor: Cursor, work: _Work, origin: str, digest: str, action: Action, *, dry: bool
) -> Imported:
    stored = _stored(cursor, work)
    for order_id in [order_id for order_id in work.orders if order_id in stored]:
        order = work.orders.pop(order_id)
        if stored[order_id].order.same_as(order):
            work.known += 1
        else:
            work.refuse(
                order.line, f"id imported before: batch {stored[order_id].batch} says other"
            )
    fresh, changed = _match(work, stored)
    result = _summary(work, fresh)
    if not dry:
        batch = _write(cursor, work, fresh, changed, origin, digest, action)
        return replace(result, batch=batch)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    batch: int
    order: ImportedOrder
    result: Result | None


def _stored(cursor: Cursor, work: _Work) -> dict[str, _Stored]:
    symbols = list({order.symbol for order in work.orders.values()})
    found = rows(cursor, _QUERIES["stored"], symbols=symbols, ids=list(work.orders))
    return {row[2]: _from_row(row) for row in found}


def _from_row(row: Row) -> _Stored:
    batch, source, order_id, symbol, side, at, price, size, fees, status, pnl, value, held = row
    order = ImportedOrder(
        line=_NO_LINE,
        source=source,
        order_id=order_id,
        symbol=symbol,
        side=Side(side),
        at=Instant(at),
        price=price,
        size=size,
        fees=fees,
        status=status,
    )
    result = None if pnl is None else Result(net=pnl, entry_value=value, hold_seconds=held)
    return _Stored(batch=batch, order=order, result=result)


def _match(
    work: _Work, stored: dict[str, _Stored]
) -> tuple[list[Matched], list[tuple[int, Matched]]]:
    """Match new orders together with those of the same symbols that are there already.

    Returns:
        The new orders, and those stored ones, with their batch, whose result is another now.
    """
    by_symbol: dict[str, list[ImportedOrder]] = defaultdict(list)
    for order in (*work.orders.values(), *(each.order for each in stored.values())):
        by_symbol[order.symbol].append(order)
    fresh: list[Matched] = []
    changed: list[tuple[int, Matched]] = []
    for orders in by_symbol.values():
        matched, unmatched = match(orders)
        for each in matched:
            old = stored.get(each.order.order_id)
            if old is None:
                fresh.append(each)
            elif old.result != each.result:
                changed.append((old.batch, each))
        _refuse_unmatched(work, stored, unmatched, changed)
    return fresh, changed


def _refuse_unmatched(
    work: _Work,
    stored: dict[str, _Stored],
    unmatched: Iterable[Unmatched],
    changed: list[tuple[int, Matched]],
) -> None:
    for each in unmatched:
        old = stored.get(each.order.order_id)
        if old is None:
            work.refuse(
                each.order.line,
                f"sells what was not bought: {each.excess:f} of {each.order.size:f}",
            )
        elif old.result is not None:  # a new sell took what it had been matched with
            changed.append((old.batch, Matched(order=each.order, result=None)))


def _summary(work: _Work, fresh: Sequence[Matched]) -> Imported:
    times = [each.order.at for each in fresh]
    results = [each.result.net for each in fresh if each.result is not None]
    return Imported(
        batch=None,
        already=False,
        read=len(work.raw),
        imported=len(fresh),
        known=work.known,
        refused=tuple(sorted(work.refused, key=lambda each: each.line)),
        closing=len(results),
        net=add(*results),
        since=min(times, default=None),
        until=max(times, default=None),
    )


def _already(cursor: Cursor, batch: int, work: _Work) -> Imported:
    refused = tuple(
        Distrusted(
            line=line,
            order_id=json.loads(content).get("order_id", ""),
            reason=reason,
            content=content,
        )
        for line, reason, content in rows(cursor, _QUERIES["refusals_of"], batch=batch)
    )
    return Imported(
        batch=batch,
        already=True,
        read=len(work.raw),
        imported=0,
        known=len(work.raw) - len(refused),
        refused=refused,
        closing=0,
        net=ZERO,
        since=None,
        until=None,
    )


def _write(
    cursor: Cursor,
    work: _Work,
    fresh: Sequence[Matched],
    changed: Sequence[tuple[int, Matched]],
    origin: str,
    digest: str,
    action: Action,
) -> int:
    values = {
        "origin": text(origin),
        "digest": digest,
        "at": action.at,
        "read": len(work.raw),
        "imported": len(fresh),
        "refused": len(work.refused),
    }
    ((batch,),) = rows(cursor, _QUERIES["batch_insert"], **values)
    for keys in _pages([(each.order.source, each.order.order_id) for _, each in changed]):
        cursor.execute(_QUERIES["trades_delete"], {"keys": tuple(keys)})
    _insert(cursor, "trades", [_trade_row(b, each) for b, each in changed])
    _insert(cursor, "trades", [_trade_row(batch, each) for each in fresh])
    refusals = [(batch, r.line, text(r.reason), text(r.content)) for r in work.refused]
    _insert(cursor, "refusals", refusals)
    outcome = f"batch {batch}: {len(fresh)} imported, {len(work.refused)} refused"
    insert_action(cursor, replace(action, outcome=outcome))
    return int(batch)


def _insert(cursor: Cursor, what: str, values: Sequence[Row]) -> None:
    if values:
        execute_values(cursor, _QUERIES[f"{what}_insert"], values, page_size=_PAGE)


def _trade_row(batch: int, matched: Matched) -> Row:
    order, result = matched.order, matched.result
    told = (order.source, order.order_id, order.symbol, order.side.value, order.at)
    amounts = (order.price, order.size, order.fees, order.status)
    if result is None:
        return (batch, *told, *amounts, None, None, None)
    return (batch, *told, *amounts, result.net, result.entry_value, result.hold_seconds)


def _pages(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for start in range(0, len(keys), _PAGE):
        yield keys[start : start + _PAGE]
