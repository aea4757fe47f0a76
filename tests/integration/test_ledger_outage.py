"""The database goes away under a running ledger: calls fail by name, nothing is lost or stored twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from quietmaker.core.orders import OrderState
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.embedded import EmbeddedPostgres
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.reports import Reports
from quietmaker.ports import LedgerFact
from tests.ledger.makers import PRODUCTS, SYMBOL, at, entry, fill_of, moved


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Return a running server."""
    server = EmbeddedPostgres(tmp_path / "home")
    server.start()
    yield server
    server.stop()


def _begun(ledger: PostgresLedger) -> PostgresLedger:
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    ledger.write_intent(entry("e1"))
    ledger.write([moved(entry("e1"), "accepted")])
    ledger.books(PRODUCTS)
    return ledger


def _kill(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    master = psutil.Process(server.pid)
    workers = master.children()
    master.kill()
    psutil.wait_procs([master, *workers], timeout=10)


def test_while_the_database_is_away_every_call_says_so_and_afterwards_all_work(
    server: EmbeddedPostgres,
) -> None:
    url = server.start()
    ledger = _begun(PostgresLedger(lambda: url, products=PRODUCTS))
    server.stop()
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            ledger.write_intent(entry("e2"))
        with pytest.raises(LedgerUnavailable):
            ledger.write([fill_of(entry("e1"), "t1")])
        with pytest.raises(LedgerUnavailable):
            ledger.books(PRODUCTS)
    assert server.start() == url
    ledger.write_intent(entry("e2"))
    ledger.write([fill_of(entry("e1"), "t1")])
    books = ledger.books(PRODUCTS)[SYMBOL]
    ledger.close()
    assert [order.intent.client_id for order in books.orders] == ["e2"]
    assert [lot.trade_id for lot in books.lots] == ["t1"]


def test_a_server_that_was_restarted_between_two_calls_is_not_noticed(
    server: EmbeddedPostgres,
) -> None:
    url = server.start()
    ledger = _begun(PostgresLedger(lambda: url, products=PRODUCTS))
    server.stop()
    server.start()
    ledger.write_intent(entry("e2"))
    ledger.write([fill_of(entry("e1"), "t1")])
    assert len(ledger.books(PRODUCTS)[SYMBOL].orders) == 1
    ledger.close()


def test_the_embedded_server_is_revived_by_the_next_call_with_every_intent(
    server: EmbeddedPostgres,
) -> None:
    ledger = _begun(PostgresLedger(server.start, products=PRODUCTS))
    for number in range(20):
        ledger.write_intent(entry(f"w{number}", when=number))
    _kill(server)
    ledger.write_intent(entry("after"))
    found = {order.intent.client_id for order in ledger.books(PRODUCTS)[SYMBOL].orders}
    ledger.close()
    assert found == {"e1", "after", *(f"w{number}" for number in range(20))}


def test_facts_told_again_after_a_lost_answer_are_stored_once(server: EmbeddedPostgres) -> None:
    ledger = _begun(PostgresLedger(server.start, products=PRODUCTS))
    facts: list[LedgerFact] = [
        moved(entry("e1"), "cancel_sent", when=2),
        fill_of(entry("e1"), "t1", size=10),
    ]
    ledger.write(facts)
    _kill(server)
    ledger.write(facts)
    reports = Reports(server.start)
    (order,) = ledger.books(PRODUCTS)[SYMBOL].orders
    assert (order.state, order.filled, reports.derived_drift()) == (
        OrderState.CANCEL_PENDING,
        10,
        [],
    )
    reports.close()
    ledger.close()


def test_a_table_that_someone_holds_locked_is_an_outage_and_not_a_hang(
    server: EmbeddedPostgres,
) -> None:
    url = server.start()
    ledger = _begun(PostgresLedger(lambda: url, products=PRODUCTS))
    other = psycopg2.connect(url)
    other.cursor().execute("LOCK TABLE order_intents IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(LedgerUnavailable, match="lock timeout"):
        ledger.write_intent(entry("e2"))
    other.close()
    ledger.write_intent(entry("e2"))
    ledger.close()


def test_a_ledger_that_cannot_reach_its_database_at_the_start_says_so() -> None:
    with pytest.raises(LedgerError):
        PostgresLedger(lambda: "postgresql://nobody@127.0.0.1:1/none", products=PRODUCTS)
