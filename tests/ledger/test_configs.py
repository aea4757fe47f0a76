"""The settings behind a hash are stored once, when they first came into force."""

from __future__ import annotations

import psycopg2

from quietmaker.ledger.configs import remember
from tests.ledger.makers import at


def test_a_configuration_is_remembered_once_as_it_first_was(database_url: str) -> None:
    chosen = {"mode": "paper", "quote.sides": "[bid]", "odd": "nul \0"}
    remember(lambda: database_url, config_sha="c0ffee", at=at(1), chosen=chosen)
    remember(lambda: database_url, config_sha="c0ffee", at=at(2), chosen={"mode": "other"})
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT config_sha, first_ns, settings FROM config_history")
        found = cursor.fetchall()
    connection.close()
    assert found == [("c0ffee", at(1), {**chosen, "odd": "nul \ufffd"})]
