"""`quietmaker version`."""

from __future__ import annotations

import os
import platform

import click

from supervisors import build
from supervisors.commands.options import json_option, write_json


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Show the version and the commit that runs."""
    shown = {
        "version": build.version(),
        "revision": build.revision(os.environ),
        "python": platform.python_version(),
        "compiled": build.compiled(),
    }
    if as_json:
        write_json(shown)
    else:
        core = "compiled" if shown["compiled"] else "interpreted"
        click.echo(
            f"quietmaker {shown['version']} ({shown['revision']}), Python {shown['python']}, {core} core"
        )
