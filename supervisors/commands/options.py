"""Options and output that commands share."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import click

from quietmaker.errors import ConfigError
from quietmaker.settings import Settings, load

P = ParamSpec("P")
R = TypeVar("R")
CONFIG_VARIABLE: Final = "QUIETMAKER_CONFIG"
"""Names the configuration where no --config does: in a container every command is then about the same one."""
DEFAULT_CONFIG: Final = Path("config/paper.yaml")


def config_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add ``--config`` and ``--set``; pass both to `load_settings`."""
    config = click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        default=DEFAULT_CONFIG,
        envvar=CONFIG_VARIABLE,
        show_envvar=True,
        show_default=True,
        metavar="FILE",
        help="The configuration file.",
    )
    overrides = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a setting, such as gates.min_spread_pct=0.3. Can be repeated.",
    )
    return config(overrides(command))


def _no_nan(context: click.Context, option: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which is outside of no range
        raise click.BadParameter("not a number", ctx=context, param=option)
    return value


duration_option = click.option(
    "--duration",
    type=click.FloatRange(min=1, max=10_000_000),
    callback=_no_nan,
    default=3600.0,
    show_default=True,
    help="Seconds of a synthetic market.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


def load_settings(config_file: Path, overrides: Iterable[str]) -> Settings:
    """Load the configuration; what the operator should hear of it goes to stderr.

    Raises:
        ConfigError: if it is refused.
    """
    if config_file == DEFAULT_CONFIG and not config_file.exists():
        raise ConfigError(
            f"{config_file}: no such file in {Path.cwd()}; start in the folder that holds config/, or name "
            "a configuration with --config"
        )
    settings = load(config_file, env=os.environ, overrides=overrides)
    for notice in settings.notices:
        say(f"note: {notice}")
    return settings


def say(text: str) -> None:
    """Write to stderr: progress and messages, never data."""
    click.echo(text, err=True)


def write_json(data: object) -> None:
    """Write data to stdout as one JSON document."""
    click.echo(json.dumps(data, indent=2))


def write_table(rows: Sequence[Sequence[str]]) -> None:
    """Write rows to stdout in columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
