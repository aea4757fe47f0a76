"""Keep what is derived beside the fills: read where a symbol stands, go on from there, write what came of it.

A fill that is newer than all others is a continuation. One that comes late takes its symbol back to the
last moment before it at which nothing was held, and everything after is derived again. Prices and sizes
are taken on one grid that is finer than any increment ever was, so that a product whose increments changed
is derived exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.positions import Lot
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import Instant
from quietmaker.ledger import sql
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Row, Session, insert, rows, savepoint
from quietmaker.ledger.derivation.derive import (
    ADVERSE_HORIZON,
    METHOD,
    START,
    Background,
    Booked,
    Deriver,
    Earlier,
    Key,
    OpenTrip,
    make_trip,
)
from quietmaker.ledger.derivation.rows import (
    allocation_row,
    booked_from,
    grid,
    left_row,
    lot_from,
    lot_row,
    on_product,
    open_trip,
    parts_from,
    split_of,
    trip_row,
)

QUERIES: Final = sql.load("derive.sql")
PAGE: Final = 2_000

FLAWS: Final = (*CONSTRAINT_ERRORS, ArithmeticError, OffGridError)
"""What a derivation may fail with; the fills are stored all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is new of one symbol: the keys of fills, and of fills after which only dust was left."""

    fills: Sequence[Key]
    ends: Sequence[Key]


def derive_symbol(cursor: Cursor, symbol: str, told: Told) -> str:
    """Bring one symbol up to date; return why it gave up, or nothing.

    The transaction goes on either way: what is derived can be derived again, what is told is told once.
    """
    cursor.execute(QUERIES["claim"], {"symbol": symbol, "method": METHOD})
    try:
        with savepoint(cursor, errors=FLAWS):
            _bring_up(cursor, symbol, told)
    except FLAWS as error:
        flaw = describe(error)
        cursor.execute(QUERIES["state_flawed"], {"symbol": symbol, "flaw": flaw})
        return f"{symbol} cannot be derived: {flaw}"
    return ""


def derive_anew(cursor: Cursor, symbol: str, *, version: int | None = None) -> None:
    """Derive one symbol from its first fill on, under its version or a new one.

    Raises:
        psycopg2.Error, ArithmeticError, OffGridError: if its fills cannot be derived.
    """
    cursor.execute(QUERIES["claim"], {"symbol": symbol, "method": METHOD})
    state = _State(cursor, symbol)
    state.version = version if version is not None else state.version
    state.rewind(START)
    state.go_on()


def derive_pending(session: Session) -> list[str]:
    """Derive every symbol that never was, or whose derivation gave up or is outdated; return what failed.

    Each symbol is a transaction of its own. Fills that are derived already are not read.
    """
    pending = session.run(lambda c: rows(c, QUERIES["symbols_to_derive"], method=METHOD))
    failed: list[str] = []
    for (symbol,) in pending:
        try:
            session.run(partial(derive_anew, symbol=symbol))
        except FLAWS as error:
            flaw = describe(error)
            session.run(partial(_give_up, symbol=symbol, flaw=flaw))
            failed.append(f"{symbol} cannot be derived: {flaw}")
    return failed


def describe(error: Exception) -> str:
    """Return an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _give_up(cursor: Cursor, symbol: str, flaw: str) -> None:
    cursor.execute(QUERIES["claim"], {"symbol": symbol, "method": METHOD})
    cursor.execute(QUERIES["state_flawed"], {"symbol": symbol, "flaw": flaw})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is held of a symbol, in the product's ticks and lots, oldest first.

    Attributes:
        trip: id of the open round trip, None when flat, or when it is dust that is held.
        newest: where the newest fill stands, None before the first.
    """

    lots: tuple[Lot, ...]
    trip: str | None
    newest: tuple[Instant, str] | None


def read_held(cursor: Cursor, product: Product) -> Held:
    """Read what is held. Where the derivation gave up, it is made anew from all fills and not stored.

    Raises:
        OffGridError: if the product's increments cannot express it.
    """
    symbol = product.symbol
    found = rows(cursor, QUERIES["state"], symbol=symbol, method=METHOD)
    if not found:
        return Held(lots=(), trip=None, newest=None)
    last_ns, last_trade, trip, sound = found[0]
    if sound:
        lots: Iterable[Lot] = open_lots(cursor, symbol)[0]
        newest = None if last_ns is None else (Instant(last_ns), last_trade)
    else:
        deriver = Deriver(grid(symbol))
        at = START
        while page := read_fills(cursor, symbol, at):
            for booked in page:
                deriver.take(booked)
            at = page[-1].key
        lots = deriver.position.open_lots()
        trip = deriver.trip.id if deriver.trip is not None else None
        newest = None if at == START else (Instant(at[0]), at[1])
    return Held(lots=tuple(on_product(lot, product) for lot in lots), trip=trip, newest=newest)


def read_fills(cursor: Cursor, symbol: str, after: Key) -> list[Booked]:
    """Read the next fills of a symbol after a place, in order."""
    found = rows(
        cursor,
        QUERIES["fills_after"],
        symbol=symbol,
        at=after[0],
        trade_id=after[1],
        horizon=ADVERSE_HORIZON,
        limit=PAGE,
    )
    return [booked_from(symbol, row) for row in found]


def open_lots(cursor: Cursor, symbol: str) -> tuple[list[Lot], dict[str, Background]]:
    """Read what is held, on the grid, oldest first, and what is known of those fills."""
    found = rows(cursor, QUERIES["open_lots"], symbol=symbol, horizon=ADVERSE_HORIZON)
    read = [lot_from(row) for row in found]
    return [lot for lot, _ in read], {lot.trade_id: known for lot, known in read}


def _bring_up(cursor: Cursor, symbol: str, told: Told) -> None:
    state = _State(cursor, symbol)
    if state.flawed:
        return  # it is tried again when the ledger is opened next, or by hand
    late = [key for key in told.fills if key <= state.at]
    late += [key for key in told.ends if key < state.at]
    if late:
        state.rewind(min(late))
    state.go_on(end_first=state.at in told.ends)


class _State:
    """Where one symbol's derivation stands, locked for this transaction."""

    def __init__(self, cursor: Cursor, symbol: str) -> None:
        self._cursor = cursor
        self._symbol = symbol
        self._grid = grid(symbol)
        (found,) = rows(cursor, QUERIES["state_lock"], symbol=symbol)
        self.version, method, last_ns, last_trade, trip, since, tag, flaw = found
        self.at: Key = START if last_ns is None else (last_ns, last_trade)
        self._trip = open_trip(trip, since, tag)
        self.flawed = flaw is not None or method != METHOD

    def rewind(self, before: Key) -> None:
        """Go back to the last moment before a fill at which nothing was held, or a position turned over."""
        place = {"symbol": self._symbol, "at": before[0], "trade_id": before[1]}
        found = rows(self._cursor, QUERIES["last_flat"], **place)
        self.at = (found[0][0], found[0][1]) if found else START
        place = {"symbol": self._symbol, "at": self.at[0], "trade_id": self.at[1]}
        for step in ("rewind_allocations", "rewind_trips", "rewind_lots"):
            self._cursor.execute(QUERIES[step], place)
        turned = rows(self._cursor, QUERIES["lot_of"], trade_id=self.at[1])
        self._trip = open_trip(*turned[0]) if turned else None

    def go_on(self, *, end_first: bool = False) -> None:
        """Take every fill that was not taken, page by page, and say how far it went."""
        while True:
            page = read_fills(self._cursor, self._symbol, self.at)
            if page or end_first:
                self._take(page, end_first=end_first)
            end_first = False
            if len(page) < PAGE:
                break
        self._store_state()

    def _take(self, page: Sequence[Booked], *, end_first: bool) -> None:
        lots, backgrounds = open_lots(self._cursor, self._symbol)
        deriver = Deriver(
            self._grid,
            lots=lots,
            trip=self._trip,
            backgrounds=backgrounds,
            earlier=self._earlier if self._trip is not None else None,
        )
        if end_first:
            deriver.end_on_dust()
        for booked in page:
            deriver.take(booked)
        self._write(lots, deriver, resumed=self._trip is not None)
        self._trip = deriver.trip
        if page:
            self.at = page[-1].key

    def _earlier(self) -> Earlier:
        found = rows(
            self._cursor, QUERIES["parts_open"], symbol=self._symbol, horizon=ADVERSE_HORIZON
        )
        return parts_from(found)

    def _write(self, before: Sequence[Lot], deriver: Deriver, *, resumed: bool) -> None:
        held = {lot.trade_id: lot for lot in deriver.position.open_lots()}
        opened = [
            lot_row(self._symbol, lot, held.get(lot.trade_id), self.version)
            for lot in deriver.opened
        ]
        changed = [
            left_row(lot.trade_id, held.get(lot.trade_id))
            for lot in before
            if held.get(lot.trade_id) != lot
        ]
        trips = [trip_row(trip, self.version) for trip in deriver.trips]
        for query, values in (
            ("lots_insert", opened),
            ("lots_update", changed),
            ("trips_insert", trips),
        ):
            if values:
                insert(self._cursor, QUERIES[query], values)
        if resumed and deriver.trips:
            first = {"symbol": self._symbol, "trip_id": deriver.trips[0].trip_id}
            self._cursor.execute(QUERIES["allocations_close"], first)
        closed = [allocation_row(self._grid, each, self.version) for each in deriver.allocations]
        if closed:
            insert(self._cursor, QUERIES["allocations_insert"], closed)

    def _store_state(self) -> None:
        trip, known = self._trip, self.at != START
        values = {
            "symbol": self._symbol,
            "version": self.version,
            "method": METHOD,
            "last_ns": self.at[0] if known else None,
            "last_trade": self.at[1] if known else None,
            "trip": trip.id if trip is not None else None,
            "trip_opened_ns": trip.opened_at if trip is not None else None,
        }
        self._cursor.execute(QUERIES["state_store"], values)


def split_again(cursor: Cursor, trade_ids: Iterable[str]) -> None:
    """Split the round trips of these fills anew: a mid of them became known. Nets do not change."""
    found = rows(cursor, QUERIES["trips_of_fills"], ids=list(trade_ids))
    if not found:
        return
    parts: dict[str, list[Row]] = {row[0]: [] for row in found}
    for row in rows(cursor, QUERIES["parts_of_trips"], ids=list(parts), horizon=ADVERSE_HORIZON):
        parts[row[0]].append(row)
    changed: list[Row] = []
    for trip_id, symbol, name, since, tag, *stored in found:
        earlier = parts_from(parts[trip_id])
        trip = make_trip(
            grid(symbol),
            OpenTrip(id=name, opened_at=Instant(since), strategy_tag=tag),
            earlier.parts,
            backgrounds=earlier.backgrounds,
            dust=0,
        )
        split = (*split_of(trip), ADVERSE_HORIZON)
        if split != tuple(stored):
            changed.append((trip_id, *split))
    if changed:
        insert(cursor, QUERIES["split_update"], changed)
