"""Whether the books agree: with themselves, and, as the last tie-out found, with the exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.differences import ALARMING, DifferenceKind
from quietmaker.core.units import Instant
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, UrlSource, once, rows
from quietmaker.ledger.reading.reports import QUERIES as REPORTS

_QUERIES: Final = sql.load("checks.sql")
_SHOWN: Final = 100
_HARMLESS: Final = frozenset(kind.value for kind in DifferenceKind if kind not in ALARMING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Something derived that is not what the facts sum to: a table, and the key of its row."""

    table: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDifference:
    """A difference between books and exchange that is not resolved, with both sides as they were seen."""

    kind: str
    subject: str
    ours: str
    theirs: str
    detail: str
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTieOut:
    """What the last comparison with the exchange compared and found."""

    at: datetime
    verdict: str
    fills: int
    orders: int
    balances: int
    differences: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found. `refused` counts facts that were set aside as contradicting the books."""

    drift: tuple[Drift, ...]
    differences: tuple[OpenDifference, ...]
    last: LastTieOut | None
    refused: int

    @property
    def agrees(self) -> bool:
        """Return whether nothing is wrong now; somebody else's open order is none of it."""
        return not self.drift and all(each.kind in _HARMLESS for each in self.differences)


def check_books(url: UrlSource) -> Checked:
    """Check everything that is derived against the facts, in one snapshot, however long it takes.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
    """
    return once(url, _check, snapshot=True)


def entered_since(url: UrlSource, since: Mapping[str, Instant]) -> dict[str, int]:
    """Return how many entries were decided on each symbol since a moment of its own, and executed.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
    """
    names, moments = list(since), list(since.values())
    found = once(
        url, lambda cursor: rows(cursor, _QUERIES["entered_since"], symbols=names, since=moments)
    )
    return {str(symbol): int(count) for symbol, count in found}


def _check(cursor: Cursor) -> Checked:
    cursor.execute(_QUERIES["patiently"])
    found = rows(cursor, REPORTS["derived_drift"], limit=_SHOWN)
    drift = [Drift(table=table, key=str(key)) for table, key in found]
    for table, query in (("flows", "flows_drift"), ("order_states", "unsettled_drift")):
        drift += [
            Drift(table=table, key=key) for (key,) in rows(cursor, _QUERIES[query], limit=_SHOWN)
        ]
    ((refused, _),) = rows(cursor, _QUERIES["refused_facts"])
    last = rows(cursor, _QUERIES["last_tie_out"])
    return Checked(
        drift=tuple(drift),
        differences=tuple(
            OpenDifference(
                kind=row[0],
                subject=row[1],
                ours=row[2],
                theirs=row[3],
                detail=row[4],
                first_at=row[5],
                last_at=row[6],
                times=row[7],
            )
            for row in rows(cursor, _QUERIES["open_differences"], limit=_SHOWN)
        ),
        last=_last(last[0]) if last else None,
        refused=int(refused),
    )


def _last(row: Row) -> LastTieOut:
    at, verdict, fills, orders, balances, differences, detail = row
    return LastTieOut(
        at=at,
        verdict=verdict,
        fills=fills,
        orders=orders,
        balances=balances,
        differences=differences,
        detail=detail,
    )
