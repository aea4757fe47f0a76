"""`db drain-journal`: what can be read goes into the books, what is lost is said, the files are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from quietmaker.ledger.journaled import JournaledLedger
from tests.ledger.makers import PRODUCTS, at, entry, fill_of
from tests.ledger.prompt import PromptLedger
from tests.supervisors.books import command_on


def test_a_journal_that_a_start_refuses_is_drained_and_the_books_go_on(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, home = database_url, tmp_path / "home"
    monkeypatch.setenv("QUIETMAKER_HOME", str(home))
    command = command_on(url, monkeypatch, capsys)
    ledger = begun(lambda: url, home / "journal")
    for number in range(200):
        JournaledLedger.write(ledger, [fill_of(entry("e1"), f"t{number}", size=1, when=number)])
    ledger.close()
    segments = sorted((home / "journal").glob("*.segment"))
    data = bytearray(segments[0].read_bytes())
    data[data.index(b'"t3"') + 1] ^= 1
    segments[0].write_bytes(data)
    code, out, _ = command("db", "drain-journal", "--json")
    done = json.loads(out)
    assert (code, done["applied"], done["refused"]) == (0, 199, 0)
    assert done["lost"] == ["5-5"]
    assert Path(done["kept_in"]).is_dir()
    assert not (home / "journal").exists()
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), bool_or(trade_id = 't3') FROM fills")
        assert cursor.fetchall() == [(199, False)]
        cursor.execute("SELECT action, outcome FROM operator_actions")
        ((action, outcome),) = cursor.fetchall()
    connection.close()
    assert (action, "lost: 5-5" in outcome) == ("db drain-journal", True)
    code, _, said = command("db", "drain-journal")
    assert (code, "there is no journal" in said) == (0, True)
    again = begun(lambda: url, home / "journal")
    again.close()


def begun(url: Callable[[], str], folder: Path) -> PromptLedger:
    ledger = PromptLedger(url, products=PRODUCTS, folder=folder)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    ledger.write_intent(entry("e1"))
    return ledger
