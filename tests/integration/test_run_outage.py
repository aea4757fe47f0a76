"""The database dies under a bot that trades: it stops entering, goes on leaving, and forgets nothing."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg2
import pytest

from quietmaker.ledger.reading.reports import Reports
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from tests.integration.test_run import Run, rows, start

__all__ = ["start"]  # the fixture


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPostgres]:
    """Return a server that is not the bot's: nobody revives it but the test."""
    server = EmbeddedPostgres(tmp_path / "elsewhere")
    monkeypatch.setenv("QUIETMAKER__LEDGER__URL", server.start())
    yield server
    server.stop()


def kill_server(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    master = psutil.Process(server.pid)
    workers = master.children()
    master.kill()
    psutil.wait_procs([master, *workers], timeout=10)


HOLDING: Final = (
    *("--speed", "4", "--set", "paper.seed=1"),
    *("--set", "exits.min_profit_pct=5", "--set", "exits.max_lifetime_seconds=12"),
    *("--set", "exits.stale_patience_seconds=2"),
)
"""Positions are held until they are old: what is bought before an outage is sold within it."""


def metric(run: Run, name: str) -> float:
    _, page = run.get("/metrics")
    return float(next(line for line in page.splitlines() if line.startswith(name)).split()[1])


def sides(run: Run) -> dict[str, Any]:
    """Return every side of every symbol, as the status page shows it."""
    page = json.loads(run.command("status", "--json").stdout)
    return {
        f"{symbol['symbol']} {name}": side
        for symbol in page["symbols"]
        for name, side in symbol["sides"].items()
    }


def test_a_database_that_is_killed_under_a_trading_bot_stops_entries_only_and_loses_nothing(
    start: Any, elsewhere: EmbeddedPostgres
) -> None:
    url = elsewhere.start()
    run = start(*HOLDING)
    run.await_event("process_ready")
    run.await_event("order_filled")
    kill_server(elsewhere)
    told = run.await_event("ledger_unavailable")
    assert "exits go on" in told["message"]
    held = run.await_event("hold_changed", reason="ledger_unavailable")
    assert "the database is away" in held["message"]
    left = run.await_event("order_submitted", purpose="exit")  # sent while it is away
    assert metric(run, "quietmaker_ledger_available") == 0
    assert metric(run, "quietmaker_ledger_backlog_records") > 0
    assert metric(run, "quietmaker_ledger_backlog_oldest_timestamp_seconds") > 1_700_000_000
    assert not any(side["quotes"] for side in sides(run).values())
    assert run.get("/-/ready")[0] == 503
    before = time.monotonic()
    run.lines.clear()
    run.await_event("order_filled")
    assert not [
        line
        for line in run.lines
        if line["event"] == "order_submitted" and line["purpose"] == "entry"
    ], f"entered within {time.monotonic() - before:.1f} s of an outage"
    assert elsewhere.start() == url
    run.await_event("ledger_recovered")
    run.await_event("order_submitted", purpose="entry")
    code, _ = run.end(signal.SIGTERM)
    assert code == 0
    reports = Reports(elsewhere.start)
    assert reports.open_orders() == []
    assert reports.derived_drift() == []
    reports.close()
    ((found,),) = rows(
        url, f"SELECT count(*) FROM order_intents WHERE client_id = '{left['client_order_id']}'"
    )
    assert found == 1
    assert rows(url, "SELECT count(*) FROM refused_facts") == [(0,)]
    assert rows(url, "SELECT end_reason FROM runs") == [("SIGTERM",)]


def test_a_bot_that_ends_while_its_database_is_away_is_complete_at_the_next_start(
    start: Any, elsewhere: EmbeddedPostgres
) -> None:
    url = elsewhere.start()
    run = start(*HOLDING)
    run.await_event("order_filled")
    kill_server(elsewhere)
    run.await_event("ledger_unavailable")
    filled = run.await_event("order_filled")
    run.end(signal.SIGTERM)
    assert "the next start brings in what the journal keeps" in run.said()
    assert elsewhere.start() == url
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM fills")
        ((before,),) = cursor.fetchall()
    connection.close()
    run = start(*HOLDING)
    run.await_event("process_ready")
    run.end(signal.SIGTERM)
    ((after,),) = rows(url, "SELECT count(*) FROM fills")
    assert after > before
    ((stored,),) = rows(
        url, f"SELECT count(*) FROM fills WHERE client_id = '{filled['client_order_id']}'"
    )
    assert stored >= 1
