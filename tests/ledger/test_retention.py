"""What is old goes in bounded batches; nothing that a result depends on goes, however often it is tried."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.commands import Alert, AlertKind
from quietmaker.core.orders import Move
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.ledger import retention
from quietmaker.ledger.retention import Keep, Retention
from tests.ledger.derivations import begin, derived, query
from tests.ledger.makers import SYMBOL, at, entry, exit_of, fill_of, mark, moved
from tests.ledger.prompt import PromptLedger

DAY = 86_400
KEEP = Keep(unfilled=Nanos(10 * DAY * SECOND), history=Nanos(100 * DAY * SECOND))
TABLES = (
    "order_intents",
    "order_events",
    "order_states",
    "balance_snapshots",
    "alerts",
    "tie_outs",
)
KEPT = ("fills", "fill_marks", "lots", "allocations", "round_trips", "executions", "symbol_days")


@pytest.fixture
def old(postgres_ledger: PromptLedger, database_url: str) -> PromptLedger:
    """Return books with a round trip, quotes that never executed, and what an account leaves behind."""
    ledger = postgres_ledger
    begin(ledger)
    bought, sold, tried = entry("e1"), exit_of("x1", "e1"), exit_of("x0", "e1")
    for intent in (bought, tried, sold):
        ledger.write_intent(intent)
    ledger.write(
        [
            moved(bought, Move.ACCEPTED, order_id="x-1"),
            fill_of(bought, "t1"),
            mark("t1", 1986),
            moved(tried, Move.CANCELLED, filled=0),
            moved(sold, Move.ACCEPTED, order_id="x-2"),
            fill_of(sold, "t2", when=4),
        ]
    )
    for number in range(7):
        quote = entry(f"q{number}", when=number * DAY)
        ledger.write_intent(quote)
        ledger.write([moved(quote, Move.CANCELLED, when=number * DAY + 1, filled=0)])
        alert = Alert(symbol=SYMBOL, now=at(number * DAY), kind=AlertKind.TAKER_FILL, detail="")
        ledger.write([alert])
    ledger.write_intent(entry("open", when=0))
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        for number in range(7):
            moment = at(number * DAY)
            cursor.execute(
                "INSERT INTO balance_snapshots VALUES ('USD', %s, DEFAULT, 1, 0)", (moment,)
            )
            cursor.execute(
                "INSERT INTO tie_outs (at_ns, verdict, fills, orders, balances, differences, detail,"
                " next_ns, flows) VALUES (%s, 'clean', 0, 0, 0, 0, '', %s, '[]')",
                (moment, moment),
            )
    connection.close()
    return ledger


@pytest.fixture
def cursor(old: PromptLedger, database_url: str) -> Iterator[Cursor]:
    """Return a cursor whose transaction is what one step runs in."""
    connection = psycopg2.connect(database_url)
    yield connection.cursor()
    connection.commit()
    connection.close()


def prune(cursor: Cursor, days: int, *, steps: int = 60) -> int:
    """Take many steps at a time after the first day."""
    work = Retention(KEEP)
    gone = sum(work.step(cursor, Instant(at(days * DAY) + n)) for n in range(steps))
    cursor.connection.commit()
    return gone


def counts(url: str, tables: tuple[str, ...] = TABLES) -> dict[str, int]:
    return {table: int(str(query(url, f"SELECT count(*) FROM {table}")[0][0])) for table in tables}


def test_young_rows_stay(cursor: Cursor, database_url: str) -> None:
    before = counts(database_url)
    prune(cursor, 8)
    assert counts(database_url) == before


def test_old_quotes_go_and_executed_open_and_referred_orders_stay(
    cursor: Cursor, database_url: str
) -> None:
    prune(cursor, 14)
    left = query(database_url, "SELECT client_id FROM order_intents ORDER BY client_id")
    assert [row[0] for row in left] == ["e1", "open", "q5", "q6", "x1"]
    assert counts(database_url)["alerts"] == 7


def test_everything_old_goes_but_results_and_where_the_next_tie_out_begins(
    cursor: Cursor, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    before, results = counts(database_url, KEPT), derived(database_url)
    for _ in range(2):  # once more changes nothing
        prune(cursor, 4_000, steps=300)
        assert counts(database_url) == {
            "order_intents": 3,
            "order_events": 0,
            "order_states": 3,
            "balance_snapshots": 0,
            "alerts": 0,
            "tie_outs": 1,
        }
        assert counts(database_url, KEPT) == before
        assert derived(database_url) == results


def test_a_step_looks_at_a_bounded_number_of_rows(
    cursor: Cursor, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    work, before = Retention(KEEP), counts(database_url)
    work.step(cursor, at(4_000 * DAY))
    cursor.connection.commit()
    assert before["order_intents"] - counts(database_url)["order_intents"] <= 2


def test_after_a_round_that_found_nothing_it_rests(cursor: Cursor) -> None:
    work = Retention(KEEP)
    for _ in range(5):
        assert work.step(cursor, at(0)) == 0
    cursor.execute("DROP TABLE tie_outs, alerts, balance_snapshots")  # any look would fail
    assert work.step(cursor, at(1)) == 0
    for n in range(2):
        work.step(cursor, at(601 + n))
    with pytest.raises(psycopg2.errors.UndefinedTable):
        work.step(cursor, at(604))
    cursor.connection.rollback()


def test_orders_with_executions_cannot_go_even_when_pruning_is_allowed(cursor: Cursor) -> None:
    cursor.execute("SET LOCAL quietmaker.pruning = 'on'")
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        cursor.execute("DELETE FROM order_intents WHERE client_id = 'e1'")
    cursor.connection.rollback()
    with pytest.raises(psycopg2.errors.RestrictViolation):
        cursor.execute("DELETE FROM order_events")
    cursor.connection.rollback()


def test_an_idle_ledger_tidies_up(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = PromptLedger(lambda: database_url, products={})
    seen: list[Instant] = []
    monkeypatch.setattr(ledger.database, "tidy", seen.append)
    begin(ledger)
    ledger.apply()
    assert len(seen) == 1
    ledger.close()
