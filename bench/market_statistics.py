"""Statistics of a market, measured the same way on recordings and on the synthetic market."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, median, pstdev

from quietmaker.core.book import Book, Touch
from quietmaker.core.market import BookDelta, BookSnapshot, MarketEvent, TouchQuote, TradePrint
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND


@dataclass(slots=True)
class Gathered:
    """What one pass collects of one symbol."""

    book: Book = field(default_factory=Book)
    seconds: dict[int, float] = field(default_factory=dict)
    spreads: list[float] = field(default_factory=list)
    touch_values: list[float] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    changes: int = 0
    trades: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    buys: int = 0
    prices: list[float] = field(default_factory=list)


def measure(
    events: Iterable[MarketEvent], products: dict[str, Product]
) -> dict[str, dict[str, float]]:
    """Return the statistics by symbol; see docs/synthetic-market.md for what each means."""
    gathered = {symbol: Gathered() for symbol in products}
    for event in events:
        if event.symbol in gathered:
            _take(event, gathered[event.symbol], products[event.symbol])
    return {symbol: _summary(item, products[symbol]) for symbol, item in gathered.items()}


def _take(event: MarketEvent, into: Gathered, product: Product) -> None:
    match event:
        case BookSnapshot() | BookDelta():
            into.book.apply(event)
            _touch(into, into.book.touch(), event.at, product)
            if isinstance(event, BookDelta):
                into.frames.append(event.at)
                into.changes += len(event.changes)
        case TouchQuote():
            touch = Touch(
                bid=event.bid, bid_size=event.bid_size, ask=event.ask, ask_size=event.ask_size
            )
            _touch(into, touch, event.at, product)
        case TradePrint():
            into.trades.append(event.at)
            into.values.append(float(product.notional(event.price, event.size)))
            into.prices.append(float(product.price(event.price)))
            into.buys += event.aggressor.sign > 0
        case _:
            return


def _touch(into: Gathered, touch: Touch, at: int, product: Product) -> None:
    if not (touch.bid_size and touch.ask_size):
        return
    twice_mid = touch.bid + touch.ask
    into.spreads.append(2e4 * (touch.ask - touch.bid) / twice_mid)
    into.touch_values.append(float(product.notional(touch.bid, touch.bid_size)))
    into.seconds[at // SECOND] = twice_mid / 2


def _summary(item: Gathered, product: Product) -> dict[str, float]:
    logs = [math.log(value) for value in item.values]
    span = (max(item.seconds) - min(item.seconds) + 1) if item.seconds else 1
    gaps = [(b - a) / SECOND for a, b in pairwise(item.trades)]
    return {
        "seconds": span,
        "spread_bps_median": _round(median(item.spreads)) if item.spreads else 0.0,
        "spread_bps_mean": _round(fmean(item.spreads)) if item.spreads else 0.0,
        "tick_bps": _round(float(product.tick / _mid(item, product)) * 1e4),
        "touch_value_median": _round(median(item.touch_values)) if item.touch_values else 0.0,
        "book_updates_per_s": _round(len(item.frames) / span),
        "levels_per_update": _round(item.changes / max(1, len(item.frames))),
        "trades_per_s": _round(len(item.trades) / span),
        "trade_gap_cv": _round(pstdev(gaps) / fmean(gaps)) if len(gaps) > 1 and any(gaps) else 0.0,
        "trade_value_median": _round(math.exp(median(logs))) if logs else 0.0,
        "trade_log_size_sd": _round(pstdev(logs)) if logs else 0.0,
        "buy_share": _round(item.buys / max(1, len(item.trades))),
        "vol_1s_bps": _volatility(item, 1),
        "vol_10s_bps": _volatility(item, 10),
        "range_25min_bps": _range(item, 1500),
    }


def _mid(item: Gathered, product: Product) -> Decimal:
    last = list(item.seconds.values())[-1] if item.seconds else 1.0
    return Decimal(last) * product.tick


def _volatility(item: Gathered, step: int) -> float:
    """Return the standard deviation of the mid's log return over `step` seconds, in bps."""
    if not item.seconds:
        return 0.0
    path, mid = [], next(iter(item.seconds.values()))
    for second in range(min(item.seconds), max(item.seconds) + 1):
        mid = item.seconds.get(second, mid)
        path.append(math.log(mid))
    moves = [b - a for a, b in zip(path[:-step], path[step:], strict=True)]
    return _round(1e4 * math.sqrt(fmean(m * m for m in moves))) if moves else 0.0


def _range(item: Gathered, window: int) -> float:
    """Return the median range of traded prices within `window` seconds, in bps of the price."""
    if not item.trades or item.trades[-1] - item.trades[0] < window * SECOND:
        return 0.0
    buckets: dict[int, list[float]] = {}
    for at, price in zip(item.trades, item.prices, strict=True):
        buckets.setdefault(at // (window * SECOND), []).append(price)
    whole = list(buckets.values())[1:-1] or list(buckets.values())
    return _round(median(1e4 * (max(p) - min(p)) / fmean(p) for p in whole))


def _round(value: float) -> float:
    return float(f"{value:.4g}")
