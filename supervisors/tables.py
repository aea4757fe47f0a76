"""Lists for people and programs: one set of rows as a table, as JSON or as CSV.

In JSON and CSV an amount is a decimal string with every digit, a time is UTC in ISO 8601, and names do not
change. A table rounds nothing either; it only leaves trailing zeros out.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Final, ParamSpec, TypeAlias, TypeVar

import click
from rich.console import Console
from rich.table import Table

from quietmaker.core.units import plain
from supervisors.commands.options import json_option, write_json

P = ParamSpec("P")
R = TypeVar("R")
Value: TypeAlias = str | int | bool | Decimal | datetime | None
Record: TypeAlias = Mapping[str, Value]
_WIDE: Final = 240


class Form(Enum):
    """How a list is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the table: the field of the record, its heading, and how it is shown."""

    field: str
    heading: str
    right: bool = False
    show: Callable[[Value], str] | None = None


def column(
    field: str, heading: str | None = None, *, show: Callable[[Value], str] | None = None
) -> Column:
    """Return a column of words."""
    return Column(field=field, heading=heading or field.replace("_", " "), show=show)


def number(
    field: str, heading: str | None = None, *, show: Callable[[Value], str] | None = None
) -> Column:
    """Return a column of numbers."""
    return Column(field=field, heading=heading or field.replace("_", " "), right=True, show=show)


def form_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add ``--json`` and ``--csv``; pass both to `form_of`."""
    csv_option = click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")
    return json_option(csv_option(command))


def form_of(*, as_json: bool, as_csv: bool) -> Form:
    """Return the form that the options ask for.

    Raises:
        click.UsageError: if they ask for two.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


def write_list(
    form: Form,
    records: Sequence[Record],
    *,
    name: str,
    fields: Sequence[str],
    columns: Sequence[Column],
    about: Mapping[str, object],
    totals: Sequence[Record] | None = None,
) -> None:
    """Write a list to stdout.

    Args:
        form: how.
        records: the rows.
        name: what JSON calls them.
        fields: every field, in the order of CSV; the table shows `columns` only.
        columns: of the table.
        about: what JSON says beside the rows.
        totals: sums at the foot of the table, ``totals`` in JSON, left out of CSV; None if it has none.
    """
    match form:
        case Form.JSON:
            page: dict[str, object] = {**about, name: [_plain(each, fields) for each in records]}
            if totals is not None:
                page["totals"] = [_plain(each, fields) for each in totals]
            write_json(page)
        case Form.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(fields)
            for each in records:
                writer.writerow(["" if (v := as_data(each[f])) is None else v for f in fields])
        case Form.TABLE:
            print_wide(_table(records, columns, totals or ()))


def print_wide(shown: Table | str) -> None:
    """Print for people; a pipe has no width to fit in: lines are then as long as they are."""
    console = Console(highlight=False)
    wide = Console(width=None if console.is_terminal else _WIDE, highlight=False)
    wide.print(shown, markup=False) if isinstance(shown, str) else wide.print(shown)


def as_data(value: Value) -> str | int | bool | None:
    """Return a value as JSON and CSV have it."""
    if isinstance(value, Decimal):
        return plain(value)
    return stamp(value) if isinstance(value, datetime) else value


def stamp(moment: datetime) -> str:
    """Return a moment in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_second(value: Value) -> str:
    """Show a moment to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else "-"


def signed(value: Value) -> str:
    """Show an amount with its sign."""
    if not isinstance(value, Decimal):
        return "-"
    return f"+{plain(value)}" if value > 0 else plain(value)


def brief(value: Value) -> str:
    """Show an amount to the eighth decimal at most, which is less than anybody is paid."""
    if not isinstance(value, Decimal):
        return "-"
    return plain(value if value.as_tuple().exponent >= -8 else round(value, 8))  # type: ignore[operator]


def span(value: Value) -> str:
    """Show seconds as a person says them."""
    if not isinstance(value, Decimal | int):
        return "-"
    whole = int(value)
    if whole < 60:
        return f"{float(value):.1f} s" if isinstance(value, Decimal) else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _plain(record: Record, fields: Sequence[str]) -> dict[str, object]:
    return {field: as_data(record[field]) for field in fields}


def _table(records: Sequence[Record], columns: Sequence[Column], totals: Sequence[Record]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for each in columns:
        table.add_column(each.heading, justify="right" if each.right else "left", overflow="fold")
    for record in records:
        table.add_row(*(_cell(each, record) for each in columns))
    for record in totals:
        table.add_row(*(_cell(each, record) for each in columns), style="bold")
    return table


def _cell(column: Column, record: Record) -> str:
    value = record[column.field]
    if column.show is not None:
        return column.show(value)
    found = as_data(value)
    return "-" if found is None else str(found)
