"""The recordings beside the project, and small ones made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product

SHARED = Path(__file__).resolve().parents[3] / "shared"
COINBASE = "market-data/coinbase-advanced-2026-08-09/COINBASE.jsonl.zst"
PRODUCTS = "market-data/coinbase-advanced-2026-08-09/market_products_920.json.gz"
BINANCE_BTC = "market-data/binance-spot-2024-08-08/btcusdt_20240808.gz"
BINANCE_ETH = "market-data/binance-spot-2024-08-08/ethusdt_20240808.gz"
SAMPLES = "coinbase-samples"


def shared(name: str) -> Path:
    """Return a recording, or skip the test with the reason."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the recordings are not at {SHARED}; {name} is needed")
    return path


def product(symbol: str = "BTC-USD", tick: str = "0.01", lot: str = "0.00000001") -> Product:
    """Return a product with these increments."""
    base, _, quote = symbol.partition("-")
    return Product(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_size=Decimal(lot),
        max_size=Decimal(1_000_000),
        min_notional=Decimal(1),
        untradable="",
    )


def frame(
    sequence: int, channel: str, *events: Mapping[str, Any], at: str = "2026-08-09T21:05:48.5Z"
) -> str:
    """Return the text of a frame."""
    body = {"channel": channel, "timestamp": at, "sequence_num": sequence, "events": list(events)}
    return json.dumps(body)


def levels(*rows: tuple[str, str, str]) -> list[dict[str, str]]:
    """Return book levels (side, price, size) as the wire has them."""
    return [
        {"side": side, "event_time": "2026-08-09T21:05:48Z", "price_level": p, "new_quantity": q}
        for side, p, q in rows
    ]


def book_event(kind: str, *rows: tuple[str, str, str], symbol: str = "BTC-USD") -> dict[str, Any]:
    """Return an event of the book channel."""
    return {"type": kind, "product_id": symbol, "updates": levels(*rows)}


def trade(side: str, price: str, size: str, *, number: int = 1) -> dict[str, str]:
    """Return a public trade as the wire has it; `side` is the maker's."""
    return {
        "product_id": "BTC-USD",
        "trade_id": str(number),
        "price": price,
        "size": size,
        "time": f"2026-08-09T21:05:4{number % 10}Z",
        "side": side,
    }


def kinds(events: Iterable[MarketEvent]) -> list[str]:
    """Return the names of the events' types."""
    return [type(event).__name__ for event in events]
