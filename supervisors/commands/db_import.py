"""`quietmaker db import`: the trades of a predecessor, as a history for the symbol filter."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from quietmaker.core.units import Instant, plain
from quietmaker.ledger.actions import Action
from quietmaker.ledger.imports.importer import Imported, Request, import_trades
from quietmaker.ledger.imports.rows import COLUMNS
from quietmaker.ledger.imports.sources import DATABASES, CsvSource, Source, TableSource
from supervisors.clock import SystemClock, utc
from supervisors.commands.options import config_options, load_settings, say, write_table
from supervisors.commands.spans import moment
from supervisors.desk import books_made, operator
from supervisors.home import Home
from supervisors.tables import (
    Form,
    Record,
    column,
    form_of,
    form_options,
    number,
    stamp,
    write_list,
)

_LINES_SHOWN: Final = 5
_FIELDS: Final = ("line", "order_id", "reason", "content")


@click.command("import")
@click.argument("source", metavar="FILE|URL")
@config_options
@click.option(
    "--table", default="trade_records", show_default=True, metavar="NAME", help="Of the database."
)
@click.option(
    "--timezone",
    "zone_name",
    metavar="ZONE",
    help="Of times that name none, such as UTC or Europe/Berlin; without it they are refused.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="OURS=THEIRS",
    help=f"Where a column is that is not found. Ours: {', '.join(COLUMNS)}. Can be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and store nothing.")
@form_options
def import_(
    source: str,
    config_file: Path,
    overrides: tuple[str, ...],
    table: str,
    zone_name: str | None,
    columns: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Import a predecessor's executed orders from a CSV file or a table of a live PostgreSQL.

    Rows that cannot be trusted are listed with the reason, and stored as refused. The others are matched
    first in, first out; each sell that closes something has a result. They are shown in the view
    trade_records under the tag imported and are the symbol filter's history, but they are no fills of ours:
    they move no position and count in no sum of what was earned here. The same content again changes
    nothing. --csv writes the refused rows.
    """
    form = form_of(as_json=as_json, as_csv=as_csv)
    zone = _zone(zone_name)
    named = _named(columns)
    settings = load_settings(config_file, overrides)
    opened = _opened(source, table, named)
    request = Request(
        now=utc(), zone=zone, options=" ".join(filter(None, [zone_name, *columns])), dry=dry_run
    )
    arguments = {"source": opened.origin, "timezone": zone_name or "", "columns": " ".join(columns)}
    action = Action(
        at=SystemClock().now(),
        operator=operator(),
        action="db import",
        arguments=arguments,
        outcome="done",
    )
    with books_made(settings, Home.from_env(os.environ)) as url:
        done = import_trades(url, opened, request, action=action, tell=say)
    _write(form, done, opened.origin, dry=dry_run)


def _opened(source: str, table: str, named: Mapping[str, str]) -> Source:
    if source.startswith(DATABASES):
        return TableSource(source, table, named=named)
    return CsvSource(Path(source), named=named)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    if name.upper() in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(
            f"{name!r} is no zone that this machine knows; write UTC, or Europe/Berlin",
            param_hint="--timezone",
        ) from None


def _named(columns: tuple[str, ...]) -> dict[str, str]:
    named = {}
    for text in columns:
        ours, found, theirs = text.partition("=")
        if not found or ours not in COLUMNS or not theirs:
            raise click.BadParameter(
                f"{text!r}: write OURS=THEIRS, where ours is one of {', '.join(COLUMNS)}",
                param_hint="--column",
            )
        named[ours] = theirs
    return named


def _write(form: Form, done: Imported, origin: str, *, dry: bool) -> None:
    refusals: list[Record] = [
        {"line": r.line, "order_id": r.order_id, "reason": r.reason, "content": r.content}
        for r in done.refused
    ]
    about = {
        "origin": origin,
        "dry_run": dry,
        "batch": done.batch,
        "already_imported": done.already,
        "read": done.read,
        "imported": done.imported,
        "known": done.known,
        "refused": len(refusals),
        "closing": done.closing,
        "net": plain(done.net),
        "since": _moment(done.since),
        "until": _moment(done.until),
    }
    if form is Form.TABLE:
        write_table([(name.replace("_", " "), _text(value)) for name, value in about.items()])
        if refusals:
            say("")
            _show_reasons(done)
    else:
        write_list(
            form, refusals, name="refusals", fields=_FIELDS, columns=(), about=about, totals=None
        )
    _conclude(done, dry=dry)


def _show_reasons(done: Imported) -> None:
    """Show the reasons, the most frequent first, with the first lines of each."""
    counts = Counter(_kind(refusal.reason) for refusal in done.refused)
    lines: dict[str, list[str]] = {}
    for refusal in done.refused:
        lines.setdefault(_kind(refusal.reason), []).append(str(refusal.line))
    records: list[Record] = [
        {
            "reason": kind,
            "rows": count,
            "lines": ", ".join(lines[kind][:_LINES_SHOWN])
            + (" ..." if count > _LINES_SHOWN else ""),
        }
        for kind, count in counts.most_common()
    ]
    write_list(
        Form.TABLE,
        records,
        name="reasons",
        fields=("reason", "rows", "lines"),
        columns=(
            column("reason", "not trusted because"),
            number("rows"),
            column("lines", "in lines"),
        ),
        about={},
    )


def _conclude(done: Imported, *, dry: bool) -> None:
    if done.already:
        say(f"the same content was imported before, as batch {done.batch}: nothing changed")
    elif dry:
        say("a dry run: nothing was stored")
    elif done.refused:
        say(
            f"every refused row with its reason: --csv now, or the table import_refusals, batch {done.batch}"
        )


def _kind(reason: str) -> str:
    return reason.partition(":")[0]


def _moment(at: Instant | None) -> str | None:
    return None if at is None else stamp(moment(at))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
