"""The books as SQL tells them, and in what they differ from what the exchange tells.

Nothing of the product's own reading is used: the tables are asked for, and decimals compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import psycopg2

from tests.chaos.kill_account import TheirFill, TheirOrder

ENDS: Final = {
    "FILLED": "filled",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
    "FAILED": "failed",
}
# An order that its executions make up is filled, whether or not anybody lived to be told so.
_ORDERS: Final = """
    SELECT i.client_id, i.symbol, i.side, i.price, i.size, i.post_only, i.purpose, i.source,
           s.order_id, CASE WHEN e.filled >= i.size THEN 'filled' ELSE s.state END, s.settled
    FROM order_intents i JOIN order_states s USING (client_id)
    LEFT JOIN executions e USING (client_id)
"""
_FILLS: Final = (
    "SELECT trade_id, client_id, symbol, side, price, size, fee, liquidity, at_ns FROM fills"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
POLL: Final = 0.05
EXPLAINED: Final = (
    *("execution_missing", "order_filled", "order_not_open_there", "order_unknown_there"),
    *("order_open_there", "foreign_order"),
)
"""Differences that a kill leaves: the bot notes and ends them. Any other is a defect, or a false alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OurOrder:
    """An order as the books have it."""

    client_id: str
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    post_only: bool
    purpose: str
    source: str
    order_id: str | None
    state: str
    settled: bool


class Books:
    """The database of a bot, which may be away."""

    def __init__(self, url: Callable[[], str]) -> None:
        """Ask where it is at each question."""
        self._url = url

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one query."""
        connection = psycopg2.connect(self._url(), connect_timeout=5)
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    def orders(self, client_ids: Collection[str] | None = None) -> dict[str, OurOrder]:
        """Return orders by client id: all, or those that are named."""
        where, values = _chosen("client_id", client_ids)
        names = OurOrder.__slots__
        return {
            row[0]: OurOrder(**dict(zip(names, row, strict=True)))
            for row in self.rows(_ORDERS + where, *values)
        }

    def fills(self, trade_ids: Collection[str] | None = None) -> dict[str, tuple[Any, ...]]:
        """Return executions by trade id: all, or those that are named."""
        where, values = _chosen("trade_id", trade_ids)
        return {row[0]: row for row in self.rows(_FILLS + where, *values)}

    def broken(self) -> list[str]:
        """Return what may never be in any books, whatever the exchange says."""
        found = [
            f"refused: {kind}: {fact}: {error}"
            for kind, fact, error in self.rows("SELECT kind, fact, error FROM refused_facts")
        ]
        sums = """
            SELECT coalesce(h.symbol, f.symbol), h.size, f.size FROM holdings h FULL JOIN (
                SELECT symbol, sum(CASE side WHEN 'BUY' THEN size ELSE -size END) AS size
                FROM fills GROUP BY symbol) f USING (symbol)
            WHERE h.size IS DISTINCT FROM f.size AND NOT (h.size = 0 AND f.size IS NULL)
        """
        found += [f"{s}: holdings say {h} and fills {f}" for s, h, f in self.rows(sums)]
        return found

    def alarms(self) -> list[str]:
        """Return what the bot itself found to differ and no kill explains."""
        query = (
            "SELECT kind, subject, ours, theirs, detail, times, resolution FROM differences"
            " WHERE NOT kind = ANY(%s)"
        )
        return [f"the bot found {row}" for row in self.rows(query, list(EXPLAINED))]

    def unresolved(self) -> list[str]:
        """Return what the bot found to differ and that is not over."""
        query = (
            "SELECT kind, subject, ours, theirs, detail FROM differences"
            " WHERE resolved_ns IS NULL AND kind <> 'foreign_order'"
        )
        return [f"this is not over: {row}" for row in self.rows(query)]

    def healed(self) -> dict[str, int]:
        """Return how many differences the bot found and ended, by kind."""
        query = "SELECT kind, count(*) FROM differences WHERE resolved_ns IS NOT NULL GROUP BY kind"
        return dict(self.rows(query))

    def tied_out(self) -> str:
        """Return what the latest tie-out came to."""
        found = self.rows("SELECT verdict, detail FROM tie_outs ORDER BY id DESC LIMIT 1")
        return ": ".join(filter(None, found[0])) if found else "never"

    def positions(self) -> dict[str, Decimal]:
        """Return what is held, by symbol."""
        return dict(self.rows("SELECT symbol, size FROM holdings"))


def _chosen(column: str, ids: Collection[str] | None) -> tuple[str, tuple[Any, ...]]:
    return ("", ()) if ids is None else (f" WHERE {column} = ANY(%s)", (list(ids),))


def order_differences(
    theirs: Collection[TheirOrder], ours: dict[str, OurOrder]
) -> Iterator[tuple[str, str]]:
    """Yield the exchange's id of each order that the books have otherwise, and how."""
    for order in theirs:
        mine = ours.get(order.client_id)
        if mine is None:
            yield order.order_id, f"order {order.client_id} is not in the books"
            continue
        here = (mine.symbol, mine.side, mine.price, mine.size, mine.post_only, mine.source)
        there = (order.symbol, order.side, order.price, order.size, order.post_only, "passivemm")
        if here != there:
            yield order.order_id, f"order {order.client_id} is {there} and in the books {here}"
        elif mine.order_id != order.order_id:
            yield (
                order.order_id,
                f"order {order.client_id} has the id {order.order_id}, in the books {mine.order_id}",
            )
        elif not order.live and (mine.state, mine.settled) != (ENDS[order.status], True):
            yield (
                order.order_id,
                f"order {order.client_id} is {order.status} and in the books {mine.state}"
                f"{'' if mine.settled else ', not settled'}",
            )


def fill_differences(
    theirs: Collection[TheirFill],
    orders: dict[str, TheirOrder],
    ours: dict[str, tuple[Any, ...]],
) -> Iterator[tuple[str, str]]:
    """Yield the id of each execution that the books have otherwise, and how."""
    for fill in theirs:
        mine = ours.get(fill.trade_id)
        order = orders.get(fill.order_id)
        client_id = "?" if order is None else order.client_id
        if mine is None:
            yield fill.trade_id, f"execution {fill.trade_id} of {client_id} is not in the books"
            continue
        there = (
            *(fill.trade_id, client_id, fill.symbol, fill.side, fill.price, fill.size),
            *(fill.fee, fill.liquidity, (fill.at - _EPOCH) // timedelta(microseconds=1)),
        )
        here = (*mine[:-1], mine[-1] // 1_000)
        if here != there:
            yield fill.trade_id, f"execution {there} is in the books {here}"


def until_none(find: Callable[[], list[str]], patience: float) -> list[str]:
    """Look again until nothing is found or patience ends; a database that is away is looked for too."""
    deadline = time.monotonic() + patience
    found = ["the database could not be asked"]
    while True:
        with suppress(psycopg2.OperationalError):
            found = find()
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(POLL)
