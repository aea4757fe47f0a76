"""A market of many symbols: thin synthetic products under other names, each with a course of its own."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from quietmaker.core.market import MarketEvent
from quietmaker.market.synthetic import SyntheticMarket
from quietmaker.ports import SourceInfo

THIN: Final = ("PROVE-USD", "KAIO-USD", "FORTH-USD", "AGLD-USD")


class Crowd:
    """Implements `quietmaker.ports.MarketSource`."""

    def __init__(self, count: int, *, seed: int) -> None:
        """Make so many symbols, ``C000-USD`` and on."""
        self._markets = {
            f"C{place:03}-USD": SyntheticMarket(
                seed=1_000 * seed + place, symbols=(THIN[place % len(THIN)],)
            )
            for place in range(count)
        }

    def info(self) -> SourceInfo:
        """Describe it."""
        products = {}
        for symbol, market in self._markets.items():
            (product,) = market.info().products.values()
            products[symbol] = replace(product, symbol=symbol, base=symbol.partition("-")[0])
        return SourceInfo(name="crowd", kind="synthetic", products=products, inferred={})

    def events(self) -> Iterator[MarketEvent]:
        """Yield the events of all in order of time."""
        streams = (_renamed(market, symbol) for symbol, market in self._markets.items())
        return heapq.merge(*streams, key=lambda event: event.at)


def _renamed(market: SyntheticMarket, symbol: str) -> Iterator[MarketEvent]:
    for event in market.events():
        yield replace(event, symbol=symbol)
