"""What the operator reads from the books: open orders, positions, round trips, P&L; all bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Final

from quietmaker.core.orders import ExitReason, OrderState, Purpose
from quietmaker.core.units import NEVER, SECOND, Instant, Liquidity, Side
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, Session, UrlSource, rows
from quietmaker.ledger.rows import exit_reason

_ALWAYS: Final = Instant(0)
QUERIES: Final = sql.load("reports.sql")


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
    """A round trip. Sizes in base, amounts in quote; net = spread_captured + price_move - fees.

    Attributes:
        id: client id of the entry that opened it; it may have opened another one by filling on.
        trip_id: trade id of the execution that closed it.
        adverse_selection: the part of the price move within `adverse_seconds` of the entries; None where
            nobody saw the market then.
    """

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
    trip_id: str
    adverse_selection: Decimal | None
    adverse_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedFill:
    """One execution, why its order existed, and the mids after it by horizon in seconds (0: at the fill)."""

    trade_id: str
    client_id: str
    order_id: str | None
    symbol: str
    side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    liquidity: Liquidity
    at: datetime
    purpose: Purpose
    exit_reason: ExitReason | None
    strategy_tag: str
    passive_order_id: str
    mids: Mapping[int, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRecord:
    """A row of the view ``trade_records``: an executed order; `pnl_usd` where it closed a round trip."""

    order_id: str
    client_id: str | None
    symbol: str
    side: str
    order_time: datetime
    price: Decimal
    size: Decimal
    notional_usd: Decimal
    fees_usd: Decimal
    pnl_usd: Decimal | None
    status: str
    source: str
    strategy_tag: str
    passive_order_id: str | None
    purpose: str | None
    exit_reason: str | None
    hold_seconds: Decimal | None
    config_sha: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows of a list: those of a time span, of one symbol or strategy or all; the latest first."""

    since: Instant = _ALWAYS
    until: Instant = NEVER
    symbol: str | None = None
    strategy: str | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlLine:
    """Round trips of one key (a UTC day, a symbol, an exit rule, a configuration) and one quote currency.

    Attributes:
        adverse_selection: of the round trips of which it is known; `adverse_trips` counts these.
    """

    key: str
    currency: str
    trips: int
    wins: int
    net: Decimal
    fees: Decimal
    spread_captured: Decimal
    price_move: Decimal
    adverse_selection: Decimal
    adverse_trips: int


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

    def round_trips(self, wanted: Wanted) -> list[ClosedTrip]:
        """Return round trips by the time at which they closed."""
        return [closed_trip(row) for row in self._list("round_trips", wanted)]

    def fills(self, wanted: Wanted) -> list[ExecutedFill]:
        """Return executions."""
        return [_executed_fill(row) for row in self._list("fills", wanted)]

    def trade_records(self, wanted: Wanted) -> list[TradeRecord]:
        """Return executed orders by the time of their last execution; imported ones are among them."""
        names = [field.name for field in fields(TradeRecord)]
        rows_ = self._list("trade_records", wanted)
        return [TradeRecord(**dict(zip(names, row, strict=True))) for row in rows_]

    def pnl(
        self, by: PnlBy, *, since: Instant = _ALWAYS, until: Instant = NEVER, limit: int = 1_000
    ) -> list[PnlLine]:
        """Return the sums of round trips that closed in a time span: days latest first, else worst first."""
        return [
            PnlLine(
                key=key,
                currency=currency,
                trips=trips,
                wins=wins,
                net=net,
                fees=fees,
                spread_captured=spread,
                price_move=move,
                adverse_selection=adverse,
                adverse_trips=known,
            )
            for key, currency, trips, wins, net, fees, spread, move, adverse, known in self._ask(
                f"pnl_by_{by.value}", since=since, until=until, limit=limit
            )
        ]

    def capital(self, *, since: Instant = _ALWAYS, limit: int = 1_000) -> dict[str, Decimal]:
        """Return what each currency held at a moment; one that no tie-out has seen yet is not there."""
        return dict(self._ask("capital", since=since, limit=limit))

    def derived_drift(self, *, limit: int = 100) -> list[tuple[str, str]]:
        """Return (table, id) of derived rows that differ from what the facts sum to; empty is right."""
        return [(what, name) for what, name in self._ask("derived_drift", limit=limit)]

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._session.close()

    def mode(self) -> str:
        """Return whose books these are, ``paper`` or ``live``; empty before the first run."""
        found = self._ask("mode")
        return str(found[0][0]) if found else ""

    def _list(self, query: str, wanted: Wanted) -> list[Row]:
        return self._ask(
            query,
            since=wanted.since,
            until=wanted.until,
            symbol=wanted.symbol,
            strategy=wanted.strategy,
            limit=wanted.limit,
        )

    def _ask(self, query: str, **values: object) -> list[Row]:
        return self._session.run(lambda cursor: rows(cursor, QUERIES[query], **values))


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


def _executed_fill(row: Row) -> ExecutedFill:
    return ExecutedFill(
        trade_id=row[0],
        client_id=row[1],
        order_id=row[2],
        symbol=row[3],
        side=Side(row[4]),
        price=row[5],
        size=row[6],
        fee=row[7],
        liquidity=Liquidity(row[8]),
        at=row[9],
        purpose=Purpose(row[10]),
        exit_reason=exit_reason(row[11]),
        strategy_tag=row[12],
        passive_order_id=row[13],
        mids=dict(zip((h // SECOND for h in row[14]), row[15], strict=True)),
    )


def closed_trip(row: Row) -> ClosedTrip:
    """Return a round trip of the columns that the query ``round_trips`` has."""
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
        trip_id=row[20],
        adverse_selection=row[21],
        adverse_seconds=row[22] // SECOND,
    )
