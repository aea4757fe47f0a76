"""One process writes a ledger: a second one is told who does, and a dead one holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quietmaker.errors import LedgerInUse
from quietmaker.ledger import database
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.reading.reports import Reports
from tests.ledger.conftest import run_sql

HOLDER = """
import sys
from quietmaker.ledger.postgres import PostgresLedger
ledger = PostgresLedger(lambda: sys.argv[1])
print("writes", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second writer give up at once."""
    monkeypatch.setattr(database, "CLAIM_WITHIN", "50ms")


@pytest.mark.usefixtures("impatient")
def test_a_second_writer_is_refused_and_told_who_writes(database_url: str) -> None:
    first = PostgresLedger(lambda: database_url)
    with pytest.raises(
        LedgerInUse, match=r"another instance .*pg_terminate_backend\(\d+\)"
    ) as told:
        PostgresLedger(lambda: database_url)
    assert told.value.exit_code == 6
    first.close()
    PostgresLedger(lambda: database_url).close()


def test_readers_are_not_writers(database_url: str) -> None:
    writer = PostgresLedger(lambda: database_url)
    reports = Reports(lambda: database_url)
    assert reports.positions() == []
    reports.close()
    writer.close()


@pytest.mark.usefixtures("impatient")
def test_whoever_lost_its_connection_to_another_writer_writes_no_more(database_url: str) -> None:
    first = PostgresLedger(lambda: database_url)
    run_sql(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted",
    )
    second = PostgresLedger(lambda: database_url)
    with pytest.raises(LedgerInUse):
        first.ledger_id()
    second.close()
    assert first.ledger_id() is None, "and goes on once the other one is gone"
    first.close()


def test_a_process_that_was_killed_holds_nobody_up(database_url: str, tmp_path: Path) -> None:
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    holder = subprocess.Popen(
        [sys.executable, str(script), database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == "writes\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    PostgresLedger(lambda: database_url).close()
