"""At which schema a database is, and this program: a question and a folder instead of Alembic.

Alembic and SQLAlchemy take 0.4 s to import, half of a start and most of a command; a bot that comes back has
exits to place, and whoever asks something waits. They are imported where something is to be migrated.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg2
import psycopg2.errors

from quietmaker.errors import LedgerError, LedgerUnavailable

_VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


def known() -> tuple[str, ...]:
    """Return the revisions of this program, oldest first: its files are named ``rev_0001_what.py``."""
    return tuple(sorted(path.name.split("_")[1] for path in _VERSIONS.glob("rev_*.py")))


def current(url: str) -> str:
    """Return the revision that a database is at, empty when it was never migrated.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
        LedgerError: if it may not be read.
    """
    try:
        connection = psycopg2.connect(url, connect_timeout=5, application_name="quietmaker-migrate")
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT version_num FROM schema_version")
            rows = cursor.fetchall()
    except psycopg2.errors.UndefinedTable:
        return ""
    except psycopg2.OperationalError as error:
        raise LedgerUnavailable(f"the ledger's database cannot be reached: {error}") from error
    except psycopg2.Error as error:
        raise LedgerError(f"the ledger's database cannot be read: {error}") from error
    return str(rows[0][0]) if rows else ""


def ensure(url: str) -> str:
    """Migrate a database up, unless it is there already; return the revision.

    Raises:
        LedgerTooNew, LedgerUnavailable, LedgerError: as `migrate.upgrade` does.
    """
    newest = known()[-1]
    if current(url) == newest:
        return newest
    from quietmaker.ledger import migrate  # noqa: PLC0415 - here, because it takes so long

    return migrate.upgrade(url)
