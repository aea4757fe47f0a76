"""Recorded sessions of Coinbase Advanced Trade."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.book import Book, BookOutcome
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
)
from quietmaker.errors import QuietmakerError, SourceError
from quietmaker.market.recording import RecordedSource
from quietmaker.market.sources import open_source
from tests.market.shared import COINBASE, SAMPLES, book_event, frame, kinds, shared, trade

SNAP = book_event("snapshot", ("bid", "100", "1"), ("offer", "101", "1"))


def recv(text: str, *, ts: float = 1_786_309_549.0, conn: str = "ws.1") -> str:
    """Return a line of a received frame."""
    return json.dumps({"t": "recv", "conn": conn, "ts": ts, "data": text})


def connect(conn: str = "ws.1") -> str:
    """Return a line of a new connection."""
    return json.dumps({"t": "connect", "conn": conn, "ts": 1_786_309_549.0, "addr": "wss://x"})


def book_frame(number: int, *rows: tuple[str, str, str], second: int = 49) -> str:
    """Return a frame that changes these levels."""
    at = f"2026-08-09T21:05:{second}Z"
    return frame(number, "l2_data", book_event("update", *rows), at=at)


def opened(path: Path, lines: list[str]) -> RecordedSource:
    """Write a recording and open it."""
    path.write_text("\n".join(lines) + "\n")
    source = open_source(path, decoders=CoinbaseFrames())
    assert isinstance(source, RecordedSource)
    return source


def test_the_shared_recording_replays_without_anything_unknown() -> None:
    source = open_source(shared(COINBASE), decoders=CoinbaseFrames())
    assert isinstance(source, RecordedSource)
    info = source.info()
    assert info.kind == "coinbase-ws"
    assert set(info.products) == {"BTC-USD", "ETH-USD"}
    assert info.inferred == {}
    events = list(source.events())
    assert source.report.issues == {}
    assert kinds(events).count("BookSnapshot") == 2
    assert kinds(events).count("BookDelta") == 773
    assert kinds(events).count("TradePrint") == 79
    assert all(one.at <= other.at for one, other in pairwise(events))


def test_the_shared_sample_rows_replay_with_inferred_products() -> None:
    path = shared(SAMPLES) / "ws_session_first_300_frames.recorded_truncated.jsonl"
    source = open_source(path, decoders=CoinbaseFrames())
    assert isinstance(source, RecordedSource)
    assert "price increment 0.01" in source.info().inferred["BTC-USD"]
    assert list(source.events())
    assert source.report.issues == {}


def test_each_call_of_events_starts_from_the_beginning(tmp_path: Path) -> None:
    source = opened(tmp_path / "a", [recv(frame(0, "l2_data", SNAP)), recv(book_frame(1))])
    assert list(source.events()) == list(source.events())
    assert source.report.notes["frames"] == 2


Packer = Callable[[bytes], bytes]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_compression_is_recognised_by_content_and_not_by_name(tmp_path: Path, pack: Packer) -> None:
    path = tmp_path / "recording.txt"
    path.write_bytes(pack((recv(frame(0, "l2_data", SNAP)) + "\n").encode()))
    events = list(open_source(path, decoders=CoinbaseFrames()).events())
    assert kinds(events) == ["BookSnapshot"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_compressed_file_that_breaks_off_is_read_to_the_break(
    tmp_path: Path, pack: Packer
) -> None:
    lines = [recv(frame(0, "l2_data", SNAP))]
    lines += [recv(book_frame(n, ("bid", "99", str(n * 7919 % 1000 + 1)))) for n in range(1, 3000)]
    packed = pack("\n".join(lines).encode())
    path = tmp_path / "broken"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    source = open_source(path, decoders=CoinbaseFrames())
    assert isinstance(source, RecordedSource)
    assert list(source.events())
    assert source.report.issues["truncated_file"] == 1


def test_bare_frames_are_a_recording_too(tmp_path: Path) -> None:
    source = opened(tmp_path / "a", [frame(0, "l2_data", SNAP), book_frame(1, ("bid", "99", "2"))])
    assert kinds(source.events()) == ["BookSnapshot", "BookDelta"]


def test_a_lost_frame_loses_the_book_until_its_next_snapshot(tmp_path: Path) -> None:
    lines = [
        recv(frame(0, "l2_data", SNAP)),
        recv(book_frame(2, ("bid", "99", "2"))),
        recv(book_frame(3, ("bid", "98", "2"))),
        recv(frame(4, "l2_data", SNAP, at="2026-08-09T21:05:50Z")),
        recv(book_frame(5, ("bid", "99", "2"), second=51)),
    ]
    source = opened(tmp_path / "a", lines)
    events = list(source.events())
    assert kinds(events) == ["BookSnapshot", "FeedLost", "BookSnapshot", "BookDelta"]
    assert isinstance(events[1], FeedLost)
    assert events[1].reason is StaleReason.GAP
    assert source.report.issues == {"sequence_gap": 1}
    assert source.report.notes["delta_while_stale"] == 2
    assert any(f"{tmp_path / 'a'}:2" in line for line in source.report.lines())


def test_a_repeated_or_late_frame_is_passed_over(tmp_path: Path) -> None:
    again = recv(book_frame(1, ("bid", "99", "2")))
    lines = [recv(frame(0, "l2_data", SNAP)), again, again, recv(book_frame(2)), again]
    source = opened(tmp_path / "a", lines)
    assert kinds(source.events()) == ["BookSnapshot", "BookDelta", "BookDelta"]
    assert source.report.issues == {"sequence_repeat": 1, "sequence_regress": 1}


def test_a_new_connection_loses_what_the_old_one_fed(tmp_path: Path) -> None:
    lines = [
        connect(),
        recv(frame(0, "l2_data", SNAP)),
        connect(),
        recv(book_frame(0, ("bid", "99", "2"))),
        recv(frame(1, "l2_data", SNAP)),
    ]
    source = opened(tmp_path / "a", lines)
    events = list(source.events())
    assert kinds(events) == ["BookSnapshot", "FeedLost", "BookSnapshot"]
    assert isinstance(events[1], FeedLost)
    assert events[1].reason is StaleReason.DISCONNECTED


def test_numbers_that_start_again_are_a_new_connection_even_without_its_line(
    tmp_path: Path,
) -> None:
    lines = [frame(0, "l2_data", SNAP), book_frame(1), frame(0, "l2_data", SNAP), book_frame(1)]
    source = opened(tmp_path / "a", lines)
    assert kinds(source.events()) == [
        *("BookSnapshot", "BookDelta", "FeedLost", "BookSnapshot", "BookDelta")
    ]


def test_two_connections_are_numbered_apart(tmp_path: Path) -> None:
    lines = [
        recv(frame(0, "l2_data", SNAP), conn="a"),
        recv(frame(0, "heartbeats", {"heartbeat_counter": 1}), conn="b"),
        recv(book_frame(1, ("bid", "99", "2")), conn="a"),
        recv(frame(1, "heartbeats", {"heartbeat_counter": 2}), conn="b"),
    ]
    source = opened(tmp_path / "a", lines)
    assert kinds(source.events()) == ["BookSnapshot", "BookDelta"]
    assert source.report.issues == {}


def test_a_crossed_book_is_told_as_lost_and_not_as_a_book(tmp_path: Path) -> None:
    lines = [recv(frame(0, "l2_data", SNAP)), recv(book_frame(1, ("bid", "101", "2")))]
    source = opened(tmp_path / "a", lines)
    events = list(source.events())
    assert kinds(events) == ["BookSnapshot", "FeedLost"]
    assert isinstance(events[1], FeedLost)
    assert events[1].reason is StaleReason.CROSSED
    assert source.report.issues == {"book_crossed": 1}


def test_a_book_that_was_never_good_is_not_told_as_lost(tmp_path: Path) -> None:
    crossed = book_event("snapshot", ("bid", "101", "1"), ("offer", "101", "1"))
    lines = [recv(frame(0, "l2_data", crossed)), recv(frame(1, "l2_data", SNAP))]
    source = opened(tmp_path / "a", lines)
    assert kinds(source.events()) == ["BookSnapshot"]
    assert source.report.issues == {"book_crossed": 1}


def test_a_refused_frame_loses_its_book(tmp_path: Path) -> None:
    lines = [
        json.dumps({"t": "http", "url": "https://x/market/products", "data": _answer()}),
        recv(frame(0, "l2_data", SNAP)),
        recv(book_frame(1, ("bid", "99.001", "2"))),
    ]
    source = opened(tmp_path / "a", lines)
    assert kinds(source.events()) == ["BookSnapshot", "FeedLost"]
    assert source.report.issues == {"off_grid": 1}


def _answer() -> str:
    row = {
        "product_id": "BTC-USD",
        "price_increment": "0.01",
        "base_increment": "0.1",
        "base_min_size": "0.1",
        "base_max_size": "100",
        "quote_min_size": "1",
        "status": "online",
    }
    return json.dumps({"products": [row]})


def test_a_symbol_without_depth_is_told_by_its_ticker(tmp_path: Path) -> None:
    ticker = {
        "type": "ticker",
        "product_id": "BTC-USD",
        "best_bid": "99",
        "best_bid_quantity": "1",
        "best_ask": "101",
        "best_ask_quantity": "1",
    }
    crossed = {**ticker, "best_bid": "102"}
    lines = [
        recv(frame(n, "ticker", {"type": "update", "tickers": [row]}))
        for n, row in enumerate([ticker, crossed, crossed, ticker])
    ]
    events = list(opened(tmp_path / "a", lines).events())
    assert kinds(events) == ["TouchQuote", "FeedLost", "TouchQuote"]
    assert isinstance(events[0], TouchQuote)


def test_late_events_are_told_at_the_time_of_what_came_before(tmp_path: Path) -> None:
    lines = [recv(frame(0, "l2_data", SNAP)), recv(book_frame(1, ("bid", "99", "2"), second=40))]
    source = opened(tmp_path / "a", lines)
    first, second = source.events()
    assert first.at == second.at
    assert source.report.notes["late_event"] == 1


def test_damage_is_counted_with_its_place(tmp_path: Path) -> None:
    lines = [
        json.dumps({"t": "header", "format": 2}),
        recv(frame(0, "l2_data", SNAP)),
        '{"t":"recv","ts":17863',
        '{"t":"telepathy"}',
        recv("not json"),
        recv(frame(1, "horoscopes", {"type": "update"})),
    ]
    path = tmp_path / "a"
    source = opened(path, lines)
    path.write_text(path.read_text() + recv(book_frame(2))[:-5])
    assert kinds(source.events()) == ["BookSnapshot"]
    assert source.report.issues == {
        "corrupt_line": 1,
        "unknown_row": 1,
        "not_json": 1,
        "unknown_channel": 1,
        "truncated_last_line": 1,
    }
    assert any(
        line.startswith(f"corrupt_line: 1, first at {path}:3") for line in source.report.lines()
    )


def test_symbols_choose_and_a_missing_one_is_named(tmp_path: Path) -> None:
    other = book_event("snapshot", ("bid", "5", "1"), ("offer", "6", "1"), symbol="X-USD")
    path = tmp_path / "a"
    opened(path, [recv(frame(0, "l2_data", SNAP)), recv(frame(1, "l2_data", other))])
    chosen = open_source(path, decoders=CoinbaseFrames(), symbols=["X-USD"])
    assert [event.symbol for event in chosen.events()] == ["X-USD"]
    missing = open_source(path, decoders=CoinbaseFrames(), symbols=["Y-USD"])
    with pytest.raises(SourceError, match=r"no data of Y-USD; it has BTC-USD, X-USD"):
        missing.info()


def test_trades_are_told_and_history_is_not(tmp_path: Path) -> None:
    lines = [
        recv(frame(0, "market_trades", {"type": kind, "trades": [trade("BUY", "100", "1")]}))
        if kind == "snapshot"
        else recv(frame(1, "market_trades", {"type": kind, "trades": [trade("BUY", "100", "1")]}))
        for kind in ("snapshot", "update")
    ]
    source = opened(tmp_path / "a", lines)
    assert kinds(source.events()) == ["TradePrint"]
    assert source.report.notes["trades_before_subscription"] == 1


CLEAN = "\n".join(
    [
        recv(frame(0, "l2_data", SNAP)),
        recv(book_frame(1, ("bid", "99", "2"), ("offer", "101", "0"), ("offer", "102", "1"))),
        recv(frame(2, "market_trades", {"type": "update", "trades": [trade("BUY", "100", "1")]})),
        recv(book_frame(3, ("bid", "100", "0"))),
    ]
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


def holds(events: list[MarketEvent]) -> None:
    """Check what every source guarantees: order in time, and books that can be applied."""
    books: dict[str, Book] = {}
    last = 0
    for event in events:
        assert event.at >= last
        last = event.at
        if isinstance(event, BookSnapshot | BookDelta):
            outcome = books.setdefault(event.symbol, Book()).apply(event)
            assert outcome is BookOutcome.APPLIED
        elif isinstance(event, FeedLost) and event.symbol in books:
            books[event.symbol].lose(event.reason)


def test_an_unreadable_products_answer_is_counted(tmp_path: Path) -> None:
    row: dict[str, Any] = {"t": "http", "url": "https://x/market/products?limit=1", "data": "oops"}
    source = opened(tmp_path / "a", [json.dumps(row), recv(frame(0, "l2_data", SNAP))])
    assert kinds(source.events()) == ["BookSnapshot"]
    assert source.report.issues == {"unreadable_products": 1}
