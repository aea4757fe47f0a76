"""What the public can look back on: recent trades with their ids, five-minute buckets, the day."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from quietmaker.core.candles import BUCKET
from quietmaker.core.units import Instant, Lots, Side, Ticks
from quietmaker.exchange.server.channels import Bar, Day, PublicTrade

TRADES: Final = 1_000
"""Trades kept of each product."""
BUCKETS: Final = 350
"""Five-minute buckets kept of each product: as many as the exchange answers with."""
_DAY: Final = 24 * 12
"""Buckets of a day."""


class History:
    """The public past of one product.

    A trade id is the last one's and one: contiguous per product, as on the exchange.

    Attributes:
        last: price of the last trade; None before the first.
    """

    __slots__ = ("_bars", "_day", "_newest", "_next", "_trades", "_year", "last")

    def __init__(self, *, first_id: int) -> None:
        """Start without a past; the first trade gets `first_id`."""
        self._next = first_id
        self._trades: deque[PublicTrade] = deque(maxlen=TRADES)
        self._bars: dict[int, Bar] = {}
        self._day: tuple[int, tuple[int, int, int, int]] | None = None
        """The bucket that is being traded in, and volume, low, high, open of the day before it."""
        self._newest = 0
        self._year: tuple[int, int] | None = None
        self.last: Ticks | None = None

    def on_trade(self, at: Instant, price: Ticks, size: Lots, aggressor: Side) -> PublicTrade:
        """Take a trade and return it as the public hears of it."""
        trade = PublicTrade(
            trade_id=self._next,
            at=Instant(at // 1_000 * 1_000),  # the engine's times are in microseconds
            price=price,
            size=size,
            maker=aggressor.opposite,
        )
        self._next += 1
        self._trades.appendleft(trade)
        self.last = price
        self._widen(at // BUCKET, price, price, price, size)
        return trade

    def on_bar(self, start: Instant, low: Ticks, high: Ticks) -> None:
        """Take a bucket of which the source states nothing but its extremes."""
        self._widen(start // BUCKET, low, high, None, Lots(0))

    def trades(self, limit: int) -> Sequence[PublicTrade]:
        """Return the latest trades, newest first."""
        return tuple(trade for trade, _ in zip(self._trades, range(limit), strict=False))

    def bars(self, limit: int) -> Sequence[Bar]:
        """Return the latest buckets, oldest first, holes left out."""
        return tuple(self._bars[bucket] for bucket in sorted(self._bars)[-limit:])

    def day(self) -> Day | None:
        """Return the last twenty-four hours up to the last trade; None before the first."""
        if not self._bars or self._year is None:
            return None
        newest = self._newest
        if self._day is None or self._day[0] != newest:
            self._day = (newest, self._before(newest))
        volume, low, high, opened = self._day[1]
        bar = self._bars[newest]
        return Day(
            volume=volume + bar.volume,
            low=min(low, bar.low) if low else bar.low,
            high=max(high, bar.high),
            open=opened or bar.open,
            year_low=self._year[0],
            year_high=self._year[1],
        )

    def _before(self, newest: int) -> tuple[int, int, int, int]:
        past = [
            self._bars[bucket] for bucket in sorted(self._bars) if newest - _DAY < bucket < newest
        ]
        if not past:
            return 0, 0, 0, 0
        return (
            sum(bar.volume for bar in past),
            min(bar.low for bar in past),
            max(bar.high for bar in past),
            past[0].open,
        )

    def _widen(self, bucket: int, low: Ticks, high: Ticks, price: Ticks | None, size: Lots) -> None:
        known = self._bars.get(bucket)
        self._bars[bucket] = Bar(
            start=Instant(bucket * BUCKET),
            low=low if known is None else min(low, known.low),
            high=high if known is None else max(high, known.high),
            open=(price or low) if known is None else known.open,
            close=price or (high if known is None else known.close),
            volume=size if known is None else Lots(known.volume + size),
        )
        low_ever, high_ever = self._year or (low, high)
        self._year = (min(low, low_ever), max(high, high_ever))
        if known is None:
            self._day = None
            self._newest = max(self._newest, bucket)
            if len(self._bars) > BUCKETS:
                del self._bars[min(self._bars)]
