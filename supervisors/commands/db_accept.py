"""`quietmaker db accept`: the operator decides on a difference between books and exchange."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quietmaker.core.differences import DifferenceKind
from quietmaker.ledger.accept import accept as accept_difference
from quietmaker.ledger.actions import Action
from supervisors.clock import SystemClock
from supervisors.commands.options import config_options, load_settings
from supervisors.desk import books_open, operator
from supervisors.home import Home


@click.command()
@click.argument("kind", type=click.Choice([each.value for each in DifferenceKind]))
@click.argument("subject")
@click.option("--because", required=True, metavar="TEXT", help="Why; it stays in the books.")
@config_options
def accept(
    kind: str, subject: str, because: str, config_file: Path, overrides: tuple[str, ...]
) -> None:
    """Accept a difference between books and exchange, as `quietmaker db check` lists it.

    Nothing is mended by it: what a tie-out finds anew opens again. It is for what nothing can mend, such as
    an execution whose order the books lost in a restore. Both sides stay in the books, and so does the
    reason. Money that it leaves unexplained is booked as a deposit or a withdrawal by the next tie-out.
    """
    settings = load_settings(config_file, overrides)
    action = Action(
        at=SystemClock().now(),
        operator=operator(),
        action="db accept",
        arguments={"kind": kind, "subject": subject},
        outcome=because,
    )
    with books_open(settings, Home.from_env(os.environ)) as url:
        accept_difference(url, kind=kind, subject=subject, action=action)
