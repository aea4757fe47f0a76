"""Hand-made markets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    MarketEvent,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.units import SECOND, Instant, Lots, Side, Ticks
from quietmaker.errors import SourceError
from quietmaker.ports import SourceInfo
from tests.exchange.support import OTHER, PRODUCT, SYMBOL

T0 = 1_700_000_000 * SECOND
"""When the hand-made markets happened."""


@dataclass
class ListSource:
    """A source that plays a list, and may break off at its end."""

    tape: Sequence[MarketEvent]
    error: str = ""

    def info(self) -> SourceInfo:
        """Describe the source."""
        products = {product.symbol: product for product in (PRODUCT, OTHER)}
        return SourceInfo(name="list", kind="synthetic", products=products, inferred={})

    def events(self) -> Iterator[MarketEvent]:
        """Play the list."""
        yield from self.tape
        if self.error:
            raise SourceError(self.error)


def touch(seconds: float, bid: int, bid_size: int, ask: int, ask_size: int) -> TouchQuote:
    """Return a touch that many seconds into the source."""
    return TouchQuote(
        symbol=SYMBOL,
        at=moment(seconds),
        bid=Ticks(bid),
        bid_size=Lots(bid_size),
        ask=Ticks(ask),
        ask_size=Lots(ask_size),
    )


def trade(seconds: float, price: int, size: int, aggressor: Side) -> TradePrint:
    """Return a trade."""
    return TradePrint(
        symbol=SYMBOL, at=moment(seconds), price=Ticks(price), size=Lots(size), aggressor=aggressor
    )


def snapshot(seconds: float, bids: dict[int, int], asks: dict[int, int]) -> BookSnapshot:
    """Return a whole book."""
    return BookSnapshot(
        symbol=SYMBOL,
        at=moment(seconds),
        bids=tuple((Ticks(price), Lots(size)) for price, size in bids.items()),
        asks=tuple((Ticks(price), Lots(size)) for price, size in asks.items()),
    )


def delta(seconds: float, *changes: tuple[Side, int, int]) -> BookDelta:
    """Return levels that changed."""
    return BookDelta(
        symbol=SYMBOL,
        at=moment(seconds),
        changes=tuple((side, Ticks(price), Lots(size)) for side, price, size in changes),
    )


def candle(seconds: float, start: float, low: int, high: int) -> CandleBar:
    """Return a stated bucket; `start` counts seconds like `seconds`."""
    return CandleBar(
        symbol=SYMBOL,
        at=moment(seconds),
        start=moment(start),
        low=Ticks(low),
        high=Ticks(high),
    )


def moment(seconds: float) -> Instant:
    """Return the source's time that many seconds after its start."""
    return Instant(T0 + int(seconds * SECOND))


def elsewhere(event: TouchQuote) -> TouchQuote:
    """Return the same touch of the other product."""
    return replace(event, symbol=OTHER.symbol)
