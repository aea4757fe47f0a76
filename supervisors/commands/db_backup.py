"""`quietmaker db backup` and `quietmaker db restore`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quietmaker.ledger.actions import Action, record
from quietmaker.ledger.archives.archive import Manifest
from quietmaker.ledger.archives.backup import back_up
from quietmaker.ledger.archives.restore import RUNS_SKIPPED
from quietmaker.ledger.archives.restore import restore as restore_books
from quietmaker.ledger.bring_up import bring_up
from supervisors import build
from supervisors.clock import SystemClock, utc
from supervisors.commands.options import (
    config_options,
    json_option,
    load_settings,
    say,
    write_json,
    write_table,
)
from supervisors.desk import books_open, operator, put_journal_aside, stopped
from supervisors.home import Home
from supervisors.tables import stamp

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@_file
@config_options
@json_option
def backup(file: Path, config_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Write everything in the books to FILE, as they are at one moment, and verify it.

    Works while the instance runs and trades. FILE is a ZIP of one CSV per table and a manifest with the
    ledger's id, mode, schema, counts and digests; it must not exist yet. It is readable by you alone.
    """
    settings = load_settings(config_file, overrides)
    with books_open(settings, Home.from_env(os.environ)) as url:
        manifest = back_up(url, file, made_at=stamp(utc()), program=build.version(), tell=say)
        _record(url, "db backup", file, f"{manifest.rows} rows, sha256 {manifest.sha256}")
    data = {"file": str(file), "bytes": file.stat().st_size, **_described(manifest)}
    _write(data, manifest, as_json=as_json)
    say(f"{file} was read back and is whole")


@click.command()
@_file
@config_options
@click.option(
    "--replace", is_flag=True, help="Put the books that are there aside, as a schema of their own."
)
@json_option
def restore(
    file: Path, config_file: Path, overrides: tuple[str, ...], replace: bool, as_json: bool
) -> None:
    """Restore the books from FILE, all or nothing, and compare them with it to the last digit.

    Exits with 6 if an instance runs on them, if FILE holds the books of the other mode, or if there are
    books already and --replace was not said; with 1 if FILE is damaged or newer than this program. What
    happened after the backup is not in the books: the next start asks the exchange, and names what differs.
    """
    settings = load_settings(config_file, overrides)
    home, now = Home.from_env(os.environ), f"{utc():%Y%m%d_%H%M%S}"
    with stopped(settings, home, create=True) as url:
        done = restore_books(url, file, mode=settings.mode, replace=replace, stamp=now, tell=say)
        bring_up(url, tell=say)
        journal = put_journal_aside(home, stamp=now)
        kept = "" if done.aside is None else f"; what was there is in the schema {done.aside}"
        _record(url, "db restore", file, f"{done.manifest.rows} rows{kept}")
    data = {
        "file": str(file),
        "aside": done.aside,
        "journal_aside": None if journal is None else str(journal),
        "schema_now": done.revision,
        **_described(done.manifest),
    }
    _write(data, done.manifest, as_json=as_json)
    say(
        f"restored as it was at {done.manifest.made_at}; run numbers go on {RUNS_SKIPPED} later, so that no"
        f" client id is used twice{kept}"
    )


def _described(manifest: Manifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "mode": manifest.mode,
        "ledger_id": manifest.ledger_id,
        "schema": manifest.revision,
        "server": manifest.server,
        "rows": manifest.rows,
        "sha256": manifest.sha256,
    }


def _write(data: dict[str, object], manifest: Manifest, *, as_json: bool) -> None:
    if as_json:
        tables = {
            table.name: {"rows": table.rows, "sha256": table.sha256} for table in manifest.tables
        }
        write_json({**data, "tables": tables})
        return
    write_table(
        [(name.replace("_", " "), "-" if v is None else str(v)) for name, v in data.items()]
    )


def _record(url: str, action: str, file: Path, outcome: str) -> None:
    record(
        url,
        Action(
            at=SystemClock().now(),
            operator=operator(),
            action=action,
            arguments={"file": str(file.absolute())},
            outcome=outcome,
        ),
    )
