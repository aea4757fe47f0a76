"""`quietmaker orders`: the orders that may still execute, or whose executions are not all told."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from quietmaker.core.orders import OrderState
from quietmaker.ledger.reading.reports import OpenOrder, Reports
from supervisors.clock import utc
from supervisors.commands.options import config_options, load_settings, say
from supervisors.desk import books_open
from supervisors.home import Home, Tenant
from supervisors.tables import (
    Record,
    column,
    form_of,
    form_options,
    number,
    span,
    write_list,
)

_LIMIT: Final = 500
_FIELDS: Final = (
    *("client_id", "order_id", "symbol", "side", "price", "size", "filled", "state", "purpose"),
    *("exit_reason", "passive_order_id", "strategy_tag", "decided_at", "age_seconds"),
)
_COLUMNS: Final = (
    column("symbol"),
    column("side"),
    number("price"),
    number("size"),
    number("filled"),
    column("state"),
    column("purpose"),
    column("exit_reason", "exit"),
    number("age_seconds", "age", show=span),
    column("client_id", "order"),
    column("order_id", "at the exchange"),
)


@click.command()
@config_options
@form_options
def orders(config_file: Path, overrides: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """Show the orders that are open or not settled, with age, state and purpose, the newest first.

    An order is settled once it ended and every execution that the exchange states is in the books. What
    the books say when no instance runs is what the next start asks the exchange about.
    """
    form = form_of(as_json=as_json, as_csv=as_csv)
    home = Home.from_env(os.environ)
    settings = load_settings(config_file, overrides)
    with books_open(settings, home) as url, closing(Reports(lambda: url)) as reports:
        mode, found = reports.mode(), reports.open_orders(limit=_LIMIT + 1)
    running = home.tenant() is Tenant.INSTANCE
    now = utc()
    write_list(
        form,
        [_record(order, now) for order in found[:_LIMIT]],
        name="orders",
        fields=_FIELDS,
        columns=_COLUMNS,
        about={"mode": mode, "running": running, "more": len(found) > _LIMIT},
    )
    if not found:
        say("no order is open")
    elif not running:
        say("no instance runs: these are settled with the exchange at the next start")
    if any(order.state is OrderState.UNKNOWN for order in found):
        say("unknown: nobody knows yet whether the exchange took it; it is being asked")


def _record(order: OpenOrder, now: datetime) -> Record:
    return {
        "client_id": order.client_id,
        "order_id": order.order_id,
        "symbol": order.symbol,
        "side": order.side.value,
        "price": order.price,
        "size": order.size,
        "filled": order.filled,
        "state": order.state.value,
        "purpose": order.purpose.value,
        "exit_reason": None if order.exit_reason is None else order.exit_reason.value,
        "passive_order_id": order.passive_order_id,
        "strategy_tag": order.strategy_tag,
        "decided_at": order.decided_at,
        "age_seconds": int((now - order.decided_at).total_seconds()),
    }
