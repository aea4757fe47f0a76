"""The recorded session, frame by frame, through the real client over a real socket.

Nothing may be unknown, no number missing, and the books at the end must be those of the recording. The
same frames, cut, changed and mixed with noise, must never kill the stream or its feed, never leave a
touch of a half-applied message, and never pass uncounted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.conflate import MarketSlot
from actors.intake import Intake
from quietmaker.coinbase.products import products_from_answer
from quietmaker.coinbase.streams.user_frames import UserDecoder
from quietmaker.coinbase.streams.watch import ConnectionState
from quietmaker.core.book import Book
from quietmaker.core.events import TouchChanged
from quietmaker.core.market import BookDelta, BookSnapshot, CandleBar, TouchQuote, TradePrint
from quietmaker.core.product import Product
from quietmaker.core.units import Instant, Side
from quietmaker.market.files import lines, read_all
from quietmaker.market.report import Report
from tests.actors.fakes import make_metrics
from tests.coinbase.peer import Line, Peer
from tests.coinbase.rigs import HandClock, MarketRig, no_thread_is_left, product
from tests.coinbase.test_samples import NOT_FRAMES, frames, samples
from tests.market.shared import COINBASE, PRODUCTS, SAMPLES, shared

SYMBOLS = ("BTC-USD", "ETH-USD")
CHANNELS = ("market_trades", "candles", "ticker", "level2")


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Return a peer, and leave no thread of a stream behind."""
    with Peer() as listening:
        yield listening
    no_thread_is_left()


@lru_cache(maxsize=1)
def products() -> dict[str, Product]:
    """Return the products of the recording."""
    every = products_from_answer(read_all(shared(PRODUCTS))).products
    return {symbol: every[symbol] for symbol in SYMBOLS}


@lru_cache(maxsize=1)
def recorded() -> tuple[str, ...]:
    """Return the text of every frame that was received."""
    rows = (orjson.loads(line) for _, line, _ in lines(shared(COINBASE), Report()))
    return tuple(row["data"] for row in rows if row["t"] == "recv")


def test_the_recorded_session_passes_whole_with_nothing_unknown_and_no_gap(peer: Peer) -> None:
    rig = MarketRig(peer, *SYMBOLS, products=products(), channels=CHANNELS)
    line = peer.take()
    line.requests("heartbeats", *CHANNELS)
    sender = threading.Thread(target=_send, args=(line,))
    sender.start()
    sender.join()
    line.settle()
    rig.watch.until(ConnectionState.READY)
    assert rig.watch.issues.events == []
    told = rig.heard.events
    assert [sum(isinstance(e, kind) for e in told) for kind in (BookSnapshot, BookDelta)] == [
        2,
        sum('"l2_data"' in t and '"update"' in t for t in recorded()),
    ]
    for kind in (TradePrint, CandleBar, TouchQuote):
        assert any(isinstance(event, kind) for event in told)
    books = {symbol: Book() for symbol in SYMBOLS}
    for event in told:
        if isinstance(event, BookSnapshot | BookDelta):
            books[event.symbol].apply(event)
            assert books[event.symbol].stale is None
    assert all(book.depth(side) > 1_000 for book in books.values() for side in Side)


def _send(line: Line) -> None:
    for text in recorded():
        line.text(text)


@pytest.mark.parametrize("name", [name for name in samples() if "sdk_" not in name])
def test_a_sample_on_the_user_connection_is_read_or_refused_by_name(name: str) -> None:
    decoder = UserDecoder({symbol: product(symbol) for symbol in ("BTC-USD",)})
    for text in frames(shared(SAMPLES) / name):
        told = decoder.decode(text, received=Instant(1))
        words = {word for word, _ in told.issues}
        if name in NOT_FRAMES:
            assert words == {"not_a_frame"}, NOT_FRAMES[name]
        elif "ws_user" in name:
            assert words == set()
            assert told.orders or told.snapshots or told.notices
        elif "heartbeats" in name or "errors" in name or "subscriptions" in name:
            assert (words, len(told.notices)) == (set(), 1)
        else:
            assert words <= {"unknown_channel"}


# --- noise --------------------------------------------------------------------------------------


class Watchful(MarketSlot):
    """A slot that remembers every touch."""

    def __init__(self) -> None:
        super().__init__(lambda: True)
        self.touches: list[TouchChanged] = []

    def put_touch(self, touch: TouchChanged) -> None:
        self.touches.append(touch)
        super().put_touch(touch)


def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Return the bytes cut, changed, doubled or with noise inside."""
    kind = draw(st.sampled_from(("cut", "flip", "noise", "double", "same", "swap")))
    at = draw(st.integers(0, len(data)))
    if kind == "cut":
        return data[:at]
    if kind == "flip" and data:
        at = min(at, len(data) - 1)
        return data[:at] + bytes((draw(st.integers(0, 255)),)) + data[at + 1 :]
    if kind == "noise":
        return data[:at] + draw(st.binary(max_size=20)) + data[at:]
    if kind == "double":
        return data + data
    if kind == "swap":
        old, new = draw(st.sampled_from(SWAPS))
        return data.replace(old, new)
    return data


SWAPS = (
    (b'"bid"', b'"offer"'),
    (b'"update"', b'"snapshot"'),
    (b'"update"', b'"delta"'),
    (b'"new_quantity":"', b'"new_quantity":"-'),
    (b'"price_level":"', b'"price_level":"1e'),
    (b'"l2_data"', b'"l3_data"'),
    (b'"events":[', b'"events":[null,'),
    (b'"product_id":"BTC-USD"', b'"product_id":7'),
    (b'"sequence_num":', b'"sequence_num":-'),
    (b'"timestamp":"2026', b'"timestamp":"9999'),
    (b'"level', b'"leve'),
)


@st.composite
def noisy_sessions(draw: st.DrawFn) -> list[bytes]:
    """Return frames of a small session, some of them damaged, with their numbers right."""
    texts = small_session()
    return [
        mutated(draw, text) if index and draw(st.booleans()) else text
        for index, text in enumerate(texts)
    ]


@lru_cache(maxsize=1)
def small_session() -> tuple[bytes, ...]:
    """Return a short stretch of the recording with a snapshot that was cut to the best levels."""
    bodies = [orjson.loads(text) for text in recorded()]
    [snapshot] = [
        body
        for body in bodies
        if body["channel"] == "l2_data"
        and body["events"][0]["type"] == "snapshot"
        and body["events"][0]["product_id"] == "BTC-USD"
    ]
    levels = snapshot["events"][0]["updates"]
    bids = [level for level in levels if level["side"] == "bid"][:60]
    asks = [level for level in levels if level["side"] == "offer"][:60]
    snapshot["events"][0]["updates"] = bids + asks
    behind = [body for body in bodies if body["sequence_num"] > snapshot["sequence_num"]]
    chosen = [body for body in behind if len(orjson.dumps(body)) < 3_000][:25]
    for number, body in enumerate([snapshot, *chosen]):
        body["sequence_num"] = number
    return tuple(orjson.dumps(body) for body in [snapshot, *chosen])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(session=noisy_sessions(), noise=st.lists(st.binary(max_size=60), max_size=5))
def test_damaged_frames_never_kill_the_stream_and_never_make_half_a_book(
    session: list[bytes], noise: list[bytes]
) -> None:
    with Peer() as peer:
        rig = MarketRig(peer, "BTC-USD", products=products())
        slot = Watchful()
        clock = HandClock()
        broke: list[object] = []
        intake = Intake({"BTC-USD": slot}, clock=clock, broke=broke.append, metrics=make_metrics())
        line = peer.take()
        line.requests("heartbeats", "level2")
        for text in [*session, *noise]:
            line.text(text)
        line.settle()  # it is still there, and has taken everything
        for event in list(rig.heard.events):
            intake(event)
        allowed = honest_touches(session)
        for touch in slot.touches:
            assert touch.bid < touch.ask or not (touch.bid_size and touch.ask_size)
            assert (touch.bid, touch.bid_size, touch.ask, touch.ask_size) in allowed
        damaged = [t for t in session if t not in small_session()]
        if any(_unreadable(text) for text in damaged):
            rig.watch.issues.count(1)
    no_thread_is_left()


def _unreadable(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return True
    return False


def honest_touches(session: list[bytes]) -> set[tuple[int, int, int, int]]:
    """Return every touch that whole messages can lead to: an independent, slow, plain book."""
    unit, lot = products()["BTC-USD"].tick, products()["BTC-USD"].lot
    touches: set[tuple[int, int, int, int]] = set()
    bids: dict[Decimal, Decimal] = {}
    asks: dict[Decimal, Decimal] = {}
    for text in session:
        try:
            body = orjson.loads(text)
            if body["channel"] != "l2_data":
                continue
            for event in body["events"]:
                if event["product_id"] != "BTC-USD":
                    continue
                changes = [
                    (u["side"], Decimal(u["price_level"]), Decimal(u["new_quantity"]))
                    for u in event["updates"]
                ]
                if event["type"] == "snapshot":
                    bids.clear()
                    asks.clear()
                for side, price, size in changes:
                    book = bids if side == "bid" else asks
                    if size:
                        book[price] = size
                    else:
                        book.pop(price, None)
        except (orjson.JSONDecodeError, KeyError, TypeError, InvalidOperation):
            continue
        if bids or asks:
            bid, ask = max(bids, default=None), min(asks, default=None)
            touches.add(
                (
                    int(bid / unit) if bid is not None else 0,
                    int(bids[bid] / lot) if bid is not None else 0,
                    int(ask / unit) if ask is not None else 0,
                    int(asks[ask] / lot) if ask is not None else 0,
                )
            )
    return touches


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_on_the_socket_end_in_a_new_connection_at_worst(data: bytes) -> None:
    with Peer() as peer:
        rig = MarketRig(peer, "A-USD")
        line = rig.open()
        line.send(data)
        line.raw.shutdown(1)
        rig.watch.until(ConnectionState.LOST)
        line = rig.open()
        line.settle()
    no_thread_is_left()


@settings(max_examples=60, deadline=None)
@given(answer=st.binary(max_size=300))
def test_arbitrary_bytes_for_a_handshake_end_in_a_new_connection(answer: bytes) -> None:
    with Peer() as peer:
        rig = MarketRig(peer, "A-USD")
        line = peer.accept()
        line.read_request()
        line.send(answer)
        line.raw.close()
        rig.watch.until(ConnectionState.LOST)
        rig.open()
    no_thread_is_left()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    row=st.fixed_dictionaries(
        {},
        optional={
            "order_id": values,
            "client_order_id": values,
            "product_id": st.just("A-USD") | values,
            "status": values | st.sampled_from(("OPEN", "FILLED")),
            "cumulative_quantity": values | st.decimals(allow_nan=True).map(str),
            "cancel_reason": values,
        },
    ),
    rows=values,
    kind=st.sampled_from(("snapshot", "update")) | values,
)
def test_any_value_in_any_place_of_an_order_is_read_or_named(
    row: dict[str, object], rows: object, kind: object
) -> None:
    decoder = UserDecoder({"A-USD": product("A-USD")})
    for orders in ([row], rows, [row, row]):
        body = {
            "channel": "user",
            "sequence_num": 1,
            "timestamp": "2026-11-25T15:00:00Z",
            "events": [{"type": kind, "orders": orders}],
        }
        try:
            text = orjson.dumps(body)
        except TypeError:
            continue
        told = decoder.decode(text, received=Instant(1))
        assert told.orders or told.issues or orders == []
