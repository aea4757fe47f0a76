"""A role for dashboards that reads everything and can change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.roles import READER
from tests.ledger.conftest import run_sql
from tests.ledger.derivations import begin
from tests.ledger.makers import entry, fill_of
from tests.ledger.prompt import PromptLedger

PASSWORD = "for-the-test"


def as_user(url: str, user: str) -> str:
    """Return the URL for another user, with the test's password."""
    return f"postgresql://{user}:{PASSWORD}@{url.partition('@')[2]}"


@pytest.fixture
def reader(postgres_ledger: PromptLedger, database_url: str) -> Iterator[Connection]:
    """Return a connection of the role, once an operator gave it a password."""
    begin(postgres_ledger)
    postgres_ledger.write_intent(entry("e1"))
    postgres_ledger.write([fill_of(entry("e1"), "t1")])
    run_sql(database_url, f"ALTER ROLE {READER} LOGIN PASSWORD '{PASSWORD}'")
    connection = psycopg2.connect(as_user(database_url, READER))
    yield connection
    connection.close()


def test_it_reads_views_and_tables(reader: Connection) -> None:
    cursor = reader.cursor()
    for what in ("trade_records", "fill_markouts", "hold_episodes", "lots", "fills", "runs"):
        cursor.execute(f"SELECT count(*) FROM {what}")
    cursor.execute("SELECT count(*) FROM trade_records")
    assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM alerts",
        "INSERT INTO holds VALUES ('A-USD', 'BUY', 1, DEFAULT, NULL, '')",
        "UPDATE lots SET remaining = 0",
        "CREATE TABLE mine (x integer)",
        "TRUNCATE holds",
        "DROP VIEW trade_records",
    ],
)
@pytest.mark.parametrize("mode", ["", "SET default_transaction_read_only = off"])
def test_it_can_change_nothing(reader: Connection, change: str, mode: str) -> None:
    reader.autocommit = True
    cursor = reader.cursor()
    if mode:
        cursor.execute(mode)
    with pytest.raises(
        (psycopg2.errors.ReadOnlySqlTransaction, psycopg2.errors.InsufficientPrivilege)
    ):
        cursor.execute(change)


def test_its_questions_end_by_themselves(reader: Connection) -> None:
    cursor = reader.cursor()
    cursor.execute("SHOW statement_timeout")
    assert cursor.fetchall() == [("15s",)]
    cursor.execute("SHOW default_transaction_read_only")
    assert cursor.fetchall() == [("on",)]


def test_tables_of_later_migrations_are_readable_too(reader: Connection, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE later (x integer)")
    reader.cursor().execute("SELECT * FROM later")


def test_a_server_that_lets_us_make_no_role_is_used_with_a_note(
    server_url: str, empty_url: str
) -> None:
    plain = f"plain_{empty_url.rpartition('/')[2].partition('?')[0]}"
    run_sql(server_url, f"CREATE ROLE {plain} LOGIN PASSWORD '{PASSWORD}'")
    run_sql(empty_url, f"GRANT ALL ON SCHEMA public TO {plain}")
    others = [row for row in _databases(server_url) if row != "template0"]
    for name in others:
        url = server_url.replace("/quietmaker?", f"/{name}?")
        run_sql(
            url,
            f"DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{READER}') THEN"
            f" DROP OWNED BY {READER}; END IF; END $$",
        )
    run_sql(server_url, f"DROP ROLE IF EXISTS {READER}")
    ledger = PostgresLedger(lambda: as_user(empty_url, plain))
    assert "CREATE ROLE grafana_ro" in ledger.notes[0]
    ledger.close()
    run_sql(server_url, f"CREATE ROLE {READER} NOLOGIN")
    again = PostgresLedger(lambda: as_user(empty_url, plain))
    assert again.notes == ()
    again.close()
    connection = psycopg2.connect(empty_url)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT has_table_privilege('{READER}', 'trade_records', 'SELECT')")
        assert cursor.fetchall() == [(True,)]
    connection.close()


def _databases(url: str) -> list[str]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datallowconn")
        found = [name for (name,) in cursor.fetchall()]
    connection.close()
    return found


def test_a_ledger_of_ours_has_nothing_to_note(postgres_ledger: PromptLedger) -> None:
    assert postgres_ledger.database.notes == ()
