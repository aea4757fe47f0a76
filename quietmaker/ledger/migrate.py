"""Bring the schema up to date: Alembic over plain SQL files, under an advisory lock, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg2.extensions import connection as DriverConnection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from quietmaker.errors import LedgerError, LedgerTooNew, LedgerUnavailable
from quietmaker.ledger import schema

_TABLE: Final = "schema_version"
_LOCK: Final = 0x51_4D_4C  # "QML": one number for every program that migrates a ledger
_OLDEST_SERVER: Final = 140_000


def upgrade(url: str, *, revision: str = "head") -> str:
    """Migrate up; return the revision that the database is at. Does nothing when it is there already.

    Raises:
        LedgerTooNew: if a newer program migrated it; nothing is touched.
        LedgerUnavailable: if the database cannot be reached.
        LedgerError: if a migration fails; the database is as before.
    """
    return _migrate(url, revision, up=True)


def downgrade(url: str, *, revision: str) -> str:
    """Migrate down, losing what the later schema held; ``base`` removes everything.

    Raises:
        LedgerTooNew, LedgerUnavailable, LedgerError: as `upgrade` does.
    """
    return _migrate(url, revision, up=False)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A database that can be migrated and written in one transaction; the lock of migrations is held."""

    _connection: Connection

    def cursor(self) -> Cursor:
        """Return a cursor in the transaction."""
        driver = cast(DriverConnection, self._connection.connection.dbapi_connection)
        return driver.cursor()

    def upgrade(self, revision: str = "head") -> str:
        """Migrate up; return the revision."""
        return _run(self._connection, revision, up=True)

    def downgrade(self, revision: str) -> str:
        """Migrate down; return the revision."""
        return _run(self._connection, revision, up=False)

    def revision(self) -> str:
        """Return the revision, empty when the database was never migrated."""
        return _revision(self._connection)


@contextmanager
def transaction(url: str) -> Iterator[Transaction]:
    """Commit everything that the block does, or nothing.

    Raises:
        LedgerTooNew, LedgerUnavailable, LedgerError: as `upgrade` does.
    """
    try:
        with _engine(url).begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            _refuse_foreign(connection)
            yield Transaction(connection)
    except (DBAPIError, psycopg2.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if lost or isinstance(cause, psycopg2.OperationalError):
            raise LedgerUnavailable(f"the ledger's database cannot be reached: {cause}") from error
        raise LedgerError(f"it failed, the database is as before: {cause}") from error


def _migrate(url: str, revision: str, *, up: bool) -> str:
    with transaction(url) as work:
        return work.upgrade(revision) if up else work.downgrade(revision)


def _run(connection: Connection, revision: str, *, up: bool) -> str:
    config = _config()
    config.attributes["connection"] = connection
    (command.upgrade if up else command.downgrade)(config, revision)
    return _revision(connection)


def _refuse_foreign(connection: Connection) -> None:
    found = _revision(connection)
    if found and found not in schema.known():
        raise LedgerTooNew(
            f"the database is at schema {found} and this program knows up to {schema.known()[-1]};"
            f" run the version that migrated it, or restore a backup taken before"
        )
    server = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
    if int(server) < _OLDEST_SERVER:
        raise LedgerError(f"PostgreSQL {server} is too old for the ledger; use 14 or newer")


def _revision(connection: Connection) -> str:
    context = MigrationContext.configure(connection, opts={"version_table": _TABLE})
    return context.get_current_revision() or ""


def _config() -> Config:
    config = Config()
    place = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", place)
    config.attributes["version_table"] = _TABLE
    return config


def _engine(url: str) -> Engine:
    return create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(
            url, connect_timeout=5, application_name="quietmaker-migrate"
        ),
        poolclass=NullPool,
    )
