"""A small market for replays: seeded touches and trades of one symbol, and settings to trade it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from decimal import Decimal

from quietmaker.core.fees import FeeRates
from quietmaker.core.market import MarketEvent, TouchQuote, TradePrint
from quietmaker.core.params import TraderParams
from quietmaker.core.product import Product
from quietmaker.core.units import MILLISECOND, SECOND, Instant, Lots, Nanos, Side, Ticks, rate
from quietmaker.exchange.latency import Latency
from quietmaker.ports import SourceInfo
from quietmaker.replay.engine import Setup
from tests.kit import makers

START = Instant(1_700_000_100 * SECOND)


def product(symbol: str = "AAA-USD") -> Product:
    """Return a product with a tick of a cent."""
    return Product(
        symbol=symbol,
        base=symbol.split("-", maxsplit=1)[0],
        quote="USD",
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        min_size=Decimal("0.001"),
        max_size=Decimal(1000),
        min_notional=Decimal(1),
        untradable="",
    )


class SmallMarket:
    """A seeded random walk of the touch with trades at it; a source like any other."""

    def __init__(self, *, seed: int, events: int, symbols: tuple[str, ...] = ("AAA-USD",)) -> None:
        """Describe it."""
        self._seed, self._events, self._symbols = seed, events, symbols

    def info(self) -> SourceInfo:
        """Describe the source."""
        products = {symbol: product(symbol) for symbol in self._symbols}
        return SourceInfo(name="small", kind="test", products=products, inferred={})

    def events(self) -> Iterator[MarketEvent]:
        """Yield the events."""
        rng = random.Random(self._seed)
        at = int(START)
        books = {symbol: [10_000, 10_120] for symbol in self._symbols}
        for _ in range(self._events):
            at += rng.randrange(1, 400) * MILLISECOND
            symbol = rng.choice(self._symbols)
            book = books[symbol]
            if rng.random() < 0.4:
                side = rng.choice((Side.BUY, Side.SELL))
                yield TradePrint(
                    symbol=symbol,
                    at=Instant(at),
                    price=Ticks(book[1] if side is Side.BUY else book[0]),
                    size=Lots(rng.randrange(100, 3_000)),
                    aggressor=side,
                )
                continue
            place = rng.randrange(2)
            book[place] += rng.randrange(-12, 13)
            book[1] = max(book[1], book[0] + 1)
            yield TouchQuote(
                symbol=symbol,
                at=Instant(at),
                bid=Ticks(book[0]),
                bid_size=Lots(rng.randrange(1, 2_000)),
                ask=Ticks(book[1]),
                ask_size=Lots(rng.randrange(1, 2_000)),
            )


def setup(
    market: SmallMarket,
    *,
    params: TraderParams | None = None,
    excluded: Mapping[str, str] | None = None,
) -> Setup:
    """Return a setup that trades every symbol of the market."""
    products = market.info().products
    chosen = params if params is not None else makers.make_params()
    return Setup(
        products=products,
        params=dict.fromkeys(products, chosen),
        fees=FeeRates(maker=rate("0.001"), taker=rate("0.002")),
        balances={"USD": Decimal(10_000)} | {each.base: Decimal(100) for each in products.values()},
        excluded=excluded or {},
        latency=Latency(
            entry=Nanos(10 * MILLISECOND),
            cancel=Nanos(10 * MILLISECOND),
            response=Nanos(MILLISECOND),
            jitter=Nanos(0),
        ),
        seed=1,
    )
