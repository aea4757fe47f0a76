"""Commands reach the books of a stopped instance without ever starting a second server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from quietmaker.errors import LedgerError, LedgerTooNew, NotRunning, SafetyRefusal
from quietmaker.ledger import migrate, schema
from quietmaker.ledger.server.embedded import EmbeddedPostgres, url_of
from quietmaker.settings import Settings, load
from supervisors.cli import main
from supervisors.desk import books_open, check_schema, stopped
from supervisors.home import Home, Tenant
from tests.ledger.conftest import run_sql
from tests.supervisors.books import founding_trade

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings() -> Settings:
    return load(ROOT / "config" / "paper.yaml", env={})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return the home of an instance that traded and stopped."""
    home = Home(tmp_path / "home")
    home.create()
    server = EmbeddedPostgres(home.database)
    try:
        url = server.start()
        founding_trade(url)
    finally:
        server.stop()
    return home


def fills(url: str) -> int:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM fills")
        ((count,),) = cursor.fetchall()
    connection.close()
    return int(count)


def test_the_server_of_a_stopped_instance_runs_for_the_question_only(
    settings: Settings, home: Home
) -> None:
    with books_open(settings, home) as url:
        assert fills(url) == 3
        assert home.tenant() is Tenant.COMMAND
        with pytest.raises(NotRunning, match="no instance runs"):
            home.instance()
    assert home.tenant() is None
    with pytest.raises(NotRunning, match="no database runs"):
        url_of(home.database)


def test_the_running_instance_is_asked_through_its_own_server(
    settings: Settings, home: Home
) -> None:
    server = EmbeddedPostgres(home.database)
    with home.claim():
        try:
            own = server.start()
            with books_open(settings, home) as url:
                assert url == own
                assert fills(url) == 3
            assert server.pid is not None
        finally:
            server.stop()


def test_an_instance_that_is_starting_is_waited_for(settings: Settings, home: Home) -> None:
    server = EmbeddedPostgres(home.database)
    asked = threading.Event()

    def come_up() -> None:
        asked.wait(20)
        server.start()

    starting = threading.Thread(target=come_up)
    with home.claim():
        starting.start()
        try:
            asked.set()
            with books_open(settings, home) as url:
                assert fills(url) == 3
        finally:
            starting.join()
            server.stop()


def test_questions_at_the_same_time_take_turns(settings: Settings, home: Home) -> None:
    counted: list[int] = []

    def ask() -> None:
        with books_open(settings, home) as url:
            counted.append(fills(url))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted == [3, 3, 3]


def test_an_instance_waits_for_a_question_to_end(settings: Settings, home: Home) -> None:
    in_question, may_end, claimed = threading.Event(), threading.Event(), threading.Event()

    def ask() -> None:
        with books_open(settings, home):
            in_question.set()
            may_end.wait(20)

    def start() -> None:
        with home.claim():
            claimed.set()

    asking = threading.Thread(target=ask)
    asking.start()
    assert in_question.wait(20)
    starting = threading.Thread(target=start)
    starting.start()
    assert not claimed.is_set()
    may_end.set()
    assert claimed.wait(20)
    asking.join()
    starting.join()


def test_a_home_that_a_command_keeps_for_too_long_is_a_timeout(home: Home) -> None:
    with (
        home.claim(Tenant.COMMAND),
        pytest.raises(TimeoutError, match="let it end"),
        home.claim(patience=0.1),
    ):
        pass


def test_what_changes_the_books_is_refused_while_an_instance_runs(
    settings: Settings, home: Home
) -> None:
    with (
        home.claim(),
        pytest.raises(SafetyRefusal, match="already runs"),
        stopped(settings, home, create=False),
    ):
        pass


def test_where_no_books_are_none_are_made(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "empty"))
    for command in (["trades", "list"], ["pnl"], ["orders"], ["db", "upgrade"]):
        assert main(command) == 3
    assert not (tmp_path / "empty").exists()


def test_books_of_another_schema_name_the_remedy(empty_url: str) -> None:
    with pytest.raises(NotRunning, match="holds no books yet"):
        check_schema(empty_url)
    migrate.upgrade(empty_url, revision=schema.known()[0])
    with pytest.raises(LedgerError, match="run `quietmaker db upgrade`"):
        check_schema(empty_url)
    migrate.upgrade(empty_url)
    check_schema(empty_url)
    run_sql(empty_url, "UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(LedgerTooNew, match="9999"):
        check_schema(empty_url)


@contextmanager
def asking(home: Home) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has the books open, until its standard input closes."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom quietmaker.settings import load\n"
        "from supervisors.desk import books_open\nfrom supervisors.home import Home\n"
        "with books_open(load(Path('config/paper.yaml'), env={}), Home(Path(sys.argv[1]))):\n"
        "    print('open', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home.root)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "open\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_question_that_is_interrupted_stops_its_server(
    home: Home, number: signal.Signals
) -> None:
    with asking(home) as process:
        url_of(home.database)
        process.send_signal(number)
        assert process.wait(20) != 0
    with pytest.raises(NotRunning):
        url_of(home.database)


def test_a_question_that_was_killed_is_in_nobodys_way(settings: Settings, home: Home) -> None:
    with asking(home) as process:
        process.kill()
        process.wait()
    with books_open(settings, home) as url:
        assert fills(url) == 3


def test_commands_work_on_a_stopped_instance(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("QUIETMAKER_HOME", str(home.root))
    assert main(["pnl", "--by", "symbol", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert page["totals"][0]["net"] == "-0.155"
