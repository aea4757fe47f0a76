"""`db recompute`: everything derived is made anew from the facts, and what differed is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from supervisors.cli import main
from supervisors.home import Home
from tests.ledger.conftest import run_sql
from tests.supervisors.books import NOW, Command, command_on, founding_trade

ROOT = Path(__file__).parents[2]
IMPORTED = (
    "INSERT INTO import_batches (origin, digest, at_ns, read, imported, refused)"
    " VALUES ('f', 'd', 1, 1, 1, 0);"
    "INSERT INTO imported_trades (source, order_id, batch, symbol, side, at_ns, price, size, fees, status,"
    " pnl, entry_value, hold_seconds)"
    " VALUES ('old', 'o', 1, 'TNSR-USD', 'SELL', 1, 1, 1, 0, 'filled', 5, 1, 1)"
)


@pytest.fixture
def run(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "home"))
    for number in range(2):
        founding_trade(database_url, number=number, when=NOW - 7_200 + 1_000 * number)
    run_sql(database_url, IMPORTED)
    return command_on(database_url, monkeypatch, capsys)


def as_json(run: Command, *args: str, code: int = 0) -> Any:
    got, out, _ = run(*args, "--json")
    assert got == code
    return json.loads(out)


def derived(url: str) -> list[object]:
    """Return every derived row, the version aside."""
    connection = psycopg2.connect(url)
    found: list[object] = []
    with connection.cursor() as cursor:
        for table in (
            *("lots", "allocations", "round_trips", "executions", "holdings", "flows"),
            "symbol_days",
        ):
            cursor.execute(f"SELECT to_jsonb(t) - 'version' FROM {table} t ORDER BY 1")
            found.append(cursor.fetchall())
    connection.close()
    return found


def test_what_is_right_is_the_same_after_it_was_derived_anew(
    run: Command, database_url: str
) -> None:
    before = derived(database_url)
    first = as_json(run, "db", "recompute")
    again = as_json(run, "db", "recompute")
    assert first["same"] is again["same"] is True
    assert again["version"] == first["version"] + 1
    assert first["symbols"] == [{"symbol": "TNSR-USD", "differed": [], "flaw": None}]
    assert derived(database_url) == before


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("UPDATE holdings SET size = size + 1", "holdings"),
        ("UPDATE executions SET fees = 0 WHERE client_id = 'x0'", "executions"),
        ("UPDATE executions SET pnl = 99 WHERE client_id = 'x0'", "executions"),
        ("UPDATE flows SET quote = 0", "flows"),
        ("UPDATE symbol_days SET wins = trips, net = 99", "symbol_days"),
        ("DELETE FROM symbol_days", "symbol_days"),
        ("UPDATE lots SET remaining = 1 WHERE trade_id = 'a0'", "lots"),
        ("DELETE FROM allocations WHERE close_trade_id = 'c0'", "allocations"),
        (
            "UPDATE round_trips SET net = net + 1, price_move = price_move + 1, exit_value = exit_value + 1",
            "round_trips",
        ),
        ("TRUNCATE allocations; DELETE FROM round_trips; DELETE FROM lots", "lots"),
    ],
)
def test_what_was_damaged_is_as_the_facts_make_it_and_told(
    run: Command, database_url: str, damage: str, table: str
) -> None:
    before = derived(database_url)
    run_sql(database_url, damage)
    assert derived(database_url) != before
    page = as_json(run, "db", "recompute", code=1)
    assert table in {drift["table"] for drift in page["symbols"][0]["differed"]}
    assert derived(database_url) == before
    assert as_json(run, "db", "check")["agrees"] is True
    assert as_json(run, "db", "recompute")["same"] is True


def test_people_see_what_differed_and_it_is_on_record(run: Command, database_url: str) -> None:
    run_sql(database_url, "UPDATE holdings SET size = 7")
    code, out, err = run("db", "recompute")
    assert code == 1
    assert "TNSR-USD  holdings" in out
    assert "1 symbols derived anew as version" in out
    assert "TNSR-USD: 1 rows differed" in err
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT action FROM operator_actions")
        assert cursor.fetchall() == [("db recompute",)]
    connection.close()


def test_a_running_instance_is_not_recomputed_under(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Home(tmp_path / "home").claim():
        assert main(["db", "recompute"]) == 6
    assert "already runs" in capsys.readouterr().err
