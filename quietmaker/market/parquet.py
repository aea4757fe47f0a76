"""Normalised events in Parquet: the format of docs/parquet.md, read in bounded batches.

The writer is in `quietmaker.market.recorder`. A file of another writer may differ in column types; what a
column means does not vary. Whatever cannot be taken exactly is refused with file, row and remedy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quietmaker.core.grid import Grid
from quietmaker.core.market import MarketEvent, TouchQuote, TradePrint
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Lots, Side, Ticks
from quietmaker.errors import SourceError
from quietmaker.market.cells import BadCellError, BadColumnError, Ints, Mask, Numbers, words
from quietmaker.market.columns import KIND_QUOTE, KIND_TRADE, Columns
from quietmaker.market.increments import Decimals, dashed
from quietmaker.market.recording import Catalogue, RecordedSource, Survey
from quietmaker.market.report import Report

COLUMNS: Final = (
    "ts_ns",
    "symbol",
    "kind",
    "bid_px",
    "bid_sz",
    "ask_px",
    "ask_sz",
    "price",
    "size",
    "aggressor",
)
PRODUCTS_KEY: Final = b"quietmaker.products"
BATCH_ROWS: Final = 16_384
"""Small enough that a batch in columns stays in the cache while the engine reads it."""

_QUOTE_WORDS: Final = frozenset({"quote", "q", "quotes", "l1", "bbo", "touch", "bookticker", "0"})
_TRADE_WORDS: Final = frozenset({"trade", "t", "trades", "print", "1"})
_BUY_WORDS: Final = frozenset({"buy", "b", "buyer", "bought", "1", "+1", "1.0"})
_SELL_WORDS: Final = frozenset({"sell", "s", "seller", "sold", "-1", "-1.0"})


def products_to_metadata(products: Mapping[str, Product]) -> bytes:
    """Return products as the text that the recorder keeps in a file's schema."""
    stated = [part.name for part in fields(Product) if part.init]
    rows = [{name: getattr(product, name) for name in stated} for product in products.values()]
    return json.dumps(rows, default=str).encode()


def products_from_metadata(raw: bytes) -> dict[str, Product]:
    """Return the products that the recorder kept.

    Raises:
        ValueError, TypeError, KeyError: if the text is not what the recorder writes.
    """
    amounts = ("tick", "lot", "min_size", "max_size", "min_notional")
    found = {}
    for row in json.loads(raw):
        product = Product(**{**row, **{name: Decimal(row[name]) for name in amounts}})
        found[product.symbol] = product
    return found


class _Batch:
    """The columns of a batch that need no product, checked: time, symbol, kind."""

    def __init__(self, table: Any, names: dict[str, int]) -> None:
        self.at = _times(table.column("ts_ns"))
        values, codes = words("symbol", table.column("symbol"))
        self.symbol = _symbols(values, codes, names)
        values, codes = words("kind", table.column("kind"))
        table_of_kinds = [_kind(value) for value in values]
        self.kind = np.array(table_of_kinds, dtype=np.int64)[codes]
        if (self.kind < 0).any():
            row = int((self.kind < 0).argmax())
            raise BadCellError(row, f"kind {values[codes[row]]!r} is neither 'quote' nor 'trade'")
        self.quotes: Mask = self.kind == KIND_QUOTE
        self.trades: Mask = self.kind == KIND_TRADE


class ParquetRecording:
    """A Parquet file of normalised events."""

    kind: Final = "parquet"

    def __init__(self, path: Path) -> None:
        """Prepare to read a file.

        Raises:
            SourceError: if it is not readable Parquet or lacks a column.
        """
        self._path = path
        with self._place():
            schema = pq.read_schema(path)
        missing = [name for name in COLUMNS if name not in schema.names]
        if missing:
            raise SourceError(
                f"{path}: column {', '.join(missing)} is missing; docs/parquet.md has the ten columns"
            )
        self._metadata: Mapping[bytes, bytes] = schema.metadata or {}

    @property
    def path(self) -> Path:
        """Return the file."""
        return self._path

    def survey(self) -> Survey:
        """Read the symbols, and the numbers too unless the file states its products."""
        stated = self._stated()
        names: dict[str, int] = {}
        prices: Ints = np.zeros(0, dtype=np.int64)
        sizes: Ints = np.zeros(0, dtype=np.int64)
        wanted = ("symbol",) if stated else COLUMNS[1:-1]
        for base, table in self._tables(wanted):
            with self._rows(base):
                if stated:
                    _symbols(*words("symbol", table.column("symbol")), names)
                    if names.keys() <= stated.keys():
                        continue
                    unknown = next(name for name in names if name not in stated)
                    raise BadCellError(0, f"symbol {unknown} is not among the products it states")
                symbol = _symbols(*words("symbol", table.column("symbol")), names)
                prices = np.concatenate([prices, np.zeros(len(names) - len(prices), np.int64)])
                sizes = np.concatenate([sizes, np.zeros(len(names) - len(sizes), np.int64)])
                _see_decimals(table, symbol, prices, sizes)
        seen = {
            name: Decimals() if stated else Decimals(int(prices[index]), int(sizes[index]))
            for name, index in names.items()
        }
        return Survey(seen=seen, stated=stated)

    def events(
        self, products: Mapping[str, Product], deep: set[str], report: Report
    ) -> Iterator[MarketEvent]:
        """Yield the events of these products in order of time."""
        del deep  # there is no depth in this format
        for batch in self.columns(products, report):
            yield from _events(batch)

    def columns(self, products: Mapping[str, Product], report: Report) -> Iterator[Columns]:
        """Yield the rows of these products in batches, as whole ticks and lots."""
        names: dict[str, int] = {}
        last = np.iinfo(np.int64).min
        for base, table in self._tables(COLUMNS):
            with self._rows(base):
                batch = _Batch(table, names)
                _check_order(batch.at, last)
                last = int(batch.at[-1])
                kept = np.array([name in products for name in names])
                if not kept.all():
                    rows = kept[batch.symbol]
                    report.note("left_out_symbol", int((~rows).sum()))
                    batch.quotes &= rows
                    batch.trades &= rows
                crossed, columns = _convert(table, batch, list(names), products)
                for row in crossed:
                    report.issue("book_crossed", f"{self._path}: row {base + row}")
                yield columns

    def _stated(self) -> dict[str, Product]:
        raw = self._metadata.get(PRODUCTS_KEY)
        if raw is None:
            return {}
        try:
            return products_from_metadata(raw)
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise SourceError(
                f"{self._path}: its metadata {PRODUCTS_KEY.decode()} cannot be read ({error}); record "
                "it again, or remove the metadata to have increments inferred"
            ) from error

    def _tables(self, columns: Sequence[str]) -> Iterator[tuple[int, Any]]:
        """Yield batches with the number of their first row."""
        base = 0
        with self._place():
            file = pq.ParquetFile(self._path, read_dictionary=["symbol", "kind", "aggressor"])
        with file:
            batches = file.iter_batches(
                batch_size=BATCH_ROWS, columns=list(columns), use_threads=False
            )
            while True:
                with self._place():
                    table = next(batches, None)
                if table is None:
                    return
                if table.num_rows:
                    yield base, table
                base += table.num_rows

    @contextmanager
    def _place(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{self._path}: cannot be read as Parquet ({str(error)[:200]}); was it cut off? "
                "record or copy it again"
            ) from error

    @contextmanager
    def _rows(self, base: int) -> Iterator[None]:
        try:
            yield
        except BadCellError as error:
            row = base + error.row
            raise SourceError(
                f"{self._path}: row {row} (from 0; row group {self._group(row)}): {error.why}; "
                "see docs/parquet.md"
            ) from error
        except BadColumnError as error:
            raise SourceError(f"{self._path}: {error}; docs/parquet.md lists the types") from error

    def _group(self, row: int) -> int:
        metadata = pq.read_metadata(self._path)
        groups = range(metadata.num_row_groups)
        ends = np.cumsum([metadata.row_group(group).num_rows for group in groups])
        return int(np.searchsorted(ends, row, side="right"))


class ParquetSource(RecordedSource):
    """A Parquet file as a market source that can also be read in columns."""

    def __init__(self, recording: ParquetRecording, catalogue: Catalogue) -> None:
        """Bind a file to the catalogue of the files opened with it."""
        super().__init__(recording, catalogue)
        self._file = recording

    def columns(self) -> Iterator[Columns]:
        """Yield every row once, in batches; the same facts in the same order as `events`."""
        products = self.info().products
        self.report.clear()
        return self._file.columns(products, self.report)


def _times(column: Any) -> Ints:
    kind = column.type
    if column.null_count:
        raise BadCellError(
            int(column.is_null().to_numpy(zero_copy_only=False).argmax()), "no ts_ns"
        )
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        column = column.view(pa.int64())
    elif pa.types.is_timestamp(kind):
        try:
            column = column.cast(pa.timestamp("ns", kind.tz)).view(pa.int64())
        except pa.ArrowInvalid as error:
            raise BadColumnError(f"ts_ns does not fit into nanoseconds ({error})") from error
    elif not pa.types.is_integer(kind):
        raise BadColumnError(f"column ts_ns is of type {kind}, not int64 or timestamp")
    times = column.to_numpy(zero_copy_only=False)
    if times.dtype == np.uint64 and times.max() > np.iinfo(np.int64).max:
        raise BadCellError(int(times.argmax()), f"ts_ns {times.max()} does not fit into int64")
    return np.asarray(times, dtype=np.int64)


def _symbols(values: list[object], codes: Ints, names: dict[str, int]) -> Ints:
    """Return each row's symbol as an index; new ones are numbered in order of appearance."""
    one = bool(codes.min() == codes.max())  # usual, and sorting all rows is not cheap
    present, first = (codes[:1], [0]) if one else np.unique(codes, return_index=True)
    table = np.zeros(len(values), dtype=np.int64)
    for code, row in sorted(zip(present, first, strict=True), key=lambda pair: int(pair[1])):
        value = values[code]
        if not isinstance(value, str) or not value:
            raise BadCellError(int(row), f"symbol {value!r} is no text")
        table[code] = names.setdefault(dashed(value), len(names))
    result: Ints = table[codes]
    return result


def _kind(value: object) -> int:
    word = str(value).strip().lower().replace("_", "")
    if word in _QUOTE_WORDS:
        return KIND_QUOTE
    return KIND_TRADE if word in _TRADE_WORDS else -1


def _side(value: object) -> int:
    word = str(value).strip().lower()
    if word in _BUY_WORDS:
        return 1
    return -1 if word in _SELL_WORDS else 0


def _see_decimals(table: Any, symbol: Ints, prices: Ints, sizes: Ints) -> None:
    values, codes = words("kind", table.column("kind"))
    trades: Mask = (np.array([_kind(value) for value in values]) == KIND_TRADE)[codes]
    quotes = ~trades
    for name in ("bid_px", "ask_px"):
        Numbers(name, table.column(name)).decimals(quotes, symbol, prices)
    for name in ("bid_sz", "ask_sz"):
        Numbers(name, table.column(name)).decimals(quotes, symbol, sizes)
    Numbers("price", table.column("price")).decimals(trades, symbol, prices)
    Numbers("size", table.column("size")).decimals(trades, symbol, sizes)


def _check_order(at: Ints, last: int) -> None:
    backwards = np.diff(at, prepend=max(last, int(at[0]))) < 0
    if backwards.any():
        row = int(backwards.argmax())
        before = last if row == 0 else int(at[row - 1])
        raise BadCellError(row, f"ts_ns {at[row]} is before {before}; sort the file by ts_ns")


def _convert(
    table: Any,
    batch: _Batch,
    names: list[str],
    products: Mapping[str, Product],
) -> tuple[list[int], Columns]:
    """Return the rows with crossed quotes, and the rows of these products as ticks and lots."""
    any_product = next(iter(products.values()))
    chosen = [products.get(name, any_product) for name in names]  # left-out rows convert to 0
    ticks = [Grid(product.tick) for product in chosen]
    lots = [Grid(product.lot) for product in chosen]

    def cells(name: str, applies: Mask, grids: list[Grid]) -> Ints:
        return Numbers(name, table.column(name)).units(applies, batch.symbol, grids)

    quotes, trades = batch.quotes, batch.trades
    bid, bid_size = cells("bid_px", quotes, ticks), cells("bid_sz", quotes, lots)
    ask, ask_size = cells("ask_px", quotes, ticks), cells("ask_sz", quotes, lots)
    no_bid, no_ask = (bid == 0) | (bid_size == 0), (ask == 0) | (ask_size == 0)
    crossed = ~no_bid & ~no_ask & (bid >= ask)
    for empty, columns in (
        (no_bid | crossed, (bid, bid_size)),
        (no_ask | crossed, (ask, ask_size)),
    ):
        for column in columns:
            column[empty] = 0
    price, size = cells("price", trades, ticks), cells("size", trades, lots)
    side = _sides(table, batch, price, size)
    keep = quotes | trades
    every = bool(keep.all())
    return np.flatnonzero(crossed).tolist(), Columns(
        names,
        *(
            (column if every else column[keep]).tolist()
            for column in (
                *(batch.at, batch.symbol, batch.kind),
                *(bid, bid_size, ask, ask_size, price, size, side),
            )
        ),
    )


def _sides(table: Any, batch: _Batch, price: Ints, size: Ints) -> Ints:
    values, codes = words("aggressor", table.column("aggressor"))
    side = np.array([_side(value) for value in values], dtype=np.int64)[codes]
    bad = batch.trades & ((price == 0) | (size == 0) | (side == 0))
    if bad.any():
        row = int(bad.argmax())
        if side[row] == 0:
            raise BadCellError(row, f"aggressor {values[codes[row]]!r} is neither BUY nor SELL")
        raise BadCellError(row, "a trade without price or size")
    return np.where(batch.trades, side, 0)


def _events(batch: Columns) -> Iterator[MarketEvent]:
    symbols, buy, sell = batch.symbols, Side.BUY, Side.SELL
    for at, index, kind, bid, bid_size, ask, ask_size, price, size, side in batch.rows():
        if kind == KIND_QUOTE:
            yield TouchQuote(
                symbol=symbols[index],
                at=Instant(at),
                bid=Ticks(bid),
                bid_size=Lots(bid_size),
                ask=Ticks(ask),
                ask_size=Lots(ask_size),
            )
        else:
            yield TradePrint(
                symbol=symbols[index],
                at=Instant(at),
                price=Ticks(price),
                size=Lots(size),
                aggressor=buy if side > 0 else sell,
            )
