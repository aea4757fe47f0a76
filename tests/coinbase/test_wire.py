"""Frames of the market-data connection: what they mean, and that nothing in them can surprise us."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietmaker.coinbase.frames import (
    Frame,
    Heartbeat,
    IssueKind,
    ProductStatus,
    ServerError,
    Subscribed,
    UserOrders,
)
from quietmaker.coinbase.times import instant
from quietmaker.coinbase.wire import MarketDecoder
from quietmaker.core.book import Book, BookOutcome
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    CandleBar,
    FeedLost,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.units import SECOND, Instant, Lots, Side, Ticks
from tests.market.shared import book_event, frame, levels, product, trade

DECODER = MarketDecoder({"BTC-USD": product()})
AT = instant("2026-08-09T21:05:48.5Z")
SNAPSHOT = frame(
    0, "l2_data", book_event("snapshot", ("bid", "100", "1"), ("offer", "100.01", "0.5"))
)
UPDATE = frame(
    1,
    "l2_data",
    book_event("update", ("bid", "99.99", "2"), ("bid", "100", "0"), ("offer", "100.01", "0.25")),
)


def only_issue(decoded: Frame) -> IssueKind:
    """Return the kind of the only issue."""
    (issue,) = decoded.issues
    return issue.kind


def test_a_snapshot_is_the_whole_book_in_ticks_and_lots() -> None:
    decoded = DECODER.decode(SNAPSHOT)
    assert decoded.sequence == 0
    assert decoded.at == AT
    assert decoded.events == (
        BookSnapshot(
            symbol="BTC-USD",
            at=AT,
            bids=((Ticks(10_000), Lots(100_000_000)),),
            asks=((Ticks(10_001), Lots(50_000_000)),),
        ),
    )
    assert not decoded.issues


def test_levels_of_size_nought_in_a_snapshot_are_no_levels() -> None:
    event = book_event("snapshot", ("bid", "100", "0"), ("offer", "101", "1"))
    (snapshot,) = DECODER.decode(frame(0, "l2_data", event)).events
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.bids == ()


def test_an_update_keeps_removals_as_size_nought() -> None:
    (told,) = DECODER.decode(UPDATE.encode()).events
    assert isinstance(told, BookDelta)
    assert told.changes[1] == (Side.BUY, 10_000, 0)


def test_the_aggressor_of_a_trade_is_the_opposite_of_the_makers_side() -> None:
    event = {"type": "update", "trades": [trade("SELL", "100", "1")]}
    (told,) = DECODER.decode(frame(0, "market_trades", event)).events
    assert isinstance(told, TradePrint)
    assert told.aggressor is Side.BUY


def test_trades_of_one_frame_are_told_oldest_first() -> None:
    rows = [trade("BUY", "103", "1", number=3), trade("SELL", "102", "1", number=2)]
    events = DECODER.decode(frame(0, "market_trades", {"type": "update", "trades": rows})).events
    assert [event.price for event in events if isinstance(event, TradePrint)] == [10_200, 10_300]


def test_trades_from_before_the_subscription_are_history_and_no_news() -> None:
    event = {"type": "snapshot", "trades": [trade("BUY", "103", "1", number=3)]}
    decoded = DECODER.decode(frame(0, "market_trades", event))
    assert decoded.events == ()
    (old,) = decoded.history
    assert old.at == instant("2026-08-09T21:05:43Z")


def test_a_ticker_tells_the_touch() -> None:
    ticker = {
        "type": "ticker",
        "product_id": "BTC-USD",
        "price": "100",
        "best_bid": "99.5",
        "best_bid_quantity": "2",
        "best_ask": "",
        "best_ask_quantity": "",
    }
    decoded = DECODER.decode(frame(0, "ticker", {"type": "update", "tickers": [ticker]}))
    assert decoded.events == (
        TouchQuote(
            symbol="BTC-USD",
            at=AT,
            bid=Ticks(9950),
            bid_size=Lots(200_000_000),
            ask=Ticks(0),
            ask_size=Lots(0),
        ),
    )


def test_a_ticker_without_a_touch_tells_nothing_and_is_nothing_odd() -> None:
    ticker = {"type": "ticker", "product_id": "BTC-USD", "price": "100"}
    event = {"type": "update", "tickers": [ticker]}
    decoded = DECODER.decode(frame(0, "ticker_batch", event))
    assert (decoded.events, decoded.issues, decoded.refused) == ((), (), False)


def test_a_candle_says_when_its_bucket_began() -> None:
    row = {
        "start": "1786309500",
        "high": "101",
        "low": "99",
        "open": "100",
        "close": "100",
        "volume": "3",
        "product_id": "BTC-USD",
    }
    (bar,) = DECODER.decode(frame(0, "candles", {"type": "update", "candles": [row]})).events
    assert bar == CandleBar(
        symbol="BTC-USD",
        at=AT,
        start=Instant(1_786_309_500 * SECOND),
        low=Ticks(9900),
        high=Ticks(10_100),
    )


@pytest.mark.parametrize(
    ("channel", "event", "notice"),
    [
        ("heartbeats", {"current_time": "x", "heartbeat_counter": 41}, Heartbeat(counter=41)),
        ("heartbeats", {"current_time": "x", "heartbeat_counter": "41"}, Heartbeat(counter=41)),
        (
            "subscriptions",
            {"subscriptions": {"level2": ["BTC-USD"]}},
            Subscribed(channels={"level2": ("BTC-USD",)}),
        ),
        (
            "status",
            {"type": "snapshot", "products": [{"id": "BTC-USD", "status": "online"}]},
            ProductStatus(symbol="BTC-USD", status="online", message=""),
        ),
        ("user", {"type": "snapshot", "orders": [{}]}, UserOrders(snapshot=True, orders=1)),
    ],
)
def test_what_concerns_the_connection_is_a_notice(
    channel: str, event: dict[str, Any], notice: object
) -> None:
    decoded = DECODER.decode(frame(7, channel, event))
    assert decoded.notices == (notice,)
    assert not decoded.events
    assert not decoded.refused


def test_an_error_message_is_a_notice_without_number() -> None:
    decoded = DECODER.decode('{"type":"error","message":"authentication failure"}')
    assert decoded.sequence is None
    assert decoded.notices == (ServerError(message="authentication failure"),)


def test_an_unknown_channel_is_counted_and_keeps_its_number() -> None:
    decoded = DECODER.decode(frame(9, "l3_data", {"type": "update"}))
    assert (decoded.sequence, decoded.refused) == (9, False)
    assert only_issue(decoded) is IssueKind.UNKNOWN_CHANNEL


def test_an_unknown_field_is_counted_and_harms_nothing() -> None:
    event = {**book_event("update", ("bid", "99", "1")), "novelty": 1}
    decoded = DECODER.decode(frame(0, "l2_data", event))
    assert len(decoded.events) == 1
    assert only_issue(decoded) is IssueKind.UNKNOWN_FIELD


def test_data_of_a_product_nobody_asked_for_is_counted() -> None:
    decoded = DECODER.decode(
        frame(0, "l2_data", book_event("update", ("bid", "9", "1"), symbol="X-USD"))
    )
    assert decoded.events == ()
    assert only_issue(decoded) is IssueKind.UNKNOWN_PRODUCT


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (("bid", "99.995", "1"), IssueKind.OFF_GRID),
        (("bid", "99.99", "0.000000001"), IssueKind.OFF_GRID),
        (("bid", "-1", "1"), IssueKind.BAD_NUMBER),
        (("bid", "0", "1"), IssueKind.BAD_NUMBER),
        (("bid", "99", "-2"), IssueKind.BAD_NUMBER),
        (("bid", "abc", "1"), IssueKind.BAD_NUMBER),
        (("middle", "99", "1"), IssueKind.UNKNOWN_SIDE),
    ],
)
def test_one_impossible_level_refuses_the_frame_and_says_that_the_book_is_lost(
    row: tuple[str, str, str], kind: IssueKind
) -> None:
    decoded = DECODER.decode(frame(3, "l2_data", book_event("update", ("bid", "99", "1"), row)))
    assert decoded.refused
    assert only_issue(decoded) is kind
    assert decoded.events == (FeedLost(symbol="BTC-USD", at=AT, reason=StaleReason.GAP),)


def test_a_trade_with_an_unknown_side_refuses_its_frame() -> None:
    rows = [trade("BUY", "100", "1"), trade("HOLD", "100", "1")]
    decoded = DECODER.decode(frame(3, "market_trades", {"type": "update", "trades": rows}))
    assert decoded.events == ()
    assert only_issue(decoded) is IssueKind.UNKNOWN_SIDE


def test_an_unreadable_time_is_replaced_by_that_of_reception_and_counted() -> None:
    text = frame(0, "l2_data", book_event("update", ("bid", "99", "1")), at="yesterday")
    decoded = DECODER.decode(text, received=Instant(77))
    assert decoded.at == 77
    assert decoded.events[0].at == 77
    assert only_issue(decoded) is IssueKind.TIME_REPLACED


def test_without_any_time_the_frame_is_refused() -> None:
    text = frame(0, "l2_data", book_event("update", ("bid", "99", "1")), at="yesterday")
    decoded = DECODER.decode(text)
    assert decoded.refused
    assert only_issue(decoded) is IssueKind.BAD_TIME


def consistent(decoded: Frame) -> None:
    """Check what holds of every frame, whatever it was made of."""
    if decoded.refused:
        assert decoded.issues
        assert all(isinstance(event, FeedLost) for event in decoded.events)
    book = Book()
    book.apply(BookSnapshot(symbol="BTC-USD", at=Instant(0), bids=(), asks=()))
    for event in decoded.events:
        if isinstance(event, BookDelta | BookSnapshot):
            assert book.apply(event) is not BookOutcome.INVALID


@given(data=st.binary(max_size=300))
def test_no_bytes_raise_anything(data: bytes) -> None:
    consistent(DECODER.decode(data))


@given(text=st.text(max_size=100))
def test_no_text_raises_anything(text: str) -> None:
    consistent(DECODER.decode(text))


@given(cut=st.integers(0, len(UPDATE) - 1))
def test_a_truncated_frame_is_refused_whole(cut: int) -> None:
    decoded = DECODER.decode(UPDATE[:cut])
    assert decoded.refused
    assert decoded.events == ()


@given(place=st.integers(0, len(UPDATE) - 1), byte=st.integers(0, 255))
def test_a_frame_with_one_wrong_byte_is_whole_or_refused(place: int, byte: int) -> None:
    data = bytearray(UPDATE.encode())
    data[place] = byte
    decoded = DECODER.decode(bytes(data))
    consistent(decoded)
    for event in decoded.events:
        if isinstance(event, BookDelta):
            assert len(event.changes) == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
TEMPLATES = [
    json.loads(UPDATE),
    json.loads(SNAPSHOT),
    json.loads(frame(2, "market_trades", {"type": "update", "trades": [trade("BUY", "1", "1")]})),
    json.loads(
        frame(
            2, "candles", {"type": "update", "candles": [{"product_id": "BTC-USD", "start": "1"}]}
        )
    ),
    json.loads(frame(2, "heartbeats", {"heartbeat_counter": 1})),
    json.loads(frame(2, "ticker", {"type": "update", "tickers": [{"product_id": "BTC-USD"}]})),
    json.loads(frame(2, "subscriptions", {"subscriptions": {"level2": ["BTC-USD"]}})),
    json.loads(frame(2, "status", {"type": "update", "products": [{"id": "a", "status": "b"}]})),
]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the place of every value within a JSON value."""
    found = [path] if path else []
    inside = (
        value
        if isinstance(value, dict)
        else dict(enumerate(value))
        if isinstance(value, list)
        else {}
    )
    for key, inner in inside.items():
        found += paths(inner, (*path, key))
    return found


@settings(max_examples=300)
@given(data=st.data(), value=json_values, template=st.sampled_from(TEMPLATES))
def test_any_value_in_any_place_is_decoded_or_refused_by_name(
    data: st.DataObject, value: object, template: dict[str, Any]
) -> None:
    body = json.loads(json.dumps(template))
    place = data.draw(st.sampled_from(paths(body)))
    inner = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    consistent(DECODER.decode(json.dumps(body)))


def test_levels_need_not_be_sorted() -> None:
    rows = levels(("offer", "101", "1"), ("bid", "99", "1"), ("bid", "100", "1"))
    event = {"type": "snapshot", "product_id": "BTC-USD", "updates": rows}
    (told,) = DECODER.decode(frame(0, "l2_data", event)).events
    assert isinstance(told, BookSnapshot)
    book = Book()
    book.apply(told)
    assert (book.touch().bid, book.touch().ask) == (10_000, 10_100)
