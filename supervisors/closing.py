"""The last steps of a run: cancel without any actor, store what is left, settle with the exchange."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from quietmaker.core.orders import TERMINAL, Move, OrderState
from quietmaker.core.product import Product
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Exchange, Ledger, LedgerFact, OrderFact
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

OURS: Final = "qm"
"""How every client id of ours begins; what else an account holds is not ours to cancel."""


def cancel_all(exchange: Exchange) -> None:
    """Cancel every open order of ours in requests of a hundred; those of others are left alone.

    Raises:
        QuietmakerError: if the exchange cannot be asked.
    """
    ids = [r.client_id for r in exchange.open_orders() if r.client_id.startswith(OURS)]
    for start in range(0, len(ids), 100):
        exchange.cancel(ids[start : start + 100])


def done_within(seconds: float, name: str, work: Callable[[], object]) -> bool:
    """Do something in a thread that cannot hold up the exit; return whether it was done in time."""
    done = threading.Event()

    def run() -> None:
        work()
        done.set()

    threading.Thread(target=run, name=name, daemon=True).start()
    return done.wait(seconds)


def settle(exchange: Exchange, ledger: Ledger, products: Mapping[str, Product]) -> list[LedgerFact]:
    """Return what the exchange says of the orders that the books still wait for."""
    facts: list[LedgerFact] = []
    books = ledger.books(products).symbols
    orders = [order for each in books.values() for order in each.orders]
    try:
        for order in orders:
            intent = order.intent
            report = exchange.order(intent.client_id, since=intent.decided_at)
            if order.state in TERMINAL or report is None or report.state not in TERMINAL:
                continue
            facts.append(
                OrderFact(
                    at=exchange.time(),
                    client_id=report.client_id,
                    symbol=report.symbol,
                    what=_END[report.state].value,
                    order_id=report.order_id,
                    reason=report.reason,
                    cancel_reason=None,
                    filled=report.filled,
                )
            )
        if orders:
            since = min(order.intent.decided_at for order in orders)
            ours = {o.intent.client_id: o.trade_ids for o in orders}
            told = (told.fill for told in exchange.fills(since))
            facts.extend(f for f in told if f.trade_id not in ours.get(f.client_id, {f.trade_id}))
    except QuietmakerError as error:
        Log("process").error(Event.ALERT, f"the exchange cannot be compared with: {error}")
    return facts


_END: Final[Mapping[OrderState, Move]] = {
    OrderState.FILLED: Move.FILLED,
    OrderState.CANCELLED: Move.CANCELLED,
    OrderState.EXPIRED: Move.EXPIRED,
    OrderState.FAILED: Move.FAILED,
}


def store(ledger: Ledger) -> None:
    """Bring everything that was written into the books; what they refuse is set aside there, and said.

    Raises:
        LedgerUnavailable: if the database is away.
    """
    left = 1
    while left:
        applied = ledger.apply()
        for refused in applied.refused:
            Log("process").error(Event.ALERT, f"the books refuse a fact: {refused}")
        left = applied.left
