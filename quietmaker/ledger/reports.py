"""What the operator reads from the books: open orders, positions, round trips, P&L; all bounded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Final

from quietmaker.core.orders import ExitReason, OrderState, Purpose
from quietmaker.core.units import Instant, Side
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, Session, UrlSource, rows
from quietmaker.ledger.rows import exit_reason

_ALWAYS: Final = Instant(0)
_QUERIES: Final = sql.load("reports.sql")


class PnlBy(Enum):
    """What profit and loss is summed by."""

    DAY = "day"
    SYMBOL = "symbol"
    EXIT_REASON = "exit_reason"
    CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order that may still execute, or whose fills are not all here. Price in quote, sizes in base."""

    client_id: str
    order_id: str | None
    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    filled: Decimal
    state: OrderState
    purpose: Purpose
    exit_reason: ExitReason | None
    passive_order_id: str
    strategy_tag: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Base currency bought less sold; negative was sold out of earlier inventory."""

    symbol: str
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrip:
    """A round trip. Sizes in base, amounts in quote; net = spread_captured + price_move - fees."""

    id: str
    symbol: str
    entry: Side
    size: Decimal
    opened_at: datetime
    closed_at: datetime
    hold_seconds: Decimal
    exit_reason: ExitReason
    entry_value: Decimal
    exit_value: Decimal
    fees: Decimal
    spread_captured: Decimal
    price_move: Decimal
    net: Decimal
    maker_fills: int
    taker_fills: int
    dust: Decimal
    closing_order: str
    strategy_tag: str
    config_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlLine:
    """Round trips of one key (a UTC day, a symbol, an exit rule, a configuration), in quote."""

    key: str
    trips: int
    wins: int
    net: Decimal
    fees: Decimal
    spread_captured: Decimal
    price_move: Decimal


class Reports:
    """Reads a ledger's database on a connection of its own. Thread-safe."""

    def __init__(self, url: UrlSource) -> None:
        """Prepare; the first question connects."""
        self._session = Session(url, snapshot=True)

    def open_orders(self, *, limit: int = 500) -> list[OpenOrder]:
        """Return orders that are not settled, newest first.

        Raises:
            LedgerUnavailable: if the database cannot be reached (as every method here).
        """
        return [_open_order(row) for row in self._ask("open_orders", limit=limit)]

    def positions(self, *, limit: int = 1_000) -> list[Holding]:
        """Return what is held, by symbol."""
        return [Holding(symbol=s, size=size) for s, size in self._ask("positions", limit=limit)]

    def cash_flows(self, *, limit: int = 1_000) -> dict[str, Decimal]:
        """Return what the executions of each symbol moved in quote, fees included; all runs."""
        return dict(self._ask("cash_flows", limit=limit))

    def round_trips(self, *, symbol: str | None = None, limit: int = 100) -> list[ClosedTrip]:
        """Return round trips, of one symbol or all, the latest first."""
        return [_closed_trip(row) for row in self._ask("round_trips", symbol=symbol, limit=limit)]

    def pnl(self, by: PnlBy, *, since: Instant = _ALWAYS, limit: int = 1_000) -> list[PnlLine]:
        """Return the sums of round trips that closed since a moment: days latest first, else worst first."""
        return [
            PnlLine(
                key=key,
                trips=trips,
                wins=wins,
                net=net,
                fees=fees,
                spread_captured=spread,
                price_move=move,
            )
            for key, trips, wins, net, fees, spread, move in self._ask(
                f"pnl_by_{by.value}", since=since, limit=limit
            )
        ]

    def derived_drift(self, *, limit: int = 100) -> list[tuple[str, str]]:
        """Return (table, id) of derived rows that differ from what the facts sum to; empty is right."""
        return [(what, name) for what, name in self._ask("derived_drift", limit=limit)]

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._session.close()

    def _ask(self, query: str, **values: object) -> list[Row]:
        return self._session.run(lambda cursor: rows(cursor, _QUERIES[query], **values))


def _open_order(row: Row) -> OpenOrder:
    return OpenOrder(
        client_id=row[0],
        order_id=row[1],
        symbol=row[2],
        side=Side(row[3]),
        price=row[4],
        size=row[5],
        filled=row[6],
        state=OrderState(row[7]),
        purpose=Purpose(row[8]),
        exit_reason=exit_reason(row[9]),
        passive_order_id=row[10],
        strategy_tag=row[11],
        decided_at=row[12],
    )


def _closed_trip(row: Row) -> ClosedTrip:
    return ClosedTrip(
        id=row[0],
        symbol=row[1],
        entry=Side(row[2]),
        size=row[3],
        opened_at=row[4],
        closed_at=row[5],
        hold_seconds=row[6],
        exit_reason=ExitReason(row[7]),
        entry_value=row[8],
        exit_value=row[9],
        fees=row[10],
        spread_captured=row[11],
        price_move=row[12],
        net=row[13],
        maker_fills=row[14],
        taker_fills=row[15],
        dust=row[16],
        closing_order=row[17],
        strategy_tag=row[18],
        config_sha=row[19],
    )
