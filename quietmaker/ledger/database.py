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
import psycopg2.errors
from psycopg2.extensions import connection as Connection  # noqa: N812 - the driver's class names
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from psycopg2.extras import execute_values

from quietmaker.errors import LedgerError, LedgerInUse, LedgerUnavailable

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
CLAIM_WITHIN = "10s"
"""A killed process is gone for the server a moment later; its successor waits that long."""
_CLAIM: Final = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;"
    " SET lock_timeout = %(within)s; SELECT pg_advisory_lock(%(key)s); SET lock_timeout = '2s'"
)
_WRITER: Final = 0x51_4D_57  # "QMW": one number for every program that writes a ledger
_HOLDER: Final = (
    "SELECT a.pid, coalesce(host(a.client_addr), 'this machine'),"
    " to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS')"
    " FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted"
    " AND l.objid = %(key)s AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Session:
    """One connection, used by one thread at a time, made again when it breaks."""

    def __init__(
        self,
        url: UrlSource,
        *,
        autocommit: bool = False,
        snapshot: bool = False,
        only_writer: bool = False,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: where the database is.
            autocommit: whether each statement commits by itself.
            snapshot: whether a call reads one consistent state and writes nothing.
            only_writer: whether nobody else may be one while this is connected.
        """
        self._url = url
        self._autocommit = autocommit
        self._snapshot = snapshot
        self._only_writer = only_writer
        self._mutex = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False

    def run(self, work: Callable[[Cursor], T]) -> T:
        """Run `work` in one transaction and commit.

        Raises:
            LedgerUnavailable: if the database cannot be reached or cannot store now.
            LedgerInUse: if another process writes it.
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

    def connect(self) -> None:
        """Be connected.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerInUse: if another process writes it.
        """
        with self._mutex:
            if self._connection is None:
                self._connect()

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
                if self._only_writer:
                    _claim(cursor)
            if self._snapshot:
                connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            connection.autocommit = self._autocommit
        except LedgerInUse:
            raise
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


def _claim(cursor: Cursor) -> None:
    """Be the only writer of this database until the connection ends, however it ends.

    Raises:
        LedgerInUse: if another process is.
    """
    try:
        cursor.execute(_CLAIM, {"key": _WRITER, "within": CLAIM_WITHIN})
    except psycopg2.errors.LockNotAvailable as error:
        found = rows(cursor, _HOLDER, key=_WRITER)
        pid, host, since = found[0] if found else ("?", "?", "?")
        cursor.connection.close()
        raise LedgerInUse(
            f"another instance works with this database (its server process {pid}, from {host}, since"
            f" {since} UTC): stop it, or give this one a database of its own. If it is gone for good and its"
            f" connection is not, end that with SELECT pg_terminate_backend({pid})"
        ) from error


def once(url: UrlSource, work: Callable[[Cursor], T], *, snapshot: bool = False) -> T:
    """Run `work` in one transaction on a connection of its own.

    Args:
        url: where the database is.
        work: what to do.
        snapshot: whether it reads one consistent state and writes nothing.

    Raises:
        LedgerUnavailable, LedgerError, psycopg2.IntegrityError, psycopg2.DataError: as `Session.run`.
    """
    with contextlib.closing(Session(url, snapshot=snapshot)) as session:
        return session.run(work)


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
