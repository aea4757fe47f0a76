"""`quietmaker verify`: does what was deployed do what it is for."""

from __future__ import annotations

import json
import os
import urllib.error
from pathlib import Path
from typing import Any, Final

import click

from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import NotRunning
from quietmaker.ledger.checks import check_books, entered_since
from quietmaker.ledger.reading.reports import PnlBy, Reports
from supervisors.asking import DIRECT
from supervisors.clock import SystemClock
from supervisors.commands.health import PATIENCE
from supervisors.commands.options import (
    config_options,
    json_option,
    load_settings,
    write_json,
    write_table,
)
from supervisors.commands.status import fetch
from supervisors.desk import books_open
from supervisors.home import Home
from supervisors.verifying import Seen, Verdict, barred_since, findings

DAY: Final = 86_400
GRACE: Final = 5
"""Seconds that an entry decided before an exclusion may take to become an order."""


@click.command()
@config_options
@click.option("--expect", metavar="COMMIT", help="The commit that should run.")
@click.option("--settled", is_flag=True, help="What cannot be known yet is a failure as well.")
@json_option
def verify(
    config_file: Path, overrides: tuple[str, ...], expect: str | None, settled: bool, as_json: bool
) -> int:
    """Verify the running instance, check by check: build, exclusions, the spread with its numbers, filter.

    Nothing is taken from the configuration alone: each check asks the instance or the books. Exits with 1
    if a check fails. What cannot be known yet, such as an exit of a rule before any position, is waiting.
    """
    seen = _look(config_file, overrides, expect)
    found = findings(seen)
    if as_json:
        write_json(
            [{"check": f.check, "verdict": f.verdict.value, "detail": f.detail} for f in found]
        )
    else:
        write_table([(f.verdict.value, f.check, f.detail) for f in found])
    bad = {Verdict.FAILED, Verdict.WAITING} if settled else {Verdict.FAILED}
    return 1 if any(each.verdict in bad for each in found) else 0


def _look(config_file: Path, overrides: tuple[str, ...], expect: str | None) -> Seen:
    settings, home = load_settings(config_file, overrides), Home.from_env(os.environ)
    page = fetch(home)
    url = home.instance().management_url
    now = SystemClock().now()
    yesterday = Instant(now - DAY * SECOND)
    with books_open(settings, home) as books:
        reports = Reports(url=lambda: books)
        try:
            lines = reports.pnl(PnlBy.EXIT_REASON, since=yesterday)
        finally:
            reports.close()
        barred = {
            symbol: Instant(max(yesterday, (since + GRACE) * SECOND))
            for symbol, since in barred_since(page).items()
        }
        entered = entered_since(lambda: books, barred)
        agree = check_books(lambda: books).agrees
    return Seen(
        settings=settings,
        expected=expect,
        ready=json.loads(_get(f"{url}/-/ready")),
        page=page,
        metrics=_get(f"{url}/metrics"),
        entered=entered,
        exits=_by_rule(lines),
        agree=agree,
    )


def _by_rule(lines: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in lines:
        counts[line.key] = counts.get(line.key, 0) + line.trips
    return counts


def _get(url: str) -> str:
    """Return what an address says, whatever its verdict.

    Raises:
        NotRunning: if nothing answers there.
    """
    try:
        with DIRECT.open(url, timeout=PATIENCE) as answer:
            said: bytes = answer.read()
    except urllib.error.HTTPError as error:
        said = error.read()
    except urllib.error.URLError as error:
        raise NotRunning(f"{url} cannot be reached: {error.reason}") from error
    return said.decode()
