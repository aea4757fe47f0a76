"""Recorded combined streams of Binance."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.book import Book, BookOutcome
from quietmaker.core.market import BookDelta, BookSnapshot, FeedLost, StaleReason, TradePrint
from quietmaker.core.units import Side
from quietmaker.errors import QuietmakerError
from quietmaker.market.recording import RecordedSource
from quietmaker.market.sources import MergedSource, open_source
from tests.market.shared import BINANCE_BTC, BINANCE_ETH, kinds, product, shared
from tests.market.test_session import holds

Rows = list[list[str]]


def line(at: int, body: object) -> str:
    """Return a line of a recording."""
    return f"{at} {json.dumps(body)}"


def depth(first: int, last: int, bids: Rows, asks: Rows, symbol: str = "BTCUSDT") -> object:
    """Return a depth update."""
    data = {"e": "depthUpdate", "E": 1, "s": symbol, "U": first, "u": last, "b": bids, "a": asks}
    return {"stream": f"{symbol.lower()}@depth@100ms", "data": data}


def snapshot(number: int, bid: str = "100.00", ask: str = "101.00") -> object:
    """Return a REST depth snapshot."""
    return {"lastUpdateId": number, "bids": [[bid, "1.0"]], "asks": [[ask, "1.0"]]}


def trade(price: str, buyer_made: bool, symbol: str = "BTCUSDT") -> object:
    """Return a trade."""
    data = {"e": "trade", "s": symbol, "t": 1, "p": price, "q": "0.50000000", "m": buyer_made}
    return {"stream": f"{symbol.lower()}@trade", "data": data}


def ticker(bid: str, ask: str, symbol: str = "BTCUSDT") -> object:
    """Return a touch."""
    data = {"u": 9, "s": symbol, "b": bid, "B": "2", "a": ask, "A": "3"}
    return {"stream": f"{symbol.lower()}@bookTicker", "data": data}


def opened(path: Path, bodies: list[object]) -> RecordedSource:
    """Write a recording, a line a second, and open it."""
    path.write_text("".join(line(10**18 + n, body) + "\n" for n, body in enumerate(bodies)))
    source = open_source(path, decoders=CoinbaseFrames())
    assert isinstance(source, RecordedSource)
    return source


@pytest.mark.parametrize(
    ("name", "symbol", "deltas", "trades"),
    [(BINANCE_BTC, "BTC-USDT", 3449, 9757), (BINANCE_ETH, "ETH-USDT", 3432, 6106)],
)
def test_the_shared_recording_replays_without_anything_unknown(
    name: str, symbol: str, deltas: int, trades: int
) -> None:
    source = open_source(shared(name), decoders=CoinbaseFrames())
    assert isinstance(source, RecordedSource)
    events = list(source.events())
    assert source.report.issues == {}
    assert source.info().kind == "binance-combined"
    assert "inferred" in source.info().inferred[symbol]
    told = kinds(events)
    assert [told.count(k) for k in ("BookSnapshot", "BookDelta", "TradePrint")] == [
        1,
        deltas,
        trades,
    ]
    assert all(one.at <= other.at for one, other in pairwise(events))


def test_both_recordings_merge_in_order_of_time() -> None:
    paths = [shared(BINANCE_BTC), shared(BINANCE_ETH)]
    source = open_source(paths, decoders=CoinbaseFrames())
    assert isinstance(source, MergedSource)
    assert list(source.info().products) == ["BTC-USDT", "ETH-USDT"]
    events = list(source.events())
    assert all(one.at <= other.at for one, other in pairwise(events))
    alone = sum(len(list(part.events())) for part in source.sources)
    assert len(events) == alone


def test_updates_are_stitched_to_the_snapshot_by_their_numbers(tmp_path: Path) -> None:
    bodies = [
        depth(1, 4, [["99.00", "7.0"]], []),  # old: the snapshot knows it
        depth(5, 8, [["98.00", "7.0"]], []),  # covers the snapshot's next number
        snapshot(6),
        depth(9, 12, [], [["101.00", "0.0"], ["102.00", "3.0"]]),
    ]
    source = opened(tmp_path / "a", bodies)
    events = list(source.events())
    assert kinds(events) == ["BookSnapshot", "BookDelta", "BookDelta"]
    book = Book()
    for event in events:
        assert isinstance(event, BookSnapshot | BookDelta)
        assert book.apply(event) is BookOutcome.APPLIED
    grid = source.info().products["BTC-USDT"]
    assert [grid.price(price) for price, _ in book.levels(Side.BUY)] == [100, 98]
    assert [grid.price(price) for price, _ in book.levels(Side.SELL)] == [102]
    assert source.report.notes["update_older_than_book"] == 1


def test_a_snapshot_before_any_update_waits_for_the_symbol_that_it_belongs_to(
    tmp_path: Path,
) -> None:
    bodies = [
        snapshot(50),
        trade("100", True),
        depth(900_000_000, 900_000_001, [["5", "1"]], [["6", "1"]], symbol="XUSDT"),
        depth(51, 52, [["99.00", "7.0"]], []),
    ]
    events = list(opened(tmp_path / "a", bodies).events())
    assert [event.symbol for event in events] == ["BTC-USDT"] * 3
    assert kinds(events) == ["TradePrint", "BookSnapshot", "BookDelta"]


@pytest.mark.parametrize("first", [8, 100])
def test_a_lost_update_loses_the_book_until_its_next_snapshot(tmp_path: Path, first: int) -> None:
    bodies = [
        depth(1, 6, [], []),
        snapshot(6),
        depth(first, first + 1, [["99.00", "7.0"]], []),
        depth(first + 2, first + 3, [["98.00", "7.0"]], []),
        snapshot(first + 2),
        depth(first + 4, first + 4, [["97.00", "7.0"]], []),
    ]
    source = opened(tmp_path / "a", bodies)
    events = list(source.events())
    assert kinds(events) == ["BookSnapshot", "FeedLost", "BookSnapshot", "BookDelta", "BookDelta"]
    assert isinstance(events[1], FeedLost)
    assert events[1].reason is StaleReason.GAP
    assert source.report.issues == {"sequence_gap": 1}


def test_a_crossed_book_is_told_as_lost(tmp_path: Path) -> None:
    bodies = [depth(1, 6, [], []), snapshot(6), depth(7, 8, [["101.00", "7.0"]], [])]
    assert kinds(opened(tmp_path / "a", bodies).events()) == ["BookSnapshot", "FeedLost"]


def test_an_unreadable_update_loses_the_book(tmp_path: Path) -> None:
    bodies = [
        depth(1, 6, [], []),
        snapshot(6),
        depth(7, 8, [["99.00", "lots"]], []),
        depth(9, 10, [["98.00", "1"]], []),
    ]
    source = opened(tmp_path / "a", bodies)
    assert kinds(source.events()) == ["BookSnapshot", "FeedLost"]
    assert source.report.issues == {"bad_number": 1}


@pytest.mark.parametrize(("buyer_made", "aggressor"), [(True, Side.SELL), (False, Side.BUY)])
def test_the_aggressor_is_whoever_did_not_make(
    tmp_path: Path, buyer_made: bool, aggressor: Side
) -> None:
    (event,) = opened(tmp_path / "a", [trade("100", buyer_made)]).events()
    assert isinstance(event, TradePrint)
    assert event.aggressor is aggressor
    assert event.at == 10**18


def test_the_touch_is_told_where_there_is_no_depth_and_only_there(tmp_path: Path) -> None:
    bodies = [
        ticker("10", "11", symbol="XUSDT"),
        depth(1, 6, [], []),
        snapshot(6),
        ticker("100", "101"),
    ]
    source = opened(tmp_path / "a", bodies)
    told = [(event.symbol, type(event).__name__) for event in source.events()]
    assert told == [("X-USDT", "TouchQuote"), ("BTC-USDT", "BookSnapshot")]
    assert source.report.notes["quote_repeats_book"] == 1


def test_products_may_be_given_under_either_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    opened(path, [trade("100", True)])
    for name in ("BTCUSDT", "BTC-USDT"):
        given_product = product("BTC-USDT", tick="0.05", lot="0.1")
        source = open_source(path, decoders=CoinbaseFrames(), products={name: given_product})
        assert source.info().inferred == {}
        (event,) = source.events()
        assert isinstance(event, TradePrint)
        assert (event.price, event.size) == (2000, 5)
        chosen = open_source(path, decoders=CoinbaseFrames(), symbols=[name])
        assert len(list(chosen.events())) == 1


def test_damage_is_counted_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a"
    source = opened(path, [trade("100", True), {"stream": "x@y", "data": {"e": "moon", "s": "B"}}])
    path.write_text(path.read_text() + "12 {oops}\n" + line(10**18, trade("1", True))[:-9])
    assert kinds(source.events()) == ["TradePrint"]
    assert source.report.issues["corrupt_line"] == 1
    assert source.report.issues["truncated_last_line"] == 1


CLEAN = "\n".join(
    line(10**18 + n, body)
    for n, body in enumerate(
        [
            depth(5, 8, [["98.00", "7.0"]], []),
            snapshot(6),
            depth(9, 12, [], [["101.00", "0.0"], ["102.00", "3.0"]]),
            trade("100", True),
            ticker("10", "11", symbol="XUSDT"),
        ]
    )
).encode()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.integers(0, len(CLEAN) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(1, len(CLEAN)),
)
def test_no_damage_to_a_recording_does_anything_but_be_refused_by_name_or_counted(
    tmp_path: Path, edits: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(CLEAN)
    for place, byte in edits:
        data[place] = byte
    path = tmp_path / "damaged"
    path.write_bytes(data[:cut])
    try:
        events = list(open_source(path, decoders=CoinbaseFrames()).events())
    except QuietmakerError:
        return
    holds(events)
