"""Market events, as every source of a market tells them: recordings, synthetic markets, live feeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from quietmaker.core.units import Instant, Lots, Name, Side, Ticks


class StaleReason(Name):
    """Why a book may not be quoted from."""

    GAP = "sequence_gap"
    SILENT = "silent"
    CROSSED = "book_crossed"
    ONE_SIDED = "one_sided"
    DISCONNECTED = "disconnected"
    CLOCK_SKEW = "clock_skew"
    USER_STREAM = "user_stream_lost"
    NOT_ONLINE = "product_not_online"
    DOUBTED = "book_doubted"
    """Orders that should have rested on it were refused for crossing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSnapshot:
    """The whole displayed book. Levels need not be sorted; sizes are positive."""

    symbol: str
    at: Instant
    bids: tuple[tuple[Ticks, Lots], ...]
    asks: tuple[tuple[Ticks, Lots], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookDelta:
    """Levels that changed together. A level's size is absolute; 0 removes it. BUY is the bid side."""

    symbol: str
    at: Instant
    changes: tuple[tuple[Side, Ticks, Lots], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchQuote:
    """The best bid and ask. A side with size 0 is empty and its price means nothing."""

    symbol: str
    at: Instant
    bid: Ticks
    bid_size: Lots
    ask: Ticks
    ask_size: Lots


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePrint:
    """A public trade. `aggressor` is the side that took liquidity (Coinbase sends the maker's)."""

    symbol: str
    at: Instant
    price: Ticks
    size: Lots
    aggressor: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class CandleBar:
    """A five-minute bucket as the exchange states it; `start` is the bucket's first instant.

    `at` is when the statement was made: a bucket that ends after `at` is not closed yet.
    """

    symbol: str
    at: Instant
    start: Instant
    low: Ticks
    high: Ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLost:
    """The book of this symbol is not to be trusted until its next snapshot."""

    symbol: str
    at: Instant
    reason: StaleReason


MarketEvent: TypeAlias = BookSnapshot | BookDelta | TouchQuote | TradePrint | CandleBar | FeedLost
