"""Accept a difference: the operator has decided on it, and says why. Its evidence stays."""

from __future__ import annotations

from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.errors import LedgerError
from quietmaker.ledger import sql
from quietmaker.ledger.actions import Action, insert
from quietmaker.ledger.database import once, rows
from quietmaker.ledger.rows import text

_QUERIES: Final = sql.load("tie_out.sql")
_SHOWN: Final = 20


def accept(url: str, *, kind: str, subject: str, action: Action) -> None:
    """Resolve an open difference; the action is stored with it, or neither is.

    What is found anew opens again: accepting mends nothing. It is for what nothing can mend, such as an
    execution whose order the books lost.

    Args:
        url: of the database.
        kind: as the difference is named.
        subject: what it is about.
        action: who accepts, when, and why (`outcome`).

    Raises:
        LedgerError: if no such difference is open; names those that are.
        LedgerUnavailable: if the database cannot be reached.
    """

    def work(cursor: Cursor) -> None:
        values = {
            "kind": kind,
            "subject": subject,
            "at": action.at,
            "resolution": text(f"accepted by {action.operator}: {action.outcome}"),
        }
        cursor.execute(_QUERIES["accept"], values)
        if not cursor.rowcount:
            found = rows(cursor, _QUERIES["open_differences"], limit=_SHOWN)
            listed = ", ".join(f"{row[0]} {row[1]}" for row in found) or "none"
            raise LedgerError(f"no difference {kind} {subject} is open; open are: {listed}")
        insert(cursor, action)

    once(lambda: url, work)
