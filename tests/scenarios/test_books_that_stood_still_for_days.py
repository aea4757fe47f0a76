"""The job that matched buys and sells was dead for three days, and reports went on with what was there.

It ran beside the bot, under an environment that had lost a variable. What is derived is derived where the
execution is stored, in the same transaction; and how far the books are behind is a number with an age.

Incident A6.
"""

from __future__ import annotations

import pytest

from quietmaker.core.units import SECOND
from quietmaker.errors import LedgerUnavailable
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from tests.actors.fakes import HandClock
from tests.ledger.derivations import begin, query
from tests.ledger.makers import PRODUCTS, entry, exit_of, fill_of
from tests.ledger.prompt import PromptLedger, place


def test_what_an_execution_changes_is_there_with_the_execution(
    postgres_ledger: PromptLedger, database_url: str
) -> None:
    begin(postgres_ledger)
    buy, sell = entry("e1"), exit_of("x1", "e1")
    for intent in (buy, sell):
        postgres_ledger.write_intent(intent)
    steps = [fill_of(buy, "t1", when=2), fill_of(sell, "t2", when=3)]
    shown = []
    for fill in steps:
        postgres_ledger.write([fill])
        shown += query(
            database_url,
            "SELECT (SELECT count(*) FROM fills), (SELECT count(*) FROM lots),"
            " (SELECT count(*) FROM round_trips), (SELECT count(*) FROM symbol_days)",
        )
    assert shown == [(1, 1, 0, 0), (2, 1, 1, 1)]


def test_books_that_fall_behind_say_how_far_and_since_when(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, clock = tmp_path_factory.mktemp("behind"), HandClock()
    server = EmbeddedPostgres(folder / "database")
    url = server.start()
    ledger = JournaledLedger(
        PostgresLedger(lambda: url),
        place(folder / "journal", now=clock.now),
        products=PRODUCTS,
        tell=lambda note: None,
    )
    begin(ledger)
    buy = entry("e1")
    ledger.write_intent(buy)
    while ledger.apply().left:
        pass
    assert ledger.standing().backlog == 0
    server.stop()
    began = clock.now()
    ledger.write([fill_of(buy, "t1", when=2)])
    clock.advance(3 * 86_400 * SECOND)
    with pytest.raises(LedgerUnavailable):
        ledger.apply()
    standing = ledger.standing()
    assert (standing.backlog, standing.oldest) == (1, began)
    assert standing.trouble
    ledger.close()
