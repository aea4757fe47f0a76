"""The whole story of one trade, by any of its ids: what was decided, sent, answered, filled and earned."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.orders import OrderState, Purpose, TimeInForce
from quietmaker.core.units import SECOND, Instant, Liquidity, Side
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, UrlSource, once, rows
from quietmaker.ledger.reading.reports import ClosedTrip, closed_trip
from quietmaker.ledger.reading.stories import (
    AlertStory,
    FillStory,
    ImportedFound,
    ImportedStory,
    Named,
    NotFound,
    OrderEvent,
    OrderStory,
    Story,
)
from quietmaker.ledger.rows import exit_reason

_QUERIES: Final = sql.load("explain.sql")
_ORDERS_TOLD: Final = 200
_ALERTS_TOLD: Final = 50
_NEAR: Final = 5
_RECENT: Final = 2_000
_SIMILAR: Final = 0.6
_COUNTED: Final = 100_000


def explain(url: UrlSource, id_: str) -> Story | ImportedFound | NotFound:
    """Tell the story of an exchange order id, a client id, a trade id or a round trip's id.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
    """
    return once(url, lambda cursor: _explain(cursor, id_), snapshot=True)


def _explain(cursor: Cursor, id_: str) -> Story | ImportedFound | NotFound:
    named = rows(cursor, _QUERIES["named"], id=id_)
    if named:
        kind, client_id, trade_id = named[0]
        return _story(cursor, Named(kind), client_id, trade_id)
    imported = rows(cursor, _QUERIES["imported"], id=id_, limit=_NEAR)
    if imported:
        return ImportedFound(orders=tuple(_imported(row) for row in imported))
    return _not_found(cursor, id_)


def _story(cursor: Cursor, named: Named, client_id: str, trade_id: str | None) -> Story:
    values = {"client_id": client_id, "trade_id": trade_id}
    trip_ids = [row[0] for row in rows(cursor, _QUERIES["trips_of"], **values)]
    trips = tuple(closed_trip(row) for row in rows(cursor, _QUERIES["trips"], trips=trip_ids))
    ids = {client_id, *_column(cursor, "orders_in", trips=trip_ids, limit=_ORDERS_TOLD)}
    (asked,) = _orders(cursor, [client_id])
    positions = list({asked.passive_order_id, *(trip.id for trip in trips)})
    others = _column(cursor, "orders_for", ids=positions, limit=_ORDERS_TOLD + 1)
    ids.update(others[:_ORDERS_TOLD])
    orders = _of_these(_orders(cursor, sorted(ids)), trips, asked)
    return Story(
        named=named,
        symbol=asked.symbol,
        asked=client_id,
        trips=trips,
        orders=orders,
        left_out=len(others) > _ORDERS_TOLD,
        alerts=_alerts(cursor, asked.symbol, orders),
    )


def _of_these(
    orders: Sequence[OrderStory], trips: Sequence[ClosedTrip], asked: OrderStory
) -> tuple[OrderStory, ...]:
    """Leave out orders of the same entry that belong to another round trip, before or after."""
    if not trips:
        return tuple(orders)
    first, last = min(trip.opened_at for trip in trips), max(trip.closed_at for trip in trips)
    return tuple(
        order
        for order in orders
        if order.client_id == asked.client_id
        or order.purpose is Purpose.ENTRY
        or first <= order.decided_at <= last
        or any(first <= fill.at <= last for fill in order.fills)
    )


def _orders(cursor: Cursor, ids: Sequence[str]) -> list[OrderStory]:
    values = {"ids": list(ids)}
    events: dict[str, list[OrderEvent]] = {each: [] for each in ids}
    for row in rows(cursor, _QUERIES["events"], **values):
        events[row[0]].append(_event(row))
    fills: dict[str, list[FillStory]] = {each: [] for each in ids}
    for row in rows(cursor, _QUERIES["fills"], **values):
        fills[row[0]].append(_fill(row))
    held = {row[0]: row[1] for row in rows(cursor, _QUERIES["held"], **values)}
    return [
        _order(
            row,
            held=held.get(row[0], Decimal(0)),
            events=tuple(events[row[0]]),
            fills=tuple(fills[row[0]]),
        )
        for row in rows(cursor, _QUERIES["orders"], **values)
    ]


def _alerts(cursor: Cursor, symbol: str, orders: Sequence[OrderStory]) -> tuple[AlertStory, ...]:
    told = [order.decided_at for order in orders]
    told += [event.at for order in orders for event in order.events]
    told += [fill.at for order in orders for fill in order.fills]
    values = {"symbol": symbol, "since": _ns(min(told)), "until": _ns(max(told)) + SECOND}
    found = rows(cursor, _QUERIES["alerts"], **values, limit=_ALERTS_TOLD)
    return tuple(AlertStory(at=at, kind=kind, detail=detail) for at, kind, detail in found)


def _not_found(cursor: Cursor, id_: str) -> NotFound:
    recent = {name: kind for kind, name in rows(cursor, _QUERIES["recent"], limit=_RECENT)}
    beginnings = [name for name in recent if len(id_) >= 3 and name.startswith(id_)]
    similar = difflib.get_close_matches(id_, recent, n=_NEAR, cutoff=_SIMILAR)
    near = list(dict.fromkeys([*beginnings, *similar]))[:_NEAR]
    refused = rows(cursor, _QUERIES["refused_import"], id=id_, limit=_NEAR)
    return NotFound(
        looked_at={
            name: int(count) for name, count in rows(cursor, _QUERIES["counts"], limit=_COUNTED)
        },
        near=tuple((name, recent[name]) for name in near),
        refused=tuple((batch, line, reason) for batch, line, reason in refused),
    )


def _column(cursor: Cursor, query: str, **values: object) -> list[str]:
    return [row[0] for row in rows(cursor, _QUERIES[query], **values)]


def _ns(moment: datetime) -> Instant:
    return Instant(int(moment.timestamp()) * SECOND)


def _order(
    row: Row, *, held: Decimal, events: tuple[OrderEvent, ...], fills: tuple[FillStory, ...]
) -> OrderStory:
    inputs: list[tuple[str, str]] = json.loads(row[18], object_pairs_hook=list)
    return OrderStory(
        client_id=row[0],
        order_id=row[1],
        run=row[2],
        symbol=row[3],
        side=Side(row[4]),
        price=row[5],
        size=row[6],
        post_only=row[7],
        time_in_force=TimeInForce(row[8]),
        expire_at=row[9],
        purpose=Purpose(row[10]),
        exit_reason=exit_reason(row[11]),
        strategy_tag=row[12],
        passive_order_id=row[13],
        source=row[14],
        decided_at=row[15],
        bid=row[16],
        ask=row[17],
        inputs=tuple((name, value) for name, value in inputs),
        config_sha=row[19],
        state=OrderState(row[20]),
        settled=row[21],
        held=held,
        events=events,
        fills=fills,
    )


def _event(row: Row) -> OrderEvent:
    return OrderEvent(
        at=row[1],
        what=row[2],
        order_id=row[3],
        reason=row[4],
        cancel_reason=row[5],
        filled=row[6],
    )


def _fill(row: Row) -> FillStory:
    return FillStory(
        trade_id=row[1],
        at=row[2],
        price=row[3],
        size=row[4],
        fee=row[5],
        liquidity=Liquidity(row[6]),
        mids=dict(zip((h // SECOND for h in row[7]), row[8], strict=True)),
    )


def _imported(row: Row) -> ImportedStory:
    return ImportedStory(
        source=row[0],
        order_id=row[1],
        batch=row[2],
        symbol=row[3],
        side=row[4],
        order_time=row[5],
        price=row[6],
        size=row[7],
        fees=row[8],
        status=row[9],
        pnl=row[10],
        entry_value=row[11],
        hold_seconds=row[12],
    )
