"""Whether a database is at this program's schema: one question at the start instead of Alembic.

Alembic and SQLAlchemy take 0.4 s to import, half of a start; a bot that comes back has exits to place.
"""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

import psycopg2

_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def newest() -> str:
    """Return the newest revision of this program: its files are named ``rev_0001_what.py``."""
    return max(path.name.split("_")[1] for path in _VERSIONS.glob("rev_*.py"))


def ensure(url: str) -> None:
    """Migrate a database up, unless it is there already.

    Raises:
        LedgerTooNew, LedgerUnavailable, LedgerError: as `migrate.upgrade` does.
    """
    if _version(url) != newest():
        from quietmaker.ledger import migrate  # noqa: PLC0415 - here, because it takes so long

        migrate.upgrade(url)


def _version(url: str) -> str:
    """Return the revision that a database is at, empty when that cannot be told."""
    with suppress(psycopg2.Error):
        connection = psycopg2.connect(url, connect_timeout=5, application_name="quietmaker-migrate")
        with closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT version_num FROM schema_version")
            rows = cursor.fetchall()
            return str(rows[0][0]) if len(rows) == 1 else ""
    return ""
