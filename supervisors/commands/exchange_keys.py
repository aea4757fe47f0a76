"""`quietmaker exchange keys`: what clients of the paper exchange sign with."""

from __future__ import annotations

import os

import click

from quietmaker.exchange.server.keys import Permissions, new_key
from supervisors.home import Home


@click.group()
def keys() -> None:
    """Manage the keys that the paper exchange accepts."""


@keys.command()
@click.option("--ed25519", is_flag=True, help="An Ed25519 key instead of ECDSA P-256.")
@click.option("--name", help="Name of the file; default: a running number.")
@click.option("--view-only", is_flag=True, help="The key may not trade.")
@click.option(
    "--can-transfer", is_flag=True, help="The key may transfer funds, as no bot's should."
)
def new(ed25519: bool, name: str | None, view_only: bool, can_transfer: bool) -> None:
    """Make a key; a running exchange accepts it at once. Prints the path of its file."""
    home = Home(Home.from_env(os.environ).exchange)
    home.create()
    path = new_key(
        home.root / "keys",
        name=name,
        ed25519_key=ed25519,
        permissions=Permissions(can_trade=not view_only, can_transfer=can_transfer),
    )
    click.echo(path)
