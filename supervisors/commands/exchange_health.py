"""`quietmaker exchange health`: whether a paper exchange answers, for a container's health check."""

from __future__ import annotations

import os
import urllib.error
from typing import Final

import click

from quietmaker.errors import NotRunning
from supervisors.asking import DIRECT
from supervisors.commands.health import PATIENCE
from supervisors.exchange_instance import FILE, ExchangeInstance
from supervisors.home import Home

_TIME: Final = "/api/v3/brokerage/time"


@click.command()
def health() -> None:
    """Say whether the paper exchange of QUIETMAKER_HOME answers: 0 if so, 3 if not, 5 if it is too slow."""
    url = ExchangeInstance.read(Home.from_env(os.environ).exchange / FILE).http_url + _TIME
    try:
        DIRECT.open(url, timeout=PATIENCE).close()
    except TimeoutError as error:
        raise TimeoutError(f"{url} did not answer within {PATIENCE:g} s") from error
    except urllib.error.URLError as error:
        raise NotRunning(f"{url}: {error.reason}") from error
    click.echo(f"healthy: {url} answers")
