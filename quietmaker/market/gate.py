"""Between a recording and its readers: order in time, books that hold, and nothing lost unsaid.

Every event passes here. A symbol whose recording has its depth is told by snapshots and deltas only;
its ticker quotes repeat the same touch at another time and are left out (and counted). A book that
is not to be trusted is announced once, and nothing more of it is told until its next snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import assert_never

from quietmaker.core.book import Book, BookOutcome
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.units import Instant
from quietmaker.market.report import Report


class Gate:
    """Lets a recording's events through, one recording and one pass."""

    def __init__(self, *, deep: Iterable[str], shallow: Iterable[str], report: Report) -> None:
        """Prepare for symbols told by depth (`deep`) and by quotes (`shallow`); others are left out."""
        self._books = {symbol: Book() for symbol in deep}
        self._quoted: dict[str, bool] = dict.fromkeys(shallow, False)
        self._report = report
        self._last = Instant(0)

    @property
    def last(self) -> Instant:
        """Return the time of the last event let through."""
        return self._last

    def admit(self, events: Iterable[MarketEvent], where: str) -> Iterator[MarketEvent]:
        """Yield what may be told of these events, not before what was told already."""
        for event in events:
            admitted = self._admit(event, where)
            if admitted is None:
                continue
            if admitted.at < self._last:
                self._report.note("late_event")
                admitted = replace(admitted, at=self._last)
            self._last = admitted.at
            yield admitted

    def lose(
        self, symbols: Iterable[str], reason: StaleReason, at: Instant, where: str
    ) -> Iterator[MarketEvent]:
        """Yield the loss of every one of these feeds that still was good."""
        losses = [FeedLost(symbol=symbol, at=at, reason=reason) for symbol in symbols]
        yield from self.admit(losses, where)

    def _admit(self, event: MarketEvent, where: str) -> MarketEvent | None:
        symbol = event.symbol
        book = self._books.get(symbol)
        if book is None and symbol not in self._quoted:
            return None
        match event:
            case TradePrint() | CandleBar():
                return event
            case BookSnapshot() | BookDelta():
                return self._judge(book, event, where)
            case TouchQuote():
                return self._quote(book, event, where)
            case FeedLost():
                return self._lose(book, event)
        assert_never(event)

    def _judge(
        self, book: Book | None, event: BookSnapshot | BookDelta, where: str
    ) -> MarketEvent | None:
        if book is None:
            self._report.note("delta_without_any_snapshot")
            return None
        before = book.stale
        outcome = book.apply(event)
        match outcome:
            case BookOutcome.APPLIED:
                return event
            case BookOutcome.STALE:
                early = before is StaleReason.DISCONNECTED
                self._report.note("delta_before_snapshot" if early else "delta_while_stale")
                return None
            case BookOutcome.CROSSED:
                self._report.issue("book_crossed", where, event.symbol)
                reason = StaleReason.CROSSED
            case BookOutcome.INVALID:
                self._report.issue("invalid_level", where, event.symbol)
                book.lose(StaleReason.GAP)
                reason = StaleReason.GAP
            case _:
                assert_never(outcome)
        if before is not None:
            return None
        return FeedLost(symbol=event.symbol, at=event.at, reason=reason)

    def _quote(self, book: Book | None, quote: TouchQuote, where: str) -> MarketEvent | None:
        if book is not None:
            self._report.note("quote_repeats_book")
            return None
        if quote.bid_size and quote.ask_size and quote.bid >= quote.ask:
            self._report.issue("book_crossed", where, quote.symbol)
            return self._lose(
                None, FeedLost(symbol=quote.symbol, at=quote.at, reason=StaleReason.CROSSED)
            )
        self._quoted[quote.symbol] = True
        return quote

    def _lose(self, book: Book | None, loss: FeedLost) -> FeedLost | None:
        if book is not None:
            if book.stale is not None:
                return None
            book.lose(loss.reason)
            return loss
        good, self._quoted[loss.symbol] = self._quoted[loss.symbol], False
        return loss if good else None
