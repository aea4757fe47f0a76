"""`quietmaker pnl`: what was earned, by day, symbol, exit rule or configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from quietmaker.core.drawdown import Drawdown, deepest
from quietmaker.core.units import ROUNDED, add
from quietmaker.ledger.reading.reports import PnlBy, PnlLine, Reports
from quietmaker.ledger.reading.split import split
from supervisors.clock import utc
from supervisors.commands.options import config_options, load_settings, say
from supervisors.commands.spans import span_of, span_options
from supervisors.desk import books_open
from supervisors.home import Home
from supervisors.tables import (
    Record,
    Value,
    brief,
    column,
    form_of,
    form_options,
    number,
    signed,
    write_list,
)

_LIMIT: Final = 1_000
_FIELDS: Final = (
    *("key", "currency", "trips", "wins", "win_rate", "net", "fees", "spread_captured"),
    *("price_move", "adverse_selection", "adverse_trips", "loss"),
)


@click.command()
@config_options
@click.option(
    "--by",
    type=click.Choice([by.value for by in PnlBy]),
    default=PnlBy.DAY.value,
    show_default=True,
    help="What to sum by.",
)
@span_options
@form_options
def pnl(
    config_file: Path,
    overrides: tuple[str, ...],
    by: str,
    since: datetime | None,
    until: datetime | None,
    days: int | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Sum the round trips that closed in a time span: net, fees, spread captured, price move, win rate.

    Days are UTC. net = spread captured + price move - fees, to the last digit; a win is a net above zero.
    By day it also says the drawdown: the deepest fall from a peak of capital and results, in percent of it.
    Adverse selection is the part of the price move soon after the entries, of the round trips of which it is
    known (adverse_trips). Each quote currency is summed by itself.
    """
    form = form_of(as_json=as_json, as_csv=as_csv)
    chosen = span_of(since=since, until=until, days=days, now=utc())
    settings = load_settings(config_file, overrides)
    home, by_what = Home.from_env(os.environ), PnlBy(by)
    with books_open(settings, home) as url, closing(Reports(lambda: url)) as reports:
        mode = reports.mode()
        lines = reports.pnl(by_what, since=chosen.since_ns, until=chosen.until_ns, limit=_LIMIT + 1)
        more, lines = len(lines) > _LIMIT, lines[:_LIMIT]
        by_day = by_what is PnlBy.DAY and not more
        falls = drawdowns(lines, reports.capital(since=chosen.since_ns)) if by_day else {}
    write_list(
        form,
        [_record(line) for line in lines],
        name="lines",
        fields=_FIELDS,
        columns=(column("key", by.replace("_", " ")), *_COLUMNS),
        about={"mode": mode, "by": by, **chosen.data(), "more": more, "drawdown": _plain(falls)},
        totals=[_record(total) for total in _totals(lines)],
    )
    if not lines:
        say(f"no round trip closed {chosen.words()}; --days or --since looks further back")
    elif more:
        say(f"the first {_LIMIT} lines only, and so are the totals; choose a shorter time")
    for currency, fall in falls.items():
        say(f"drawdown by day: {fall.share * 100:.2f} % ({fall.peak:f} to {fall.low:f} {currency})")


def drawdowns(lines: Sequence[PnlLine], capital: Mapping[str, Decimal]) -> Mapping[str, Drawdown]:
    """Return the deepest fall of each currency over results by day, of those whose capital is known."""
    found: dict[str, Drawdown] = {}
    for currency in sorted({line.currency for line in lines}):
        start = capital.get(currency)
        if start is not None and start > 0:
            days = sorted((line.key, line.net) for line in lines if line.currency == currency)
            found[currency] = deepest(start, [net for _, net in days])
    return found


def _plain(falls: Mapping[str, Drawdown]) -> dict[str, dict[str, str]]:
    return {
        currency: {
            "share": f"{round(fall.share, 6).normalize():f}",
            "peak": f"{fall.peak:f}",
            "low": f"{fall.low:f}",
        }
        for currency, fall in falls.items()
    }


def _record(line: PnlLine) -> Record:
    parts = split(fees=line.fees, spread_captured=line.spread_captured, price_move=line.price_move)
    rate = ROUNDED.divide(Decimal(line.wins), Decimal(line.trips))
    return {
        "key": line.key,
        "currency": line.currency,
        "trips": line.trips,
        "wins": line.wins,
        "win_rate": round(rate, 6),
        "net": line.net,
        "fees": line.fees,
        "spread_captured": line.spread_captured,
        "price_move": line.price_move,
        "adverse_selection": line.adverse_selection if line.adverse_trips else None,
        "adverse_trips": line.adverse_trips,
        "loss": parts.cause,
    }


def _totals(lines: Sequence[PnlLine]) -> list[PnlLine]:
    currencies = sorted({line.currency for line in lines})
    return [_total(c, [line for line in lines if line.currency == c]) for c in currencies]


def _total(currency: str, lines: Sequence[PnlLine]) -> PnlLine:
    return PnlLine(
        key="total",
        currency=currency,
        trips=sum(line.trips for line in lines),
        wins=sum(line.wins for line in lines),
        net=add(*(line.net for line in lines)),
        fees=add(*(line.fees for line in lines)),
        spread_captured=add(*(line.spread_captured for line in lines)),
        price_move=add(*(line.price_move for line in lines)),
        adverse_selection=add(*(line.adverse_selection for line in lines)),
        adverse_trips=sum(line.adverse_trips for line in lines),
    )


def _percent(rate: Value) -> str:
    return f"{rate * 100:.1f} %" if isinstance(rate, Decimal) else "-"


_COLUMNS: Final = (
    column("currency"),
    number("trips"),
    number("wins"),
    number("win_rate", "won", show=_percent),
    number("net", show=signed),
    number("fees", show=brief),
    number("spread_captured", "spread", show=brief),
    number("price_move", "move", show=brief),
    number("adverse_selection", "adverse", show=brief),
    column("loss"),
)
