"""A backup is consistent, verified and restorable to the last digit; a wrong one changes nothing."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import IO

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.core.orders import ExitReason, Move
from quietmaker.core.units import Liquidity
from quietmaker.errors import LedgerError, LedgerTooNew, SafetyRefusal, WrongLedgerMode
from quietmaker.ledger import migrate, schema
from quietmaker.ledger.archives import archive, tables
from quietmaker.ledger.archives.archive import Manifest
from quietmaker.ledger.archives.backup import back_up
from quietmaker.ledger.archives.restore import RUNS_SKIPPED, Restored, restore
from quietmaker.ledger.reading.reports import PnlBy, Reports
from tests.ledger.conftest import run_sql
from tests.ledger.makers import PRODUCTS, at, entry, exit_of, fill_of, moved
from tests.ledger.prompt import PromptLedger

MADE_AT = "2026-01-01T00:00:00Z"


def backed_up(url: str, path: Path) -> Manifest:
    return back_up(url, path, made_at=MADE_AT, program="0.1.0", tell=lambda _: None)


def restored(url: str, path: Path, *, mode: str = "paper", replacing: bool = False) -> Restored:
    return restore(url, path, mode=mode, replace=replacing, stamp="20260101", tell=lambda _: None)


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall()
    connection.close()
    return found


def trade(url: str, *, mode: str = "paper", number: int = 0) -> None:
    """Open a run, and buy and sell with amounts of many digits."""
    ledger = PromptLedger(lambda: url, products=PRODUCTS)
    ledger.begin_run(mode=mode, config_sha="c0ffee", version="0.1.0", at=at(number))
    begun = 100 * number
    bought = entry(f"e{number}", when=begun)
    sold = exit_of(f"x{number}", f"e{number}", reason=ExitReason.TIMEOUT_LOSS, when=begun + 3)
    first, second = "0.00000000000000000123", "0.123456789012345678901234567890"
    fills = [
        fill_of(bought, f"a{number}", size=333, fee=first, when=begun + 1),
        fill_of(bought, f"b{number}", size=667, fee=second, when=begun + 2),
        fill_of(
            sold,
            f"c{number}",
            price=1003,
            fee="-0.01",
            when=begun + 9,
            liquidity=Liquidity.TAKER,
        ),
    ]
    ledger.write_intent(bought)
    ledger.write_intent(sold)
    ledger.write([moved(sold, Move.ACCEPTED, order_id=f'"quoted", \\N and ü {number}'), *fills])
    ledger.close()


@pytest.fixture
def traded_url(database_url: str) -> str:
    """Return the URL of books with a round trip."""
    trade(database_url)
    return database_url


@pytest.fixture
def file(tmp_path: Path, traded_url: str) -> Path:
    """Return a backup of them."""
    path = tmp_path / "books.zip"
    backed_up(traded_url, path)
    return path


def test_a_backup_says_what_it_holds(traded_url: str, tmp_path: Path) -> None:
    manifest = backed_up(traded_url, tmp_path / "books.zip")
    ((ledger_id,),) = query(traded_url, "SELECT ledger_id::text FROM meta")
    assert (manifest.ledger_id, manifest.mode) == (ledger_id, "paper")
    assert manifest.revision == schema.known()[-1]
    counts = {table.name: table.rows for table in manifest.tables}
    assert (counts["fills"], counts["order_intents"], counts["runs"]) == (3, 2, 1)
    with zipfile.ZipFile(tmp_path / "books.zip") as opened:
        stated = json.loads(opened.read("manifest.json"))
        assert opened.read("fills.csv").startswith(b"trade_id,client_id,")
    assert stated["sha256"] == manifest.sha256
    assert os.stat(tmp_path / "books.zip").st_mode & 0o077 == 0


def test_what_is_restored_is_what_was_backed_up_to_the_last_digit(
    file: Path, empty_url: str, tmp_path: Path
) -> None:
    done = restored(empty_url, file)
    again = backed_up(empty_url, tmp_path / "again.zip")
    assert done.aside is None
    assert [(t.name, t.rows, t.sha256) for t in again.tables] == [
        (t.name, t.rows, t.sha256) for t in done.manifest.tables
    ]
    assert again.ledger_id == done.manifest.ledger_id
    ((fee,),) = query(empty_url, "SELECT sum(fee) FROM fills WHERE trade_id IN ('a0', 'b0')")
    assert fee == Decimal("0.12345678901234568013123456789")


def test_restored_books_go_on_and_never_give_a_run_number_twice(file: Path, empty_url: str) -> None:
    restored(empty_url, file)
    ledger = PromptLedger(lambda: empty_url, products=PRODUCTS)
    run = ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(99))
    ledger.close()
    assert run == 1 + RUNS_SKIPPED + 1
    trade(empty_url, number=5)
    reports = Reports(lambda: empty_url)
    assert reports.derived_drift() == []
    assert sum(line.trips for line in reports.pnl(PnlBy.SYMBOL)) == 2
    reports.close()


def test_triggers_and_their_refusals_are_back_after_a_restore(file: Path, empty_url: str) -> None:
    restored(empty_url, file)
    with pytest.raises(psycopg2.Error, match="append-only"):
        run_sql(empty_url, "DELETE FROM fills")


def test_a_backup_is_one_moment_although_trading_goes_on(traded_url: str, tmp_path: Path) -> None:
    told: list[str] = []

    def trade_meanwhile(line: str) -> None:
        if not told:
            trade(traded_url, number=7)
        told.append(line)

    path = tmp_path / "books.zip"
    manifest = back_up(traded_url, path, made_at=MADE_AT, program="0.1.0", tell=trade_meanwhile)
    counts = {table.name: table.rows for table in manifest.tables}
    assert (counts["fills"], counts["executions"], counts["round_trips"]) == (3, 2, 1)


def test_books_that_are_there_are_not_replaced_unasked(file: Path, traded_url: str) -> None:
    with pytest.raises(SafetyRefusal, match="--replace"):
        restored(traded_url, file)
    assert query(traded_url, "SELECT count(*) FROM fills") == [(3,)]


def test_replaced_books_are_kept_aside_and_their_run_numbers_stay_used(
    file: Path, new_database: Callable[[], str]
) -> None:
    other = new_database()
    for number in range(3):
        trade(other, number=number)
    done = restored(other, file, replacing=True)
    assert done.aside == "before_20260101"
    assert query(other, "SELECT count(*) FROM fills") == [(3,)]
    assert query(other, "SELECT count(*) FROM before_20260101.fills") == [(9,)]
    trade(other, number=8)
    assert query(other, "SELECT max(run) FROM runs") == [(3 + RUNS_SKIPPED + 1,)]
    assert query(other, "SELECT count(*) FROM before_20260101.fills") == [(9,)]


def test_a_database_that_was_only_migrated_is_no_ledger_in_the_way(
    file: Path, new_database: Callable[[], str]
) -> None:
    assert restored(new_database(), file).aside is None


def test_a_backup_of_the_other_mode_is_refused(file: Path, empty_url: str) -> None:
    with pytest.raises(WrongLedgerMode, match="holds a paper ledger and the configuration is live"):
        restored(empty_url, file, mode="live")


def test_a_running_instance_is_not_restored_under(file: Path, database_url: str) -> None:
    ledger = PromptLedger(lambda: database_url, products=PRODUCTS)
    ledger.begin_run(mode="paper", config_sha="c0ffee", version="0.1.0", at=at(0))
    with pytest.raises(SafetyRefusal, match="stop it first"):
        restored(database_url, file, replacing=True)
    ledger.close()


def test_a_newer_schema_is_refused(file: Path, empty_url: str) -> None:
    rewrite(file, lambda manifest: replace(manifest, revision="9999"))
    with pytest.raises(LedgerTooNew, match="9999"):
        restored(empty_url, file)
    assert schema.current(empty_url) == ""


def rewrite(path: Path, change: Callable[[Manifest], Manifest]) -> None:
    """Make the backup say something else, in a manifest that adds up."""
    with archive.reading(path) as backup:
        members = {}
        for table in backup.manifest.tables:
            with backup.table(table.name) as csv:
                members[table.name] = csv.read()
        manifest = change(backup.manifest)
    path.unlink()
    with archive.writing(path) as writer:
        for table in manifest.tables:
            data = members[table.name]
            writer.table(table.name, table.columns, lambda sink, data=data: sink.write(data))  # type: ignore[misc]
        writer.finish(manifest)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_damaged_byte_anywhere_is_found_and_nothing_changed(
    part: float, file: Path, empty_url: str
) -> None:
    data = bytearray(file.read_bytes())
    data[int(part * len(data))] ^= 0x40
    file.write_bytes(data)
    with pytest.raises(LedgerError, match=r"damaged|no backup"):
        restored(empty_url, file)
    assert schema.current(empty_url) == ""


def test_a_backup_that_does_not_read_back_as_its_manifest_says_gets_no_name(file: Path) -> None:
    with pytest.raises(LedgerError, match="not what the manifest says"):
        rewrite(
            file,
            lambda manifest: replace(
                manifest, tables=tuple(replace(t, sha256="0" * 64) for t in manifest.tables)
            ),
        )
    assert list(file.parent.iterdir()) == []


@pytest.mark.parametrize("part", [0.0, 0.5, 0.95])
def test_a_cut_file_is_refused(part: float, file: Path, empty_url: str) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(part * len(data))])
    with pytest.raises(LedgerError, match=r"no backup|damaged"):
        restored(empty_url, file)
    assert schema.current(empty_url) == ""


def test_rows_that_the_constraints_refuse_leave_the_database_as_it_was(
    file: Path, new_database: Callable[[], str]
) -> None:
    other = new_database()
    trade(other, number=3)

    def without_runs(manifest: Manifest) -> Manifest:
        return replace(manifest, tables=tuple(t for t in manifest.tables if t.name != "runs"))

    rewrite(file, without_runs)
    with pytest.raises(LedgerError, match="the database is as before"):
        restored(other, file, replacing=True)
    assert query(other, "SELECT client_id FROM order_intents ORDER BY 1") == [("e3",), ("x3",)]


def test_what_comes_out_otherwise_than_it_went_in_is_undone(
    file: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_in = tables.copy_in

    def losing_a_cent(cursor: Cursor, name: str, columns: tuple[str, ...], csv: IO[bytes]) -> int:
        count = copy_in(cursor, name, columns, csv)
        if name == "fills":
            cursor.execute("UPDATE fills SET fee = fee + 0.01 WHERE trade_id = 'c0'")
        return count

    monkeypatch.setattr(tables, "copy_in", losing_a_cent)
    with pytest.raises(LedgerError, match="fills did not come out of the database as it went in"):
        restored(empty_url, file)
    assert schema.current(empty_url) == ""


def test_a_backup_does_not_overwrite_a_file(file: Path, traded_url: str) -> None:
    before = file.read_bytes()
    with pytest.raises(LedgerError, match="exists already"):
        backed_up(traded_url, file)
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(
    traded_url: str, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError, match="cannot be written"):
        backed_up(traded_url, tmp_path / "missing" / "books.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_half_of_a_backup(
    traded_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: archive.Digest, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.Digest, "write", full)
    with pytest.raises(LedgerError, match="No space left on device"):
        backed_up(traded_url, tmp_path / "books.zip")
    assert list(tmp_path.iterdir()) == []


def test_there_is_nothing_to_back_up_before_the_first_run(
    empty_url: str, database_url: str, tmp_path: Path
) -> None:
    for url in (empty_url, database_url):
        with pytest.raises(LedgerError, match="nothing to back up"):
            backed_up(url, tmp_path / "books.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_an_older_schema_is_restored_and_migrated(
    empty_url: str, server_url: str, tmp_path: Path
) -> None:
    name = "older_schema"
    run_sql(server_url, f"CREATE DATABASE {name}")
    older = server_url.replace("/quietmaker?", f"/{name}?")
    first = schema.known()[0]
    migrate.upgrade(older, revision=first)
    run_sql(older, "INSERT INTO meta (mode) VALUES ('paper')")
    assert backed_up(older, tmp_path / "books.zip").revision == first
    assert restored(empty_url, tmp_path / "books.zip").revision == schema.known()[-1]
    assert query(empty_url, "SELECT mode FROM meta") == query(older, "SELECT mode FROM meta")
