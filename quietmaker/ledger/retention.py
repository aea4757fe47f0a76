"""Let go of what is old and no result depends on, a bounded batch at a time.

What grows without bound otherwise: orders that never executed (each refreshed quote is one), the events of
orders that are over, balances, alerts, tie-outs, equities. Never touched: orders with executions, fills,
marks, and whatever is derived from them. Each step is idempotent; where it stands is only an optimisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.ledger import sql
from quietmaker.ledger.database import rows

BATCH: Final = 500
REST: Final = Nanos(600 * SECOND)
"""After a round that found nothing to let go."""
_QUERIES: Final = sql.load("retention.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long things are kept.

    Attributes:
        unfilled: orders that never executed, with their events.
        history: events of orders that are over, balances, alerts, tie-outs, equities.
    """

    unfilled: Nanos
    history: Nanos


class Retention:
    """Takes one step after the other, table by table."""

    def __init__(self, keep: Keep) -> None:
        """Begin at the oldest rows."""
        self._keep = keep
        self._order_at: tuple[int, str] = (-1, "")
        self._event_at = 0
        self._turn = 0
        self._gone = 0
        self._rest_until = 0
        self._steps: tuple[Callable[[Cursor, Instant], int], ...] = (
            self._unfilled,
            self._events,
            self._plain("balances"),
            self._plain("alerts"),
            self._plain("tie_outs"),
            self._plain("equities"),
        )

    def step(self, cursor: Cursor, now: Instant) -> int:
        """Let one batch go; return how many rows that were."""
        if now < self._rest_until:
            return 0
        cursor.execute(_QUERIES["allow"])
        gone = self._steps[self._turn](cursor, now)
        self._gone += gone
        self._turn += 1
        if self._turn == len(self._steps):
            self._turn = 0
            if not self._gone:
                self._rest_until = now + REST
            self._gone = 0
        return gone

    def _unfilled(self, cursor: Cursor, now: Instant) -> int:
        place = {"at": self._order_at[0], "id": self._order_at[1], "limit": BATCH}
        found = rows(cursor, _QUERIES["unfilled_seen"], before=now - self._keep.unfilled, **place)
        ids = [client_id for client_id, _, over in found if over]
        for query in ("unfilled_events", "unfilled_states", "unfilled_intents"):
            if ids:
                cursor.execute(_QUERIES[query], {"ids": ids})
        whole = len(found) == BATCH
        self._order_at = (found[-1][1], found[-1][0]) if whole else (-1, "")
        return len(ids) or int(whole)

    def _events(self, cursor: Cursor, now: Instant) -> int:
        before = now - self._keep.history
        found = rows(cursor, _QUERIES["events_seen"], at=self._event_at, limit=BATCH)
        old = list(takewhile(lambda row: row[1] < before, found))
        ids = [seq for seq, _, settled in old if settled]
        if ids:
            cursor.execute(_QUERIES["events_delete"], {"ids": ids})
        whole = len(old) == BATCH
        self._event_at = old[-1][0] if whole else 0
        return len(ids) or int(whole)

    def _plain(self, query: str) -> Callable[[Cursor, Instant], int]:
        def step(cursor: Cursor, now: Instant) -> int:
            values = {"before": now - self._keep.history, "limit": BATCH}
            cursor.execute(_QUERIES[query], values)
            return int(cursor.rowcount)

        return step
