"""The effective settings behind each `config_sha`: what a result was made with can be read years later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from quietmaker.core.reloads import ConfigReloaded
from quietmaker.core.units import Instant
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, UrlSource, once
from quietmaker.ledger.rows import text

_QUERIES: Final = sql.load("configs.sql")


def reload_row(fact: ConfigReloaded) -> Row:
    """Return the columns of a reload; the last are the settings, where they are new."""
    chosen = {key: text(value) for key, value in fact.chosen}
    return (
        fact.at,
        fact.trigger,
        text(fact.by) or "unknown",
        fact.result,
        fact.generation,
        fact.config_sha,
        json.dumps([list(each) for each in fact.changes]),
        json.dumps([list(each) for each in fact.waiting]),
        json.dumps(fact.problems),
        json.dumps(chosen) if chosen else None,
    )


def remember(url: UrlSource, *, config_sha: str, at: Instant, chosen: Mapping[str, str]) -> None:
    """Store what a configuration chose, once.

    Args:
        url: of the database.
        config_sha: its hash.
        at: when it came into force.
        chosen: every key with its value as text; no secrets.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
    """
    values = {
        "config_sha": config_sha,
        "at": at,
        "settings": json.dumps({key: text(value) for key, value in chosen.items()}),
    }
    once(url, lambda cursor: cursor.execute(_QUERIES["remember"], values))
