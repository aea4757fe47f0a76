"""The embedded PostgreSQL: starts anywhere, survives every end, is nobody else's."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from quietmaker.errors import LedgerError, NotRunning
from quietmaker.ledger.server.embedded import EmbeddedPostgres, binary, url_of

BOT = """
import signal, sys
from pathlib import Path
import psycopg2
from quietmaker.ledger.server.embedded import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]))
connection = psycopg2.connect(server.start())
cursor = connection.cursor()
cursor.execute("CREATE TABLE IF NOT EXISTS notes (note text)")
cursor.execute("INSERT INTO notes VALUES ('before')")
connection.commit()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print(server.pid, flush=True)
signal.sigwait([signal.SIGINT])
cursor.execute("INSERT INTO notes VALUES ('after Ctrl-C')")
connection.commit()
server.stop()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a directory for an instance of its own."""
    return tmp_path / "home"


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedPostgres]:
    """Return a server that is stopped at the end."""
    server = EmbeddedPostgres(home)
    yield server
    server.stop()


@pytest.fixture
def bot(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a bot in a process group of its own, once its database runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", BOT, str(home)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    process.kill()
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()
    _stop_orphan(home)


def _stop_orphan(home: Path) -> None:
    """Take the home over and stop, whoever ran it."""
    server = EmbeddedPostgres(home)
    server.start()
    server.stop()


def _database_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def _execute(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall() if cursor.description else []
    connection.close()
    return found


def _psql(url: str, statement: str) -> str:
    psql = shutil.which("psql") or str(binary("psql"))
    done = subprocess.run(
        [psql, url, "-XAtc", statement], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_psql_takes_the_url_of_a_running_instance(server: EmbeddedPostgres, home: Path) -> None:
    server.start()
    assert _psql(url_of(home), "SELECT 6 * 7") == "42"


def test_what_is_committed_is_on_the_disk(server: EmbeddedPostgres) -> None:
    url = server.start()
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        assert _execute(url, f"SHOW {setting}") == [("on",)]


def test_no_url_is_given_before_the_start_and_after_the_stop(
    server: EmbeddedPostgres, home: Path
) -> None:
    with pytest.raises(NotRunning, match="quietmaker run"):
        url_of(home)
    server.start()
    server.stop()
    server.stop()
    with pytest.raises(NotRunning):
        url_of(home)


def test_a_home_with_spaces_and_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    home = tmp_path / "a home with spaces %s 'quotes'" / ("long-" * 30) / "var"
    server = EmbeddedPostgres(home)
    assert _psql(server.start(), "SHOW data_directory") == str(home / "postgres")
    server.stop()


def test_a_start_opens_no_directory_to_others(server: EmbeddedPostgres, home: Path) -> None:
    home.parent.chmod(0o700)
    before = [stat.S_IMODE(parent.stat().st_mode) for parent in home.parents]
    server.start()
    assert [stat.S_IMODE(parent.stat().st_mode) for parent in home.parents] == before
    assert stat.S_IMODE((home / "postgres.password").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700


def test_a_stranger_without_the_password_is_turned_away(server: EmbeddedPostgres) -> None:
    url = server.start()
    user, _, rest = url.partition("@")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(f"{user.rpartition(':')[0]}:guess@{rest}")


def test_two_homes_side_by_side_never_meet(tmp_path: Path) -> None:
    servers = [EmbeddedPostgres(tmp_path / name) for name in ("one", "two")]
    urls = [server.start() for server in servers]
    for url, name in zip(urls, ("one", "two"), strict=True):
        _execute(url, f"CREATE TABLE who AS SELECT '{name}' AS name")
    assert [_execute(url, "SELECT name FROM who") for url in urls] == [[("one",)], [("two",)]]
    servers[0].stop()
    assert _execute(urls[1], "SELECT name FROM who") == [("two",)]
    servers[1].stop()


def test_a_home_has_one_owner_at_a_time(server: EmbeddedPostgres, home: Path) -> None:
    url = server.start()
    with pytest.raises(LedgerError, match="QUIETMAKER_HOME"):
        EmbeddedPostgres(home).start()
    assert _execute(url, "SELECT 1") == [(1,)]


def test_starting_again_while_it_runs_changes_nothing(server: EmbeddedPostgres) -> None:
    url, pid = server.start(), server.pid
    assert (server.start(), server.pid) == (url, pid)


def test_a_stop_and_a_start_keep_data_and_port(server: EmbeddedPostgres) -> None:
    url = server.start()
    _execute(url, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop()
    assert server.start() == url
    assert _execute(url, "SELECT one FROM kept") == [(1,)]


def test_a_port_that_was_taken_meanwhile_is_left_to_its_owner(
    server: EmbeddedPostgres, home: Path
) -> None:
    first = server.start()
    server.stop()
    port = int((home / "postgres.port").read_text())
    with socket.socket() as other:
        # Connections of the first server may linger on its port; they must not fail the test.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        second = server.start()
    assert first != second
    assert _execute(second, "SELECT 1") == [(1,)]


def test_a_database_that_was_killed_is_revived_with_all_it_had_committed(
    server: EmbeddedPostgres,
) -> None:
    url = server.start()
    _execute(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    assert server.pid is not None
    master = psutil.Process(server.pid)
    master.kill()
    master.wait(10)
    assert server.start() == url
    assert _execute(url, "SELECT count(*) FROM kept") == [(1000,)]


def test_ctrl_c_in_the_bots_terminal_leaves_it_a_database_to_finish_with(
    home: Path, bot: subprocess.Popen[str]
) -> None:
    database = _database_pid(bot)
    assert os.getpgid(database) != os.getpgid(bot.pid)
    assert os.getsid(database) != os.getsid(bot.pid)
    os.killpg(bot.pid, signal.SIGINT)
    assert bot.wait(20) == 0
    assert not psutil.pid_exists(database)
    server = EmbeddedPostgres(home)
    notes = _execute(server.start(), "SELECT note FROM notes")
    server.stop()
    assert notes == [("before",), ("after Ctrl-C",)]


@pytest.mark.parametrize("victims", ["bot", "bot and database"])
def test_a_killed_bot_starts_again_on_what_it_left(
    home: Path, bot: subprocess.Popen[str], victims: str
) -> None:
    database = _database_pid(bot)
    bot.kill()
    if victims == "bot and database":
        os.kill(database, signal.SIGKILL)
    bot.wait(10)
    server = EmbeddedPostgres(home)
    url = server.start()
    assert _execute(url, "SELECT note FROM notes") == [("before",)]
    assert server.pid != database
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
    assert _execute(url, others) == [(0,)]
    server.stop()


def test_a_first_start_that_was_killed_half_way_is_begun_again(
    server: EmbeddedPostgres, home: Path
) -> None:
    half = home / "postgres.building"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert _execute(server.start(), "SELECT 1") == [(1,)]
    assert not half.exists()


def test_a_stale_lock_that_names_a_living_stranger_is_seen_through(
    server: EmbeddedPostgres, home: Path
) -> None:
    server.start()
    lock = home / "postgres" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    server.stop()
    stranger = subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, user=(home / "postgres").stat().st_uid
    )
    lock.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
    assert _execute(server.start(), "SELECT 1") == [(1,)]
    stranger.communicate()


def test_a_directory_of_another_postgresql_is_named_and_left_alone(
    server: EmbeddedPostgres, home: Path
) -> None:
    server.start()
    server.stop()
    version = home / "postgres" / "PG_VERSION"
    version.write_text("16\n")
    with pytest.raises(LedgerError, match="PostgreSQL 16"):
        server.start()
    version.write_text("18\n")
    server.start()


def test_a_lost_password_file_is_named(server: EmbeddedPostgres, home: Path) -> None:
    server.start()
    server.stop()
    (home / "postgres.password").unlink()
    with pytest.raises(LedgerError, match=r"postgres\.password"):
        server.start()


def test_a_broken_server_is_reported_with_the_end_of_its_log(
    server: EmbeddedPostgres, home: Path
) -> None:
    server.start()
    server.stop()
    with (home / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write(f"no_such_setting_{secrets.token_hex(2)} = 1\n")
    with pytest.raises(LedgerError, match="no_such_setting"):
        server.start()


def test_a_home_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(LedgerError, match="file"):
        EmbeddedPostgres(tmp_path / "file" / "home").start()
