"""`quietmaker config reload` and `diff`: have the running instance take its files, or ask what it would."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from quietmaker.errors import ConfigError, SafetyRefusal
from quietmaker.settings.changes import changes
from supervisors.asking import ask
from supervisors.commands.options import (
    config_options,
    json_option,
    load_settings,
    say,
    write_json,
    write_table,
)
from supervisors.desk import operator
from supervisors.home import Home
from supervisors.reloading.asked import PATH


@click.command("reload")
@json_option
def reload_(as_json: bool) -> int:
    """Have the running instance read its configuration again, and say what became of it.

    It reads the files that it was started with. Exits with 4 if they are refused, with 6 if a safety rule
    refuses them; then nothing was changed.
    """
    answer = ask(Home.from_env(os.environ), PATH, {"by": operator(), "trigger": "cli"})
    if as_json:
        write_json(answer)
        return 0
    if answer["result"] == "applied":
        click.echo(f"applied: generation {answer['generation']}, {answer['sha256'][:12]}")
    else:
        click.echo(f"nothing is new: generation {answer['generation']}, {answer['sha256'][:12]}")
    _show(answer)
    return 0


@click.command()
@config_options
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare --config with this file, and ask no instance.",
)
@json_option
def diff(config_file: Path, overrides: tuple[str, ...], against: Path | None, as_json: bool) -> int:
    """Show what a reload of the running instance would change, or how two files differ.

    The instance judges its own files as a reload does, everybody's objections included, and changes nothing.
    Exits with 4 or 6 if it would refuse them.
    """
    if against is not None:
        found = changes(load_settings(against, overrides), load_settings(config_file, overrides))
        lines = [each.page() for each in found]
        if as_json:
            write_json(lines)
        else:
            _table(lines)
        return 0
    wish = {"by": operator(), "trigger": "cli", "dry_run": True}
    answer = ask(Home.from_env(os.environ), PATH, wish)
    if as_json:
        write_json(answer)
    else:
        _show(answer)
    if answer["result"] != "rejected":
        return 0
    problems = "\n  ".join(["a reload would be refused:", *answer["problems"]])
    raise SafetyRefusal(problems) if answer["unsafe"] else ConfigError(problems)


def _show(answer: Mapping[str, Any]) -> None:
    _table([*answer["changes"], *answer["restart_required"]])
    if answer["restart_required"]:
        say("note: keys of the class restart keep their values until the instance is started anew")


def _table(lines: Iterable[Mapping[str, str | None]]) -> None:
    rows = [
        (
            str(each["key"]),
            "(not set)" if each["before"] is None else each["before"],
            "->",
            "(not set)" if each["after"] is None else each["after"],
            str(each["reload"]),
            str(each["origin"]),
        )
        for each in lines
    ]
    if rows:
        write_table(rows)
