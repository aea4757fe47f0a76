"""What each channel says, as JSON: domain values in, event out.

The shapes are those of recorded frames where there are recordings, of the documentation elsewhere;
tests compare both. Keys come in the recorded order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Nanos, Side, Ticks
from quietmaker.exchange.server.frames import (
    ChannelEvent,
    NumberText,
    heartbeat_time,
    json_bytes,
    rfc3339,
)

SNAPSHOT: Final = "snapshot"
UPDATE: Final = "update"

Levels = Iterable[tuple[Ticks, Lots]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """A trade as the public hears of it. `maker` is the side of the resting order."""

    trade_id: int
    at: Instant
    price: Ticks
    size: Lots
    maker: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A five-minute bucket with all that the candles channel tells of it."""

    start: Instant
    low: Ticks
    high: Ticks
    open: Ticks
    close: Ticks
    volume: Lots


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The last twenty-four hours and the last year of a product, as far as the exchange saw them."""

    volume: int
    low: int
    high: int
    open: int
    year_low: int
    year_high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The best bid and ask; a side of size 0 is empty."""

    bid: int
    bid_size: int
    ask: int
    ask_size: int


class ProductWriter:
    """Writes the events of one product."""

    def __init__(self, product: Product) -> None:
        """Prepare the number texts of its increments."""
        self.symbol = product.symbol
        self._price = NumberText(product.tick).text
        self._size = NumberText(product.lot).text

    def book(self, at: Instant, bids: Levels, asks: Levels) -> ChannelEvent:
        """Write the whole book: all bids, then all offers, each best first."""
        return self._levels(SNAPSHOT, at, bids, asks)

    def changes(self, at: Instant, bids: Levels, asks: Levels) -> ChannelEvent:
        """Write levels that changed: bids before offers, absolute sizes, 0 for a level that is gone."""
        return self._levels(UPDATE, at, bids, asks)

    def trades(self, kind: str, trades: Iterable[PublicTrade]) -> ChannelEvent:
        """Write trades, newest first as they are given."""
        rows = ",".join(
            f'{{"product_id":"{self.symbol}","trade_id":"{trade.trade_id}",'
            f'"price":"{self._price(trade.price)}","size":"{self._size(trade.size)}",'
            f'"time":"{rfc3339(trade.at)}","side":"{trade.maker.value}"}}'
            for trade in trades
        )
        return self._event("market_trades", kind, f'{{"type":"{kind}","trades":[{rows}]}}'.encode())

    def ticker(self, kind: str, last: int | None, day: Day | None, touch: Touch) -> ChannelEvent:
        """Write the ticker with best bid and ask."""
        row = self._ticker(last, day) | {
            "best_bid": self._side(touch.bid, touch.bid_size),
            "best_ask": self._side(touch.ask, touch.ask_size),
            "best_bid_quantity": self._size(max(touch.bid_size, 0)),
            "best_ask_quantity": self._size(max(touch.ask_size, 0)),
        }
        return self._event("ticker", kind, json_bytes({"type": kind, "tickers": [row]}))

    def ticker_batch(self, kind: str, last: int | None, day: Day | None) -> ChannelEvent:
        """Write the ticker of the slow channel, which has no best bid and ask."""
        row = self._ticker(last, day)
        return self._event("ticker_batch", kind, json_bytes({"type": kind, "tickers": [row]}))

    def candles(self, kind: str, bars: Sequence[Bar]) -> ChannelEvent:
        """Write buckets, oldest first as they are given."""
        price, size = self._price, self._size
        rows = [
            {
                "start": str(bar.start // 1_000_000_000),
                "high": price(bar.high),
                "low": price(bar.low),
                "open": price(bar.open),
                "close": price(bar.close),
                "volume": size(bar.volume),
                "product_id": self.symbol,
            }
            for bar in bars
        ]
        return self._event("candles", kind, json_bytes({"type": kind, "candles": rows}))

    def _levels(self, kind: str, at: Instant, bids: Levels, asks: Levels) -> ChannelEvent:
        price, size, time = self._price, self._size, rfc3339(at)
        rows = []
        for side, levels in (("bid", bids), ("offer", asks)):
            head = f'{{"side":"{side}","event_time":"{time}","price_level":"'
            rows += [
                f'{head}{price(level)}","new_quantity":"{size(lots)}"}}' for level, lots in levels
            ]
        text = f'{{"type":"{kind}","product_id":"{self.symbol}","updates":[{",".join(rows)}]}}'
        return self._event("l2_data", kind, text.encode())

    def _ticker(self, last: int | None, day: Day | None) -> dict[str, str]:
        price = self._price
        return {
            "type": "ticker",
            "product_id": self.symbol,
            "price": "" if last is None else price(last),
            "volume_24_h": "0" if day is None else self._size(day.volume),
            "low_24_h": "0" if day is None else price(day.low),
            "high_24_h": "0" if day is None else price(day.high),
            "low_52_w": "0" if day is None else price(day.year_low),
            "high_52_w": "0" if day is None else price(day.year_high),
            "price_percent_chg_24_h": _percent(last, day),
        }

    def _side(self, price: int, size: int) -> str:
        return self._price(price) if size > 0 else "0"

    def _event(self, channel: str, kind: str, body: bytes) -> ChannelEvent:
        return ChannelEvent(channel=channel, product=self.symbol, kind=kind, body=body)


def heartbeat(at: Instant, *, running: Nanos, counter: int) -> ChannelEvent:
    """Write a heartbeat; `running` is how long the server has been up."""
    body = {"current_time": heartbeat_time(at, running), "heartbeat_counter": counter}
    return ChannelEvent(channel="heartbeats", product="", kind="", body=json_bytes(body))


def acknowledgement(state: Mapping[str, Sequence[str]]) -> ChannelEvent:
    """Write the complete state of a connection's subscriptions."""
    body = {"subscriptions": {channel: list(state[channel]) for channel in sorted(state)}}
    return ChannelEvent(channel="subscriptions", product="", kind="", body=json_bytes(body))


def status(kind: str, rows: Sequence[Mapping[str, Any]]) -> ChannelEvent:
    """Write the market state of products; see `status_row`."""
    body = {"type": kind, "products": list(rows)}
    product = str(rows[0]["id"]) if len(rows) == 1 else ""
    return ChannelEvent(channel="status", product=product, kind=kind, body=json_bytes(body))


def user(kind: str, orders: Sequence[Mapping[str, str]]) -> ChannelEvent:
    """Write the cumulative state of orders."""
    body = {
        "type": kind,
        "orders": list(orders),
        "positions": {
            "perpetual_futures_positions": [],
            "expiring_futures_positions": [],
            "prediction_market_positions": [],
        },
    }
    one = orders[0] if len(orders) == 1 else {}
    marks = tuple(
        (mark, one[key])
        for mark, key in (
            ("side", "order_side"),
            ("status", "status"),
            ("client_order_id", "client_order_id"),
        )
        if key in one
    )
    product = one.get("product_id", "")
    return ChannelEvent(
        channel="user", product=product, kind=kind, body=json_bytes(body), marks=marks
    )


def futures_balance_summary() -> ChannelEvent:
    """Write the balance of an account that has no futures: nothing."""
    body = {"type": SNAPSHOT, "fcm_balance_summary": {}}
    return ChannelEvent(
        channel="futures_balance_summary", product="", kind=SNAPSHOT, body=json_bytes(body)
    )


def _percent(last: int | None, day: Day | None) -> str:
    """Return the change over the day in percent, with fourteen decimals as recorded."""
    if last is None or day is None or not day.open:
        return "0"
    scaled = (last - day.open) * 10**16 // day.open
    whole, part = divmod(abs(scaled), 10**14)
    text = f"{whole}.{part:014d}".rstrip("0").rstrip(".")
    return f"-{text}" if scaled < 0 and text != "0" else text
