"""One embedded PostgreSQL per session; one database per test, copied from a migrated template."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from quietmaker.ledger import migrate
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from quietmaker.ports import Ledger
from tests.ledger.makers import PRODUCTS
from tests.ledger.prompt import PromptLedger, PromptMemory

_numbers = itertools.count(1)


def run_sql(url: str, statement: str) -> None:
    """Run one statement outside of a transaction."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a running embedded server."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("ledger") / "home")
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def new_database(server_url: str) -> Callable[[], str]:
    """Return a function that makes a fresh, migrated database and returns its URL."""
    run_sql(server_url, "CREATE DATABASE template_ledger")
    migrate.upgrade(server_url.replace("/quietmaker?", "/template_ledger?"))

    def make() -> str:
        name = f"test_{next(_numbers)}"
        run_sql(server_url, f"CREATE DATABASE {name} TEMPLATE template_ledger")
        return server_url.replace("/quietmaker?", f"/{name}?")

    return make


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    """Return the URL of a fresh, migrated database."""
    return new_database()


@pytest.fixture
def empty_url(server_url: str) -> str:
    """Return the URL of a fresh database that was never migrated."""
    name = f"empty_{next(_numbers)}"
    run_sql(server_url, f"CREATE DATABASE {name}")
    return server_url.replace("/quietmaker?", f"/{name}?")


@pytest.fixture
def postgres_ledger(database_url: str) -> Iterator[PromptLedger]:
    """Return a ledger on a fresh database."""
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    yield ledger
    ledger.close()


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Return each implementation of the port in turn."""
    if request.param == "memory":
        return PromptMemory()
    made: PromptLedger = request.getfixturevalue("postgres_ledger")
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a directory for an instance of its own."""
    return tmp_path / "home"
