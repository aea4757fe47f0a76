"""The tables beside the orders refuse what must be impossible, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

ROWS: Final = {
    "journal_applied": "(journal, seq) VALUES (gen_random_uuid(), 7)",
    "cash_movements": (
        "(reference, currency, amount, kind, at_ns, evidence, inferred)"
        " VALUES ('d-1', 'USD', 100, 'deposit', 5, '{}', false)"
    ),
    "balance_snapshots": "(currency, at_ns, available, hold) VALUES ('USD', 5, 100, 0)",
    "differences": (
        "(kind, subject, ours, theirs, detail, first_ns, last_ns)"
        " VALUES ('position', 'TNSR-USD', '10', '9', 'one is missing', 5, 6)"
    ),
    "tie_outs": (
        "(at_ns, verdict, fills, orders, balances, differences, detail)"
        " VALUES (5, 'different', 10, 2, 3, 1, 'position')"
    ),
    "filter_transitions": (
        "(symbol, at_ns, from_state, to_state, rule, value, threshold, sample, reason, config_sha)"
        " VALUES ('TNSR-USD', 5, NULL, 'denied', 'permanent', NULL, NULL, NULL, 'by hand', 'c0ffee')"
    ),
    "config_history": "(config_sha, first_ns, settings) VALUES ('c0ffee', 5, '{}')",
    "operator_actions": (
        "(at_ns, operator, action, arguments, outcome) VALUES (5, 'root', 'pause', '{}', 'done')"
    ),
    "config_reloads": (
        "(at_ns, trigger, asked_by, result, generation, config_sha, changes, waiting, problems)"
        " VALUES (5, 'signal', 'SIGHUP', 'applied', 2, 'c0ffee', '[]', '[]', '[]')"
    ),
    "modes": (
        "(at_ns, scope, source, mode, reason, imposed_by)"
        " VALUES (5, NULL, 'operator', 'halt', 'enough', 'root')"
    ),
    "breakers": (
        "(at_ns, scope, breaker, phase, armed_ns, until_ns, trips, reason)"
        " VALUES (5, NULL, 'max_daily_loss', 'tripped', 1, 9, 1, 'lost')"
    ),
    "import_batches": (
        "(origin, digest, at_ns, read, imported, refused) VALUES ('old.csv', 'abc', 5, 3, 1, 1)"
    ),
    "imported_trades": (
        "(source, order_id, batch, symbol, side, at_ns, price, size, fees, status, pnl, entry_value)"
        " VALUES ('legacy', 'o-1', 1, 'TNSR-USD', 'SELL', 5, 0.1, 10, 0.05, 'FILLED', -0.155, 1)"
    ),
    "import_refusals": ("(batch, line, reason, content) VALUES (1, 2, 'no price', 'o-2,TNSR-USD')"),
}
"""One row of each table, in an order that foreign keys allow."""


def fill_books(cursor: Cursor) -> None:
    """Store one row in each table."""
    for table, values in ROWS.items():
        cursor.execute(f"INSERT INTO {table} {values}")


@pytest.fixture
def books(database_url: str) -> Iterator[Cursor]:
    """Return a cursor of a database with a row in each table."""
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    cursor = connection.cursor()
    fill_books(cursor)
    yield cursor
    connection.close()


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("cash_movements", "amount"),
        ("filter_transitions", "reason"),
        ("config_history", "settings"),
        ("operator_actions", "outcome"),
        ("modes", "mode"),
        ("config_reloads", "result"),
        ("breakers", "phase"),
    ],
)
@pytest.mark.parametrize("change", ["DELETE FROM {0}", "TRUNCATE {0}", "UPDATE {0} SET {1} = {1}"])
def test_what_happened_can_be_neither_changed_nor_removed(
    books: Cursor, table: str, column: str, change: str
) -> None:
    with pytest.raises(psycopg2.errors.RestrictViolation, match="append-only"):
        books.execute(change.format(table, column))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE differences SET ours = '9'",
        "UPDATE differences SET theirs = '10'",
        "UPDATE differences SET first_ns = 1",
        "DELETE FROM differences",
        "TRUNCATE differences",
    ],
)
def test_both_sides_of_a_difference_stay_as_they_were_seen(books: Cursor, change: str) -> None:
    with pytest.raises(psycopg2.errors.RestrictViolation):
        books.execute(change)


def test_a_difference_is_seen_again_and_resolved_and_only_then_may_another_begin(
    books: Cursor,
) -> None:
    books.execute("UPDATE differences SET last_ns = 9, times = times + 1")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        books.execute(f"INSERT INTO differences {ROWS['differences']}")
    books.execute("UPDATE differences SET resolved_ns = 10, resolution = 'gone'")
    books.execute(f"INSERT INTO differences {ROWS['differences']}")
    with pytest.raises(psycopg2.errors.RestrictViolation):
        books.execute("UPDATE differences SET times = 5 WHERE resolved_ns = 10")


def _imported(pnl: str, entry_value: str) -> str:
    return (
        "INSERT INTO imported_trades (source, order_id, batch, symbol, side, at_ns, price, size, fees,"
        " status, pnl, entry_value) VALUES ('legacy', 'o-2', 1, 'TNSR-USD', 'SELL', 5, 0.1, 10, 0.05,"
        f" 'FILLED', {pnl}, {entry_value})"
    )


IMPOSSIBLE: Final = {
    "a journal that runs backwards below zero": "UPDATE journal_applied SET seq = -1",
    "a movement of nothing": (
        "INSERT INTO cash_movements (reference, currency, amount, kind, at_ns, evidence, inferred)"
        " VALUES ('d-2', 'USD', 0, 'correction', 5, '{}', true)"
    ),
    "a deposit that takes": (
        "INSERT INTO cash_movements (reference, currency, amount, kind, at_ns, evidence, inferred)"
        " VALUES ('d-2', 'USD', -1, 'deposit', 5, '{}', true)"
    ),
    "a withdrawal that gives": (
        "INSERT INTO cash_movements (reference, currency, amount, kind, at_ns, evidence, inferred)"
        " VALUES ('d-2', 'USD', 1, 'withdrawal', 5, '{}', true)"
    ),
    "a clean tie-out with differences": "UPDATE tie_outs SET verdict = 'clean'",
    "a transition to where it was": (
        "INSERT INTO filter_transitions (symbol, at_ns, from_state, to_state, rule, reason, config_sha)"
        " VALUES ('TNSR-USD', 5, 'denied', 'denied', 'permanent', 'by hand', 'c0ffee')"
    ),
    "a state of the filter that does not exist": (
        "INSERT INTO filter_transitions (symbol, at_ns, from_state, to_state, rule, reason, config_sha)"
        " VALUES ('TNSR-USD', 5, 'denied', 'gone', 'permanent', 'by hand', 'c0ffee')"
    ),
    "a resolution that is not said": "UPDATE differences SET resolved_ns = 10",
    "more rows imported than read": "UPDATE import_batches SET imported = 9",
    "an imported result without what it cost": _imported("-0.1", "NULL"),
    "an imported result that is no number": _imported("'NaN'", "1"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_the_impossible_is_refused(books: Cursor, what: str) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        books.execute(IMPOSSIBLE[what])


@pytest.mark.parametrize(
    "again", ["cash_movements", "config_history", "import_batches", "imported_trades"]
)
def test_what_has_a_name_is_stored_once(books: Cursor, again: str) -> None:
    with pytest.raises(psycopg2.errors.UniqueViolation):
        books.execute(f"INSERT INTO {again} {ROWS[again]}")


def test_an_import_can_be_taken_back_whole(books: Cursor) -> None:
    books.execute("DELETE FROM import_batches")
    books.execute("SELECT count(*) FROM imported_trades")
    assert books.fetchall() == [(0,)]
