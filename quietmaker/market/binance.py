"""Recorded combined streams of Binance spot: lines of ``<receive ns> <raw JSON>``.

What the lines hold, by the exchange's public documentation:

* ``depthUpdate``: levels that changed, absolute, with first and last update number ``U`` and ``u``;
* a REST depth snapshot with ``lastUpdateId`` and no symbol: it belongs to the book whose updates are
  numbered like it. Updates up to that number are old; the first to apply has
  ``U <= lastUpdateId + 1 <= u``; each later one starts at the ``u`` before plus one, else something
  was lost and the book waits for another snapshot;
* ``trade``: ``m`` says that the buyer was the maker, so the aggressor sold;
* ``bookTicker``: the touch. It is told only of symbols whose depth is not in the file.

An event's time is that of reception: `bookTicker` has no other, and it puts all streams on one clock.
Symbols are told in the form ``BTC-USDT``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

from quietmaker.core.grid import Grid, NumberError
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import NEVER, Instant, Lots, Side, Ticks
from quietmaker.market.files import lines
from quietmaker.market.gate import Gate
from quietmaker.market.increments import Decimals, dashed
from quietmaker.market.recording import Survey
from quietmaker.market.report import Report

_LINE: Final = re.compile(rb"(\d{1,19}) +(\{.*\})", re.ASCII)
_NEAR: Final = 10_000_000
"""A snapshot and the latest update of its symbol lie closer than this; other symbols lie apart."""
_MOST_HELD: Final = 10_000
_IGNORED: Final = frozenset(
    {"aggTrade", "kline", "24hrTicker", "24hrMiniTicker", "avgPrice", "executionReport"}
)


class UnreadableError(Exception):
    """A line that cannot be taken; never leaves this module."""

    def __init__(self, kind: str, detail: str) -> None:
        """Name the kind that is counted, and the detail."""
        super().__init__(detail)
        self.kind = kind


def split_line(line: bytes) -> tuple[int, Any] | None:
    """Return receive time and parsed JSON of a line; None if it is not of this format."""
    match = _LINE.fullmatch(line)
    if match is None or int(match[1]) > NEVER:
        return None
    try:
        return int(match[1]), orjson.loads(match[2])
    except orjson.JSONDecodeError:
        return None


class BinanceRecording:
    """A recorded combined stream."""

    kind: Final = "binance-combined"

    def __init__(self, path: Path) -> None:
        """Prepare to read a file."""
        self._path = path

    @property
    def path(self) -> Path:
        """Return the file."""
        return self._path

    def survey(self) -> Survey:
        """Read the file once to learn what is in it."""
        found = Survey()
        updates: dict[str, int] = {}
        early: list[Mapping[str, Any]] = []
        for _, body, _ in self._bodies(Report()):
            if "lastUpdateId" in body:
                if not _own(body, updates, found):
                    early.append(body)
                continue
            data = _data(body)
            raw = data.get("s")
            if not isinstance(raw, str) or data.get("e") in _IGNORED:
                continue
            symbol = dashed(raw)
            found.seen.setdefault(symbol, Decimals()).see(*_numbers(data))
            if data.get("e") == "depthUpdate" and isinstance(last := data.get("u"), int):
                updates[symbol] = last
                early = [body for body in early if not _own(body, updates, found)]
        return found

    def events(
        self, products: Mapping[str, Product], deep: set[str], report: Report
    ) -> Iterator[MarketEvent]:
        """Yield the events of these products in order of time."""
        gate = Gate(
            deep=[symbol for symbol in products if symbol in deep],
            shallow=[symbol for symbol in products if symbol not in deep],
            report=report,
        )
        reader = _Reader(products, report)
        for at, body, where in self._bodies(report):
            try:
                events = reader.read(body, Instant(at))
            except UnreadableError as error:
                report.issue(error.kind, where, str(error))
                events = reader.damaged(body, Instant(at))
            yield from gate.admit(events, where)

    def _bodies(self, report: Report) -> Iterator[tuple[int, Mapping[str, Any], str]]:
        for number, line, whole in lines(self._path, report):
            where = f"{self._path}:{number}"
            parsed = split_line(line)
            if parsed is None:
                report.issue("corrupt_line" if whole else "truncated_last_line", where)
            elif not isinstance(parsed[1], dict):
                report.issue("unknown_row", where)
            else:
                yield parsed[0], parsed[1], where


_Update: TypeAlias = tuple[int, int, tuple[tuple[Side, Ticks, Lots], ...]]
"""First and last update number, and the changes."""


class _Feed:
    """One symbol: its increments, and how far its book has been stitched."""

    __slots__ = ("held", "last", "lots", "seen", "symbol", "ticks")

    def __init__(self, symbol: str, product: Product) -> None:
        self.symbol = symbol
        self.ticks = Grid(product.tick).units
        self.lots = Grid(product.lot).units
        self.seen: int | None = None  # number of the latest depth update seen
        self.last: int | None = None  # number of the last one applied; None without a book
        self.held: list[_Update] = []  # updates from before the snapshot


class _Reader:
    def __init__(self, products: Mapping[str, Product], report: Report) -> None:
        self._feeds = {symbol: _Feed(symbol, product) for symbol, product in products.items()}
        self._report = report
        self._orphans: list[Mapping[str, Any]] = []
        self._readers: dict[str, Callable[[_Feed, Mapping[str, Any], Instant], list[MarketEvent]]]
        self._readers = {"depthUpdate": self._depth, "trade": _trade}

    def read(self, body: Mapping[str, Any], at: Instant) -> list[MarketEvent]:
        """Return the events of one line.

        Raises:
            UnreadableError: if it cannot be taken; nothing has been taken then.
        """
        try:
            if "lastUpdateId" in body:
                return self._snapshot(body, at)
            return self._stream(_data(body), body.get("stream"), at)
        except OffGridError as error:
            raise UnreadableError("off_grid", str(error)) from error
        except NumberError as error:
            raise UnreadableError("bad_number", str(error)) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableError("missing_field", repr(error)) from error

    def damaged(self, body: Mapping[str, Any], at: Instant) -> list[MarketEvent]:
        """Return what an unreadable line costs: a book that misses an update is lost."""
        data = _data(body)
        raw = data.get("s")
        feed = self._feeds.get(dashed(raw)) if isinstance(raw, str) else None
        if feed is None or data.get("e") != "depthUpdate":
            return []
        feed.last = None
        return [FeedLost(symbol=feed.symbol, at=at, reason=StaleReason.GAP)]

    def _stream(self, data: Mapping[str, Any], stream: Any, at: Instant) -> list[MarketEvent]:
        raw, kind = data.get("s"), data.get("e")
        if kind in _IGNORED:
            self._report.note(f"ignored_{kind}")
            return []
        if not isinstance(raw, str):
            raise UnreadableError("unknown_row", str(stream or list(data))[:80])
        feed = self._feeds.get(dashed(raw))
        if feed is None:
            self._report.note("left_out_symbol")
            return []
        if kind in {None, "bookTicker"} and {"b", "B", "a", "A"} <= data.keys():
            return _ticker(feed, data, at)
        reader = self._readers.get(kind) if isinstance(kind, str) else None
        if reader is None:
            raise UnreadableError("unknown_channel", str(kind or stream)[:80])
        return reader(feed, data, at)

    def _depth(self, feed: _Feed, data: Mapping[str, Any], at: Instant) -> list[MarketEvent]:
        update = (_update_number(data["U"]), _update_number(data["u"]), _changes(feed, data))
        feed.seen = update[1]
        if feed.last is not None:
            return self._apply(feed, update, at)
        feed.held.append(update)
        del feed.held[:-_MOST_HELD]
        self._report.note("update_before_snapshot")
        waiting, self._orphans = self._orphans, []
        return [event for snapshot in waiting for event in self._snapshot(snapshot, at)]

    def _apply(self, feed: _Feed, update: _Update, at: Instant) -> list[MarketEvent]:
        first, last, changes = update
        if feed.last is None:
            feed.held.append(update)
            return []
        if last <= feed.last:
            self._report.note("update_older_than_book")
            return []
        if first > feed.last + 1:
            self._report.issue("sequence_gap", feed.symbol, f"update {first} after {feed.last}")
            feed.last, feed.held = None, [update]
            return [FeedLost(symbol=feed.symbol, at=at, reason=StaleReason.GAP)]
        feed.last = last
        return [BookDelta(symbol=feed.symbol, at=at, changes=changes)]

    def _snapshot(self, body: Mapping[str, Any], at: Instant) -> list[MarketEvent]:
        number = _update_number(body["lastUpdateId"])
        numbered = {s: feed.seen for s, feed in self._feeds.items() if feed.seen is not None}
        owner = _owner(body, numbered)
        if owner is None:
            self._orphans.append(body)
            del self._orphans[:-_MOST_HELD]
            self._report.note("snapshot_held")
            return []
        feed = self._feeds[owner]
        if feed.last is not None and number < feed.last:
            self._report.note("snapshot_older_than_book")
            return []
        snapshot = BookSnapshot(
            symbol=owner, at=at, bids=_side(feed, body["bids"]), asks=_side(feed, body["asks"])
        )
        held, feed.held, feed.last = feed.held, [], number
        applied = [event for update in held for event in self._apply(feed, update, at)]
        return [snapshot, *applied]


def _own(body: Mapping[str, Any], updates: Mapping[str, int], found: Survey) -> bool:
    """Note in the survey whose whole book a snapshot is; return whether anybody's."""
    owner = _owner(body, updates)
    if owner is None:
        return False
    found.deep.add(owner)
    found.seen[owner].see(*_numbers({"b": body.get("bids"), "a": body.get("asks")}))
    return True


def _owner(snapshot: Mapping[str, Any], numbered: Mapping[str, int]) -> str | None:
    """Return the symbol whose updates are numbered like the snapshot."""
    number = snapshot.get("lastUpdateId")
    if not isinstance(number, int):
        return None
    near = [(abs(seen - number), symbol) for symbol, seen in numbered.items()]
    return min(near)[1] if near and min(near)[0] <= _NEAR else None


def _data(body: Mapping[str, Any]) -> Mapping[str, Any]:
    data = body.get("data", body)
    return data if isinstance(data, dict) else {}


def _numbers(data: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return all prices and sizes of a message, as text; whatever is not text is left out."""
    prices = [data.get("p"), data.get("b"), data.get("a")]
    sizes = [data.get("q"), data.get("B"), data.get("A")]
    for side in (data.get("b"), data.get("a")):
        for level in side if isinstance(side, list) else ():
            if isinstance(level, list) and len(level) >= 2:
                prices.append(level[0])
                sizes.append(level[1])
    return (
        [price for price in prices if isinstance(price, str)],
        [size for size in sizes if isinstance(size, str)],
    )


def _update_number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise UnreadableError("missing_field", f"update number {value!r}")
    return value


def _changes(feed: _Feed, data: Mapping[str, Any]) -> tuple[tuple[Side, Ticks, Lots], ...]:
    ticks, lots = feed.ticks, feed.lots
    bids = [(Side.BUY, Ticks(ticks(price)), Lots(lots(size))) for price, size, *_ in data["b"]]
    asks = [(Side.SELL, Ticks(ticks(price)), Lots(lots(size))) for price, size, *_ in data["a"]]
    return (*bids, *asks)


def _side(feed: _Feed, levels: Any) -> tuple[tuple[Ticks, Lots], ...]:
    sized = [(feed.ticks(price), feed.lots(size)) for price, size, *_ in levels]
    return tuple((Ticks(price), Lots(size)) for price, size in sized if size)


def _trade(feed: _Feed, data: Mapping[str, Any], at: Instant) -> list[MarketEvent]:
    price, size, buyer_made = feed.ticks(data["p"]), feed.lots(data["q"]), data["m"]
    if price == 0 or size == 0 or not isinstance(buyer_made, bool):
        raise UnreadableError("bad_number", f"trade of {size} lots at {price} ticks")
    aggressor = Side.SELL if buyer_made else Side.BUY
    return [
        TradePrint(
            symbol=feed.symbol, at=at, price=Ticks(price), size=Lots(size), aggressor=aggressor
        )
    ]


def _ticker(feed: _Feed, data: Mapping[str, Any], at: Instant) -> list[MarketEvent]:
    return [
        TouchQuote(
            symbol=feed.symbol,
            at=at,
            bid=Ticks(feed.ticks(data["b"])),
            bid_size=Lots(feed.lots(data["B"])),
            ask=Ticks(feed.ticks(data["a"])),
            ask_size=Lots(feed.lots(data["A"])),
        )
    ]
