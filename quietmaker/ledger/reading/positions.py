"""What is held, lot by lot, with what it cost and which orders leave it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import ExitReason, OrderState
from quietmaker.core.units import PPB, ROUNDED, Side, add, minus, plus, times
from quietmaker.ledger import sql
from quietmaker.ledger.database import Row, UrlSource, once, rows

_QUERIES: Final = sql.load("positions.sql")
_LOTS_READ: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLot:
    """Units that one execution opened and that are still held; `fees` is their part of its fee."""

    trade_id: str
    client_id: str
    size: Decimal
    price: Decimal
    fees: Decimal
    opened_at: datetime
    strategy_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingExit:
    """An order that leaves a position, and what of it was executed."""

    client_id: str
    order_id: str | None
    side: Side
    price: Decimal
    size: Decimal
    filled: Decimal
    state: OrderState
    exit_reason: ExitReason
    round_trip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPosition:
    """What is held of one symbol. Sizes in base, amounts in quote.

    Attributes:
        entry: the side that opened it.
        round_trip: id of the open round trip; None for dust that a finished one left.
        flaw: why lots and results of this symbol are not derived to the end; None where they are.
    """

    symbol: str
    entry: Side
    round_trip: str | None
    flaw: str | None
    lots: tuple[HeldLot, ...]
    exits: tuple[WorkingExit, ...]

    @property
    def size(self) -> Decimal:
        """Return how much is held, positive."""
        return add(*(lot.size for lot in self.lots))

    @property
    def cost(self) -> Decimal:
        """Return the value of the executions that opened it, without fees."""
        return add(*(times(lot.price, lot.size) for lot in self.lots))

    @property
    def fees(self) -> Decimal:
        """Return the fees that were paid on them."""
        return add(*(lot.fees for lot in self.lots))

    @property
    def opened_at(self) -> datetime:
        """Return when its oldest lot was opened."""
        return min(lot.opened_at for lot in self.lots)

    def break_even(self, rates: FeeRates) -> Decimal:
        """Return the price at which leaving as maker costs nothing: (C+F)/(Q*(1-m)), before the tick."""
        if self.entry is Side.BUY:
            need = times(plus(self.cost, self.fees), Decimal(PPB))
            return ROUNDED.divide(need, times(self.size, Decimal(PPB - rates.maker)))
        have = times(minus(self.cost, self.fees), Decimal(PPB))
        return ROUNDED.divide(have, times(self.size, Decimal(PPB + rates.maker)))


def open_positions(url: UrlSource) -> list[OpenPosition]:
    """Return what is held, by symbol.

    Raises:
        LedgerUnavailable: if the database cannot be reached.
    """
    return once(url, _read, snapshot=True)


def _read(cursor: Cursor) -> list[OpenPosition]:
    lots = rows(cursor, _QUERIES["lots"], limit=_LOTS_READ)
    symbols = list({row[0] for row in lots})
    exits = rows(cursor, _QUERIES["exits"], symbols=symbols)
    return [
        _position(symbol, list(mine), [row for row in exits if row[2] == symbol])
        for symbol, mine in groupby(lots, key=lambda row: row[0])
    ]


def _position(symbol: str, lots: list[Row], exits: Iterable[Row]) -> OpenPosition:
    first = lots[0]
    return OpenPosition(
        symbol=symbol,
        entry=Side(first[1]),
        round_trip=first[9],
        flaw=first[10],
        lots=tuple(_lot(row) for row in lots),
        exits=tuple(_exit(row) for row in exits),
    )


def _lot(row: Row) -> HeldLot:
    return HeldLot(
        trade_id=row[2],
        client_id=row[3],
        size=row[4],
        price=row[5],
        fees=row[6],
        opened_at=row[7],
        strategy_tag=row[8],
    )


def _exit(row: Row) -> WorkingExit:
    return WorkingExit(
        client_id=row[0],
        order_id=row[1],
        side=Side(row[3]),
        price=row[4],
        size=row[5],
        filled=row[6],
        state=OrderState(row[7]),
        exit_reason=ExitReason(row[8]),
        round_trip=row[9],
    )
