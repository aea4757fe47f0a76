"""A reader of a stopped instance's books is told how much only the journal holds."""

from __future__ import annotations

from pathlib import Path

from quietmaker.core.orders import Move
from quietmaker.ledger.journal.waiting import waiting_records
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.postgres import PostgresLedger
from tests.ledger.makers import PRODUCTS, at, entry, moved
from tests.ledger.prompt import place


def test_records_that_nobody_applied_are_counted_until_the_next_start(
    database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    assert waiting_records(folder, database_url) == 0

    def opened() -> JournaledLedger:
        database = PostgresLedger(lambda: database_url)
        return JournaledLedger(database, place(folder), products=PRODUCTS, tell=lambda note: None)

    ledger = opened()
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    ledger.write_intent(entry("e1"))
    ledger.apply()
    ledger.write([moved(entry("e1"), "sent"), moved(entry("e1"), Move.ACCEPTED, order_id="x")])
    ledger.close()
    assert waiting_records(folder, database_url) == 2
    opened().close()
    assert waiting_records(folder, database_url) == 0
