"""The database goes away under a running ledger: entries stop, exits go on, later all is there once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from quietmaker.core.orders import OrderState
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.reading.reports import Reports
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from quietmaker.ports import LedgerFact, SymbolBooks
from tests.ledger.makers import PRODUCTS, SYMBOL, at, entry, exit_of, fill_of, moved
from tests.ledger.prompt import place


class Hand:
    """A clock by hand."""

    def __init__(self) -> None:
        self.at = at(0)

    def now(self) -> Instant:
        return self.at

    def later(self) -> None:
        self.at = Instant(self.at + SECOND)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """Return a running server."""
    server = EmbeddedPostgres(tmp_path / "home")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def hand() -> Hand:
    """Return a clock."""
    return Hand()


def opened(url: Callable[[], str], folder: Path, hand: Hand) -> JournaledLedger:
    """Return a ledger with a run, and an entry that was accepted."""
    ledger = JournaledLedger(
        PostgresLedger(url), place(folder, now=hand.now), products=PRODUCTS, tell=lambda note: None
    )
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    return ledger


def begun(url: Callable[[], str], folder: Path, hand: Hand) -> JournaledLedger:
    ledger = opened(url, folder, hand)
    ledger.write_intent(entry("e1"))
    ledger.write([moved(entry("e1"), "accepted")])
    ledger.apply()
    return ledger


def held(ledger: JournaledLedger) -> SymbolBooks:
    return ledger.books(PRODUCTS).symbols[SYMBOL]


def killed(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    master = psutil.Process(server.pid)
    workers = master.children()
    master.kill()
    psutil.wait_procs([master, *workers], timeout=10)


def test_while_the_database_is_away_entries_stop_and_exits_and_facts_go_on(
    server: EmbeddedPostgres, tmp_path: Path, hand: Hand
) -> None:
    url = server.start()
    ledger = begun(lambda: url, tmp_path / "journal", hand)
    server.stop()
    ledger.write([fill_of(entry("e1"), "t1")])
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            ledger.apply()
        with pytest.raises(LedgerUnavailable, match="the database is away"):
            ledger.write_intent(entry("e2"))
        with pytest.raises(LedgerUnavailable):
            held(ledger)
    ledger.write_intent(exit_of("x1", "e1", when=4))
    ledger.write([moved(exit_of("x1", "e1", when=4), "sent", when=4)])
    standing = ledger.standing()
    assert (standing.backlog, standing.oldest) == (3, hand.at)
    assert standing.trouble.startswith("the database is away")
    assert server.start() == url
    assert ledger.apply().left == 0
    standing = ledger.standing()
    assert (standing.trouble, standing.backlog, standing.oldest) == ("", 0, None)
    ledger.write_intent(entry("e2"))
    books = held(ledger)
    ledger.close()
    assert [order.intent.client_id for order in books.orders] == ["e2", "x1"]
    assert [lot.trade_id for lot in books.lots] == ["t1"]


def test_an_idle_ledger_notices_that_its_database_went_away_and_came_back(
    server: EmbeddedPostgres, tmp_path: Path, hand: Hand
) -> None:
    url = server.start()
    ledger = begun(lambda: url, tmp_path / "journal", hand)
    server.stop()
    ledger.apply()  # nothing to do, and it was looked at just now
    hand.later()
    with pytest.raises(LedgerUnavailable):
        ledger.apply()
    assert ledger.standing().trouble
    server.start()
    hand.later()
    ledger.apply()
    assert not ledger.standing().trouble
    ledger.close()


def test_a_server_that_was_restarted_between_two_calls_is_not_noticed(
    server: EmbeddedPostgres, tmp_path: Path, hand: Hand
) -> None:
    url = server.start()
    ledger = begun(lambda: url, tmp_path / "journal", hand)
    server.stop()
    server.start()
    ledger.write_intent(entry("e2"))
    ledger.write([fill_of(entry("e1"), "t1")])
    assert len(held(ledger).orders) == 1
    ledger.close()


def test_a_server_killed_while_facts_stream_in_has_each_once_and_in_order_afterwards(
    server: EmbeddedPostgres, tmp_path: Path, hand: Hand
) -> None:
    ledger = begun(server.start, tmp_path / "journal", hand)
    over, kills = threading.Event(), 0

    def apply() -> None:
        while not over.is_set() or ledger.standing().backlog:
            try:
                ledger.apply()
            except LedgerUnavailable:
                hand.later()

    applier = threading.Thread(target=apply)
    applier.start()
    for number in range(600):
        intent = exit_of(f"x{number:03}", "e1", size=10, when=10 + number)
        ledger.write_intent(intent)
        words = ("sent", "accepted", "cancel_sent", "cancelled")
        ledger.write(moved(intent, word, when=10 + number) for word in words)
        ledger.write([fill_of(entry("e1"), f"t{number:03}", size=1, when=10 + number)])
        if number % 200 == 100:
            killed(server)
            kills += 1
    over.set()
    applier.join(60)
    assert not applier.is_alive()
    books, reports = held(ledger), Reports(server.start)
    assert [order.intent.client_id for order in books.orders] == ["e1"]
    assert [lot.trade_id for lot in books.lots] == [f"t{n:03}" for n in range(600)]
    assert (kills, reports.derived_drift()) == (3, [])
    reports.close()
    ledger.close()
    connection = psycopg2.connect(server.start())
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT client_id, string_agg(what, ' ' ORDER BY seq) FROM order_events GROUP BY 1"
        )
        told = dict(cursor.fetchall())
        cursor.execute("SELECT count(*) FROM refused_facts")
        assert cursor.fetchone() == (0,)
    connection.close()
    assert set(told.values()) == {"accepted", "sent accepted cancel_sent cancelled"}
    assert len(told) == 601


def test_a_commit_whose_answer_was_lost_is_not_repeated(
    server: EmbeddedPostgres, tmp_path: Path, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = begun(server.start, tmp_path / "journal", hand)
    database = ledger._database
    genuine = database.apply

    def answer_lost(*args: object) -> object:
        genuine(*args)  # type: ignore[arg-type]
        raise LedgerUnavailable("the answer got lost")

    facts: list[LedgerFact] = [
        moved(entry("e1"), "cancel_sent", when=2),
        fill_of(entry("e1"), "t1", size=10),
    ]
    monkeypatch.setattr(database, "apply", answer_lost)
    ledger.write(facts)
    with pytest.raises(LedgerUnavailable):
        ledger.apply()
    monkeypatch.setattr(database, "apply", genuine)
    ledger.write([moved(entry("e1"), "cancel_refused", when=3)])
    assert ledger.apply().refused == ()
    (order,) = held(ledger).orders
    assert (order.state, order.filled) == (OrderState.OPEN, 10)
    ledger.close()


def test_a_table_that_someone_holds_locked_is_an_outage_and_not_a_hang(
    server: EmbeddedPostgres, tmp_path: Path, hand: Hand
) -> None:
    url = server.start()
    ledger = begun(lambda: url, tmp_path / "journal", hand)
    other = psycopg2.connect(url)
    other.cursor().execute("LOCK TABLE order_intents IN ACCESS EXCLUSIVE MODE")
    ledger.write_intent(entry("e2"))
    with pytest.raises(LedgerUnavailable, match="lock timeout"):
        ledger.apply()
    other.close()
    assert [order.intent.client_id for order in held(ledger).orders] == ["e1", "e2"]
    ledger.close()


def test_a_ledger_that_cannot_reach_its_database_at_the_start_says_so() -> None:
    with pytest.raises(LedgerError):
        PostgresLedger(lambda: "postgresql://nobody@127.0.0.1:1/none")
