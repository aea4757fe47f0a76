"""`quietmaker db check`: do the books agree with themselves, and did they with the exchange."""

from __future__ import annotations

import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import click

from quietmaker.ledger.checks import Checked, OpenDifference, check_books
from supervisors.clock import utc
from supervisors.commands.options import config_options, json_option, load_settings, say, write_json
from supervisors.desk import books_open
from supervisors.home import Home
from supervisors.tables import Form, as_data, column, number, span, to_second, write_list

_DIFFERS: Final = 1


@click.command()
@config_options
@json_option
def check(config_file: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Check the books: everything derived against the facts, and the differences that are open.

    A running instance compares books and exchange on a schedule and at its stop; what it found last is told
    here. Exits with 1 if anything differs. Nothing is changed: `quietmaker db recompute` derives anew.
    """
    settings = load_settings(config_file, overrides)
    with books_open(settings, Home.from_env(os.environ)) as url:
        found = check_books(lambda: url)
    if as_json:
        write_json(_data(found))
    else:
        _show(found)
    return 0 if found.agrees else _DIFFERS


def _data(found: Checked) -> dict[str, Any]:
    last = found.last
    return {
        "agrees": found.agrees,
        "drift": [asdict(each) for each in found.drift],
        "differences": [
            {field.name: as_data(getattr(each, field.name)) for field in fields(OpenDifference)}
            for each in found.differences
        ],
        "last_tie_out": None
        if last is None
        else {field.name: as_data(getattr(last, field.name)) for field in fields(last)},
        "refused_facts": found.refused,
    }


def _show(found: Checked) -> None:
    if found.drift:
        write_list(
            Form.TABLE,
            [asdict(each) for each in found.drift],
            name="drift",
            fields=("table", "key"),
            columns=(column("table", "derived otherwise"), column("key")),
            about={},
        )
    if found.differences:
        write_list(
            Form.TABLE,
            [{f.name: getattr(d, f.name) for f in fields(d)} for d in found.differences],
            name="differences",
            fields=(),
            columns=(
                column("kind", "differs from the exchange"),
                column("subject"),
                column("ours"),
                column("theirs"),
                number("times"),
                column("first_at", "since (UTC)", show=to_second),
                column("detail"),
            ),
            about={},
        )
    click.echo(_verdict(found))
    if found.refused:
        say(
            f"{found.refused} facts contradicted the books once and were set aside: the table refused_facts"
        )


def _verdict(found: Checked) -> str:
    inside = (
        "the books agree with themselves"
        if not found.drift
        else "derived rows differ from the facts"
    )
    if found.last is None:
        return f"{inside}; they were never compared with the exchange"
    last = found.last
    ago = span(int((utc() - last.at).total_seconds()))
    return (
        f"{inside}; compared with the exchange {ago} ago: {last.verdict} ({last.fills} executions,"
        f" {last.orders} orders, {last.balances} balances){f', {last.detail}' if last.detail else ''}"
    )
