"""The paper exchange on a public feed: here that of another paper exchange, which is Coinbase to it."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.kit.paper_exchange import paper_exchange

SYMBOLS = ("FORTH-USD", "AGLD-USD")
PATIENCE = 30.0


def book(url: str, ca: str, symbol: str) -> tuple[Any, Any]:
    """Return the best bid and ask that an exchange answers."""
    path = f"{url}/api/v3/brokerage/market/product_book?product_id={symbol}&limit=1"
    context = ssl.create_default_context(cafile=ca)
    with urllib.request.urlopen(path, context=context, timeout=5) as answer:
        found = json.load(answer)["pricebook"]
    return found["bids"], found["asks"]


def test_books_and_candles_follow_the_public_feed_without_a_key(tmp_path: Path) -> None:
    with paper_exchange(tmp_path / "source") as source:
        settings = {
            "paper.market": "live",
            "universe.symbols": f"[{', '.join(SYMBOLS)}]",
            "exchange.address.rest": source.rest_url,
            "exchange.address.market": source.market_ws_url,
            "exchange.address.ca_file": source.ca,
        }
        with paper_exchange(tmp_path / "copy", settings) as copy:
            for symbol in SYMBOLS:
                deadline = time.monotonic() + PATIENCE
                seen: list[tuple[Any, Any]] = []
                # The source moves on between two questions: what it showed is found a moment later.
                while not (seen and book(copy.rest_url, copy.ca, symbol) in seen):
                    assert time.monotonic() < deadline, f"{symbol}: never the same book"
                    seen = [*seen[-40:], book(source.rest_url, source.ca, symbol)]
                assert seen[-1][0]
                assert seen[-1][1]
