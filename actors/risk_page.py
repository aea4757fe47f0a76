"""What the risk guard shows: every limit with its value and setting, equity, breakers that are open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from actors.board import Board
from actors.budget import ChurnBudget
from quietmaker.core.risk_desk import RiskDesk, RiskRules
from quietmaker.core.units import ROUNDED, SECOND, ZERO, Instant, plain

_PERCENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A limit, and how much of it is used; of a limit of every symbol, by the one that uses most.

    Attributes:
        scope: the symbol; None for the account.
    """

    scope: str | None
    value: Decimal
    limit: Decimal

    @property
    def used(self) -> Decimal:
        """Return the share that is used."""
        return max(ZERO, ROUNDED.divide(self.value, self.limit))


class RiskPage:
    """The latest document. Thread-safe."""

    def __init__(self) -> None:
        """Start with nothing to show."""
        self._document: dict[str, Any] = {
            "equity": {},
            "limits": [],
            "breakers": [],
            "waiting_for_capital": 0,
        }
        self._mutex = threading.Lock()

    def show(self, document: dict[str, Any]) -> None:
        """Replace the document."""
        with self._mutex:
            self._document = document

    def read(self) -> dict[str, Any]:
        """Return the latest document."""
        with self._mutex:
            return self._document


def shares(desk: RiskDesk, board: Board, budget: ChurnBudget, rules: RiskRules) -> dict[str, Share]:
    """Return what is used of each limit, by the full name of its setting."""
    worst: dict[str, Share] = {}
    for name, share in (
        *_of_breakers(desk),
        *_of_orders(board, rules),
        ("exchange.requests.entries_per_minute", _sent(budget)),
    ):
        known = worst.get(name)
        if known is None or share.used > known.used:
            worst[name] = share
    return worst


def _of_breakers(desk: RiskDesk) -> Iterator[tuple[str, Share]]:
    for scope, readings in desk.readings.items():
        for reading in readings.values():
            if reading.value is not None:
                yield (
                    reading.setting,
                    Share(scope=scope, value=reading.value, limit=reading.limit),
                )


def _of_orders(board: Board, rules: RiskRules) -> Iterator[tuple[str, Share]]:
    """Yield what the entries of each symbol are held to, by the trader itself."""
    for symbol, view in board.views().items():
        caps = rules.caps(symbol)
        others = board.others(symbol, view.quote_currency)
        for name, value, limit in (
            ("risk.max_exposure", others + view.exposure, caps.exposure),
            ("quote.max_position", view.cost, caps.position),
            ("risk.max_open_orders", Decimal(view.working), Decimal(caps.open_orders)),
        ):
            yield name, Share(scope=symbol, value=value, limit=limit)


def _sent(budget: ChurnBudget) -> Share:
    return Share(scope=None, value=Decimal(budget.sent()), limit=Decimal(budget.per_minute))


def document(desk: RiskDesk, used: dict[str, Share], now: Instant) -> dict[str, Any]:
    """Return it for the status page: numbers as text, moments in seconds since 1970."""
    return {
        "equity": {
            money: {
                "value": plain(each.value),
                "capital": plain(each.capital),
                "result": plain(each.result),
                "peak": plain(each.peak),
                "drawdown_pct": _percent(each.drawdown),
            }
            for money, each in sorted(desk.equities.items())
        },
        "limits": [
            {
                "limit": name,
                "scope": share.scope,
                "value": plain(share.value.normalize()),
                "of": plain(share.limit.normalize()),
                "used_pct": _percent(share.used),
            }
            for name, share in sorted(used.items(), key=lambda item: -item[1].used)
        ],
        "breakers": [
            {
                "breaker": state.breaker.value,
                "scope": scope,
                "phase": state.phase.value,
                "reason": state.reason,
                "trips": state.trips,
                "resumes_in_seconds": max(0, state.until - now) // SECOND if state.until else None,
            }
            for scope, state in desk.open()
        ],
    }


def _percent(share: Decimal | None) -> str | None:
    if share is None:
        return None
    return plain(ROUNDED.quantize(ROUNDED.multiply(share, Decimal(100)), _PERCENT))
