"""The ledger over journal and database: each record arrives once, whoever dies, nothing is passed over."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.orders import OrderState
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger import journaled
from quietmaker.ledger.facts import Entry, Refusal
from quietmaker.ledger.journal.drain import drain
from quietmaker.ledger.journal.folder import JournalPlace
from quietmaker.ledger.journal.rows import decode, encode
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.postgres import PostgresLedger
from tests.ledger.journal_kit import BadDisk, broken, full
from tests.ledger.makers import PRODUCTS, SYMBOL, at, entry, exit_of, fill_of, moved

WORDS = st.text().filter(str.isprintable)
VALUES = st.none() | st.booleans() | st.integers() | WORDS | st.decimals(allow_nan=False)


@given(kind=st.sampled_from(["fills", "intents", "holds"]), row=st.lists(VALUES))
def test_a_row_comes_back_from_the_journal_to_the_last_digit(kind: str, row: list[Any]) -> None:
    found = decode(encode(Entry(kind=kind, row=tuple(row))))
    assert isinstance(found, Entry)
    assert (found.kind, found.row) == (kind, tuple(row))
    assert [(type(value), str(value)) for value in found.row] == [(type(v), str(v)) for v in row]


def test_what_this_version_does_not_know_is_evidence_and_stops_nothing() -> None:
    for payload in (b'["prophecies","tomorrow"]', b"\xff{", b"17"):
        found = decode(payload)
        assert isinstance(found, Refusal)
        assert found.kind == "unreadable"
    refusal = Refusal(kind="fills", fact="a", error="b")
    assert (decode(encode(refusal)), decode(encode(None))) == (refusal, None)


@dataclass
class Rig:
    """A ledger that can be killed and opened again."""

    url: str
    folder: Path
    disk: BadDisk = field(default_factory=BadDisk)
    now: Instant = field(default_factory=lambda: at(0))
    notes: list[str] = field(default_factory=list)
    ledger: JournaledLedger | None = None

    def place(self) -> JournalPlace:
        return JournalPlace(
            folder=self.folder, now=lambda: self.now, disk=self.disk, segment_bytes=1 << 14
        )

    def open(self) -> JournaledLedger:
        self.kill()
        self.ledger = JournaledLedger(
            PostgresLedger(lambda: self.url),
            self.place(),
            products=PRODUCTS,
            tell=self.notes.append,
        )
        return self.ledger

    def begin(self) -> JournaledLedger:
        ledger = self.open()
        ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
        return ledger

    def kill(self) -> None:
        """Let go as the system does for a killed process: nothing is made durable, nothing applied."""
        ledger, self.ledger = self.ledger, None
        if ledger is not None:
            ledger._database.close()
            if ledger._opened is not None:
                ledger._opened.lock.release()

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchall()
        connection.close()
        return found

    def break_disk(self) -> None:
        def fails(_: object) -> None:
            raise broken()

        self.disk.makes, self.disk.syncs = fails, fails

    def mend_disk(self) -> None:
        self.disk.makes, self.disk.syncs = lambda path: None, lambda handle: None
        self.now = Instant(self.now + 2 * SECOND)


@pytest.fixture
def rig(database_url: str, tmp_path: Path) -> Iterator[Rig]:
    """Return a rig on a fresh database."""
    rig = Rig(database_url, tmp_path / "journal")
    yield rig
    rig.kill()


def lots(ledger: JournaledLedger) -> list[str]:
    return [lot.trade_id for lot in ledger.books(PRODUCTS).symbols[SYMBOL].lots]


def test_what_a_killed_process_wrote_is_in_the_books_before_anything_is_read(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    ledger.write([moved(entry("e1"), "accepted"), fill_of(entry("e1"), "t1", size=10)])
    assert rig.query("SELECT count(*) FROM order_intents") == [(0,)]
    rig.open()
    assert rig.query("SELECT count(*) FROM fills") == [(1,)]
    assert rig.query("SELECT config_sha, run FROM order_intents") == [("c0ffee", 1)]


def test_a_kill_between_the_books_and_the_journal_repeats_nothing(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    for when, word in enumerate(["accepted", "cancel_sent", "cancel_refused", "cancel_sent"]):
        ledger.write([moved(entry("e1"), word, when=when)])
    ledger.apply()
    for _ in range(3):
        ledger = rig.open()
    assert rig.query("SELECT count(*) FROM order_events") == [(4,)]
    (order,) = ledger.books(PRODUCTS).symbols[SYMBOL].orders
    assert order.state is OrderState.CANCEL_PENDING


def test_a_contradiction_is_told_set_aside_and_stops_nothing(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    ledger.write([fill_of(entry("e1"), "t1", size=10)])
    ledger.write([fill_of(entry("e1"), "t1", size=11), fill_of(entry("ghost"), "t2")])
    ledger.write([fill_of(entry("e1"), "t3", size=5, when=3)])
    applied = ledger.apply()
    assert len(applied.refused) == 2
    assert "t1" in "".join(applied.refused)
    assert ledger.apply().refused == ()
    assert lots(ledger) == ["t1", "t3"]
    assert rig.query("SELECT count(*) FROM refused_facts") == [(2,)]


def test_a_fact_of_a_product_that_nobody_knows_is_evidence(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    ledger.write([replace(fill_of(entry("e1"), "t1", size=10), symbol="NO-SUCH")])
    assert "no product is known" in ledger.apply().refused[0]
    assert rig.query("SELECT kind FROM refused_facts") == [("fills",)]


def test_a_backlog_is_applied_in_bounded_steps(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journaled, "BATCH", 10)
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    ledger.write(fill_of(entry("e1"), f"t{n}", size=1, when=n) for n in range(34))
    assert [ledger.apply().left for _ in range(4)] == [25, 15, 5, 0]


def test_books_say_exactly_which_facts_are_in_them(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    first = ledger.write([fill_of(entry("e1"), "t1", size=10)])
    genuine = ledger._database.books
    late: list[int] = []

    def books(symbols: Any) -> Any:
        late.append(ledger.write([fill_of(entry("e1"), "t2", size=10)]))
        return genuine(symbols)

    monkeypatch.setattr(ledger._database, "books", books)
    found = ledger.books(PRODUCTS)
    assert (found.upto, late) == (first, [first + 1])
    assert [lot.trade_id for lot in found.symbols[SYMBOL].lots] == ["t1"]
    assert ledger.books(PRODUCTS).upto == first + 1


def test_an_intent_that_could_not_be_made_durable_never_comes_to_be(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    rig.break_disk()
    with pytest.raises(LedgerUnavailable):
        ledger.write_intent(entry("e2"))
    ledger.write([moved(entry("e1"), "accepted")])
    rig.mend_disk()
    ledger.apply()
    ledger.apply()
    assert ledger.standing().trouble == ""
    assert any("given up" in note for note in rig.notes)
    ledger.write_intent(entry("e3"))
    ledger.write_intent(entry("e3"))
    rig.open()
    assert rig.query("SELECT client_id FROM order_intents ORDER BY 1") == [("e1",), ("e3",)]
    assert rig.query("SELECT what FROM order_events") == [("accepted",)]


def test_what_the_journal_cannot_take_an_exit_finds_in_the_database(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    rig.break_disk()
    with pytest.raises(LedgerUnavailable):
        ledger.write_intent(entry("e2"))
    ledger.write_intent(exit_of("x1", "e1"))
    assert rig.query("SELECT client_id FROM order_intents ORDER BY 1") == [("e1",), ("x1",)]
    with pytest.raises(LedgerUnavailable):
        ledger.write_intent(entry("e3"))
    assert ledger.standing().trouble


def test_a_disk_that_fills_up_stops_entries_and_exits_go_on_in_the_reserve(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))

    def makes(path: Path) -> None:
        raise full()

    rig.disk.makes = makes
    number = 0
    while not ledger.standing().trouble:
        number += 1
        ledger.write([moved(entry("e1"), "sent", when=number)])
        ledger._journal.prepare()
    assert "make room on the disk" in ledger.standing().trouble
    with pytest.raises(LedgerUnavailable, match="make room"):
        ledger.write_intent(entry("e2"))
    ledger.write_intent(exit_of("x1", "e1"))
    rig.mend_disk()
    ledger.apply()
    assert ledger.standing().trouble == ""
    ledger.write_intent(entry("e2"))


def test_an_exit_of_a_position_of_an_earlier_life_is_recorded_and_one_of_nothing_is_not(
    rig: Rig,
) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    ledger.write([fill_of(entry("e1"), "t1", size=10)])
    ledger = rig.begin()
    assert lots(ledger) == ["t1"]
    ledger.write_intent(exit_of("x1", "e1"))
    with pytest.raises(LedgerError, match="not known"):
        ledger.write_intent(exit_of("x2", "nobody"))


def test_the_journal_of_other_books_is_not_mixed_in(
    rig: Rig, new_database: Callable[[], str]
) -> None:
    rig.begin().write_intent(entry("e1"))
    rig.kill()
    rig.url = new_database()
    with pytest.raises(LedgerError, match="must not be mixed in"):
        rig.open()
    database = PostgresLedger(lambda: rig.url)
    with pytest.raises(LedgerError, match="nothing of it is applied"):
        drain(database, rig.place())
    database.close()


def test_a_journal_behind_a_restored_database_is_drained_and_a_new_one_begins(rig: Rig) -> None:
    ledger = rig.begin()
    ledger.write_intent(entry("e1"))
    ledger.write([fill_of(entry("e1"), f"t{n}", size=1, when=n) for n in range(300)])
    while ledger.apply().left:
        pass
    ledger.write([fill_of(entry("e1"), "late", size=1, when=400)])
    rig.kill()
    _forget_all_but_the_intent(rig)
    with pytest.raises(LedgerError, match="restored from a backup"):
        rig.open()
    database = PostgresLedger(lambda: rig.url)
    done = drain(database, rig.place())
    database.close()
    assert done is not None
    assert done.lost[0][0] == 2
    assert (done.refused, done.unreadable) == ((), ())
    assert done.kept == rig.folder.with_name("journal.drained-1")
    ledger = rig.begin()
    assert lots(ledger)[-1] == "late"
    ledger.write_intent(exit_of("x1", "e1"))
    ledger.apply()
    assert rig.query("SELECT count(*) FROM journal_applied") == [(2,)]


def _forget_all_but_the_intent(rig: Rig) -> None:
    connection = psycopg2.connect(rig.url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for table in ("fills", "executions", "holdings", "flows"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("UPDATE journal_applied SET seq = 1")
    connection.close()


def test_there_is_nothing_to_drain_where_no_journal_is(rig: Rig) -> None:
    database = PostgresLedger(lambda: rig.url)
    assert drain(database, rig.place()) is None
    database.close()


def test_a_journal_without_a_readable_file_is_put_aside(rig: Rig) -> None:
    rig.begin()
    rig.kill()
    for path in rig.folder.glob("*.segment"):
        path.write_bytes(b"nothing")
    with pytest.raises(LedgerError, match="is no segment"):
        rig.open()
    database = PostgresLedger(lambda: rig.url)
    done = drain(database, rig.place())
    database.close()
    assert done is not None
    assert (done.applied, len(done.unreadable)) == (0, 3)
    rig.begin()


WRITER = """
import sys, threading
from pathlib import Path
from quietmaker.ledger.journal.folder import JournalPlace
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.postgres import PostgresLedger
from tests.ledger.makers import PRODUCTS, at, entry, fill_of
url, folder = sys.argv[1:]
place = JournalPlace(folder=Path(folder), now=lambda: at(0), segment_bytes=1 << 14)
ledger = JournaledLedger(PostgresLedger(lambda: url), place, products=PRODUCTS, tell=print)
run = ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
def apply():
    while True:
        ledger.apply()
def write(writer):
    for number in range(100_000):
        name = f"{run}-{writer}-{number}"
        ledger.write_intent(entry(name, when=number))
        ledger.write([fill_of(entry(name, when=number), f"t{name}", size=1, when=number)])
        sys.stdout.write(name + chr(10))
        sys.stdout.flush()
threading.Thread(target=apply, daemon=True).start()
for writer in range(3):
    threading.Thread(target=write, args=(writer,), daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize("after", [1, 60, 400])
def test_whatever_a_process_had_said_is_durable_is_there_after_it_was_killed(
    rig: Rig, after: int
) -> None:
    said: set[str] = set()
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, rig.url, str(rig.folder)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(after):
            said.add(process.stdout.readline().strip())
        process.kill()
        said.update(line.strip() for line in process.stdout if line.endswith("\n"))
        process.wait()
        process.stdout.close()
    assert "" not in said
    rig.open()
    stored = {name for (name,) in rig.query("SELECT client_id FROM order_intents")}
    fills = [trade for (trade,) in rig.query("SELECT trade_id FROM fills")]
    assert said <= stored
    assert {f"t{name}" for name in said} <= set(fills)
    assert rig.query("SELECT count(*) FROM refused_facts") == [(0,)]
    ((size,),) = rig.query("SELECT size FROM holdings")
    assert size == Decimal("0.01") * len(fills)
