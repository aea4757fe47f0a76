"""Two containers wrote one document of state, each with what it knew, and positions vanished in between.

What was left was read thirty seconds later and decided on. Every datum has one writer, a second process is
kept out by what both of them see, and what is old is not decided on.

Incident W4.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from quietmaker.core.commands import Gate
from quietmaker.core.market import StaleReason
from quietmaker.errors import LedgerInUse, SafetyRefusal
from quietmaker.ledger import database
from quietmaker.ledger.postgres import PostgresLedger
from supervisors.home import Home
from tests.kit.desk import Desk


def test_a_second_process_is_kept_out_of_the_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with (
        home.claim(),
        pytest.raises(SafetyRefusal, match="already runs"),
        Home(tmp_path / "home").claim(),
    ):
        pass


def test_a_second_process_with_another_home_is_kept_out_of_the_database(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CLAIM_WITHIN", "50ms")
    writer = PostgresLedger(lambda: database_url)
    with pytest.raises(LedgerInUse):
        PostgresLedger(lambda: database_url)
    writer.close()


def test_nothing_is_quoted_on_a_market_that_is_old() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    assert desk.entries()
    desk.lose_data(StaleReason.SILENT)
    assert desk.entries() == []
    assert desk.gate() is Gate.STALE_DATA
    desk.touch(10_000, 10_100)
    assert desk.entries()
