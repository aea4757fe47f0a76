"""The effective settings behind each `config_sha`: what a result was made with can be read years later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from quietmaker.core.units import Instant
from quietmaker.ledger import sql
from quietmaker.ledger.database import UrlSource, once
from quietmaker.ledger.rows import text

_QUERIES: Final = sql.load("configs.sql")


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
