"""`quietmaker trades explain`: the whole story of one trade."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import assert_never

import click

from quietmaker.ledger.reading.explain import explain
from quietmaker.ledger.reading.stories import ImportedFound, Named, NotFound, Story
from supervisors.commands.options import config_options, json_option, load_settings, say, write_json
from supervisors.desk import books_open
from supervisors.home import Home
from supervisors.story import imported_data, not_found_data, story_data
from supervisors.telling import tell, tell_imported, tell_not_found


@click.command("explain")
@click.argument("id_", metavar="ID")
@config_options
@json_option
def explain_trade(id_: str, config_file: Path, overrides: tuple[str, ...], as_json: bool) -> int:
    """Tell the whole story of one trade: decisions, sends, answers, fills, exit, and where the money went.

    ID is an exchange order id, a client id, a trade id, or a round trip's id. Exits with 1 if nothing has
    it, and says what was looked at and what is similar.
    """
    settings = load_settings(config_file, overrides)
    with books_open(settings, Home.from_env(os.environ)) as url:
        found = explain(lambda: url, id_)
    match found:
        case Story():
            _show(story_data(found), tell(found), as_json=as_json)
            return 0
        case ImportedFound():
            data = {
                "found_by": Named.IMPORTED.value,
                "imported": list(map(imported_data, found.orders)),
            }
            _show(
                data,
                (line for order in found.orders for line in tell_imported(order)),
                as_json=as_json,
            )
            return 0
        case NotFound():
            if as_json:
                write_json(not_found_data(id_, found))
            for line in tell_not_found(id_, found):
                say(line)
            return 1
        case _:
            assert_never(found)


def _show(data: Mapping[str, object], lines: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        write_json(data)
        return
    for line in lines:
        click.echo(line)
