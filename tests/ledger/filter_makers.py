"""Closed trades with any result, written as facts: what it came to is what the exit's fee says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from quietmaker.core.orders import ExitReason
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant
from quietmaker.ports import LedgerFact
from tests.ledger.makers import EPOCH, PRODUCT, entry, exit_of, fill_of
from tests.ledger.prompt import PromptLedger, PromptMemory

VALUE = Decimal(1)
"""What each trade is entered for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """A round trip that closed, with its net result."""

    symbol: str
    net: Decimal
    closed_at: Instant


def product_of(symbol: str) -> Product:
    """Return the usual product under another name."""
    return replace(PRODUCT, symbol=symbol, base=symbol.partition("-")[0])


def write_trades(ledger: PromptLedger | PromptMemory, trades: Iterable[Traded]) -> None:
    """Write intents and executions; client ids are the symbol's with a number."""
    facts: list[LedgerFact] = []
    for number, each in enumerate(trades):
        when = each.closed_at / SECOND - EPOCH
        opened = replace(
            entry(f"{each.symbol}-e{number}", price=1000, when=when - 30), symbol=each.symbol
        )
        closed = replace(
            exit_of(
                f"{each.symbol}-x{number}",
                opened.client_id,
                reason=ExitReason.TIMEOUT_LOSS,
                when=when - 10,
            ),
            symbol=each.symbol,
        )
        fills = [
            fill_of(opened, f"{each.symbol}-a{number}", fee="0", when=when - 20),
            replace(
                fill_of(closed, f"{each.symbol}-b{number}", fee=str(-each.net)), at=each.closed_at
            ),
        ]
        ledger.write_intent(opened)
        ledger.write_intent(closed)
        facts += fills
    ledger.write(facts)
