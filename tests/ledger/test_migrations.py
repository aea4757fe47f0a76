"""The schema moves up and down on data, refuses a future it does not know, and is moved by one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from alembic.script import ScriptDirectory
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.errors import LedgerError, LedgerTooNew, LedgerUnavailable
from quietmaker.ledger import migrate, schema
from quietmaker.ledger.postgres import PostgresLedger
from tests.ledger.conftest import run_sql
from tests.ledger.makers import PRODUCTS, at, entry, fill_of
from tests.ledger.prompt import PromptLedger
from tests.ledger.test_books_schema import fill_books

LEFTOVERS = """
SELECT name FROM (
    SELECT relname, relnamespace FROM pg_class UNION ALL
    SELECT proname, pronamespace FROM pg_proc UNION ALL
    SELECT typname, typnamespace FROM pg_type) AS thing (name, space)
WHERE space = 'public'::regnamespace AND name NOT LIKE '%schema_version%'
"""

OURS = "SELECT count(*) FROM trade_records WHERE source <> 'legacy'"
"""Orders of ours; since 0005 the view shows imported ones too."""


def _query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall()
    connection.close()
    return found


def _run(url: str, work: Callable[[Cursor], None]) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        work(cursor)
    connection.close()


def _trade(url: str) -> None:
    ledger = PromptLedger(lambda: url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    ledger.write_intent(entry("e1"))
    ledger.write([fill_of(entry("e1"), "t1")])
    ledger.close()


def test_an_empty_database_has_no_revision(empty_url: str) -> None:
    assert schema.current(empty_url) == ""


def test_the_revisions_are_those_that_alembic_walks() -> None:
    place = Path(schema.__file__).parent / "migrations"
    walked = ScriptDirectory(str(place)).walk_revisions()
    assert schema.known() == tuple(step.revision for step in walked)[::-1]


def test_a_database_that_is_up_to_date_is_opened_without_alembic(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.ensure(empty_url)
    assert schema.current(empty_url) == schema.known()[-1]
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "upgrade", lambda url: pytest.fail("nothing is to be migrated"))
        schema.ensure(empty_url)
    migrate.downgrade(empty_url, revision="-1")
    schema.ensure(empty_url)
    assert schema.current(empty_url) == schema.known()[-1]


def test_up_down_up_leaves_nothing_behind_and_works_again(empty_url: str) -> None:
    for _ in range(2):
        assert migrate.upgrade(empty_url) == schema.known()[-1]
        _trade(empty_url)
        assert _query(empty_url, "SELECT count(*) FROM trade_records") == [(1,)]
        assert migrate.downgrade(empty_url, revision="base") == ""
        assert _query(empty_url, LEFTOVERS) == []


def test_each_revision_alone_goes_up_down_and_up_on_data(empty_url: str) -> None:
    _trade(empty_url)
    _run(empty_url, fill_books)
    for revision in reversed(schema.known()[1:]):
        migrate.downgrade(empty_url, revision="-1")
        assert migrate.upgrade(empty_url, revision=revision) == revision
        migrate.downgrade(empty_url, revision="-1")
        assert _query(empty_url, OURS) == [(1,)]
    for revision in schema.known()[1:]:
        assert migrate.upgrade(empty_url, revision=revision) == revision
        assert _query(empty_url, OURS) == [(1,)]
    _run(empty_url, fill_books)


def test_a_second_upgrade_changes_nothing(database_url: str) -> None:
    _trade(database_url)
    migrate.upgrade(database_url)
    assert _query(database_url, "SELECT count(*) FROM fills") == [(1,)]


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url: str) -> None:
    run_sql(database_url, "UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(LedgerTooNew, match="9999"):
        PostgresLedger(lambda: database_url)
    assert _query(database_url, "SELECT version_num FROM schema_version") == [("9999",)]


def test_programs_that_start_together_migrate_once(empty_url: str) -> None:
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(migrate.upgrade(empty_url)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [schema.known()[-1]] * 4


def test_a_failed_migration_leaves_the_database_as_it_was(empty_url: str) -> None:
    run_sql(empty_url, "CREATE TABLE fills (mine integer)")
    with pytest.raises(LedgerError, match="as before"):
        migrate.upgrade(empty_url)
    assert schema.current(empty_url) == ""
    assert _query(empty_url, "SELECT relname FROM pg_class WHERE relname IN ('fills', 'meta')") == [
        ("fills",)
    ]


def test_a_database_that_is_away_is_unavailable() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(LedgerUnavailable):
        migrate.upgrade(nowhere)
    with pytest.raises(LedgerUnavailable):
        schema.current(nowhere)
