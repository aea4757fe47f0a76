"""`quietmaker positions`: what is held, what it cost, and what leaves it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from quietmaker.core.fees import FeeRates
from quietmaker.core.units import ROUNDED, plain
from quietmaker.errors import NotRunning
from quietmaker.ledger.reading.positions import OpenPosition, WorkingExit, open_positions
from quietmaker.ledger.reading.reports import Reports
from quietmaker.settings import Settings
from supervisors.clock import utc
from supervisors.commands.options import config_options, load_settings, say
from supervisors.commands.status import fetch
from supervisors.desk import books_open
from supervisors.home import Home, Tenant
from supervisors.tables import (
    Record,
    as_data,
    brief,
    column,
    form_of,
    form_options,
    number,
    signed,
    span,
    write_list,
)

_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known beside the books: the rates, and what the running instance shows.

    Attributes:
        rates: of the account; None where they are not known.
        shown: lines of the instance's status, by symbol; empty when none runs.
    """

    now: datetime
    running: bool
    rates: FeeRates | None
    shown: Mapping[str, Mapping[str, Any]]


@click.command()
@config_options
@form_options
def positions(config_file: Path, overrides: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Show what is held: lots, cost, break-even, age, whose it is, and the exit that works.

    Break-even is the price at which leaving as maker costs nothing, at the account's rates: the running
    instance's own where one runs, else that of the configuration on paper; live it is not known then.
    """
    form = form_of(as_json=as_json, as_csv=as_csv)
    home = Home.from_env(os.environ)
    settings = load_settings(config_file, overrides)
    with books_open(settings, home) as url, closing(Reports(lambda: url)) as reports:
        mode = reports.mode()
        held = open_positions(lambda: url)
    known = _known(settings, home, mode)
    write_list(
        form,
        [_record(position, known) for position in held],
        name="positions",
        fields=_FIELDS,
        columns=_COLUMNS,
        about={"mode": mode, "running": known.running, "lots": _lots(held)},
    )
    if not held:
        say("nothing is held")
    for position in held:
        if position.flaw is not None:
            say(f"{position.symbol}: its books are not derived to the end: {position.flaw}")
        elif known.running and not position.exits and position.round_trip is not None:
            say(f"{position.symbol}: no exit order works now (`quietmaker status` says why)")
    if held and not known.running:
        say("no instance runs: nothing leaves these positions until one does")


def _known(settings: Settings, home: Home, mode: str) -> _Known:
    shown: dict[str, Mapping[str, Any]] = {}
    running = home.tenant() is Tenant.INSTANCE
    if running:
        with suppress(NotRunning, TimeoutError):
            shown = {line["symbol"]: line for line in fetch(home)["symbols"]}
    on_paper = mode == settings.mode == "paper" and settings.paper.exchange_url is None
    return _Known(
        now=utc(),
        running=running,
        rates=settings.paper_fees() if on_paper else None,
        shown=shown,
    )


def _record(position: OpenPosition, known: _Known) -> Record:
    line = known.shown.get(position.symbol, {})
    price, source = _break_even(position, known, line)
    unrealized = line.get("unrealized")
    return {
        "symbol": position.symbol,
        "entry": position.entry.value,
        "size": position.size,
        "lots": len(position.lots),
        "average_price": _rounded(ROUNDED.divide(position.cost, position.size)),
        "cost": position.cost,
        "fees": position.fees,
        "break_even": price,
        "break_even_from": source,
        "unrealized": None if unrealized is None else Decimal(unrealized),
        "opened_at": position.opened_at,
        "age_seconds": int((known.now - position.opened_at).total_seconds()),
        "round_trip": position.round_trip,
        "strategy_tag": position.lots[0].strategy_tag,
        "exit_orders": len(position.exits),
        "exit": "; ".join(_exit(each) for each in position.exits) or None,
    }


def _break_even(
    position: OpenPosition, known: _Known, line: Mapping[str, Any]
) -> tuple[Decimal | None, str | None]:
    if line.get("break_even") is not None:
        return Decimal(line["break_even"]), "instance"
    if known.rates is not None:
        return _rounded(position.break_even(known.rates)), "configuration"
    return None, None


def _rounded(price: Decimal) -> Decimal:
    """Return a quotient to more digits than any tick has."""
    return round(price, _DIGITS).normalize()


def _exit(order: WorkingExit) -> str:
    left = plain(order.size - order.filled)
    return (
        f"{order.side.value} {left} at {plain(order.price)} by {order.exit_reason.value}"
        f" ({order.state.value}, {order.client_id})"
    )


def _lots(held: list[OpenPosition]) -> list[dict[str, object]]:
    return [
        {
            "symbol": position.symbol,
            "trade_id": lot.trade_id,
            "client_id": lot.client_id,
            "size": as_data(lot.size),
            "price": as_data(lot.price),
            "fees": as_data(lot.fees),
            "opened_at": as_data(lot.opened_at),
        }
        for position in held
        for lot in position.lots
    ]


_FIELDS: Final = (
    *("symbol", "entry", "size", "lots", "average_price", "cost", "fees", "break_even"),
    *("break_even_from", "unrealized", "opened_at", "age_seconds", "round_trip", "strategy_tag"),
    *("exit_orders", "exit"),
)
_COLUMNS: Final = (
    column("symbol"),
    column("entry"),
    number("size"),
    number("lots"),
    number("average_price", "price", show=brief),
    number("cost"),
    number("fees", show=brief),
    number("break_even", show=brief),
    number("unrealized", show=signed),
    number("age_seconds", "age", show=span),
    column("round_trip", "owner", show=lambda owner: "dust" if owner is None else str(owner)),
    column("exit"),
)
