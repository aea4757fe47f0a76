"""Reading the account at a moment at which nothing is executed: executions, balances, executions again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from quietmaker.core.evidence import Account, LiveOrder
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos, plus
from quietmaker.ports import Balance, Exchange, OrderReport

LOOK_BACK: Final = Nanos(60 * SECOND)
"""Executions are read again from so long ago, to know that none came while the balances were read."""
AHEAD: Final = Nanos(86_400 * SECOND)
"""A window without an end reaches into the future: clocks differ."""
TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietAccount:
    """The account, with its balances as they were answered."""

    account: Account
    balances: Mapping[str, Balance]


def read_quietly(
    exchange: Exchange, products: Mapping[str, Product], *, since: Instant, now: Instant
) -> QuietAccount | None:
    """Return what the exchange says while nothing is executed; None when that cannot be had.

    Args:
        exchange: is asked.
        products: those that are traded; orders of others are not listed.
        since: where the window begins.
        now: the time.

    Raises:
        QuietmakerError: if it cannot be asked.
    """
    until = Instant(now + AHEAD)
    told = {each.trade_id: each for each in exchange.executions(since, until)}
    recently = Instant(max(since, now - LOOK_BACK))
    for _ in range(TRIES):
        orders = exchange.open_orders()
        balances = exchange.balances()
        fresh = exchange.executions(recently, until)
        if all(each.trade_id in told for each in fresh):
            account = Account(
                executions=tuple(told.values()),
                orders=_live(orders, products),
                totals={c: plus(each.available, each.hold) for c, each in balances.items()},
            )
            return QuietAccount(account=account, balances=balances)
        told.update((each.trade_id, each) for each in fresh)
    return None


def _live(orders: Sequence[OrderReport], products: Mapping[str, Product]) -> tuple[LiveOrder, ...]:
    return tuple(
        LiveOrder(
            client_id=report.client_id or report.order_id,
            symbol=report.symbol,
            filled=products[report.symbol].size(report.filled),
            heard_at=None,
            is_open=True,
        )
        for report in orders
        if report.symbol in products
    )
