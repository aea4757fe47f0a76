"""The books as a tie-out reads them, from PostgreSQL: one snapshot on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.differences import Difference
from quietmaker.core.evidence import Account, Books, Checkpoint, Flow, movement_reference
from quietmaker.core.units import Instant
from quietmaker.ledger import sql
from quietmaker.ledger.database import Session, UrlSource, rows
from quietmaker.ledger.tie_out_rows import (
    checkpoint_from,
    difference_from,
    execution_from,
    live_order_from,
)
from quietmaker.ports import TieOutStart

_QUERIES: Final = sql.load("tie_out.sql")
MOST_DIFFERENCES: Final = 1_000


class PostgresTieOutBooks:
    """Implements `quietmaker.ports.TieOutBooks`."""

    def __init__(self, url: UrlSource) -> None:
        """Prepare; nothing is connected yet."""
        self._session = Session(url, snapshot=True)

    def start(self) -> TieOutStart:
        """Return where to begin."""

        def work(cursor: Cursor) -> TieOutStart:
            ((oldest,),) = rows(cursor, _QUERIES["oldest"])
            checkpoint, _ = _checkpoint(cursor)
            return TieOutStart(
                checkpoint=checkpoint,
                oldest=None if oldest is None else Instant(oldest),
                differences=_open_differences(cursor),
            )

        return self._session.run(work)

    def read(
        self,
        since: Instant,
        until: Instant,
        *,
        account: Account,
        references: Iterable[str],
    ) -> Books:
        """Return what the ledger says of the window and of what it is to be compared with."""
        asked = {*references}
        return self._session.run(lambda cursor: _read(cursor, since, until, account, asked))

    def moved(self) -> dict[str, Decimal]:
        """Return what came or went since the books began without an execution of ours, by currency."""
        return dict(self._session.run(lambda cursor: rows(cursor, _QUERIES["moved_since"])))

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._session.close()


def _read(
    cursor: Cursor, since: Instant, until: Instant, account: Account, references: set[str]
) -> Books:
    differences = _open_differences(cursor)
    checkpoint, opened_at = _checkpoint(cursor)
    executions = tuple(
        map(execution_from, rows(cursor, _QUERIES["executions"], since=since, until=until))
    )
    told = account.executions
    asked = {each.trade_id for each in told} | {each.subject for each in differences}
    elsewhere = asked - {each.trade_id for each in executions}
    wanted = {movement_reference(each, c) for each in told for c in each.currencies} | references
    return Books(
        executions=executions,
        orders=tuple(map(live_order_from, rows(cursor, _QUERIES["orders"]))),
        known={
            c: Instant(at) for c, at in rows(cursor, _QUERIES["known"], ids=[*account.client_ids])
        },
        flows={
            symbol: Flow(fills=fills, base=base, quote=quote)
            for symbol, fills, base, quote in rows(cursor, _QUERIES["flows"])
        },
        movements=dict(rows(cursor, _QUERIES["movements"])),
        stored=frozenset(
            reference
            for (reference,) in rows(cursor, _QUERIES["stored_movements"], references=[*wanted])
        ),
        by_id={
            row[0]: execution_from(row)
            for row in rows(cursor, _QUERIES["executions_by_id"], ids=[*elsewhere])
        },
        opened_at=opened_at,
        checkpoint=checkpoint,
        differences=differences,
    )


def _checkpoint(cursor: Cursor) -> tuple[Checkpoint | None, Instant | None]:
    found = rows(cursor, _QUERIES["checkpoint"])
    if not found:
        return None, None
    ((since, flows, opened),) = found
    return checkpoint_from(since, flows), None if opened is None else Instant(opened)


def _open_differences(cursor: Cursor) -> tuple[Difference, ...]:
    found = rows(cursor, _QUERIES["open_differences"], limit=MOST_DIFFERENCES)
    return tuple(map(difference_from, found))
