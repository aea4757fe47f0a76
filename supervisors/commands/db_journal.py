"""`quietmaker db drain-journal`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quietmaker.ledger.actions import Action, record
from quietmaker.ledger.journal.drain import Drained, drain
from quietmaker.ledger.journal.folder import JournalPlace
from quietmaker.ledger.postgres import PostgresLedger
from supervisors.clock import SystemClock
from supervisors.commands.options import (
    config_options,
    json_option,
    load_settings,
    say,
    write_json,
    write_table,
)
from supervisors.desk import operator, stopped
from supervisors.home import Home


@click.command("drain-journal")
@config_options
@json_option
def drain_journal(config_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Bring what can be read of the journal into the books, say what is lost, and put the files aside.

    Only needed when a start says so: the journal is damaged, or the database was restored from a backup.
    What is lost is asked for at the exchange at the next start. Exits with 3 if there are no books yet,
    with 6 if an instance runs on them.
    """
    settings, home = load_settings(config_file, overrides), Home.from_env(os.environ)
    with stopped(settings, home, create=False) as url:
        done = _drained(url, home)
    if done is None:
        say(f"there is no journal in {home.journal}")
        return
    data = {
        "applied": done.applied,
        "refused": len(done.refused),
        "lost": _lost(done),
        "unreadable_files": [str(path) for path in done.unreadable],
        "kept_in": str(done.kept),
    }
    if as_json:
        write_json(data)
        return
    write_table(
        [
            (name.replace("_", " "), ", ".join(v) or "-" if isinstance(v, list) else str(v))
            for name, v in data.items()
        ]
    )


def _drained(url: str, home: Home) -> Drained | None:
    """Drain the journal of a home, and leave a record of it in the books."""
    database, clock = PostgresLedger(lambda: url), SystemClock()
    try:
        done = drain(database, JournalPlace(folder=home.journal, now=clock.now))
    finally:
        database.close()
    if done is not None:
        lost = ", ".join(_lost(done)) or "none"
        outcome = f"{done.applied} records applied, {len(done.refused)} refused, lost: {lost}"
        record(
            url,
            Action(
                at=clock.now(),
                operator=operator(),
                action="db drain-journal",
                arguments={"journal": str(done.kept)},
                outcome=outcome,
            ),
        )
    return done


def _lost(done: Drained) -> list[str]:
    return [f"{first}-{last}" for first, last in done.lost]
