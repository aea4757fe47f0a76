"""Normalised events in Parquet: read liberally, converted exactly, refused by name."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietmaker.coinbase.recordings import CoinbaseFrames
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
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Lots, Nanos, Side, Ticks
from quietmaker.errors import SourceError
from quietmaker.market import parquet
from quietmaker.market.columns import KIND_QUOTE, Columns
from quietmaker.market.parquet import ParquetSource
from quietmaker.market.recorder import Recorded, write_parquet
from quietmaker.market.sources import open_source
from quietmaker.market.synthetic import SyntheticMarket
from quietmaker.ports import SourceInfo
from tests.market.shared import COINBASE, product, shared

Table = dict[str, Any]


def table(**changes: Any) -> Table:
    """Return three rows (quote, trade, quote) with some columns replaced."""
    nothing = None
    rows: Table = {
        "ts_ns": [10, 20, 20],
        "symbol": ["BTC-USD"] * 3,
        "kind": ["quote", "trade", "quote"],
        "bid_px": [99.98, nothing, 99.99],
        "bid_sz": [1.0, nothing, 0.25],
        "ask_px": [100.02, nothing, 100.0],
        "ask_sz": [2.5, nothing, 0.125],
        "price": [nothing, 100.01, nothing],
        "size": [nothing, 0.5, nothing],
        "aggressor": [nothing, "BUY", nothing],
    }
    return {**rows, **changes}


def opened(
    path: Path, rows: Table, products: dict[str, Product] | None = None, **options: Any
) -> ParquetSource:
    """Write a file as another writer would, and open it."""
    pq.write_table(pa.table(rows), path, **options)
    source = open_source(path, decoders=CoinbaseFrames(), products=products)
    assert isinstance(source, ParquetSource)
    return source


def quote(at: int, bid: int, bid_size: int, ask: int, ask_size: int) -> TouchQuote:
    """Return a touch in ticks and lots."""
    return TouchQuote(
        symbol="BTC-USD",
        at=Instant(at),
        bid=Ticks(bid),
        bid_size=Lots(bid_size),
        ask=Ticks(ask),
        ask_size=Lots(ask_size),
    )


TRADE = TradePrint(
    symbol="BTC-USD", at=Instant(20), price=Ticks(10_001), size=Lots(500), aggressor=Side.BUY
)
EVENTS: list[MarketEvent] = [
    quote(10, 9998, 1000, 10_002, 2500),
    TRADE,
    quote(20, 9999, 250, 10_000, 125),
]


def test_rows_become_touches_and_trades_with_inferred_increments(tmp_path: Path) -> None:
    source = opened(tmp_path / "f", table())
    info = source.info()
    assert info.kind == "parquet"
    assert info.products["BTC-USD"].tick == Decimal("0.01")
    assert info.products["BTC-USD"].lot == Decimal("0.001")
    assert "inferred" in info.inferred["BTC-USD"]
    assert list(source.events()) == EVENTS


def test_columns_are_the_same_facts(tmp_path: Path) -> None:
    (batch,) = opened(tmp_path / "f", table()).columns()
    assert list(batch.rows()) == [
        (10, 0, 0, 9998, 1000, 10_002, 2500, 0, 0, 0),
        (20, 0, 1, 0, 0, 0, 0, 10_001, 500, 1),
        (20, 0, 0, 9999, 250, 10_000, 125, 0, 0, 0),
    ]
    assert batch.symbols == ["BTC-USD"]


DECIMALS = pa.decimal128(20, 6)


def as_decimal(values: list[float | None]) -> Any:
    """Return a decimal column."""
    return pa.array([None if v is None else Decimal(str(v)) for v in values], type=DECIMALS)


@pytest.mark.parametrize(
    "changes",
    [
        {"ts_ns": pa.array([10, 20, 20], type=pa.timestamp("ns"))},
        {"ts_ns": pa.array([10, 20, 20], type=pa.timestamp("ns", tz="UTC"))},
        {"ts_ns": pa.array([10, 20, 20], type=pa.uint64())},
        {"symbol": pa.array(["BTC-USD"] * 3).dictionary_encode()},
        {"symbol": pa.array(["BTC-USD"] * 3, type=pa.large_string())},
        {"symbol": ["BTCUSD"] * 3},
        {"kind": ["Q", "T", "BBO"]},
        {"kind": ["book_ticker", "Trades", "l1"]},
        {"kind": pa.array([0, 1, 0], type=pa.int8())},
        {"aggressor": [None, "b", None]},
        {"aggressor": ["", "Buy", ""]},
        {"aggressor": pa.array([0, 1, 0], type=pa.int8())},
        {"aggressor": [math.nan, 1.0, math.nan]},
        {"price": [0.0, 100.01, math.nan], "size": ["0", "0.500", ""]},
        {"price": as_decimal([None, 100.01, None]), "bid_px": as_decimal([99.98, None, 99.99])},
        {"bid_sz": ["1", None, "0.25"], "ask_sz": ["2.500", None, "125e-3"]},
        {"bid_px": [99.97999999999999, 5.5, 99.99000000000001]},
        {"price": [7.77, 100.01, -3.0]},
    ],
)
def test_what_other_writers_write_means_the_same(tmp_path: Path, changes: Table) -> None:
    assert list(opened(tmp_path / "f", table(**changes)).events()) == EVENTS


def test_whole_numbers_may_be_integers(tmp_path: Path) -> None:
    rows = table(price=[0, 100, 0], bid_px=[99, 0, 99], ask_px=[101, 0, 101])
    source = opened(tmp_path / "f", rows)
    assert source.info().products["BTC-USD"].tick == 1
    assert [e.bid for e in source.events() if isinstance(e, TouchQuote)] == [99, 99]


@pytest.mark.parametrize("empty", [None, 0.0, math.nan])
def test_a_side_without_price_or_size_is_empty(tmp_path: Path, empty: float | None) -> None:
    rows = table(bid_px=[empty, None, 99.99], ask_sz=[2.5, None, empty])
    source = opened(tmp_path / "f", rows, {"BTC-USD": product(lot="0.001")})
    first, _, last = source.events()
    assert first == quote(10, 0, 0, 10_002, 2500)
    assert last == quote(20, 9999, 250, 0, 0)


def test_a_crossed_touch_is_told_as_empty_and_counted(tmp_path: Path) -> None:
    source = opened(tmp_path / "f", table(bid_px=[99.98, None, 100.0]))
    assert list(source.events())[-1] == quote(20, 0, 0, 0, 0)
    assert source.report.issues == {"book_crossed": 1}
    assert "row 2" in source.report.lines()[0]


@pytest.mark.parametrize("tick", ["0.05", "0.25", "0.0025"])
def test_stated_increments_need_not_be_powers_of_ten(tmp_path: Path, tick: str) -> None:
    step = float(tick)
    rows = table(
        bid_px=[399 * step, None, 399 * step],
        ask_px=[401 * step, None, 402 * step],
        price=[None, 401 * step, None],
    )
    given_product = {"BTC-USD": product(tick=tick, lot="0.001")}
    source = opened(tmp_path / "f", rows, given_product)
    assert source.info().inferred == {}
    first = next(source.events())
    assert isinstance(first, TouchQuote)
    assert (first.bid, first.ask) == (399, 401)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ts_ns": [10, 20, 19]}, "row 2 (from 0; row group 0): ts_ns 19 is before 20; sort"),
        ({"ts_ns": [10, None, 20]}, "row 1 (from 0; row group 0): no ts_ns"),
        ({"ts_ns": [10.0, 20.0, 20.0]}, "column ts_ns is of type double"),
        ({"ts_ns": ["a", "b", "c"]}, "column ts_ns is of type string"),
        ({"symbol": ["BTC-USD", None, "BTC-USD"]}, "row 1 (from 0; row group 0): symbol None"),
        ({"symbol": [1, 2, 3]}, "row 0 (from 0; row group 0): symbol 1 is no text"),
        ({"kind": ["quote", "auction", "quote"]}, "row 1 (from 0; row group 0): kind 'auction'"),
        ({"kind": ["quote", None, "quote"]}, "kind None"),
        ({"price": [None, -1.0, None]}, "price is -1.0"),
        ({"price": [None, math.inf, None]}, "price is inf"),
        ({"price": [None, "cheap", None]}, "price: 'cheap' is not a decimal number"),
        ({"price": [None, 0.0, None]}, "a trade without price or size"),
        ({"size": [None, None, None]}, "a trade without price or size"),
        ({"aggressor": [None, None, None]}, "aggressor None is neither BUY nor SELL"),
        ({"aggressor": [None, "both", None]}, "aggressor 'both' is neither"),
        ({"bid_px": [[1.0], [2.0], [3.0]]}, "column bid_px is of type list"),
        ({"bid_px": [1 / 3, None, 0.5]}, "fits no increment"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, changes: Table, why: str
) -> None:
    source = opened(tmp_path / "f", table(**changes))
    with pytest.raises(SourceError) as caught:
        list(source.events())
    assert why in str(caught.value)
    assert str(tmp_path / "f") in str(caught.value)
    assert "docs/parquet.md" in str(caught.value)


def test_a_value_off_the_stated_grid_is_refused_with_its_place(tmp_path: Path) -> None:
    source = opened(
        tmp_path / "f", table(price=[None, 100.005, None]), {"BTC-USD": product(lot="0.001")}
    )
    with pytest.raises(SourceError, match=r"row 1 .*price 100.005 is not a multiple of 0.01"):
        list(source.events())


@pytest.mark.parametrize(
    ("price", "tick"), [(100.00000001, "0.01"), (100.07, "0.05"), (100.01 + 1e-9, "0.01")]
)
def test_only_the_noise_of_arithmetic_is_forgiven(tmp_path: Path, price: float, tick: str) -> None:
    rows = table(price=[None, price, None], bid_px=[99.95, None, 99.95], ask_px=[100.05] * 3)
    source = opened(tmp_path / "f", rows, {"BTC-USD": product(tick=tick, lot="0.001")})
    with pytest.raises(SourceError, match="is not a multiple of"):
        list(source.events())


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    rows = table()
    del rows["aggressor"]
    with pytest.raises(SourceError, match="column aggressor is missing"):
        opened(tmp_path / "f", rows)


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    rows = {name: pa.array([], type=pa.float64()) for name in parquet.COLUMNS}
    with pytest.raises(SourceError, match="no market data"):
        opened(tmp_path / "f", rows).info()


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f"
    opened(path, table())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match="was it cut off"):
        open_source(path, decoders=CoinbaseFrames())


def test_a_row_is_named_by_its_place_in_the_file_and_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    source = opened(tmp_path / "f", table(ts_ns=[10, 20, 19]), row_group_size=1)
    with pytest.raises(SourceError, match=r"row 2 \(from 0; row group 2\)"):
        list(source.events())


def test_batches_are_bounded_and_count_symbols_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    source = opened(tmp_path / "f", table(symbol=["A-USD", "B-USD", "C-USD"]))
    batches = list(source.columns())
    assert [len(batch.at) for batch in batches] == [2, 1]
    assert [batches[1].symbols[index] for index in batches[1].symbol] == ["C-USD"]
    assert list(source.info().products) == ["A-USD", "B-USD", "C-USD"]


def test_symbols_choose(tmp_path: Path) -> None:
    path = tmp_path / "f"
    opened(path, table(symbol=["A-USD", "B-USD", "A-USD"]))
    source = open_source(path, decoders=CoinbaseFrames(), symbols=["B-USD"])
    assert [event.symbol for event in source.events()] == ["B-USD"]
    assert isinstance(source, ParquetSource)
    assert sum(len(batch.at) for batch in source.columns()) == 1


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    decimals=st.integers(0, 8),
    units=st.lists(st.integers(1, 10**9), min_size=1, max_size=30),
    noise=st.sampled_from([0.0, 1e-15, -1e-15]),
)
def test_floats_find_their_grid_and_every_value_its_multiple(
    tmp_path: Path, decimals: int, units: list[int], noise: float
) -> None:
    floats = [unit / 10**decimals * (1 + noise) for unit in units]
    count = len(units)
    rows: Table = {
        "ts_ns": list(range(count)),
        "symbol": ["A-USD"] * count,
        "kind": ["trade"] * count,
        **{name: [None] * count for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")},
        "price": floats,
        "size": floats,
        "aggressor": ["SELL"] * count,
    }
    source = opened(tmp_path / "f", rows)
    found = source.info().products["A-USD"]
    values = [Decimal(unit).scaleb(-decimals) for unit in units]
    exponents = [max(0, -int(value.normalize().as_tuple().exponent)) for value in values]
    assert found.tick == found.lot == Decimal(1).scaleb(-max(exponents))
    told = [e for e in source.events() if isinstance(e, TradePrint)]
    assert [found.price(e.price) for e in told] == values


class Given:
    """A source of given events."""

    def __init__(self, events: list[MarketEvent]) -> None:
        self._events = events

    def info(self) -> SourceInfo:
        """Describe the source."""
        return SourceInfo(name="given", kind="given", products={"BTC-USD": product()}, inferred={})

    def events(self) -> Iterator[MarketEvent]:
        """Yield the events."""
        return iter(self._events)


def test_what_is_recorded_is_read_back_with_its_products(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    given_events: list[MarketEvent] = [
        quote(10, 6_508_366, 1, 6_508_367, 123_456_789_012),
        TradePrint(
            symbol="BTC-USD", at=Instant(11), price=Ticks(1), size=Lots(1), aggressor=Side.SELL
        ),
        quote(12, 0, 0, 6_508_367, 5),
    ]
    assert write_parquet(path, Given(given_events)) == Recorded(quotes=2, trades=1, left_out=0)
    source = open_source(path, decoders=CoinbaseFrames())
    assert source.info().products == {"BTC-USD": product()}
    assert source.info().inferred == {}
    assert list(source.events()) == given_events


def test_of_a_deep_market_the_touch_is_recorded_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"

    def at(when: int, *changes: tuple[Side, int, int]) -> BookDelta:
        told = tuple((side, Ticks(price), Lots(size)) for side, price, size in changes)
        return BookDelta(symbol="BTC-USD", at=Instant(when), changes=told)

    book = BookSnapshot(
        symbol="BTC-USD",
        at=Instant(1),
        bids=((Ticks(10), Lots(1)), (Ticks(9), Lots(2))),
        asks=((Ticks(11), Lots(3)),),
    )
    lost = FeedLost(symbol="BTC-USD", at=Instant(5), reason=StaleReason.GAP)
    candle = CandleBar(
        symbol="BTC-USD", at=Instant(6), start=Instant(0), low=Ticks(1), high=Ticks(2)
    )
    told: list[MarketEvent] = [
        book,
        at(2, (Side.BUY, 8, 5)),
        at(3, (Side.BUY, 10, 0)),
        lost,
        at(6, (Side.BUY, 9, 5)),
        candle,
    ]
    assert write_parquet(path, Given(told)) == Recorded(quotes=3, trades=0, left_out=1)
    events = list(open_source(path, decoders=CoinbaseFrames()).events())
    assert events == [quote(1, 10, 1, 11, 3), quote(3, 9, 2, 11, 3), quote(5, 0, 0, 0, 0)]


def test_the_shared_recording_survives_the_round_trip(tmp_path: Path) -> None:
    original = open_source(shared(COINBASE), decoders=CoinbaseFrames())
    path, again = tmp_path / "one", tmp_path / "two"
    write_parquet(path, original)
    copy = open_source(path, decoders=CoinbaseFrames())
    assert copy.info().products == original.info().products
    trades = [event for event in original.events() if isinstance(event, TradePrint)]
    assert [event for event in copy.events() if isinstance(event, TradePrint)] == trades
    write_parquet(again, copy)
    assert list(open_source(again, decoders=CoinbaseFrames()).events()) == list(copy.events())


def test_a_synthetic_market_is_recorded_up_to_a_time(tmp_path: Path) -> None:
    market = SyntheticMarket(seed=1, symbols=["ETH-USD", "KAIO-USD"])
    until = Instant(market.start + Nanos(20 * SECOND))
    recorded = write_parquet(tmp_path / "r", market, until=until)
    source = open_source(tmp_path / "r", decoders=CoinbaseFrames())
    assert isinstance(source, ParquetSource)
    batches: list[Columns] = list(source.columns())
    kinds = [kind for batch in batches for kind in batch.kind]
    assert kinds.count(KIND_QUOTE) == recorded.quotes > 50
    assert batches[-1].at[-1] <= until


def test_a_recording_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    path.write_text("what was there before")

    class Failing(Given):
        def events(self) -> Iterator[MarketEvent]:
            yield EVENTS[0]
            raise SourceError("the source broke")

    with pytest.raises(SourceError, match="the source broke"):
        write_parquet(path, Failing([]))
    assert path.read_text() == "what was there before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be written"):
        write_parquet(tmp_path / "absent" / "r.parquet", Given([]))


def test_numbers_too_great_for_the_format_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="too many for a Parquet float"):
        write_parquet(tmp_path / "r", Given([quote(1, 10, 10**16, 11, 1)]))
