"""Reaching the books from a command: while an instance runs, and while none does.

An embedded database runs only while somebody needs it. A command uses the server of a running instance;
if none runs, it starts the server for its question, holding the home meanwhile so that neither an instance
nor another command starts a second server on the same data, and stops it again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from quietmaker.errors import LedgerError, LedgerTooNew, NotRunning, SafetyRefusal
from quietmaker.ledger import schema
from quietmaker.ledger.actions import connected
from quietmaker.ledger.bring_up import bring_up
from quietmaker.ledger.journal.waiting import waiting_records
from quietmaker.ledger.server.embedded import EmbeddedPostgres, url_of
from quietmaker.settings import Settings
from supervisors.books import EMBEDDED
from supervisors.commands.options import say
from supervisors.home import PATIENCE, VARIABLE, Home, Tenant

_POLL_SECONDS: Final = 0.1


@contextmanager
def books_open(settings: Settings, home: Home) -> Iterator[str]:
    """Yield the URL of the books, whether an instance runs or not; they are at this program's schema.

    Raises:
        NotRunning: if there are no books yet.
        LedgerTooNew: if a newer program migrated them.
        LedgerError: if they wait for `quietmaker db upgrade`, or the server does not start.
        TimeoutError: if an instance or another command keeps them for too long.
    """
    with database_open(settings, home) as url:
        check_schema(url)
        if home.tenant() is not Tenant.INSTANCE:
            _tell_waiting(home, url)
        yield url


@contextmanager
def database_open(settings: Settings, home: Home) -> Iterator[str]:
    """Yield the URL of the books' database, at whatever schema it is.

    Raises:
        NotRunning, LedgerError, TimeoutError: as `books_open`.
    """
    if settings.ledger.url != EMBEDDED:
        yield settings.ledger.url
        return
    if home.tenant() is Tenant.INSTANCE:
        yield _of_instance(home)
        return
    with stopped(settings, home, create=False) as url:
        yield url


@contextmanager
def books_made(settings: Settings, home: Home) -> Iterator[str]:
    """Yield the URL of the books, made or upgraded where that is needed and no instance runs.

    Raises:
        LedgerTooNew, LedgerError, TimeoutError: as `books_open`.
    """
    if settings.ledger.url == EMBEDDED and home.tenant() is not Tenant.INSTANCE:
        with stopped(settings, home, create=True) as url:
            bring_up(url, tell=say)
            yield url
        return
    with database_open(settings, home) as url:
        if not schema.current(url):
            bring_up(url, tell=say)
        check_schema(url)
        yield url


@contextmanager
def stopped(settings: Settings, home: Home, *, create: bool) -> Iterator[str]:
    """Yield the URL of the books' database while no instance runs on it, and none can start.

    Args:
        settings: of the configuration.
        home: of the instance.
        create: whether to make an embedded database where none is.

    Raises:
        SafetyRefusal: if an instance runs under this home.
        NotRunning: if there are no books and none are to be made.
        LedgerError: if the server does not start.
        TimeoutError: if another command keeps the home for too long.
    """
    if settings.ledger.url == EMBEDDED and not create and not home.database.exists():
        raise NotRunning(
            f"there are no books under {home.root} yet; start with `quietmaker run`, or set {VARIABLE}"
        )
    with home.claim(Tenant.COMMAND):
        if settings.ledger.url != EMBEDDED:
            yield settings.ledger.url
            return
        server = EmbeddedPostgres(home.database)
        with _terminated_as_interrupted():
            try:
                yield server.start()
            finally:
                server.stop()


def refuse_connected(url: str) -> None:
    """Refuse to change books that an instance works on: it may run under another home, or elsewhere.

    Raises:
        SafetyRefusal: if one is connected.
    """
    if sessions := connected(url):
        raise SafetyRefusal(
            f"{sessions} sessions of a running instance are connected to these books; stop it first"
        )


def check_schema(url: str) -> None:
    """Check that the books are as this program knows them.

    Raises:
        LedgerTooNew, LedgerError: if they are not; name the remedy.
    """
    found, known = schema.current(url), schema.known()
    if found == known[-1]:
        return
    if not found:
        raise NotRunning("the database holds no books yet; start with `quietmaker run`")
    if found in known:
        raise LedgerError(
            f"the books are at schema {found} and this program reads {known[-1]}; run `quietmaker db upgrade`"
        )
    raise LedgerTooNew(
        f"the books are at schema {found} and this program knows up to {known[-1]}; use the version that"
        f" migrated them"
    )


def _of_instance(home: Home) -> str:
    """Return the URL of the running instance's database; one that is starting is waited for."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return url_of(home.database)
        except NotRunning:
            if home.tenant() is not Tenant.INSTANCE:
                raise
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"the database of the instance under {home.root} was not up within {PATIENCE:g} s"
                ) from None
            time.sleep(_POLL_SECONDS)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: the server that it started is stopped."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_waiting(home: Home, url: str) -> None:
    """Say what the database does not hold yet: the last run may have ended while it was away."""
    try:
        count = waiting_records(home.journal, url)
    except LedgerError as error:
        say(f"note: {error}")
        return
    if count:
        say(
            f"note: {count} records of the last run wait in the journal; the next start brings them into the"
            f" books, and they are not in what is shown now"
        )


def put_journal_aside(home: Home, *, stamp: str) -> Path | None:
    """Put the journal of a home aside, whose database is another one now; return where it is.

    It goes on from records that the database does not have, and a start would refuse it. The next start
    begins a journal of its own.

    Raises:
        LedgerError: if it cannot be moved.
    """
    if not home.journal.exists():
        return None
    aside = home.journal.with_name(f"journal.before_{stamp}")
    try:
        home.journal.rename(aside)
    except OSError as error:
        raise LedgerError(
            f"the books are restored, but {home.journal} cannot be moved ({error}); move it away before the"
            f" next start"
        ) from error
    return aside


def operator() -> str:
    """Return who gives the command, for the record."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
