"""Back the books up: everything in one snapshot, while trading goes on, verified before it is called done.

Any server is backed up over its connection, an embedded one like a given one; pg_dump would refuse servers
newer than itself. What a backup holds is in `archive`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger import schema
from quietmaker.ledger.archives import archive, tables
from quietmaker.ledger.archives.archive import Manifest, Sink, TableCopy
from quietmaker.ledger.archives.tables import StoredTable

Tell: TypeAlias = Callable[[str], None]
_EXACT: Final = (
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET bytea_output = 'hex';"
    " SET extra_float_digits = 1; SET statement_timeout = 0; SET client_encoding = 'UTF8'"
)
"""What a session sets before it copies: the same values give the same text on every server."""


def back_up(url: str, path: Path, *, made_at: str, program: str, tell: Tell) -> Manifest:
    """Write a backup and return what it holds.

    Args:
        url: of the database.
        path: of the file, which must not exist yet.
        made_at: UTC, ISO 8601.
        program: this program's version.
        tell: hears of the progress.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
        LedgerError: if there are no books in it, or the file cannot be written.
    """
    with _snapshot(url) as cursor, archive.writing(path) as writer:
        ledger_id, mode = _identity(cursor)
        copies: list[TableCopy] = []
        for table in tables.tables(cursor):
            copies.append(writer.table(table.name, table.columns, _copy(cursor, table)))
            if rows := copies[-1].rows:
                tell(f"{table.name}: {rows} rows")
        manifest = Manifest(
            made_at=made_at,
            program=program,
            ledger_id=ledger_id,
            mode=mode,
            revision=schema.current(url),
            server=_one(cursor, "SHOW server_version"),
            tables=tuple(copies),
            sequences=tables.sequences(cursor),
        )
        writer.finish(manifest)
    return manifest


def prepare(cursor: Cursor) -> None:
    """Let this session write every value in the one way that a backup knows."""
    cursor.execute(_EXACT)


def _copy(cursor: Cursor, table: StoredTable) -> Callable[[Sink], int]:
    return lambda sink: tables.copy_out(cursor, table, sink)


@contextmanager
def _snapshot(url: str) -> Iterator[Cursor]:
    connection = _connect(url)
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            prepare(cursor)
            yield cursor
    except psycopg2.OperationalError as error:
        raise LedgerUnavailable(f"the ledger's database went away: {error}") from error
    except psycopg2.Error as error:
        raise LedgerError(f"the ledger's database refused to be copied: {error}") from error
    finally:
        connection.close()


def _connect(url: str) -> Connection:
    try:
        connection: Connection = psycopg2.connect(
            url, connect_timeout=5, application_name="quietmaker-backup"
        )
    except psycopg2.Error as error:
        raise LedgerUnavailable(f"the ledger's database cannot be reached: {error}") from error
    return connection


def _identity(cursor: Cursor) -> tuple[str, str]:
    cursor.execute("SELECT to_regclass('meta') IS NOT NULL")
    if cursor.fetchone() != (True,):
        raise LedgerError("the database holds no books; there is nothing to back up")
    cursor.execute("SELECT ledger_id::text, mode FROM meta")
    found = cursor.fetchone()
    if found is None:
        raise LedgerError("the books were never opened by a run; there is nothing to back up")
    return found[0], found[1]


def _one(cursor: Cursor, query: str) -> str:
    cursor.execute(query)
    ((value,),) = cursor.fetchall()
    return str(value)
