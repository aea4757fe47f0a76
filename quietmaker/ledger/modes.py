"""Modes and operators' commands as rows, and the modes that stand."""

from __future__ import annotations

import json
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.events import Mode
from quietmaker.core.modes import Imposed, ModeNoted, OperatorActed, Source
from quietmaker.core.units import Instant
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, UrlSource, once, rows
from quietmaker.ledger.rows import text

_QUERIES: Final = sql.load("modes.sql")


def mode_row(fact: ModeNoted) -> Row:
    """Return a mode's columns."""
    each = fact.imposed
    return (
        each.at,
        each.scope,
        each.source.value,
        each.mode.value,
        text(each.reason),
        text(each.by),
        each.until,
    )


def action_row(fact: OperatorActed) -> Row:
    """Return the columns of an operator's command."""
    arguments = {name: text(value) for name, value in fact.arguments}
    return (
        fact.at,
        text(fact.operator) or "unknown",
        fact.action,
        json.dumps(arguments),
        text(fact.outcome),
    )


def standing(url: UrlSource) -> tuple[Imposed, ...]:
    """Return the modes that stand, as of what is applied.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
    """

    def work(cursor: Cursor) -> list[Row]:
        return rows(cursor, _QUERIES["standing"])

    return tuple(_imposed(row) for row in once(url, work, snapshot=True))


def _imposed(row: Row) -> Imposed:
    scope, source, mode, reason, by, at, until = row
    return Imposed(
        scope=scope,
        source=Source(source),
        mode=Mode(mode),
        reason=reason,
        by=by,
        at=Instant(at),
        until=None if until is None else Instant(until),
    )
