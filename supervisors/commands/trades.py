"""`quietmaker trades`: what was traded, and the story of each trade."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from quietmaker.core.units import EXACT
from quietmaker.ledger.reading.reports import ClosedTrip, ExecutedFill, Reports, TradeRecord, Wanted
from quietmaker.ledger.reading.split import split
from supervisors.clock import utc
from supervisors.commands.options import config_options, load_settings, say
from supervisors.commands.spans import Span, list_options, span_of
from supervisors.commands.trades_explain import explain_trade
from supervisors.desk import books_open
from supervisors.home import Home
from supervisors.tables import (
    Column,
    Form,
    Record,
    Value,
    brief,
    column,
    form_of,
    form_options,
    number,
    signed,
    span,
    to_second,
    write_list,
)

HORIZONS: Final = (0, 5, 30, 60, 300)
"""Seconds after a fill at which the mid is kept."""


@click.group()
def trades() -> None:
    """Show what was traded, and the whole story of one trade."""


trades.add_command(explain_trade)


@dataclass(frozen=True, slots=True)
class _View:
    """A list as the options name it."""

    name: str
    fields: tuple[str, ...]
    columns: tuple[Column, ...]


@trades.command("list")
@config_options
@list_options
@click.option("--fills", "by_fill", is_flag=True, help="A row per execution.")
@click.option(
    "--orders", "by_order", is_flag=True, help="A row per executed order, imported ones as well."
)
@form_options
def list_trades(
    config_file: Path,
    overrides: tuple[str, ...],
    symbol: str | None,
    since: datetime | None,
    until: datetime | None,
    days: int | None,
    strategy: str | None,
    limit: int,
    by_fill: bool,
    by_order: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """List round trips, the latest first: what they earned, and what a loss was made of.

    A round trip goes from the first fill to the moment at which nothing is held. Works whether an
    instance runs or not.
    """
    form = form_of(as_json=as_json, as_csv=as_csv)
    if by_fill and by_order:
        raise click.UsageError("--fills and --orders exclude each other")
    chosen = span_of(since=since, until=until, days=days, now=utc())
    # One more than asked for tells whether there are more.
    wanted = Wanted(
        since=chosen.since_ns,
        until=chosen.until_ns,
        symbol=symbol,
        strategy=strategy,
        limit=limit + 1,
    )
    settings = load_settings(config_file, overrides)
    home = Home.from_env(os.environ)
    with books_open(settings, home) as url, closing(Reports(lambda: url)) as reports:
        mode = reports.mode()
        view, records = _ask(reports, wanted, by_fill=by_fill, by_order=by_order)
    _write(form, view, records, limit=limit, chosen=chosen, mode=mode)


def _ask(
    reports: Reports, wanted: Wanted, *, by_fill: bool, by_order: bool
) -> tuple[_View, list[Record]]:
    if by_fill:
        return _FILLS, [_fill(each) for each in reports.fills(wanted)]
    if by_order:
        return _ORDERS, [_order(each) for each in reports.trade_records(wanted)]
    return _TRIPS, [trip_record(each) for each in reports.round_trips(wanted)]


def _write(
    form: Form, view: _View, records: Sequence[Record], *, limit: int, chosen: Span, mode: str
) -> None:
    more = len(records) > limit
    write_list(
        form,
        records[:limit],
        name=view.name,
        fields=view.fields,
        columns=view.columns,
        about={"mode": mode, **chosen.data(), "more": more},
    )
    if not records:
        say(
            f"no {view.name.replace('_', ' ')} {chosen.words()}; --days or --since looks further back"
        )
    elif more:
        say(f"the latest {limit}; there are more (--limit)")


def trip_record(trip: ClosedTrip) -> Record:
    """Return a round trip as lists show it."""
    parts = split(fees=trip.fees, spread_captured=trip.spread_captured, price_move=trip.price_move)
    return {
        "id": trip.id,
        "trip_id": trip.trip_id,
        "symbol": trip.symbol,
        "entry": trip.entry.value,
        "size": trip.size,
        "opened_at": trip.opened_at,
        "closed_at": trip.closed_at,
        "hold_seconds": trip.hold_seconds,
        "exit_reason": trip.exit_reason.value,
        "entry_value": trip.entry_value,
        "exit_value": trip.exit_value,
        "net": trip.net,
        "fees": trip.fees,
        "spread_captured": trip.spread_captured,
        "price_move": trip.price_move,
        "adverse_selection": trip.adverse_selection,
        "loss": parts.cause,
        "maker_fills": trip.maker_fills,
        "taker_fills": trip.taker_fills,
        "dust": trip.dust,
        "closing_order": trip.closing_order,
        "strategy_tag": trip.strategy_tag,
        "config_sha": trip.config_sha,
    }


_TRIPS: Final = _View(
    name="round_trips",
    fields=(
        *("id", "trip_id", "symbol", "entry", "size", "opened_at", "closed_at", "hold_seconds"),
        *(
            "exit_reason",
            "entry_value",
            "exit_value",
            "net",
            "fees",
            "spread_captured",
            "price_move",
        ),
        *("adverse_selection", "loss"),
        *("maker_fills", "taker_fills", "dust", "closing_order", "strategy_tag", "config_sha"),
    ),
    columns=(
        column("closed_at", "closed (UTC)", show=to_second),
        column("symbol"),
        column("entry"),
        number("size"),
        number("hold_seconds", "held", show=span),
        column("exit_reason", "exit"),
        number("net", show=signed),
        number("fees", show=brief),
        number("spread_captured", "spread", show=brief),
        number("price_move", "move", show=brief),
        number("adverse_selection", "adverse", show=brief),
        column("loss"),
        column("id"),
    ),
)


def _fill(fill: ExecutedFill) -> Record:
    record: dict[str, Value] = {
        "trade_id": fill.trade_id,
        "at": fill.at,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "price": fill.price,
        "size": fill.size,
        "notional": EXACT.multiply(fill.price, fill.size),
        "fee": fill.fee,
        "liquidity": fill.liquidity.value,
        "purpose": fill.purpose.value,
        "exit_reason": None if fill.exit_reason is None else fill.exit_reason.value,
        "client_id": fill.client_id,
        "order_id": fill.order_id,
        "passive_order_id": fill.passive_order_id,
        "strategy_tag": fill.strategy_tag,
    }
    return record | {f"mid_{horizon}s": fill.mids.get(horizon) for horizon in HORIZONS}


_FILLS: Final = _View(
    name="fills",
    fields=(
        *("trade_id", "at", "symbol", "side", "price", "size", "notional", "fee", "liquidity"),
        *("purpose", "exit_reason", "client_id", "order_id", "passive_order_id", "strategy_tag"),
        *(f"mid_{horizon}s" for horizon in HORIZONS),
    ),
    columns=(
        column("at", "at (UTC)", show=to_second),
        column("symbol"),
        column("side"),
        number("size"),
        number("price"),
        number("fee", show=brief),
        column("liquidity", "as"),
        column("purpose"),
        column("exit_reason", "exit"),
        *(number(f"mid_{horizon}s", f"mid +{horizon} s") for horizon in HORIZONS),
        column("client_id", "order"),
        column("trade_id", "trade"),
    ),
)
_ORDER_FIELDS: Final = tuple(field.name for field in fields(TradeRecord))


def _order(record: TradeRecord) -> Record:
    return {name: getattr(record, name) for name in _ORDER_FIELDS}


_ORDERS: Final = _View(
    name="orders",
    fields=_ORDER_FIELDS,
    columns=(
        column("order_time", "last fill (UTC)", show=to_second),
        column("symbol"),
        column("side"),
        number("size"),
        number("price"),
        number("fees_usd", "fees", show=brief),
        number("pnl_usd", "net", show=signed),
        column("status"),
        column("source"),
        column("exit_reason", "exit"),
        column("strategy_tag", "strategy"),
        column("order_id", "order"),
    ),
)
