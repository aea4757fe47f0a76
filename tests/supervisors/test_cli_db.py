"""`quietmaker db`: upgrade, back up, restore and import, with exit codes that say what was refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from quietmaker.ledger import migrate, schema
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from supervisors.cli import main
from supervisors.home import Home
from tests.supervisors.books import command_on, founding_trade

ROOT = Path(__file__).parents[2]
HEADING = "order_id,symbol,side,order_time,price,size,fees,status,source\n"
OLD = HEADING + (
    "b1,TNSR-USD,BUY,2026-05-01 10:00:00+00,0.099,10,0.005,filled,passivemm\n"
    "s1,TNSR-USD,SELL,2026-05-01 10:05:00+00,0.099,10,0.005,filled,passivemm\n"
    "s2,TNSR-USD,SELL,2026-05-02 10:05:00+00,0.099,10,0.005,filled,passivemm\n"
    "n1,TNSR-USD,BUY,,0.099,10,0.005,filled,passivemm\n"
)


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "home"))


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall()
    connection.close()
    return found


def test_the_embedded_books_are_backed_up_and_restored_under_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    home.create()
    server = EmbeddedPostgres(home.database)
    try:
        founding_trade(server.start())
    finally:
        server.stop()
    file = tmp_path / "books.zip"
    assert main(["db", "backup", str(file), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["mode"], made["tables"]["fills"]["rows"]) == ("paper", 3)
    assert main(["db", "restore", str(file)]) == 6
    assert "say --replace" in capsys.readouterr().err

    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "other"))
    assert main(["db", "restore", str(file), "--json"]) == 0
    restored = json.loads(capsys.readouterr().out)
    assert (restored["sha256"], restored["aside"]) == (made["sha256"], None)
    assert main(["trades", "list", "--json"]) == 0
    (trip,) = json.loads(capsys.readouterr().out)["round_trips"]
    assert trip["net"] == "-0.155"
    again = tmp_path / "again.zip"
    assert main(["db", "backup", str(again), "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert tables["fills"] == made["tables"]["fills"]
    with Home(tmp_path / "other").claim():
        assert main(["db", "restore", str(file), "--replace"]) == 6
        assert "already runs" in capsys.readouterr().err
        assert main(["db", "upgrade"]) == 6


def test_a_given_database_is_backed_up_and_restored_over_its_url(
    database_url: str,
    new_database: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    founding_trade(database_url)
    other = new_database()
    founding_trade(other, number=1)
    file = tmp_path / "books.zip"
    run = command_on(database_url, monkeypatch, capsys)
    assert run("db", "backup", str(file))[0] == 0
    assert run("db", "backup", str(file))[0] == 1
    run = command_on(other, monkeypatch, capsys)
    assert run("db", "restore", str(file))[0] == 6
    code, out, err = run("db", "restore", str(file), "--replace", "--json")
    assert code == 0
    aside = json.loads(out)["aside"]
    assert aside in err
    assert query(other, f"SELECT count(*) FROM {aside}.fills") == [(3,)]
    assert query(other, "SELECT action FROM operator_actions") == [("db restore",)]
    assert query(database_url, "SELECT action, arguments::text FROM operator_actions") == [
        ("db backup", json.dumps({"file": str(file)}))
    ]
    live = run("db", "restore", str(file), "--config", "config/live.yaml")
    assert live[0] == 6
    assert "holds a paper ledger and the configuration is live" in live[2]
    file.write_bytes(file.read_bytes()[:-100])
    assert run("db", "restore", str(file), "--replace")[0] == 1


def test_an_upgrade_says_from_where_to_where_and_a_second_one_changes_nothing(
    empty_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *_, last = schema.known()
    migrate.upgrade(empty_url, revision=first)
    run = command_on(empty_url, monkeypatch, capsys)
    code, _, err = run("trades", "list")
    assert code == 1
    assert "run `quietmaker db upgrade`" in err
    assert json.loads(run("db", "upgrade", "--json")[1]) == {
        "before": first,
        "after": last,
        "changed": True,
    }
    assert json.loads(run("db", "upgrade", "--json")[1])["changed"] is False
    assert query(empty_url, "SELECT action, outcome FROM operator_actions") == [
        ("db upgrade", "done")
    ]


def test_an_import_before_the_first_run_makes_the_books_and_can_be_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.csv"
    old.write_text(OLD)
    assert main(["db", "import", str(old), "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert (page["imported"], page["closing"], page["net"]) == (2, 1, "-0.01")
    assert [(r["line"], r["order_id"]) for r in page["refusals"]] == [(4, "s2"), (5, "n1")]
    assert main(["db", "import", str(old), "--csv"]) == 0
    out, err = capsys.readouterr()
    lines = list(csv.DictReader(io.StringIO(out)))
    assert [line["reason"].partition(":")[0] for line in lines] == [
        *("sells what was not bought", "time missing"),
    ]
    assert "nothing changed" in err


def test_people_see_the_reasons_of_refused_rows_added_up(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = command_on(database_url, monkeypatch, capsys)
    old = tmp_path / "old.csv"
    zero = "".join(f"z{n},TNSR-USD,BUY,2026-05-01 10:00Z,0,10,0,filled,x\n" for n in range(8))
    old.write_text(OLD + zero)
    code, out, err = run("db", "import", str(old), "--dry-run")
    assert code == 0
    assert "price not positive" in out
    assert "6, 7, 8, 9, 10 ..." in out
    assert "nothing was stored" in err
    assert query(database_url, "SELECT count(*) FROM import_batches") == [(0,)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--timezone", "Mars/Olympus"), "'Mars/Olympus' is no zone that this machine knows"),
        (("--column", "prize=px"), "write OURS=THEIRS, where ours is one of order_id"),
        (("--column", "price"), "write OURS=THEIRS"),
    ],
)
def test_wrong_options_of_an_import_exit_with_2(
    args: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "import", str(tmp_path / "old.csv"), *args]) == 2
    assert words in capsys.readouterr().err


def test_the_predecessors_database_is_imported_by_its_url(
    server_url: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connection = psycopg2.connect(server_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS old_trades AS SELECT 'b1' AS order_id, 'TNSR-USD' AS symbol,"
            " 'buy' AS side,"
            " timestamptz '2026-05-01 10:00Z' AS order_time, 0.1::float AS price, 1::float AS size,"
            " 0.001::float AS total_fees_usd, 'filled' AS status"
        )
    connection.close()
    run = command_on(database_url, monkeypatch, capsys)
    code, out, _ = run("db", "import", server_url, "--table", "old_trades", "--json")
    assert code == 0
    page = json.loads(out)
    assert page["imported"] == 1
    assert "quietmaker:" not in page["origin"]
