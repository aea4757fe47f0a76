"""`quietmaker status`: what the running instance is doing, and why."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any, Final

import click
from rich.console import Console
from rich.live import Live

from quietmaker.errors import NotRunning
from supervisors.commands.options import json_option, write_json
from supervisors.home import Home
from supervisors.screen import render

PATIENCE: Final = 5.0
PERIOD: Final = 1.0


@click.command()
@json_option
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
def status(as_json: bool, watch: bool) -> None:
    """Show the running instance: per symbol the market, our quotes, the position, and why not more.

    Exits with 3 if none runs under QUIETMAKER_HOME.
    """
    home = Home.from_env(os.environ)
    if not watch:
        _show(fetch(home), as_json=as_json)
        return
    if as_json:
        while True:
            click.echo(json.dumps(fetch(home)))
            time.sleep(PERIOD)
    with Live(render(fetch(home)), refresh_per_second=1 / PERIOD, screen=False) as live:
        while True:
            time.sleep(PERIOD)
            live.update(render(fetch(home)))


def fetch(home: Home) -> dict[str, Any]:
    """Ask the running instance for its status.

    Raises:
        NotRunning: if none runs, or it has nothing to show yet.
        TimeoutError: if it does not answer.
    """
    instance = home.instance()
    url = f"{instance.management_url}/-/status"
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        detail = error.read().decode(errors="replace").strip()
        raise NotRunning(f"the instance {instance.pid} has no status yet: {detail}") from error
    except TimeoutError as error:
        raise TimeoutError(f"{url} did not answer within {PATIENCE:g} s") from error
    except urllib.error.URLError as error:
        raise NotRunning(f"{url} cannot be reached: {error.reason}") from error
    return found


def _show(page: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(page)
        return
    # A pipe has no width to fit in: lines are then as long as they are.
    console = Console()
    Console(width=None if console.is_terminal else 240).print(render(page))
