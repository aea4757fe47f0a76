"""Bring books up to this version: their schema, and what is derived in it."""

from __future__ import annotations

from collections.abc import Callable

from quietmaker.ledger import schema
from quietmaker.ledger.database import Session
from quietmaker.ledger.derivation.derived import derive_pending


def bring_up(url: str, *, tell: Callable[[str], None]) -> str:
    """Migrate up and derive what a migration left to be derived; return the revision.

    Args:
        url: of the database.
        tell: hears of symbols whose executions cannot be derived; they are stored all the same.

    Raises:
        LedgerTooNew: if a newer program migrated it.
        LedgerUnavailable: if it cannot be reached.
        LedgerError: if a migration fails; the database is as before.
    """
    revision = schema.ensure(url)
    session = Session(lambda: url)
    try:
        for failure in derive_pending(session):
            tell(failure)
    finally:
        session.close()
    return revision
