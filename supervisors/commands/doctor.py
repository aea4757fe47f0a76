"""`quietmaker doctor`: whether everything is in order for a run; the exit code is the verdict."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from quietmaker.errors import ConfigError
from quietmaker.settings import load
from supervisors.clock import SystemClock
from supervisors.commands.options import DEFAULT_CONFIG, config_options, json_option, write_json
from supervisors.doctor import Finding, Patient, Row, examine
from supervisors.home import Home

_MARKS: Final = {
    Finding.OK: click.style("ok     ", fg="green"),
    Finding.SKIPPED: "skipped",
    Finding.WARN: click.style("WARN   ", fg="yellow"),
    Finding.FAIL: click.style("FAIL   ", fg="red", bold=True),
}


@click.command()
@config_options
@json_option
def doctor(config_file: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Look at configuration, home, lock, disk, secrets, port, database, key, clock, fees and symbols.

    Nothing is changed, and no order is sent. Exits with 0 when nothing fails (warnings are shown), else
    with 1.
    """
    rows = []
    for row in examine(_patient(config_file, overrides)):
        rows.append(row)
        if not as_json:
            _show(row)
    failed = [row for row in rows if row.finding is Finding.FAIL]
    if as_json:
        shown = [
            {
                "check": row.check,
                "finding": row.finding.value,
                "detail": row.detail,
                "remedy": row.remedy,
            }
            for row in rows
        ]
        write_json({"ok": not failed, "rows": shown})
    return 1 if failed else 0


def _patient(config_file: Path, overrides: tuple[str, ...]) -> Patient:
    settings, refusal = None, ""
    try:
        if config_file == DEFAULT_CONFIG and not config_file.exists():
            raise ConfigError(
                f"{config_file}: no such file in {Path.cwd()}; name one with --config"
            )
        settings = load(config_file, env=os.environ, overrides=overrides)
    except ConfigError as error:
        refusal = str(error)
    return Patient(
        settings=settings,
        refusal=refusal,
        config_file=config_file,
        home=Home.from_env(os.environ),
        env=os.environ,
        clock=SystemClock(),
    )


def _show(row: Row) -> None:
    remedy = f" -> {row.remedy}" if row.remedy else ""
    click.echo(f"{_MARKS[row.finding]}  {row.check:9} {row.detail}{remedy}")
