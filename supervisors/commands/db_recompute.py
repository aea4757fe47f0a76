"""`quietmaker db recompute`: everything that is derived, anew from the facts."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from quietmaker.ledger.actions import Action, record
from quietmaker.ledger.derivation.recompute import Recomputed, recompute
from supervisors.clock import SystemClock
from supervisors.commands.options import config_options, json_option, load_settings, say, write_json
from supervisors.desk import check_schema, operator, refuse_connected, stopped
from supervisors.home import Home
from supervisors.tables import Form, Record, column, write_list

_DIFFERED: Final = 1


@click.command("recompute")
@config_options
@json_option
def recompute_books(config_file: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Derive lots, round trips, sums and results anew from the executions, and say what differed.

    Executions and orders are facts and stay as they are. Exits with 1 if anything differed, or cannot be
    derived; with 6 if an instance runs on these books.
    """
    settings = load_settings(config_file, overrides)
    with stopped(settings, Home.from_env(os.environ), create=False) as url:
        check_schema(url)
        refuse_connected(url)
        done = recompute(url, tell=say)
        record(
            url,
            Action(
                at=SystemClock().now(),
                operator=operator(),
                action="db recompute",
                arguments={"version": str(done.version)},
                outcome=_outcome(done),
            ),
        )
    _write(done, as_json=as_json)
    return 0 if done.same else _DIFFERED


def _write(done: Recomputed, *, as_json: bool) -> None:
    if as_json:
        symbols = [
            {
                "symbol": each.symbol,
                "differed": [asdict(drift) for drift in each.differed],
                "flaw": each.flaw,
            }
            for each in done.symbols
        ]
        write_json({"version": done.version, "same": done.same, "symbols": symbols})
        return
    records: list[Record] = [
        {"symbol": each.symbol, "table": drift.table, "key": drift.key}
        for each in done.symbols
        for drift in each.differed
    ]
    if records:
        columns = (column("symbol"), column("table", "differed in"), column("key"))
        write_list(Form.TABLE, records, name="", fields=(), columns=columns, about={})
    click.echo(_outcome(done))


def _outcome(done: Recomputed) -> str:
    flawed = [each.symbol for each in done.symbols if each.flaw is not None]
    count = sum(len(each.differed) for each in done.symbols)
    said = (
        f"{len(done.symbols)} symbols derived anew as version {done.version}, {count} rows differed"
    )
    return f"{said}; cannot be derived: {', '.join(flawed)}" if flawed else said
