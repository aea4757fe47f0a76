"""The door to PostgreSQL: connections that heal, and driver errors wrapped once.

A call that finds its connection broken from before is tried once more on a fresh one; everything the
ledger sends is idempotent, so that trying again after a lost answer stores nothing twice. A call that
fails on a fresh connection is `LedgerUnavailable`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812 - the driver's class names
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from quietmaker.errors import LedgerError, LedgerUnavailable

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
UrlSource: TypeAlias = Callable[[], str]
"""Tells where the database is, each time a connection is made; the embedded server revives itself here."""

CONSTRAINT_ERRORS: Final = (psycopg2.IntegrityError, psycopg2.DataError)

_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "application_name": "quietmaker",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_PREPARE: Final = (
    "SET TimeZone = 'UTC'; SET synchronous_commit = on; SET lock_timeout = '2s';"
    " SET statement_timeout = '30s'; SET idle_in_transaction_session_timeout = '60s'"
)


class Session:
    """One connection, used by one thread at a time, made again when it breaks."""

    def __init__(self, url: UrlSource, *, autocommit: bool = False, snapshot: bool = False) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: where the database is.
            autocommit: whether each statement commits by itself.
            snapshot: whether a call reads one consistent state and writes nothing.
        """
        self._url = url
        self._autocommit = autocommit
        self._snapshot = snapshot
        self._mutex = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False

    def run(self, work: Callable[[Cursor], T]) -> T:
        """Run `work` in one transaction and commit.

        Raises:
            LedgerUnavailable: if the database cannot be reached or cannot store now.
            LedgerError: if it refuses the statement.
            psycopg2.IntegrityError, psycopg2.DataError: if it refuses the values.
        """
        with self._mutex:
            if self._closed:
                raise LedgerUnavailable("the ledger was closed; a late call must not open it again")
            if self._connection is not None:
                with contextlib.suppress(_ConnectionLost):
                    return self._attempt(self._connection, work)
            try:
                return self._attempt(self._connect(), work)
            except _ConnectionLost as error:
                raise LedgerUnavailable(f"the ledger's database went away: {error}") from error

    def close(self) -> None:
        """Close for good: a later call must not revive an embedded server. Idempotent."""
        with self._mutex:
            self._closed = True
            self._discard()

    def _connect(self) -> Connection:
        try:
            connection: Connection = psycopg2.connect(self._url(), **_CONNECT)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(_PREPARE)
            if self._snapshot:
                connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            connection.autocommit = self._autocommit
        except (psycopg2.Error, LedgerError) as error:
            raise LedgerUnavailable(f"the ledger's database cannot be reached: {error}") from error
        self._connection = connection
        return connection

    def _attempt(self, connection: Connection, work: Callable[[Cursor], T]) -> T:
        try:
            with connection.cursor() as cursor:
                result = work(cursor)
            connection.commit()
        except CONSTRAINT_ERRORS:
            connection.rollback()
            raise
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if connection.closed:
                self._discard()
                raise _ConnectionLost(str(error).strip()) from error
            self._discard()  # full disk, time-out, shutdown: the next call starts afresh
            raise LedgerUnavailable(f"the ledger's database cannot work now: {error}") from error
        except psycopg2.Error as error:
            self._discard()
            raise LedgerError(f"the ledger's database refused a statement: {error}") from error
        except BaseException:
            self._discard()
            raise
        return result

    def _discard(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _ConnectionLost(Exception):  # noqa: N818 - never leaves this module
    pass


@contextlib.contextmanager
def savepoint(
    cursor: Cursor, *, errors: tuple[type[Exception], ...] = CONSTRAINT_ERRORS
) -> Iterator[None]:
    """Undo what the block did if it raises one of these; the transaction goes on."""
    cursor.execute("SAVEPOINT one_fact")
    try:
        yield
    except errors:
        cursor.execute("ROLLBACK TO SAVEPOINT one_fact")
        raise
    cursor.execute("RELEASE SAVEPOINT one_fact")


def rows(cursor: Cursor, query: str, **values: object) -> list[Row]:
    """Run a query and return all of its rows; every query of the ledger is bounded."""
    cursor.execute(query, values)
    return cursor.fetchall()


def insert(cursor: Cursor, query: str, values: Sequence[Row]) -> list[Row]:
    """Insert many rows with one statement and return what it returns."""
    returned: list[Row] = execute_values(cursor, query, values, page_size=len(values), fetch=True)
    return returned
