"""What operators did to the books: each command that changes them leaves a row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError
from quietmaker.ledger import sql
from quietmaker.ledger.database import CONSTRAINT_ERRORS, once, rows
from quietmaker.ledger.rows import text

_QUERIES: Final = sql.load("actions.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that an operator did.

    Attributes:
        operator: who gave the command.
        action: the command, such as ``db restore``.
        arguments: what it was given; no secrets.
        outcome: what came of it.
    """

    at: Instant
    operator: str
    action: str
    arguments: Mapping[str, str]
    outcome: str


def record(url: str, action: Action) -> None:
    """Store an action.

    Raises:
        LedgerUnavailable, LedgerError: if it cannot be stored.
    """
    try:
        once(lambda: url, lambda cursor: insert(cursor, action))
    except CONSTRAINT_ERRORS as error:
        raise LedgerError(f"the books refuse the action: {error}".strip()) from error


def insert(cursor: Cursor, action: Action) -> None:
    """Store an action in a transaction that is under way."""
    values = {
        "at": action.at,
        "operator": text(action.operator) or "unknown",
        "action": action.action,
        "arguments": json.dumps({name: text(value) for name, value in action.arguments.items()}),
        "outcome": text(action.outcome),
    }
    cursor.execute(_QUERIES["record"], values)


def connected(url: str) -> int:
    """Return how many sessions of an instance are connected to a database.

    Raises:
        LedgerUnavailable: if it cannot be reached.
    """
    ((count,),) = once(
        lambda: url, lambda cursor: rows(cursor, _QUERIES["connected"]), snapshot=True
    )
    return int(count)
