"""Touches and trades in columns: the same facts as their events, without an object each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

KIND_QUOTE: Final = 0
KIND_TRADE: Final = 1


@dataclass(frozen=True, slots=True)
class Columns:
    """A batch of rows in order of time; every list has one entry a row.

    Attributes:
        symbols: the symbols that `symbol` counts into; a later batch of a source may add to its end.
        at: nanoseconds since 1970.
        symbol: index into `symbols`.
        kind: `KIND_QUOTE` or `KIND_TRADE`.
        bid, bid_size, ask, ask_size: the touch in ticks and lots. An empty side is 0 in both, as is
            everything in a trade's row. The touch of a crossed row is empty on both sides.
        price, size: the trade in ticks and lots; 0 in a quote's row.
        side: of the trade's aggressor: 1 bought, -1 sold, 0 in a quote's row.
    """

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
        """Yield (at, symbol, kind, bid, bid size, ask, ask size, price, size, side) of each row."""
        return zip(
            self.at,
            self.symbol,
            self.kind,
            self.bid,
            self.bid_size,
            self.ask,
            self.ask_size,
            self.price,
            self.size,
            self.side,
            strict=True,
        )
