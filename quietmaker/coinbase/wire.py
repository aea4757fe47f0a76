"""Public market-data frames to domain events: total, exact, and whole or not at all.

Rules of the wire that hold here (recorded behaviour, which contradicts the documentation in part):

* `new_quantity` is absolute and "0" removes; snapshots may be unsorted.
* the `side` of a market trade is the maker's: the aggressor is the other one.
* trades come newest first inside one frame, and the first frame after subscribing is history.
* numbers are decimal text with trailing zeros trimmed; they become ticks and lots exactly.
* new fields appear without notice: they are counted and never fatal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from quietmaker.coinbase.fields import (
    Found,
    RefusedError,
    gateway_time,
    is_snapshot,
    load,
    read_heartbeat,
    read_status,
    read_subscriptions,
    read_user,
    rows_of,
    time_of,
    touch_side,
)
from quietmaker.coinbase.frames import (
    Frame,
    IssueKind,
    ServerError,
)
from quietmaker.core.grid import Grid, NumberError
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import SECOND, Instant, Lots, Side, Ticks

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_NO_TIME: Final = Instant(0)
_BOOK_CHANNELS: Final = frozenset({"l2_data", "level2"})
_BOOK_SIDES: Final = {"bid": Side.BUY, "offer": Side.SELL, "ask": Side.SELL}
_AGGRESSORS: Final = {"BUY": Side.SELL, "SELL": Side.BUY}
_ENVELOPE: Final = frozenset({"channel", "client_id", "timestamp", "sequence_num", "events"})
_LEVEL: Final = frozenset({"side", "event_time", "price_level", "new_quantity"})
_TRADE: Final = frozenset({"product_id", "trade_id", "price", "size", "time", "side"})
_CANDLE: Final = frozenset(
    {"start", "high", "low", "open", "close", "volume", "product_id"},
)
_TICKER: Final = frozenset(
    [
        "type",
        "product_id",
        "price",
        "volume_24_h",
        "low_24_h",
        "high_24_h",
        "low_52_w",
        "high_52_w",
        "best_bid",
        "best_ask",
        "price_percent_chg_24_h",
        "best_bid_quantity",
        "best_ask_quantity",
    ]
)


_Labelled: TypeAlias = tuple[str, Grid, Grid, dict[str, Ticks]]
"""Under which symbol a label is told, the grids of its prices and sizes, and prices read before.

Levels change again and again: a price that was read before is looked up instead of converted.
"""
_Change: TypeAlias = tuple[Side, Ticks, Lots]
_PRICES: Final = 20_000
"""Prices remembered for a product."""


class MarketDecoder:
    """Decodes frames of the market-data connection. Holds no state between frames."""

    def __init__(
        self, products: Mapping[str, Product], aliases: Mapping[str, str] | None = None
    ) -> None:
        """Decode for these products; data of others is reported as an issue and left out.

        Args:
            products: by symbol.
            aliases: the label under which a symbol's data comes, where that is another product. Of
                several symbols with one label the first is told.
        """
        self._grids: dict[str, _Labelled] = {}
        for symbol, product in products.items():
            label = (aliases or {}).get(symbol, symbol)
            known = self._grids.setdefault(
                label, (symbol, Grid(product.tick), Grid(product.lot), {})
            )
            self._grids.setdefault(symbol, known)
        self._readers: dict[str, Callable[[Mapping[str, Any], Found], None]] = {
            "l2_data": self._book,
            "level2": self._book,
            "market_trades": self._trades,
            "ticker": self._tickers,
            "ticker_batch": self._tickers,
            "candles": self._candles,
            "heartbeats": read_heartbeat,
            "subscriptions": read_subscriptions,
            "status": read_status,
            "user": read_user,
        }

    def decode(self, text: str | bytes, *, received: Instant | None = None) -> Frame:
        """Decode one frame.

        Args:
            text: the frame exactly as it came.
            received: when it came; stands in for a gateway time that is missing or unreadable.

        Returns:
            the frame; never raises for anything that the text may hold.
        """
        return self.read(text, received).frame()

    def read(self, text: str | bytes, received: Instant | None) -> Found:
        """Decode one frame for whoever takes it apart at once: as `decode`, without its making."""
        found = Found(received if received is not None else _NO_TIME)
        try:
            body = load(text)
            if body.get("type") == "error":
                found.channel = "error"
                found.notices.append(ServerError(message=str(body.get("message", ""))))
                return found
            channel, sequence = body.get("channel"), body.get("sequence_num")
            if not isinstance(channel, str) or type(sequence) is not int or sequence < 0:
                raise RefusedError(IssueKind.NOT_A_FRAME, "no channel and sequence_num")
        except RefusedError as refusal:
            found.refuse(refusal.issue)
            return found
        found.channel, found.sequence = channel, sequence
        try:
            self._decode(body, channel, found, received)
        except RefusedError as refusal:
            found.refuse(refusal.issue)
            if channel in _BOOK_CHANNELS:
                self._lost(body, found)
        return found

    def _decode(
        self, body: Mapping[str, Any], channel: str, found: Found, received: Instant | None
    ) -> None:
        found.at = gateway_time(body, found, received)
        found.fields(body, _ENVELOPE, "envelope")
        reader = self._readers.get(channel)
        if reader is None:
            found.note(IssueKind.UNKNOWN_CHANNEL, channel[:64])
            return
        events = body.get("events")
        if not isinstance(events, list):
            raise RefusedError(IssueKind.MISSING_FIELD, f"{channel}: events")
        for event in events:
            if not isinstance(event, dict):
                raise RefusedError(IssueKind.MISSING_FIELD, f"{channel}: an event is no object")
            try:
                reader(event, found)
            # A name for each: compiled code gives a variable one type for the whole function.
            except OffGridError as off_grid:
                raise RefusedError(IssueKind.OFF_GRID, f"{channel}: {off_grid}") from off_grid
            except NumberError as bad:
                raise RefusedError(IssueKind.BAD_NUMBER, f"{channel}: {bad}") from bad
            except (KeyError, TypeError, AttributeError) as missing:
                raise RefusedError(IssueKind.MISSING_FIELD, f"{channel}: {missing}") from missing

    def _known(self, label: Any, found: Found) -> _Labelled | None:
        if not isinstance(label, str):
            raise RefusedError(IssueKind.MISSING_FIELD, "product_id")
        known = self._grids.get(label)
        if known is None:
            found.note(IssueKind.UNKNOWN_PRODUCT, label[:64])
        return known

    def _book(self, event: Mapping[str, Any], found: Found) -> None:
        found.fields(event, frozenset({"type", "product_id", "updates"}), "l2_data event")
        known = self._known(event["product_id"], found)
        if known is None:
            return
        symbol = known[0]
        snapshot = is_snapshot(event)
        changes = tuple(_levels(event["updates"], known, found, {} if snapshot else known[3]))
        if not snapshot:
            found.events.append(BookDelta(symbol=symbol, at=found.at, changes=changes))
            return
        found.events.append(
            BookSnapshot(
                symbol=symbol,
                at=found.at,
                bids=tuple((price, size) for side, price, size in changes if size and side is _BUY),
                asks=tuple(
                    (price, size) for side, price, size in changes if size and side is _SELL
                ),
            )
        )

    def _trades(self, event: Mapping[str, Any], found: Found) -> None:
        found.fields(event, frozenset({"type", "trades"}), "market_trades event")
        history = is_snapshot(event)
        for trade in rows_of(event, "trades")[::-1]:
            found.fields(trade, _TRADE, "trade")
            known = self._known(trade["product_id"], found)
            if known is None:
                continue
            symbol, ticks, lots, _ = known
            aggressor = _AGGRESSORS.get(trade["side"])
            if aggressor is None:
                raise RefusedError(IssueKind.UNKNOWN_SIDE, f"trade: {str(trade['side'])[:64]}")
            at = time_of(trade["time"]) if history else found.at
            price, size = ticks.units(trade["price"]), lots.units(trade["size"])
            if price == 0 or size == 0:
                raise RefusedError(IssueKind.BAD_NUMBER, f"trade: {price} ticks, {size} lots")
            into = found.history if history else found.events
            into.append(
                TradePrint(
                    symbol=symbol, at=at, price=Ticks(price), size=Lots(size), aggressor=aggressor
                )
            )

    def _tickers(self, event: Mapping[str, Any], found: Found) -> None:
        found.fields(event, frozenset({"type", "tickers"}), "ticker event")
        is_snapshot(event)
        for ticker in rows_of(event, "tickers"):
            found.fields(ticker, _TICKER, "ticker")
            if ticker["product_id"] == "":
                found.note(IssueKind.EMPTY_TICKER, "a ticker of empty strings")
                continue
            known = self._known(ticker["product_id"], found)
            if known is None or "best_bid" not in ticker:  # ticker_batch carries no touch
                continue
            symbol = known[0]
            bid, bid_size = touch_side(ticker, "best_bid", known[1:3])
            ask, ask_size = touch_side(ticker, "best_ask", known[1:3])
            found.events.append(
                TouchQuote(
                    symbol=symbol,
                    at=found.at,
                    bid=bid,
                    bid_size=bid_size,
                    ask=ask,
                    ask_size=ask_size,
                )
            )

    def _candles(self, event: Mapping[str, Any], found: Found) -> None:
        found.fields(event, frozenset({"type", "candles"}), "candles event")
        is_snapshot(event)
        for candle in rows_of(event, "candles"):
            found.fields(candle, _CANDLE, "candle")
            known, start = self._known(candle["product_id"], found), candle["start"]
            if known is None:
                continue
            symbol, ticks, _, _ = known
            if not (isinstance(start, str) and start.isascii() and start.isdigit()):
                raise RefusedError(IssueKind.BAD_TIME, f"candle start {str(start)[:64]!r}")
            if len(start) > 12:
                raise RefusedError(IssueKind.BAD_TIME, f"candle start {start[:64]} is too far")
            low, high = ticks.units(candle["low"]), ticks.units(candle["high"])
            if not 0 < low <= high:
                raise RefusedError(IssueKind.BAD_NUMBER, f"candle: low {low}, high {high} ticks")
            found.events.append(
                CandleBar(
                    symbol=symbol,
                    at=found.at,
                    start=Instant(int(start) * SECOND),
                    low=Ticks(low),
                    high=Ticks(high),
                )
            )

    def _lost(self, body: Mapping[str, Any], found: Found) -> None:
        """Say which books a refused frame would have changed."""
        events = body.get("events")
        named = [
            event.get("product_id")
            for event in (events if isinstance(events, list) else [])
            if isinstance(event, dict)
        ]
        found.events.extend(
            FeedLost(symbol=self._grids[label][0], at=found.at, reason=StaleReason.GAP)
            for label in dict.fromkeys(s for s in named if isinstance(s, str))
            if label in self._grids
        )


def _levels(
    updates: Iterable[Mapping[str, Any]],
    known: _Labelled,
    found: Found,
    prices: dict[str, Ticks],
) -> list[_Change]:
    """Convert the levels of one event: the hot path of the whole connection."""
    ticks, lots = known[1].units, known[2].units
    sides = _BOOK_SIDES
    changes: list[_Change] = []
    for level in updates:
        if len(level) != 4:
            found.fields(level, _LEVEL, "level")
        side = sides.get(level["side"])
        if side is None:
            raise RefusedError(IssueKind.UNKNOWN_SIDE, f"level: {str(level['side'])[:64]}")
        text = level["price_level"]
        price = prices.get(text)
        if price is None:
            price = Ticks(ticks(text))
            if price == 0:
                raise RefusedError(IssueKind.BAD_NUMBER, "level: price 0")
            if len(prices) >= _PRICES:
                prices.clear()
            prices[text] = price
        text = level["new_quantity"]
        changes.append((side, price, Lots(0) if text == "0" else Lots(lots(text))))
    return changes
