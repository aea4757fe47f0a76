"""A real PostgreSQL for the commands that read the books: the fixtures of the ledger's own tests."""

from __future__ import annotations

from tests.ledger.conftest import database_url, empty_url, new_database, server_url

__all__ = ["database_url", "empty_url", "new_database", "server_url"]
