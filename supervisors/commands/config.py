"""`quietmaker config`: check and show what is configured."""

from __future__ import annotations

from pathlib import Path

import click

from quietmaker.settings import InvalidSettings
from quietmaker.settings.docs import json_schema
from quietmaker.settings.symbols import wrong_symbol
from supervisors.commands.config_reload import diff, reload_
from supervisors.commands.options import (
    config_options,
    json_option,
    load_settings,
    say,
    write_json,
    write_table,
)
from supervisors.plan import plan


@click.group()
def config() -> None:
    """Check, show, compare and reload the configuration."""


config.add_command(reload_)
config.add_command(diff)


@config.command()
@config_options
@json_option
def check(config_file: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Check a configuration as a whole, and show the plan that it makes.

    Exits with 4 and every fault, each with its place, if it is refused. Nothing is started.
    """
    try:
        settings = load_settings(config_file, overrides)
    except InvalidSettings as error:
        if not as_json:
            raise
        write_json({"ok": False, "problems": _problems(error)})
        return error.exit_code
    fees = settings.paper_fees() if settings.mode == "paper" else None
    lines = plan(settings, fees=fees)
    if as_json:
        write_json(
            {
                "ok": True,
                "mode": settings.mode,
                "sha256": settings.sha256,
                "files": [str(path) for path in settings.files],
                "notices": list(settings.notices),
                "plan": dict(lines),
            }
        )
        return 0
    write_table(lines)
    files = ", ".join(str(path) for path in settings.files)
    say(f"ok: {files} (sha256 {settings.sha256[:12]})")
    return 0


@config.command()
@config_options
@click.option("--symbol", metavar="S", help="Resolve for one symbol, such as TNSR-USD.")
@click.option("--origin", is_flag=True, help="Show where each value comes from.")
@json_option
def show(
    config_file: Path, overrides: tuple[str, ...], symbol: str | None, origin: bool, as_json: bool
) -> None:
    """Show every value in force. Secrets are masked."""
    if symbol is not None and (fault := wrong_symbol(symbol)):
        raise click.BadParameter(fault, param_hint="--symbol")
    lines = load_settings(config_file, overrides).explain(symbol)
    if as_json:
        write_json(
            [
                {
                    "key": line.key,
                    "value": line.value,
                    "unit": line.unit,
                    "origin": line.origin,
                    "reload": line.reload.value,
                }
                for line in lines
            ]
        )
        return
    write_table(
        [(line.key, line.value, line.unit, *([line.origin] if origin else [])) for line in lines]
    )


@config.command()
def schema() -> None:
    """Write a JSON schema of the configuration files, for editors."""
    write_json(json_schema())


def _problems(error: InvalidSettings) -> list[dict[str, object]]:
    return [
        {
            "source": problem.place.source,
            "line": problem.place.line,
            "column": problem.place.column,
            "key": problem.key,
            "message": problem.message,
        }
        for problem in error.problems
    ]
