"""The ledger on PostgreSQL.

Three connections, so that the order path waits for nothing else: one for intents (each a single statement
that commits by itself, concurrent ones together), one for facts (one transaction per call), one for reading
(one consistent snapshot per call).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.commands import HoldChanged
from quietmaker.core.orders import ExitReason, Intent, Working
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import NEVER, Instant, Side
from quietmaker.errors import FactsRefused, LedgerError, WrongLedgerMode
from quietmaker.ledger import migrate, sql
from quietmaker.ledger.books import StoredFill, rebuild
from quietmaker.ledger.database import CONSTRAINT_ERRORS, Row, Session, UrlSource, insert, rows
from quietmaker.ledger.facts import (
    CONTRADICTION,
    QUERIES,
    Refusal,
    convert,
    set_aside,
    store,
    store_one_by_one,
)
from quietmaker.ledger.group_commit import GroupCommit
from quietmaker.ledger.rows import (
    exit_reason,
    intent_row,
    off_grid,
    product_of,
    stored_fill_from,
    text,
    working_from,
)
from quietmaker.ports import LedgerFact, SymbolBooks

T = TypeVar("T")

_BOOKS: Final = sql.load("books.sql")
_PAGE: Final = 500
_HOLDS_KEPT: Final = 5_000
"""Hold episodes kept for each symbol and side."""
_HOLDS_BETWEEN_PRUNES: Final = 1_000


class PostgresLedger:
    """Implements `quietmaker.ports.Ledger`. Thread-safe."""

    def __init__(self, url: UrlSource, *, products: Mapping[str, Product]) -> None:
        """Migrate the database up and be ready.

        Args:
            url: tells where the database is, asked again for every new connection;
                `EmbeddedPostgres.start` is one, and revives a server that died.
            products: by symbol, read at every use: facts must be written before the mapping changes.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerTooNew: if a newer version of the program migrated it.
        """
        migrate.upgrade(url())
        self._products = products
        self._run: int | None = None
        self._config_sha = ""
        self._holds_written = 0
        self._holds_mutex = threading.Lock()
        self._intents = Session(url, autocommit=True)
        self._facts = Session(url)
        self._reading = Session(url, snapshot=True)
        self._commits: GroupCommit[Row] = GroupCommit(self._store_intents)

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

        self._run = _refused_as_error(lambda: self._facts.run(work))
        self._config_sha = config_sha
        return self._run

    def resume_run(self, run: int) -> None:
        """Go on with an open run, in a new ledger object: a restart of the ledger is no new run.

        Raises:
            LedgerError: if there is no such run, or it has ended.
            LedgerUnavailable: if the database cannot be reached.
        """
        found = self._facts.run(lambda cursor: rows(cursor, QUERIES["run_resume"], run=run))
        if not found:
            raise LedgerError(f"run {run} is not open; begin a run instead")
        self._run, self._config_sha = run, found[0][0]

    def end_run(self, run: int, *, at: Instant, reason: str) -> None:
        """Close a run; one that has ended stays as it ended.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerError: if it would end before it began.
        """
        values = {"run": run, "at": at, "reason": text(reason)}
        _refused_as_error(lambda: self._facts.run(lambda c: c.execute(QUERIES["run_end"], values)))

    # --- writing ------------------------------------------------------------------------------------

    def write_intent(self, intent: Intent) -> None:
        """Return once the intent is durable. The same intent again is fine; another one is not.

        Raises:
            LedgerUnavailable: if it cannot be made durable; the order must not be sent.
            LedgerError: if it contradicts the books; the order must not be sent.
        """
        self._commits.submit(intent_row(intent, product_of(self._products, intent.symbol)))

    def write(self, facts: Iterable[LedgerFact]) -> None:
        """Store facts in one transaction, each once.

        Raises:
            LedgerUnavailable: if the database is away; nothing was stored, the caller keeps the facts.
            FactsRefused: if some contradict the books; those are set aside as evidence, the others stored.
        """
        entries, unconvertible = convert(list(facts), self._products)

        def together(cursor: Cursor) -> list[Refusal]:
            refused = unconvertible + store(cursor, entries)
            set_aside(cursor, refused)
            return refused

        def apart(cursor: Cursor) -> list[Refusal]:
            refused = unconvertible + store_one_by_one(cursor, entries)
            set_aside(cursor, refused)
            return refused

        try:
            refused = self._facts.run(together)
        except CONSTRAINT_ERRORS:
            refused = self._facts.run(apart)
        self._prune_holds([fact for fact, _ in entries if isinstance(fact, HoldChanged)])
        if refused:
            listed = "; ".join(f"{r.fact}: {r.error}" for r in refused[:3])
            raise FactsRefused(
                f"{len(refused)} facts refused and set aside in refused_facts: {listed}"
            )

    def close(self) -> None:
        """Close the connections. Idempotent."""
        for session in (self._intents, self._facts, self._reading):
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

    def _store_intents(self, batch: Sequence[Row]) -> None:
        if self._run is None:
            raise LedgerError("no run is open; begin_run comes before the first intent")
        values = [(row[0], self._run, *row[1:], self._config_sha) for row in batch]

        def work(cursor: Cursor) -> None:
            stored = insert(cursor, QUERIES["intents_insert"], values)
            if len(stored) < len(values):
                _refuse_other_intents(cursor, batch)

        _refused_as_error(lambda: self._intents.run(work))

    def _prune_holds(self, holds: Sequence[HoldChanged]) -> None:
        with self._holds_mutex:
            self._holds_written += len(holds)
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


def _refuse_other_intents(cursor: Cursor, batch: Sequence[Row]) -> None:
    stored = rows(cursor, QUERIES["intents_stored"], ids=[row[0] for row in batch])
    known = {row[0]: row for row in stored}
    for row in batch:
        if known[row[0]] != row:
            raise LedgerError(f"client id {row[0]}: {CONTRADICTION}; ids are used once")


def _read_books(cursor: Cursor, symbols: Mapping[str, Product]) -> dict[str, SymbolBooks]:
    orders = _read_orders(cursor, symbols)
    found = rows(cursor, _BOOKS["held_symbols"], symbols=list(symbols))
    held: dict[str, Decimal] = dict(found)

    def reason_of(round_trip: str) -> ExitReason | None:
        last = rows(cursor, _BOOKS["last_exit_reason"], id=round_trip)
        return exit_reason(last[0][0]) if last else None

    books = {}
    for symbol, product in symbols.items():
        ((closed,),) = rows(cursor, _BOOKS["last_closed"], symbol=symbol)
        books[symbol] = rebuild(
            symbol,
            orders=orders[symbol],
            fills=list(_fills_since_flat(cursor, product, held.get(symbol, Decimal(0)))),
            last_closed=Instant(closed) if closed is not None else None,
            reason_of=reason_of,
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


def _fills_since_flat(cursor: Cursor, product: Product, held: Decimal) -> Iterator[StoredFill]:
    """Yield fills, newest first, back to the moment before which nothing was held."""
    before: tuple[int, str] = (NEVER, "")
    while held:
        values = {"symbol": product.symbol, "at": before[0], "trade_id": before[1], "limit": _PAGE}
        page = rows(cursor, _BOOKS["fills_before"], **values)
        if not page:
            raise LedgerError(f"{product.symbol}: the fills do not add up to the holding by {held}")
        for row in page:
            stored = stored_fill_from(row, product)
            yield stored
            size = product.size(stored.fill.size)
            held -= size if stored.fill.side is Side.BUY else -size
            if not held:
                return
        before = (page[-1][8], page[-1][0])
