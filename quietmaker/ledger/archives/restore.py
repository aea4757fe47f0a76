"""Restore the books from a backup: all of it in one transaction, or nothing.

The schema is made at the backup's revision, loaded, compared with the backup table by table, and only then
migrated to this program's. Constraints hold while it is loaded; the triggers that sum are off, because what
they summed is in the backup.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg2 import sql as build
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from quietmaker.errors import LedgerError, LedgerTooNew, SafetyRefusal, WrongLedgerMode
from quietmaker.ledger import migrate, schema
from quietmaker.ledger.archives import archive, tables
from quietmaker.ledger.archives.archive import ArchiveReader, Digest, Manifest
from quietmaker.ledger.archives.backup import Tell, prepare
from quietmaker.ledger.migrate import Transaction

RUNS_SKIPPED: Final = 1_000
"""Run numbers left out after a restore: client ids carry them, and those of runs after the backup are taken
at the exchange, which would treat a repeated id as the order that it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did.

    Attributes:
        revision: of the schema now.
        aside: the schema that keeps what was there before, None if nothing was.
    """

    manifest: Manifest
    revision: str
    aside: str | None


def restore(url: str, path: Path, *, mode: str, replace: bool, stamp: str, tell: Tell) -> Restored:
    """Restore a backup into a database without books, or beside the books that it replaces.

    Args:
        url: of the database.
        path: of the backup.
        mode: the books that are wanted, ``paper`` or ``live``.
        replace: whether books that are there may be put aside.
        stamp: names what is put aside: digits and underscores.
        tell: hears of the progress.

    Raises:
        WrongLedgerMode: if the backup is of the other mode.
        SafetyRefusal: if an instance is connected, or there are books and they may not be replaced.
        LedgerTooNew: if a newer program made the backup.
        LedgerError: if the file is damaged, or does not come out as it went in; nothing is changed.
    """
    with archive.reading(path) as backup:
        _check(backup.manifest, path, mode)
        tell(f"{path}: {backup.manifest.rows} rows, verified")
        with migrate.transaction(url) as work:
            with work.cursor() as cursor:
                prepare(cursor)
                _refuse_connected(cursor)
                aside, run = _clear(work, cursor, replace=replace, stamp=stamp)
                work.upgrade(backup.manifest.revision)
                _load(cursor, backup, tell)
                _compare(cursor, backup.manifest)
                _sequences(cursor, backup.manifest, run)
            revision = work.upgrade()
    return Restored(manifest=backup.manifest, revision=revision, aside=aside)


def _check(manifest: Manifest, path: Path, mode: str) -> None:
    if manifest.mode != mode:
        raise WrongLedgerMode(
            f"{path} holds a {manifest.mode} ledger and the configuration is {mode}; name the {manifest.mode}"
            f" configuration with --config"
        )
    if manifest.revision not in (known := schema.known()):
        raise LedgerTooNew(
            f"{path} is at schema {manifest.revision} and this program knows up to {known[-1]}; restore it"
            f" with the version that made it ({manifest.program})"
        )


def _refuse_connected(cursor: Cursor) -> None:
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'quietmaker'"
    )
    ((sessions,),) = cursor.fetchall()
    if sessions:
        raise SafetyRefusal(
            f"{sessions} sessions of a running quietmaker are connected to this database; stop it first"
        )


def _clear(
    work: Transaction, cursor: Cursor, *, replace: bool, stamp: str
) -> tuple[str | None, int]:
    """Make room; return the schema that keeps what was there, and the last run's number."""
    present = tables.tables(cursor) if work.revision() else []
    filled = [table.name for table in present if tables.count(cursor, table)]
    if not filled:
        if work.revision():
            work.downgrade("base")
        return None, 0
    if not replace:
        raise SafetyRefusal(
            f"the database holds books ({', '.join(filled[:4])} ...); say --replace to put them aside, or"
            f" restore into another QUIETMAKER_HOME or database"
        )
    run = tables.sequences(cursor).get("runs", 0)
    cursor.execute("SELECT current_schema()")
    ((place,),) = cursor.fetchall()
    aside = f"before_{stamp}"
    names = {"place": build.Identifier(place), "aside": build.Identifier(aside)}
    cursor.execute(build.SQL("ALTER SCHEMA {place} RENAME TO {aside}").format(**names))
    cursor.execute(build.SQL("CREATE SCHEMA {place}").format(**names))
    cursor.execute(build.SQL("GRANT USAGE ON SCHEMA {place} TO PUBLIC").format(**names))
    return aside, run


def _load(cursor: Cursor, backup: ArchiveReader, tell: Tell) -> None:
    present = tables.tables(cursor)
    for table in present:
        tables.set_triggers(cursor, table, enabled=False)
    for table in reversed(present):  # what the migrations put there is in the backup, too
        tables.empty(cursor, table)
    for copy in backup.manifest.tables:
        with backup.table(copy.name) as csv:
            tables.copy_in(cursor, copy.name, copy.columns, csv)
        if copy.rows:
            tell(f"{copy.name}: {copy.rows} rows")
    for table in present:
        tables.set_triggers(cursor, table, enabled=True)


def _compare(cursor: Cursor, manifest: Manifest) -> None:
    expected = {copy.name: (copy.rows, copy.sha256) for copy in manifest.tables}
    for table in tables.tables(cursor):
        digest = Digest()
        count = tables.copy_out(cursor, table, digest)
        if (count, digest.hex) != expected[table.name]:
            raise LedgerError(
                f"{table.name} did not come out of the database as it went in; nothing was"
                f" changed, please report it"
            )


def _sequences(cursor: Cursor, manifest: Manifest, run: int) -> None:
    last = dict(manifest.sequences)
    last["runs"] = max(last.get("runs", 0), run) + RUNS_SKIPPED
    tables.go_on_after(cursor, last)
