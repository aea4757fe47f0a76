"""Writing a market to Parquet, in the format of docs/parquet.md.

The format is touches and trades. Of a market told by depth, the touch is derived through a book and
a row is written when it changes; where a feed is lost the touch is written empty, so that a reader of the
file cannot quote from what was not trusted. The products travel in the file's metadata.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, assert_never

import pyarrow as pa
import pyarrow.parquet as pq

from quietmaker.core.book import Book, BookOutcome, Touch
from quietmaker.core.grid import Grid
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    MarketEvent,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Ticks
from quietmaker.errors import SourceError
from quietmaker.market.parquet import BATCH_ROWS, COLUMNS, PRODUCTS_KEY, products_to_metadata
from quietmaker.ports import MarketSource

_WORD: Final = pa.dictionary(pa.int32(), pa.string())
_SCHEMA: Final = pa.schema(
    [("ts_ns", pa.int64()), ("symbol", _WORD), ("kind", _WORD)]
    + [(name, pa.float64()) for name in COLUMNS[3:9]]
    + [("aggressor", _WORD)]
)
_MOST_UNITS: Final = 10**15
"""Up to this many increments a 64-bit float names one multiple and no other."""
_EMPTY: Final = Touch(bid=Ticks(0), bid_size=Lots(0), ask=Ticks(0), ask_size=Lots(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was written.

    Attributes:
        quotes: rows of touches.
        trades: rows of trades.
        left_out: events for which the format has no row (candles).
    """

    quotes: int
    trades: int
    left_out: int


def write_parquet(path: Path, source: MarketSource, *, until: Instant | None = None) -> Recorded:
    """Write a market to a file. The file appears whole or not at all.

    Args:
        path: the file; replaced if it exists.
        source: the market; one without end needs `until`.
        until: events after this are not written.

    Raises:
        SourceError: if the file cannot be written, or a number is too great for the format.
    """
    partial = path.with_name(f".{path.name}.partial")
    products = source.info().products
    schema = _SCHEMA.with_metadata({PRODUCTS_KEY: products_to_metadata(products)})
    try:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            rows = _Rows(products, writer, schema)
            for event in source.events():
                if until is not None and event.at > until:
                    break
                rows.take(event)
            rows.flush()
        os.replace(partial, path)
    except OSError as error:
        raise SourceError(
            f"{path}: cannot be written ({error.strerror or error}); check the disk and permissions"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return Recorded(quotes=rows.quotes, trades=rows.trades, left_out=rows.left_out)


class _Scale:
    """Increments to the nearest float, exactly rounded."""

    def __init__(self, grid: Grid) -> None:
        self._step, self._parts = grid.step, int("1" + "0" * grid.decimals)

    def of(self, units: int) -> float:
        scaled = units * self._step
        if scaled >= _MOST_UNITS:
            raise SourceError(
                f"{units} increments of {self._step}/{self._parts} are too many for a Parquet float; "
                "state a product with a coarser increment"
            )
        return scaled / self._parts


class _Rows:
    """Collects rows and writes them in batches."""

    def __init__(
        self, products: Mapping[str, Product], writer: pq.ParquetWriter, schema: pa.Schema
    ) -> None:
        self._writer, self._schema = writer, schema
        self._prices = {name: _Scale(Grid(product.tick)) for name, product in products.items()}
        self._sizes = {name: _Scale(Grid(product.lot)) for name, product in products.items()}
        self._books: dict[str, Book] = {}
        self._told: dict[str, Touch] = {}
        self._pending: list[tuple[object, ...]] = []
        self.quotes = self.trades = self.left_out = 0

    def take(self, event: MarketEvent) -> None:
        """Add the rows of one event."""
        match event:
            case BookSnapshot() | BookDelta():
                book = self._books.setdefault(event.symbol, Book())
                applied = book.apply(event) is BookOutcome.APPLIED
                self._touch(event.symbol, event.at, book.touch() if applied else _EMPTY)
            case TouchQuote():
                touch = Touch(
                    bid=event.bid, bid_size=event.bid_size, ask=event.ask, ask_size=event.ask_size
                )
                self._touch(event.symbol, event.at, touch)
            case FeedLost():
                if book_lost := self._books.get(event.symbol):
                    book_lost.lose(event.reason)
                self._touch(event.symbol, event.at, _EMPTY)
            case TradePrint():
                self.trades += 1
                price = self._prices[event.symbol].of(event.price)
                size = self._sizes[event.symbol].of(event.size)
                aggressor = event.aggressor.value
                self._add((event.at, event.symbol, "trade", *(None,) * 4, price, size, aggressor))
            case CandleBar():
                self.left_out += 1
            case _:
                assert_never(event)

    def flush(self) -> None:
        """Write what is pending."""
        if not self._pending:
            return
        columns = zip(*self._pending, strict=True)
        arrays = [
            pa.array(list(column), type=field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._pending.clear()

    def _touch(self, symbol: str, at: Instant, touch: Touch) -> None:
        if self._told.get(symbol) == touch:
            return
        self._told[symbol] = touch
        self.quotes += 1
        price, size = self._prices[symbol], self._sizes[symbol]
        bid = (price.of(touch.bid), size.of(touch.bid_size)) if touch.bid_size else (None, None)
        ask = (price.of(touch.ask), size.of(touch.ask_size)) if touch.ask_size else (None, None)
        self._add((at, symbol, "quote", *bid, *ask, None, None, None))

    def _add(self, row: tuple[object, ...]) -> None:
        self._pending.append(row)
        if len(self._pending) == BATCH_ROWS:
            self.flush()
