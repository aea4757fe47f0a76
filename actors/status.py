"""The status: everything an operator asks for, put together once a second and served without asking anyone.

The page is a plain document of words and numbers as text (money stays exact); `quietmaker status` and
`/-/status` show the same one. Its `at` says how old it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from actors.base import BaseActor, Surroundings
from actors.board import Board, Results, SideView, SymbolView
from actors.protocol import StatusMessage
from quietmaker.core.units import EXACT, SECOND, ZERO, Instant, plain

PERIOD: Final = SECOND
Document = dict[str, Any]


class StatusPage:
    """The latest document. Thread-safe."""

    def __init__(self) -> None:
        """Start with nothing to show."""
        self._document: Document = {}
        self._mutex = threading.Lock()

    def show(self, document: Document) -> None:
        """Replace the document."""
        with self._mutex:
            self._document = document

    def read(self) -> Document:
        """Return the latest document; empty before the first."""
        with self._mutex:
            return self._document


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusLinks:
    """What the status is made of.

    Attributes:
        process: facts of the whole process, asked for each document.
        refresh: called once a second, for gauges that are set rather than read.
    """

    board: Board
    page: StatusPage
    process: Callable[[], Mapping[str, Any]]
    refresh: Callable[[], None]


class StatusActor(BaseActor[StatusMessage]):
    """Puts the page together."""

    def __init__(self, around: Surroundings, links: StatusLinks) -> None:
        """Prepare."""
        super().__init__(around)
        self._links = links
        self._shown_at = 0

    def receive(self, message: StatusMessage) -> None:
        """Refresh once a second."""
        if message.now - self._shown_at < PERIOD:
            return
        self._shown_at = message.now
        links = self._links
        links.page.show(
            {"at": moment(message.now), **links.process(), **document(links.board, message.now)}
        )
        links.refresh()


def document(board: Board, now: Instant) -> Document:
    """Return what the symbols show, and their sums by quote currency."""
    results = board.results()
    views = board.views()
    lines = [_line(view, results.get(symbol, Results()), now) for symbol, view in views.items()]
    totals: dict[str, dict[str, Any]] = {}
    for currency in sorted({view.quote_currency for view in views.values()}):
        mine = [s for s, view in views.items() if view.quote_currency == currency]
        done = [results.get(symbol, Results()) for symbol in mine]
        totals[currency] = {
            "round_trips": sum(each.trips for each in done),
            "wins": sum(each.wins for each in done),
            "net": _text(_sum(each.net for each in done)),
            "fees": _text(_sum(each.fees for each in done)),
            "unrealized": _text(_sum(views[s].unrealized or ZERO for s in mine)),
            "exposure": _text(_sum(views[s].exposure for s in mine)),
        }
    skew = None if board.skew is None else round(board.skew / SECOND, 4)
    return {"clock_skew_seconds": skew, "symbols": lines, "totals": totals}


def _line(view: SymbolView, result: Results, now: Instant) -> Document:
    exit_order = None
    if view.exit is not None:
        price, size, state, reason = view.exit
        exit_order = {"price": _text(price), "size": _text(size), "state": state, "reason": reason}
    opened = view.opened_at
    return {
        "symbol": view.symbol,
        "recovered": view.recovered,
        "mode": view.mode,
        "stale": view.stale,
        "bid": _text(view.bid),
        "ask": _text(view.ask),
        "data_age_seconds": None
        if view.book_at is None
        else round((now - view.book_at) / SECOND, 3),
        "sides": {side.value: _side(each) for side, each in view.sides.items()},
        "working_orders": view.working,
        "position": _text(view.position),
        "cost": _text(view.cost),
        "held_seconds": None if opened is None else round((now - opened) / SECOND, 3),
        "break_even": _text(view.break_even),
        "unrealized": _text(view.unrealized),
        "exit": exit_order,
        "unprotected": view.unprotected,
        "round_trips": result.trips,
        "wins": result.wins,
        "net": _text(result.net),
        "fees": _text(result.fees),
        "last_exit": result.last_reason,
    }


def _side(side: SideView) -> Document:
    return {
        "reason": "quoted" if side.gate is None else side.gate,
        "detail": side.detail,
        "quotes": [
            {"price": _text(price), "size": _text(size), "state": state}
            for price, size, state in side.quotes
        ],
    }


def moment(at: Instant) -> str:
    """Return a moment as ISO 8601 in UTC, to the millisecond."""
    shown = datetime.fromtimestamp(at / SECOND, tz=UTC).isoformat(timespec="milliseconds")
    return shown.replace("+00:00", "Z")


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _text(amount: Decimal | None) -> str | None:
    """Return exact text without padding zeros."""
    return None if amount is None else plain(amount)
