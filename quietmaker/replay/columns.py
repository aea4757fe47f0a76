"""Touches and trades in columns: the same facts as their events, without an object each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

KIND_QUOTE: Final = 0
KIND_TRADE: Final = 1


@dataclass(frozen=True, slots=True)
class Columns:
    symbols: list[str]
    at: list[int]
    symbol: list[int]
    kind: list[int]
    bid: list[int]
    bid_size: list[int]
    ask: list[int]
    ask_size: list[int]
    price: list[int]
    size: list[int]
    side: list[int]

    def rows(self) -> Iterator[tuple[int, int, int, int, int, int, int, int, int, int]]:
        return zip(self.at, self.symbol, self.kind, self.bid, self.bid_size, self.ask, self.ask_size, self.price, self.size, self.side)
