"""`quietmaker db`: the database of the books."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quietmaker.ledger.embedded import url_of
from supervisors.books import EMBEDDED
from supervisors.commands.options import config_options, load_settings
from supervisors.home import Home


@click.group()
def db() -> None:
    """Reach the database of the books."""


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
