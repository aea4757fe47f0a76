"""`quietmaker status`: what the running instance is doing, and why."""

from __future__ import annotations

import json
import os
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from quietmaker.errors import NotRunning
from supervisors.asking import DIRECT
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
    page = fetch(home)
    if not watch:
        _show(page, as_json=as_json)
        return
    console = Console()
    with suppress(KeyboardInterrupt):
        if as_json or not console.is_terminal:
            _show_lines(home, as_json=as_json)
            return
        with Live(render(page), console=console, auto_refresh=False, screen=True) as live:
            for shown in follow(lambda: fetch(home), time.sleep):
                live.update(shown, refresh=True)


def follow(
    ask: Callable[[], dict[str, Any]], pause: Callable[[float], None]
) -> Iterator[RenderableType]:
    """Yield what to show, once a period; while nobody answers, what was known last, and since when not."""
    page: dict[str, Any] = {}
    while True:
        pause(PERIOD)
        try:
            page = ask()
        except (NotRunning, TimeoutError) as error:
            stale = f"NO ANSWER: {error}; below is what was known at {page.get('at', 'no time')}"
            yield Group(Text(stale, style="bold red"), render(page))
        else:
            yield render(page)


def _show_lines(home: Home, *, as_json: bool) -> None:
    """Write a document, or a page, each period: for a program or a file."""
    while True:
        page = fetch(home)
        if as_json:
            click.echo(json.dumps(page))
        else:
            _show(page, as_json=False)
        time.sleep(PERIOD)


def fetch(home: Home) -> dict[str, Any]:
    """Ask the running instance for its status.

    Raises:
        NotRunning: if none runs, or it has nothing to show yet.
        TimeoutError: if it does not answer.
    """
    instance = home.instance()
    url = f"{instance.management_url}/-/status"
    try:
        with DIRECT.open(url, timeout=PATIENCE) as answer:
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
