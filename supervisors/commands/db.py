"""`quietmaker db`: the database of the books."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quietmaker.ledger import schema as schemas
from quietmaker.ledger.actions import Action, record
from quietmaker.ledger.bring_up import bring_up
from quietmaker.ledger.server.embedded import url_of
from supervisors.books import EMBEDDED
from supervisors.clock import SystemClock
from supervisors.commands.db_accept import accept
from supervisors.commands.db_backup import backup, restore
from supervisors.commands.db_check import check
from supervisors.commands.db_import import import_
from supervisors.commands.db_journal import drain_journal
from supervisors.commands.db_recompute import recompute_books
from supervisors.commands.options import (
    config_options,
    json_option,
    load_settings,
    say,
    write_json,
    write_table,
)
from supervisors.desk import database_open, operator, refuse_connected, stopped
from supervisors.home import Home


@click.group()
def db() -> None:
    """Reach, upgrade, check, back up and restore the database of the books."""


db.add_command(accept)
db.add_command(backup)
db.add_command(restore)
db.add_command(import_)
db.add_command(check)
db.add_command(recompute_books)
db.add_command(drain_journal)


@db.command()
@config_options
def url(config_file: Path, overrides: tuple[str, ...]) -> None:
    """Print the URL of the database, as psql takes it. The embedded one answers while `run` runs.

    Exits with 3 if the embedded database does not run. The URL holds a password.
    """
    settings = load_settings(config_file, overrides)
    if settings.ledger.url == EMBEDDED:
        click.echo(url_of(Home.from_env(os.environ).database))
    else:
        click.echo(settings.ledger.url)


@db.command()
@config_options
@json_option
def schema(config_file: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Say at which schema the books are, and whether this program can use them. Nothing is changed.

    For a deployment, before anything is stopped: `upgrade` means that the next start migrates them, and an
    older program cannot use them then. Exits with 1 if they are newer than this program.
    """
    settings = load_settings(config_file, overrides)
    with database_open(settings, Home.from_env(os.environ)) as address:
        found = schemas.current(address)
    known = schemas.known()
    if not found:
        verdict = "empty"
    elif found == known[-1]:
        verdict = "current"
    else:
        verdict = "upgrade" if found in known else "newer"
    if as_json:
        write_json({"books": found or None, "program": known[-1], "verdict": verdict})
    else:
        write_table([("books", found or "(empty)"), ("program", known[-1]), ("verdict", verdict)])
    return 1 if verdict == "newer" else 0


@db.command()
@config_options
@json_option
def upgrade(config_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Bring the schema up to this version's, in one transaction, as `run` does at its start.

    Exits with 3 if there are no books yet, with 6 if an instance runs on them.
    """
    settings = load_settings(config_file, overrides)
    with stopped(settings, Home.from_env(os.environ), create=False) as address:
        refuse_connected(address)
        before = schemas.current(address)
        after = bring_up(address, tell=say)
        if before != after:
            arguments = {"from": before, "to": after}
            record(
                address,
                Action(
                    at=SystemClock().now(),
                    operator=operator(),
                    action="db upgrade",
                    arguments=arguments,
                    outcome="done",
                ),
            )
    if as_json:
        write_json({"before": before or None, "after": after, "changed": before != after})
    else:
        write_table([("before", before or "(empty)"), ("after", after)])
