"""How long the books take to be read at a start, with a long history behind them. One JSON line.

Also what deriving that whole history anew takes, which a start does only after a change of method.
Run: ``python -m bench.ledger_recovery [FILLS [OPEN_ORDERS]]`` (default 50,000 and 1,000; the goal
is stated for 1,000,000 and 1,000).
"""

from __future__ import annotations

import json
import sys
import time
from decimal import Decimal

from bench.ledger_history import make_fills, server
from quietmaker.core.product import Product
from quietmaker.ledger.postgres import PostgresLedger

_SYMBOLS = 20


def main() -> None:
    """Measure on a server of our own."""
    fills = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    orders = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    print(json.dumps(_measure(fills, orders)))


def _measure(fills: int, orders: int) -> dict[str, object]:
    with server("recovery") as made:
        url = made.start()
        make_fills(url, fills=fills, orders=orders, symbols=_SYMBOLS)
        derived_s, ledger = _opened(url)
        ledger.close()
        opened_s, ledger = _opened(url)
        products = {f"S{n}-USD": _product(f"S{n}-USD") for n in range(_SYMBOLS)}
        began = time.perf_counter()
        books = ledger.books(products)
        first_s = time.perf_counter() - began
        began = time.perf_counter()
        ledger.books(products)
        again_s = time.perf_counter() - began
        result = {
            "bench": "ledger_recovery",
            "fills": fills,
            "open_orders": sum(len(each.orders) for each in books.values()),
            "held_lots": sum(len(each.lots) for each in books.values()),
            "open_ms": round(opened_s * 1_000, 1),
            "books_ms": round(first_s * 1_000, 1),
            "books_again_ms": round(again_s * 1_000, 1),
            "recovery_ms": round((opened_s + first_s) * 1_000, 1),
            "derived_anew_s": round(derived_s, 1),
            "derived_fills_per_s": round(fills / derived_s),
        }
        ledger.close()
        return result


def _opened(url: str) -> tuple[float, PostgresLedger]:
    began = time.perf_counter()
    ledger = PostgresLedger(lambda: url)
    return time.perf_counter() - began, ledger


def _product(symbol: str) -> Product:
    return Product(
        symbol=symbol,
        base=symbol.partition("-")[0],
        quote="USD",
        tick=Decimal("0.0001"),
        lot=Decimal("0.01"),
        min_size=Decimal("1"),
        max_size=Decimal("1000000"),
        min_notional=Decimal("1"),
        untradable="",
    )


if __name__ == "__main__":
    main()
