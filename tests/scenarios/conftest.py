"""Scenarios of the books run on a real PostgreSQL: the ledger's fixtures."""

from tests.ledger.conftest import (
    database_url,
    empty_url,
    new_database,
    postgres_ledger,
    server_url,
)

__all__ = ["database_url", "empty_url", "new_database", "postgres_ledger", "server_url"]
