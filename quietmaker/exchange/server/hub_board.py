"""One product as the market channels show it: what is pending, and who has to hear of it.

Level changes wait for the next batch (absolute sizes, so that only the latest of a level counts),
trades for theirs. The ticker does not wait: it is told at every trade and every change of the best
bid or ask. Nothing is kept pending for a channel that nobody listens to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from quietmaker.core.market import BookDelta, BookSnapshot, TouchQuote, TradePrint
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Side, Ticks
from quietmaker.exchange.server.channels import (
    SNAPSHOT,
    UPDATE,
    Bar,
    ProductWriter,
    PublicTrade,
    Touch,
)
from quietmaker.exchange.server.connection_requests import Channel
from quietmaker.exchange.server.frames import ChannelEvent
from quietmaker.exchange.server.hub_history import History
from quietmaker.exchange.venue import Venue

Tell = Callable[[Channel, ChannelEvent], None]
"""Tells an event to whoever listens to this product on a channel."""
Heard = Callable[[Channel], bool]
"""Says whether anyone listens to this product on a channel."""

SHOWN: Final = 100
"""Trades and buckets of a snapshot."""
_EMPTY: Final = Touch(bid=0, bid_size=0, ask=0, ask_size=0)


class Board:
    """The market channels of one product."""

    def __init__(
        self, product: Product, *, history: History, tell: Tell, heard: Heard, now: Instant
    ) -> None:
        """Start without a market."""
        self.history = history
        self._writer = ProductWriter(product)
        self._tell = tell
        self._heard = heard
        self._known = False
        self._at = now
        self._touch = _EMPTY
        self._bids: dict[Ticks, Lots] = {}
        self._asks: dict[Ticks, Lots] = {}
        self._trades: list[PublicTrade] = []
        self._bar_told = self._bar()
        self._batch_told: tuple[Sequence[PublicTrade], Touch] = ((), _EMPTY)

    # --- market in ------------------------------------------------------------------------------

    def on_book(self, event: BookSnapshot, venue: Venue) -> None:
        """Take a whole book: who listens gets it whole."""
        self._whole(event.at, venue)

    def on_delta(self, event: BookDelta, venue: Venue) -> None:
        """Take changed levels."""
        if not self._known:
            self._whole(event.at, venue)
            return
        if self._heard(Channel.LEVEL2):
            for side, price, size in event.changes:
                (self._bids if side is Side.BUY else self._asks)[price] = size
        self._at = event.at
        self._look(venue)

    def on_touch(self, event: TouchQuote, venue: Venue) -> None:
        """Take the touch of a source without depth: the book is one level a side."""
        if not self._known:
            self._whole(event.at, venue)
            return
        if self._heard(Channel.LEVEL2):
            old = self._touch
            _move(self._bids, old.bid, old.bid_size, venue.bid, venue.bid_size)
            _move(self._asks, old.ask, old.ask_size, venue.ask, venue.ask_size)
        self._at = event.at
        self._look(venue)

    def on_trade(self, event: TradePrint) -> None:
        """Take a trade."""
        trade = self.history.on_trade(event.at, event.price, event.size, event.aggressor)
        if self._heard(Channel.MARKET_TRADES):
            self._trades.append(trade)
        self._tell_ticker()

    def on_lost(self) -> None:
        """Know the book no more until it is told anew; the channels fall silent."""
        self._known = False
        self._bids.clear()
        self._asks.clear()
        self._touch = _EMPTY

    # --- batches --------------------------------------------------------------------------------

    def flush_book(self) -> None:
        """Tell the levels that changed since the last batch."""
        if not self._bids and not self._asks:
            return
        bids = sorted(self._bids.items(), reverse=True)
        asks = sorted(self._asks.items())
        self._bids.clear()
        self._asks.clear()
        self._tell(Channel.LEVEL2, self._writer.changes(_micros(self._at), bids, asks))

    def flush_trades(self) -> None:
        """Tell the trades since the last batch, newest first."""
        if self._trades:
            trades = self._trades[::-1]
            self._trades.clear()
            self._tell(Channel.MARKET_TRADES, self._writer.trades(UPDATE, trades))

    def flush_candles(self) -> None:
        """Tell the newest bucket if it changed, and the one before it if that closed since."""
        bar = self._bar()
        told = self._bar_told
        if bar is None or bar == told:
            return
        bars = [old for old in self.history.bars(2) if told is None or old.start >= told.start]
        self._bar_told = bar
        if self._heard(Channel.CANDLES):
            self._tell(Channel.CANDLES, self._writer.candles(UPDATE, bars))

    def flush_ticker_batch(self) -> None:
        """Tell the slow ticker if it changed."""
        state = (self.history.trades(1), self._touch)
        if state == self._batch_told:
            return
        self._batch_told = state
        if self._heard(Channel.TICKER_BATCH):
            history = self.history
            event = self._writer.ticker_batch(UPDATE, history.last, history.day())
            self._tell(Channel.TICKER_BATCH, event)

    # --- snapshots ------------------------------------------------------------------------------

    def snapshot(self, channel: Channel, venue: Venue | None, now: Instant) -> ChannelEvent | None:
        """Return what a new listener gets first; None where the channel has nothing of a product."""
        history, writer = self.history, self._writer
        match channel:
            case Channel.LEVEL2:
                self.flush_book()
                bids, asks = ((), ()) if venue is None else venue.book()
                return writer.book(_micros(self._at if self._known else now), bids, asks)
            case Channel.MARKET_TRADES:
                self.flush_trades()
                return writer.trades(SNAPSHOT, history.trades(SHOWN))
            case Channel.TICKER:
                return writer.ticker(SNAPSHOT, history.last, history.day(), self._touch)
            case Channel.TICKER_BATCH:
                return writer.ticker_batch(SNAPSHOT, history.last, history.day())
            case Channel.CANDLES:
                return writer.candles(SNAPSHOT, history.bars(SHOWN))
            case _:
                return None

    # --- inside ---------------------------------------------------------------------------------

    def _whole(self, at: Instant, venue: Venue) -> None:
        self._bids.clear()
        self._asks.clear()
        if not venue.seen:
            return
        self._known = True
        self._at = at
        if self._heard(Channel.LEVEL2):
            bids, asks = venue.book()
            self._tell(Channel.LEVEL2, self._writer.book(_micros(at), bids, asks))
        self._look(venue)

    def _look(self, venue: Venue) -> None:
        touch = _touch(venue)
        if touch != self._touch:
            self._touch = touch
            self._tell_ticker()

    def _tell_ticker(self) -> None:
        if self._heard(Channel.TICKER):
            history = self.history
            event = self._writer.ticker(UPDATE, history.last, history.day(), self._touch)
            self._tell(Channel.TICKER, event)

    def _bar(self) -> Bar | None:
        bars = self.history.bars(1)
        return bars[0] if bars else None


def _touch(venue: Venue) -> Touch:
    return Touch(bid=venue.bid, bid_size=venue.bid_size, ask=venue.ask, ask_size=venue.ask_size)


def _move(pending: dict[Ticks, Lots], old: int, old_size: int, price: int, size: int) -> None:
    """Note that a side of one level is now this level."""
    if old_size > 0 and (old != price or size <= 0):
        pending[Ticks(old)] = Lots(0)
    if size > 0 and (old != price or old_size != size):
        pending[Ticks(price)] = Lots(size)


def _micros(at: Instant) -> Instant:
    """Return a time as the matching engine knows it: in microseconds."""
    return Instant(at // 1_000 * 1_000)
