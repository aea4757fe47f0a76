"""The books in PostgreSQL: what the journal brings goes in, one transaction a batch; what stands comes out.

Nobody on the order path waits for this. Two connections: one for writing, one for reading (one consistent
snapshot per call).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.orders import Working
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError, WrongLedgerMode
from quietmaker.ledger import schema, sql
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Row, Session, UrlSource, rows
from quietmaker.ledger.derivation.derived import derive_pending, read_held
from quietmaker.ledger.facts import (
    QUERIES,
    Entry,
    Record,
    Refusal,
    set_aside,
    store,
    store_one_by_one,
)
from quietmaker.ledger.retention import Keep, Retention
from quietmaker.ledger.roles import ensure_reader
from quietmaker.ledger.rows import (
    exit_reason,
    off_grid,
    text,
    working_from,
)
from quietmaker.ports import SymbolBooks

T = TypeVar("T")
Applied: TypeAlias = tuple[list[Entry], list[Refusal]]

_BOOKS: Final = sql.load("books.sql")
_HOLDS_KEPT: Final = 5_000
"""Hold episodes kept for each symbol and side."""
_HOLDS_BETWEEN_PRUNES: Final = 1_000


class PostgresLedger:
    """The database behind `JournaledLedger`. Thread-safe.

    Attributes:
        notes: what the operator should hear of the books as they were opened.
    """

    def __init__(self, url: UrlSource, *, keep: Keep | None = None) -> None:
        """Migrate the database up, derive what is not derived yet, and be ready.

        Args:
            url: tells where the database is, asked again for every new connection;
                `EmbeddedPostgres.start` is one, and revives a server that died.
            keep: how long what no result depends on is kept; None is for ever.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerTooNew: if a newer version of the program migrated it.
            LedgerInUse: if another instance writes it.
        """
        self._retention = Retention(keep) if keep is not None else None
        self._holds_written = 0
        self._holds_mutex = threading.Lock()
        self._facts = Session(url, only_writer=True)
        self._facts.connect()  # nobody else may write while the schema moves
        schema.ensure(url())
        self._reading = Session(url, snapshot=True)
        reader = self._facts.run(ensure_reader)
        self.notes = (*derive_pending(self._facts), *([reader] if reader else []))

    # --- runs ---------------------------------------------------------------------------------------

    def begin_run(self, *, mode: str, config_sha: str, version: str, at: Instant) -> int:
        """Open a run and return its number, which no later run will have.

        Raises:
            WrongLedgerMode: if the database belongs to the other mode.
            LedgerUnavailable: if it cannot be reached.
            LedgerError: if a value is refused.
        """

        def work(cursor: Cursor) -> int:
            cursor.execute(QUERIES["meta_claim"], {"mode": mode})
            ((owner,),) = rows(cursor, QUERIES["meta_mode"])
            if owner != mode:
                raise WrongLedgerMode(
                    f"this database holds a {owner} ledger and the run is {mode}; give the {mode} instance"
                    f" a QUIETMAKER_HOME or a database of its own"
                )
            values = {"mode": mode, "config_sha": config_sha, "version": version, "at": at}
            ((run,),) = rows(cursor, QUERIES["run_begin"], **values)
            return int(run)

        return _refused_as_error(lambda: self._facts.run(work))

    def end_run(self, run: int, *, at: Instant, reason: str) -> None:
        """Close a run; one that has ended stays as it ended.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerError: if it would end before it began.
        """
        values = {"run": run, "at": at, "reason": text(reason)}
        _refused_as_error(lambda: self._facts.run(lambda c: c.execute(QUERIES["run_end"], values)))

    # --- writing ------------------------------------------------------------------------------------

    def ledger_id(self) -> UUID | None:
        """Return what tells these books from all others, None before their first run.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
        """
        found = self._facts.run(lambda cursor: rows(cursor, QUERIES["meta_ledger"]))
        return UUID(found[0][0]) if found else None

    def applied(self, journal: UUID) -> int:
        """Return the number of the last record of a journal that these books hold, 0 for none.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
        """

        def work(cursor: Cursor) -> list[Row]:
            cursor.execute(QUERIES["journal_begin"], {"journal": str(journal)})
            return rows(cursor, QUERIES["journal_position"], journal=str(journal))

        ((seq,),) = self._facts.run(work)
        return int(seq)

    def apply(self, journal: UUID, records: Sequence[Record]) -> list[Refusal]:
        """Store the records that are not stored yet, and how far that is, in one transaction.

        What contradicts the books is set aside as evidence and returned; it stops nothing.

        Args:
            journal: that they come from; `applied` was asked for it before.
            records: in order.

        Raises:
            LedgerUnavailable: if the database is away; nothing was stored, or all of it.
        """

        def work(cursor: Cursor, store: Callable[[Cursor, list[Entry]], list[Refusal]]) -> Applied:
            ((applied,),) = rows(cursor, QUERIES["journal_lock"], journal=str(journal))
            fresh = [record.content for record in records if record.seq > applied]
            entries = [content for content in fresh if isinstance(content, Entry)]
            refused = [content for content in fresh if isinstance(content, Refusal)]
            refused += store(cursor, entries)
            set_aside(cursor, refused)
            if fresh:
                values = {"journal": str(journal), "seq": records[-1].seq}
                cursor.execute(QUERIES["journal_advance"], values)
            return entries, refused

        try:
            entries, refused = self._facts.run(lambda cursor: work(cursor, store))
        except CONSTRAINT_ERRORS:
            entries, refused = self._facts.run(lambda cursor: work(cursor, store_one_by_one))
        self._prune_holds(sum(entry.kind == "holds" for entry in entries))
        return refused

    def has_intent(self, client_id: str) -> bool:
        """Return whether the books hold an intent.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
        """
        query = QUERIES["intents_stored"]
        return bool(self._reading.run(lambda cursor: rows(cursor, query, ids=[client_id])))

    def check(self) -> None:
        """Return if the database can be written to now.

        Raises:
            LedgerUnavailable: if it cannot.
        """
        self._facts.run(lambda cursor: rows(cursor, QUERIES["meta_mode"]))

    def tidy(self, now: Instant) -> None:
        """Let a bounded batch of what is old go; called again and again while there is nothing else to do.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
        """
        retention = self._retention
        if retention is not None:
            self._facts.run(lambda cursor: retention.step(cursor, now))

    def close(self) -> None:
        """Close the connections. Idempotent."""
        for session in (self._facts, self._reading):
            session.close()

    # --- reading ------------------------------------------------------------------------------------

    def books(self, symbols: Mapping[str, Product]) -> Mapping[str, SymbolBooks]:
        """Return the state of each symbol, rebuilt from intents, events and fills in one snapshot.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerError: if a stored price or size no longer fits the product's increments.
        """
        try:
            return self._reading.run(lambda cursor: _read_books(cursor, symbols))
        except OffGridError as error:
            raise off_grid(error) from error

    def symbols_in_use(self) -> tuple[str, ...]:
        """Return the symbols with a position or an unsettled order, whatever the configuration says."""
        found = self._reading.run(lambda cursor: rows(cursor, _BOOKS["symbols_in_use"]))
        return tuple(symbol for (symbol,) in found)

    def latest_fill(self) -> Instant | None:
        """Return the time of the newest stored fill: where asking the exchange for missed ones begins."""
        ((at,),) = self._reading.run(lambda cursor: rows(cursor, _BOOKS["latest_fill"]))
        return Instant(at) if at is not None else None

    # --- parts --------------------------------------------------------------------------------------

    def _prune_holds(self, written: int) -> None:
        with self._holds_mutex:
            self._holds_written += written
            if self._holds_written < _HOLDS_BETWEEN_PRUNES:
                return
            self._holds_written = 0
        values = {"keep": _HOLDS_KEPT}
        self._facts.run(lambda cursor: cursor.execute(QUERIES["holds_prune"], values))


def _refused_as_error(work: Callable[[], T]) -> T:
    try:
        return work()
    except CONSTRAINT_ERRORS as error:
        raise LedgerError(f"the books refuse it: {error}".strip()) from error


def _read_books(cursor: Cursor, symbols: Mapping[str, Product]) -> dict[str, SymbolBooks]:
    orders = _read_orders(cursor, symbols)
    books = {}
    for symbol, product in symbols.items():
        held = read_held(cursor, product)
        last = rows(cursor, _BOOKS["last_exit_reason"], id=held.trip) if held.trip else []
        latest = rows(cursor, _BOOKS["latest_day"], symbol=symbol)
        books[symbol] = SymbolBooks(
            symbol=symbol,
            orders=tuple(orders[symbol]),
            lots=held.lots,
            round_trip=held.trip,
            reason=exit_reason(last[0][0]) if last else None,
            newest=held.newest,
            latest=(int(latest[0][0]), Decimal(latest[0][1])) if latest else None,
        )
    return books


def _read_orders(cursor: Cursor, symbols: Mapping[str, Product]) -> dict[str, list[Working]]:
    found = rows(cursor, _BOOKS["open_orders"], symbols=list(symbols))
    fills: dict[str, list[tuple[str, Decimal]]] = {row[0]: [] for row in found}
    for client_id, trade_id, size in rows(cursor, _BOOKS["fills_of_orders"], ids=list(fills)):
        fills[client_id].append((trade_id, size))
    orders: dict[str, list[Working]] = {symbol: [] for symbol in symbols}
    for row in found:
        orders[row[1]].append(working_from(row, symbols[row[1]], fills[row[0]]))
    return orders
