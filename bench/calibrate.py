"""Measure the recordings and the synthetic market alike: one JSON line.

Usage: ``python -m bench.calibrate [RECORDING ...] [--seed N] [--minutes N]``; without recordings, those
beside the project are measured. docs/synthetic-market.md shows the result and how it was used.
"""

from __future__ import annotations

import argparse
import json
import time
from decimal import Decimal
from pathlib import Path
from statistics import quantiles

from bench.market_statistics import measure
from quietmaker.coinbase.products import products_from_answer
from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.units import SECOND, Nanos
from quietmaker.market.files import read_all
from quietmaker.market.profiles import PROFILES
from quietmaker.market.sources import open_source
from quietmaker.market.synthetic import SyntheticMarket

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "market-data"
_RECORDINGS = (
    "coinbase-advanced-2026-08-09/COINBASE.jsonl.zst",
    "binance-spot-2024-08-08/btcusdt_20240808.gz",
    "binance-spot-2024-08-08/ethusdt_20240808.gz",
)
_ANSWER = "coinbase-advanced-2026-08-09/market_products_920.json.gz"


def ticks_of_usd_products(answer: Path) -> dict[str, float]:
    """Return quantiles of the tick as a share of the price, in bps, over online USD products."""
    prices = {
        row["product_id"]: Decimal(row["price"])
        for row in json.loads(read_all(answer))["products"]
        if row["price"]
    }
    products = products_from_answer(read_all(answer)).products
    shares = [
        float(product.tick / prices[symbol] * 10_000)
        for symbol, product in products.items()
        if product.quote == "USD" and not product.untradable and prices.get(symbol)
    ]
    cuts = quantiles(shares, n=20)
    return {
        name: round(cuts[place], 2)
        for name, place in (("p25", 4), ("p50", 9), ("p75", 14), ("p90", 17))
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=int, default=60)
    options = parser.parse_args()
    paths = options.recordings or [_SHARED / name for name in _RECORDINGS]
    measured = {}
    for path in paths:
        if path.exists():
            source = open_source(path, decoders=CoinbaseFrames())
            measured[path.name] = measure(source.events(), dict(source.info().products))
    market = SyntheticMarket(seed=options.seed, duration=Nanos(options.minutes * 60 * SECOND))
    begun = time.perf_counter()
    events = sum(1 for _ in market.events())
    seconds = time.perf_counter() - begun
    answer = _SHARED / _ANSWER
    result = {
        "bench": "calibrate",
        "recorded": measured,
        "usd_tick_bps": ticks_of_usd_products(answer) if answer.exists() else None,
        "synthetic": measure(
            market.events(), {name: profile.product for name, profile in PROFILES.items()}
        ),
        "seed": options.seed,
        "minutes": options.minutes,
        "events": events,
        "events_per_s": round(events / seconds),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
