"""The ledger: a journal on our own disk, and the books in PostgreSQL that it feeds.

Whatever is written goes into the journal and nowhere else; `apply` brings it from there into the database,
in order, with the position in the same transaction, so that each record arrives once whatever happens in
between. So there is one way, and it is always walked: a database that is away only makes it longer.

What the journal cannot take, the database may: an exit is then durable there before it is sent.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from quietmaker.core.orders import Intent, Purpose
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.facts import CONTRADICTION, INTENTS, Entry, Record, convert
from quietmaker.ledger.flaws import intent_flaw
from quietmaker.ledger.journal.folder import JournalPlace, OpenJournal, holds_journal
from quietmaker.ledger.journal.journal import Journal
from quietmaker.ledger.journal.rows import decode, encode
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.rows import intent_row, product_of
from quietmaker.ports import Applied, BooksAsOf, LedgerFact, LedgerStanding

BATCH: Final = 500
"""Records in one transaction."""
REMEMBERED: Final = 65_536
"""Intents by which a repetition is told from a contradiction."""
LOOK_AFTER: Final = SECOND
"""How often an idle database is asked whether it is there, and a full disk whether it has room."""

Known = tuple[int, tuple[object, ...]]


class JournaledLedger:
    """Implements `quietmaker.ports.Ledger`. Thread-safe."""

    def __init__(
        self,
        database: PostgresLedger,
        place: JournalPlace,
        *,
        products: Mapping[str, Product],
        tell: Callable[[str], None],
    ) -> None:
        """Bring the books up to what an earlier life wrote, and be ready.

        Args:
            database: the books.
            place: where the journal lies.
            products: by symbol, read at every use.
            tell: takes notes for the operator: what was cut, what failed and was got over.

        Raises:
            LedgerUnavailable: if the database went away.
            LedgerError: if the journal is damaged, or does not belong to these books; names the remedy.
        """
        self._database, self._place = database, place
        self._products, self._tell = products, tell
        self._applying = threading.Lock()
        self._knowing = threading.Lock()
        self._known: dict[str, Known] = {}
        self._held: frozenset[str] = frozenset()
        self._refused: list[str] = []
        self._opened: OpenJournal | None = None
        self._applied = 0
        self._away = ""
        self._run: int | None = None
        self._looked = Instant(0)
        for note in database.notes:
            tell(note)
        ledger = database.ledger_id()
        if ledger is not None or holds_journal(place.folder):
            self._open()
            try:
                with self._applying:
                    self._apply_everything()
            except BaseException:
                self._journal.close()
                raise

    # --- runs -----------------------------------------------------------------------------------

    def begin_run(self, *, mode: str, config_sha: str, version: str, at: Instant) -> int:
        """Open a run and return its number, which no later run will have.

        Raises:
            WrongLedgerMode: if the database belongs to the other mode.
            LedgerUnavailable: if it cannot be reached.
            LedgerError: if a value is refused.
        """
        run = self._database.begin_run(mode=mode, config_sha=config_sha, version=version, at=at)
        if self._opened is None:
            self._open()
        self._run = run
        return run

    def end_run(self, run: int, *, at: Instant, reason: str) -> None:
        """Close a run; one that has ended stays as it ended.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerError: if it would end before it began.
        """
        self._database.end_run(run, at=at, reason=reason)

    def _open(self) -> None:
        self._opened = self._place.open(self._database.ledger_id(), self._database.applied)
        self._applied = self._database.applied(self._opened.id)
        for note in self._opened.notes:
            self._tell(f"the journal ended in the middle of a record and was cut: {note}")

    @property
    def _journal(self) -> Journal:
        if self._opened is None:
            raise LedgerError("no run is open; begin_run comes before the first fact")
        return self._opened.journal

    # --- writing --------------------------------------------------------------------------------

    def write_intent(self, intent: Intent) -> None:
        """Return once the intent is durable. The same intent again is fine; another one is not.

        Raises:
            LedgerUnavailable: if it cannot be made durable, or an entry while there is trouble.
            LedgerError: if it contradicts the books.
        """
        if self._run is None:
            raise LedgerError("no run is open; begin_run comes before the first intent")
        row = intent_row(intent, product_of(self._products, intent.symbol))
        if (known := self._known.get(intent.client_id)) is not None:
            if known[1] != row:
                raise LedgerError(
                    f"client id {intent.client_id}: {CONTRADICTION}; ids are used once"
                )
            self._journal.sync(known[0])
            return
        self._check(intent)
        record = encode(Entry(kind=INTENTS, row=(*row, self._run, intent.config_sha)))
        seq = self._journal.append([record])
        self._remember(intent.client_id, (seq, row))
        self._make_durable(intent, seq)

    def write(self, facts: Iterable[LedgerFact]) -> int:
        """Record facts in order; return the number of the last one.

        Raises:
            LedgerUnavailable: once the ledger is closed.
            LedgerError: before any run.
        """
        entries, refused = convert(facts, self._products)
        return self._journal.append([*map(encode, entries), *map(encode, refused)])

    def _check(self, intent: Intent) -> None:
        """Raise unless the intent may be recorded."""
        if flaw := intent_flaw(intent):
            raise LedgerError(f"the books refuse it: {flaw}")
        if intent.purpose is Purpose.ENTRY:
            if trouble := self._trouble():
                raise LedgerUnavailable(trouble)
            return
        opened_by = intent.passive_order_id
        if opened_by in self._known or opened_by in self._held:
            return
        if not self._database.has_intent(opened_by):
            raise LedgerError(f"the books refuse it: its passive order {opened_by} is not known")

    def _remember(self, client_id: str, known: Known) -> None:
        with self._knowing:
            self._known[client_id] = known
            if len(self._known) > REMEMBERED:
                del self._known[next(iter(self._known))]

    def _make_durable(self, intent: Intent, seq: int) -> None:
        journal = self._journal
        while True:
            try:
                journal.sync(seq)
            except LedgerUnavailable:
                if intent.purpose is Purpose.EXIT and self._in_database(seq):
                    return
                if journal.take_back(seq):
                    self._known.pop(intent.client_id, None)
                    raise
            else:
                return

    def _in_database(self, seq: int) -> bool:
        """Return whether the database could take what the journal cannot."""
        with self._applying:
            try:
                while self._applied < seq:
                    self._step()
            except LedgerError:
                return False
        return True

    # --- applying -------------------------------------------------------------------------------

    def apply(self) -> Applied:
        """Bring at most `BATCH` records into the database, and look after both.

        Raises:
            LedgerUnavailable: if the database is away; what was written is durable nevertheless, if there
                is any way.
        """
        journal = self._journal
        with self._applying:
            idle = self._looks_idle()
            try:
                if not self._step() and idle:
                    self._database.check()
                    self._away = ""
                    self._database.tidy(self._place.now())
            except LedgerUnavailable as error:
                self._away = f"the database is away: {error}".partition("\n")[0].strip()
                raise
            finally:
                self._look_after(journal, idle=idle)
            refused, self._refused = tuple(self._refused), []
        return Applied(left=journal.last - self._applied, refused=refused)

    def _step(self) -> bool:
        """Apply a batch; return whether there was one."""
        opened, journal = self._opened, self._journal
        written = journal.read(self._applied, BATCH)
        if not written or opened is None:
            return False
        records = [Record(seq=each.seq, content=decode(each.payload)) for each in written]
        refused = self._database.apply(opened.id, records)
        self._refused.extend(f"{each.fact}: {each.error}" for each in refused)
        self._applied = records[-1].seq
        journal.applied(self._applied)
        left = journal.last - self._applied
        if self._away:
            self._away = (
                f"the database is back, {left} records are still to be applied" if left else ""
            )
        return True

    def _apply_everything(self) -> None:
        """Apply what was written up to now; what comes meanwhile may come along."""
        upto = self._opened.journal.last if self._opened is not None else 0
        while self._applied < upto:
            self._step()

    def _looks_idle(self) -> bool:
        """Return whether it is time to look at what is not used just now."""
        now = self._place.now()
        if 0 <= now - self._looked < LOOK_AFTER:
            return False
        self._looked = now
        return True

    def _look_after(self, journal: Journal, *, idle: bool) -> None:
        """Have room, and on the disk what only the journal holds; say what went wrong."""
        if idle or not journal.trouble:
            journal.prepare()
        if self._away or journal.trouble:
            with contextlib.suppress(LedgerUnavailable):  # `trouble` tells, and it is tried again
                journal.sync(journal.last)
        for failure in journal.take_failures():
            self._tell(failure)

    def _trouble(self) -> str:
        return self._away or (self._opened.journal.trouble if self._opened is not None else "")

    def standing(self) -> LedgerStanding:
        """Return how the ledger stands."""
        if self._opened is None:
            return LedgerStanding(trouble="", backlog=0, oldest=None)
        backlog, oldest = self._opened.journal.backlog
        return LedgerStanding(trouble=self._trouble(), backlog=backlog, oldest=oldest)

    # --- reading --------------------------------------------------------------------------------

    def books(self, symbols: Mapping[str, Product]) -> BooksAsOf:
        """Return the state of each symbol, with everything that was written before.

        Raises:
            LedgerUnavailable: if the database cannot be reached.
            LedgerError: if a stored price or size no longer fits the product's increments.
        """
        with self._applying:
            self._apply_everything()
            found = self._database.books(symbols)
            upto = self._applied
        orders = (order.intent for each in found.values() for order in each.orders)
        trips = (each.round_trip for each in found.values() if each.round_trip is not None)
        self._held = self._held | {intent.passive_order_id for intent in orders} | set(trips)
        return BooksAsOf(upto=upto, symbols=found)

    def symbols_in_use(self) -> tuple[str, ...]:
        """Return the symbols with a position or an unsettled order, whatever the configuration says."""
        return self._database.symbols_in_use()

    def close(self) -> None:
        """Close the journal and the connections. Idempotent."""
        if self._opened is not None:
            self._opened.close()
        self._database.close()
