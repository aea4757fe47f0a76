"""The market over a real socket: subscribing, numbers, silence, the end of connections, odd frames.

The peer is driven by the test, step by step; the clock stands until the test moves it.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from quietmaker.coinbase.streams.backoff import Backoff
from quietmaker.coinbase.streams.session import BaseSession
from quietmaker.coinbase.streams.watch import ConnectionState, LostBecause
from quietmaker.core.market import BookDelta, BookSnapshot, FeedLost, StaleReason, TradePrint
from quietmaker.core.units import Side
from tests.coinbase.peer import BINARY, PING, PONG, WHEN, Line, Peer, frame, l2
from tests.coinbase.rigs import MarketRig, no_thread_is_left


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Return a peer, and leave no thread of a stream behind."""
    with Peer() as listening:
        yield listening
    no_thread_is_left()


def kinds(rig: MarketRig) -> list[str]:
    """Return what was told, by kind and symbol."""
    return [f"{type(event).__name__} {event.symbol}" for event in rig.heard.events]


def live_until_the_client_goes(
    rig: MarketRig, line: Line, *, step: float, answers: bool = True
) -> None:
    """Let time pass with heartbeats until the client ends the connection."""
    try:
        for _ in range(100):
            rig.clock.advance(step)
            line.beat()
            line.settle(answers=answers)
    except (AssertionError, ConnectionError):
        return
    pytest.fail("the client stayed")


# --- subscribing --------------------------------------------------------------------------------


def test_each_channel_is_asked_for_in_a_message_of_its_own_and_without_a_key(peer: Peer) -> None:
    MarketRig(peer, "A-USD", "B-USD", channels=("level2", "market_trades", "status"))
    asked = peer.take().requests("heartbeats", "level2", "market_trades", "status")
    assert asked["level2"] == {
        "type": "subscribe",
        "product_ids": ["A-USD", "B-USD"],
        "channel": "level2",
    }
    assert asked["heartbeats"]["product_ids"] == []


def test_every_message_of_a_connection_with_a_key_has_a_fresh_token(peer: Peer) -> None:
    tokens = iter(f"t{n}" for n in range(99))
    rig = MarketRig(peer, "A-USD", token=lambda: next(tokens))
    line = peer.take()
    assert [line.asked()["jwt"], line.asked()["jwt"]] == ["t0", "t1"]
    rig.stream.resync("A-USD")  # its first snapshot is on the way: nothing to ask for
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    rig.heard.of(BookSnapshot)
    rig.stream.resync("A-USD")
    assert [line.asked()["jwt"], line.asked()["jwt"]] == ["t2", "t3"]


def test_it_is_ready_only_with_every_acknowledgement_and_every_snapshot(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = peer.take()
    line.requests("heartbeats", "level2")
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    line.acknowledge(heartbeats=["heartbeats"], level2=["B-USD", "A-USD"])
    line.change("A-USD", {"10": "2"}, {})
    rig.heard.of(BookDelta)
    assert ConnectionState.READY not in {state for state, _ in rig.watch.states.events}
    line.book("B-USD", {"10": "1"}, {"11": "1"})
    rig.watch.until(ConnectionState.READY)


def test_p8_and_p20_an_error_frame_makes_nothing_ready_and_ends_nothing(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = peer.take()
    line.requests("heartbeats", "level2")
    line.error("authentication failure")  # also the answer to an unknown channel
    assert rig.watch.odd("error_frame") == "authentication failure"
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    line.acknowledge(heartbeats=["heartbeats"], level2=["A-USD"])
    rig.watch.until(ConnectionState.READY)


def test_p8_a_subscription_that_never_completes_is_begun_again_and_says_what_is_missing(
    peer: Peer,
) -> None:
    rig = MarketRig(peer, "A-USD")
    line = peer.take()
    line.requests("heartbeats", "level2")
    line.error("failure to subscribe")
    line.acknowledge(heartbeats=["heartbeats"])
    for _ in range(5):
        line.beat()
        line.settle()
        rig.clock.advance(4.1)
    reason = rig.watch.until(ConnectionState.LOST)
    assert "no acknowledgement of level2" in reason
    assert "no snapshot of A-USD" in reason
    assert "failure to subscribe" in reason
    rig.open()


def test_products_that_are_missing_in_the_acknowledgement_are_named_and_hold_nothing_up(
    peer: Peer,
) -> None:
    rig = MarketRig(peer, "A-USD", "Z-USD")
    line = peer.take()
    line.requests("heartbeats", "level2")
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    line.acknowledge(heartbeats=["heartbeats"], level2=["A-USD"])
    rig.heard.of(BookSnapshot)
    line.settle()
    rig.clock.advance(2.5)
    assert rig.watch.odd("product_refused") == "level2: Z-USD"
    rig.watch.until(ConnectionState.READY)


# --- books --------------------------------------------------------------------------------------


def test_a_book_is_told_from_its_snapshot_on(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = peer.take()
    line.requests("heartbeats", "level2")
    line.change("A-USD", {"10": "5"}, {})  # of a subscription before: means nothing yet
    line.book("A-USD", {"10": "1", "9.99": "2"}, {"11": "1"})
    line.change("A-USD", {"10": "0"}, {"11": "0.5"})
    snapshot, delta = rig.heard.count(2)
    assert isinstance(snapshot, BookSnapshot)
    assert snapshot.bids == ((1000, 1000), (999, 2000))
    assert isinstance(delta, BookDelta)
    assert delta.changes == ((Side.BUY, 1000, 0), (Side.SELL, 1100, 500))


def test_a_snapshot_that_nobody_asked_for_replaces_the_book_and_is_counted(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    line.book("A-USD", {"8": "1"}, {"9": "1"})
    assert rig.heard.of(BookSnapshot, 2)[-1].bids == ((800, 1000),)
    assert rig.watch.odd("unasked_snapshot") == "A-USD"


def test_a_resync_subscribes_to_the_book_anew_on_the_same_connection(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = rig.open()
    rig.stream.resync("B-USD")
    rig.stream.resync("B-USD")
    away, back = line.asked(), line.asked()
    assert (away["type"], away["channel"], away["product_ids"]) == (
        "unsubscribe",
        "level2",
        ["B-USD"],
    )
    assert (back["type"], back["product_ids"]) == ("subscribe", ["B-USD"])
    line.change("B-USD", {"10": "7"}, {})  # was on its way; the book stood all the time
    line.book("B-USD", {"10": "7"}, {"11": "7"})
    rig.heard.of(BookSnapshot, 3)
    assert kinds(rig)[-2:] == ["BookDelta B-USD", "BookSnapshot B-USD"]


def test_a_snapshot_that_does_not_come_when_asked_for_ends_the_connection(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    rig.stream.resync("A-USD")
    assert line.asked()["type"] == "unsubscribe"
    live_until_the_client_goes(rig, line, step=4)
    assert "no snapshot of A-USD" in rig.watch.until(ConnectionState.LOST)
    rig.open()


def test_p4_a_snapshot_of_six_megabytes_in_many_frames_and_pieces_arrives_whole(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = peer.take()
    line.requests("heartbeats", "level2")
    bids = {f"{n / 100:.2f}": "0.001" for n in range(1, 30_001)}
    asks = {f"{n / 100:.2f}": "0.001" for n in range(30_001, 60_001)}
    body = json.dumps(
        {
            "channel": "l2_data",
            "timestamp": WHEN,
            "sequence_num": 0,
            "events": [l2("A-USD", bids, asks, kind="snapshot")],
        }
    ).encode()
    assert len(body) > 6_000_000
    third = len(body) // 3
    data = frame(body[:third], final=False)
    data += frame(b"between", PING)
    data += frame(body[third : 2 * third], 0, final=False)
    data += frame(body[2 * third :], 0)
    sender = threading.Thread(target=_drip, args=(line, data), name="sender")
    sender.start()
    [book] = rig.heard.of(BookSnapshot)
    sender.join()
    assert (len(book.bids), len(book.asks)) == (30_000, 30_000)
    assert line.receive() == (PONG, b"between")


def _drip(line: Line, data: bytes) -> None:
    for start in range(0, len(data), 50_001):
        line.send(data[start : start + 50_001])


def test_p5_data_labelled_with_the_dollar_pair_belongs_to_the_stablecoin_pair(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USDC", aliases={"A-USDC": "A-USD"})
    line = peer.take()
    asked = line.requests("heartbeats", "level2")
    assert asked["level2"]["product_ids"] == ["A-USDC"]
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    line.acknowledge(heartbeats=["heartbeats"], level2=["A-USD"])
    rig.watch.until(ConnectionState.READY)
    line.change("A-USDC", {"10": "2"}, {})  # should it ever come under its own name
    rig.heard.of(BookDelta)
    assert kinds(rig) == ["BookSnapshot A-USDC", "BookDelta A-USDC"]
    assert "unknown_product" not in rig.watch.words()


def test_p5_two_products_on_one_book_both_hear_it_and_are_asked_for_together(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "A-USDC", aliases={"A-USDC": "A-USD"})
    line = peer.take()
    line.requests("heartbeats", "level2")
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    line.acknowledge(heartbeats=["heartbeats"], level2=["A-USD"])
    rig.watch.until(ConnectionState.READY)
    assert kinds(rig) == ["BookSnapshot A-USD", "BookSnapshot A-USDC"]
    rig.stream.resync("A-USDC")
    assert line.asked()["product_ids"] == ["A-USD", "A-USDC"]


def test_trades_of_before_are_history_and_the_maker_side_is_turned(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    trade = {"trade_id": "1", "product_id": "A-USD", "price": "10.5", "size": "1", "time": WHEN}
    line.message("market_trades", {"type": "snapshot", "trades": [{**trade, "side": "BUY"}]})
    line.message("market_trades", {"type": "update", "trades": [{**trade, "side": "SELL"}]})
    [told] = rig.heard.of(TradePrint)
    assert (told.price, told.aggressor) == (1050, Side.BUY)


# --- numbers ------------------------------------------------------------------------------------


def test_a_gap_loses_every_book_before_anything_else_and_then_all_are_asked_for(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = rig.open()
    told = len(rig.heard.events)
    line.sequence += 1
    line.change("A-USD", {"10": "2"}, {})
    away, back = line.asked(), line.asked()
    assert [away["type"], back["type"]] == ["unsubscribe", "subscribe"]
    assert set(back["product_ids"]) == {"A-USD", "B-USD"}
    rig.lost(StaleReason.GAP, 2)
    assert kinds(rig)[told:] == ["FeedLost A-USD", "FeedLost B-USD"]
    line.book("A-USD", {"10": "2"}, {"11": "1"})
    line.change("A-USD", {"10": "3"}, {})
    rig.heard.of(BookDelta)
    assert kinds(rig)[told + 2 :] == ["BookSnapshot A-USD", "BookDelta A-USD"]


def test_a_gap_while_a_snapshot_is_awaited_has_it_asked_for_again(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    rig.stream.resync("A-USD")
    assert [line.asked()["type"], line.asked()["type"]] == ["unsubscribe", "subscribe"]
    line.sequence += 1  # the snapshot is what was lost
    line.beat()
    assert [line.asked()["type"], line.asked()["type"]] == ["unsubscribe", "subscribe"]
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    rig.heard.of(BookSnapshot, 2)


def test_a_gap_in_heartbeats_and_acknowledgements_is_a_gap_too(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    line.sequence += 3
    line.beat()
    assert rig.lost(StaleReason.GAP) == ["A-USD"]


def test_a_repeated_or_earlier_frame_changes_nothing_and_is_counted(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    line.change("A-USD", {"10": "2"}, {})
    line.change("A-USD", {"10": "3"}, {}, number=line.sequence - 1)
    line.change("A-USD", {"10": "4"}, {}, number=0)
    line.change("A-USD", {"10": "5"}, {})
    deltas = rig.heard.of(BookDelta, 2)
    assert [delta.changes[0][2] for delta in deltas] == [2000, 5000]
    assert rig.watch.words() == {"sequence_repeat", "sequence_regress"}


# --- silence ------------------------------------------------------------------------------------


def test_p12_heartbeats_that_stop_lose_every_book_although_the_socket_is_up(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = rig.open()
    rig.clock.advance(4.9)
    line.change("A-USD", {"10": "2"}, {})  # other traffic is no sign of life
    rig.heard.of(BookDelta)
    assert StaleReason.SILENT not in {e.reason for e in rig.heard.events if isinstance(e, FeedLost)}
    rig.clock.advance(0.2)
    assert rig.lost(StaleReason.SILENT, 2) == ["A-USD", "B-USD"]
    line.beat()
    assert line.asked()["type"] == "unsubscribe"  # heard again: the books are asked for


def test_p12_a_silent_connection_is_given_up_and_the_next_one_begins(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    rig.open()
    rig.clock.advance(12.1)
    assert "no heartbeat" in rig.watch.until(ConnectionState.LOST)
    assert rig.lost(StaleReason.DISCONNECTED) == ["A-USD"]
    rig.open()
    rig.heard.of(BookSnapshot, 2)


def test_a_long_message_on_its_way_excuses_heartbeats_as_long_as_it_moves(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    body = frame(json.dumps({"type": "error", "message": "x" * 9_000}).encode())
    for start in range(0, 8_000, 1_000):
        line.send(body[start : start + 1_000])
        rig.bytes_arrived(start + 1_000)
        rig.clock.advance(6)
    rig.lost(StaleReason.SILENT)  # not to be relied on, but not given up either
    line.send(body[8_000:])
    assert rig.watch.odd("error_frame")
    rig.clock.advance(12.1)
    assert "no heartbeat" in rig.watch.until(ConnectionState.LOST)


def test_pings_are_sent_and_one_without_an_answer_ends_the_connection(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    for _ in range(20):
        rig.clock.advance(2)
        line.beat()
        line.settle(answers=line.pings == 0)
    assert line.pings == 2  # after 20 and 40 seconds; the second one was not answered
    live_until_the_client_goes(rig, line, step=2, answers=False)
    assert "no pong within 60 s" in rig.watch.until(ConnectionState.LOST)
    assert rig.watch.lost == [LostBecause.KEEPALIVE]


# --- the end of connections ---------------------------------------------------------------------


def test_p11_a_clean_close_is_followed_by_a_new_connection_with_every_subscription(
    peer: Peer,
) -> None:
    rig = MarketRig(peer, "A-USD")
    for number in range(1, 4):
        line = rig.open()
        line.goodbye(1000)
        assert "1000" in rig.watch.until(ConnectionState.LOST, number)
        assert rig.lost(StaleReason.DISCONNECTED, number) == ["A-USD"] * number
    line = rig.open()
    line.goodbye(1011)
    rig.watch.until(ConnectionState.LOST, 4)
    assert rig.watch.lost == [LostBecause.CLOSED] * 3 + [LostBecause.KEEPALIVE]
    rig.open()


def test_p11_an_abrupt_end_in_the_middle_of_a_frame_is_followed_by_a_new_connection(
    peer: Peer,
) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    told = len(rig.heard.events)
    line.send(frame(b'{"channel":"l2_data","sequence_num":' * 99)[:500])
    line.cut()
    rig.lost(StaleReason.DISCONNECTED)
    assert kinds(rig)[told:] == ["FeedLost A-USD"]
    rig.open()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes((0xC1, 0x00)), "extension"),
        (bytes((0x81, 0x85)) + b"mask" + b"hello", "masks"),
        (bytes((0x83, 0x00)), "unknown kind"),
        (bytes((0x8B, 0x00)), "unknown kind"),
        (bytes((0x80, 0x00)), "out of order"),
        (bytes((0x01, 0x00, 0x81, 0x00)), "out of order"),
        (bytes((0x09, 0x00)), "control frame"),
        (bytes((0x89, 126, 0, 200)) + b"x" * 200, "control frame"),
        (bytes((0x88, 0x00)), "1005"),
    ],
)
def test_bytes_that_break_the_protocol_end_the_connection_by_name(
    peer: Peer, data: bytes, words: str
) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    line.send(data)
    assert words in rig.watch.until(ConnectionState.LOST)
    rig.open()


def test_a_handshake_that_is_no_handshake_is_tried_again(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    answers = (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
        b"HTTP/1.1 302 Found\r\nLocation: ws://192.0.2.1/\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 nonsense\r\n\r\n",
    )
    for number, answer in enumerate(answers, start=1):
        line = peer.accept()
        line.read_request()
        line.send(answer)
        line.raw.close()
        rig.watch.until(ConnectionState.LOST, number)
    rig.open()


def test_a_handshake_that_drips_is_given_up_in_time(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = peer.accept()
    line.read_request()
    answer = line.answer()
    line.send(answer[:20])
    rig.clock.advance(10.1)
    with suppress(ConnectionError):  # it may have given up between two bytes of the first part
        line.send(answer[20:30])
    assert "timed out" in rig.watch.until(ConnectionState.LOST)
    rig.open()


def test_a_port_that_refuses_and_a_name_that_nobody_knows_are_tried_again(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", url=f"ws://127.0.0.1:{_closed_port()}/")
    assert "cannot connect" in rig.watch.until(ConnectionState.LOST, 2)
    rig.stream.stop()
    rig = MarketRig(peer, "A-USD", url="ws://no-such-host.invalid/")
    assert "no-such-host" in rig.watch.until(ConnectionState.LOST, 2)


def _closed_port() -> int:
    gone = Peer()
    port = gone.port
    gone.refuse()
    return port


def test_tls_that_nobody_speaks_is_tried_again(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", url=f"wss://127.0.0.1:{peer.port}/")
    for number in range(1, 3):
        line = peer.accept()
        line.raw.recv(1)
        line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        line.raw.close()
        rig.watch.until(ConnectionState.LOST, number)


# --- stopping -----------------------------------------------------------------------------------


def test_stop_returns_while_the_reader_waits_and_nothing_is_told_after(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    told = len(rig.heard.events)
    rig.stream.stop()
    assert len(rig.heard.events) == told
    assert line.gone()


def test_stop_returns_while_the_handshake_hangs(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = peer.accept()
    line.read_request()
    rig.stream.stop()
    assert line.gone()


def test_stop_returns_while_a_host_does_not_answer(peer: Peer) -> None:
    with socket.socket() as full:  # a listener whose queue is full answers nothing
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(1)]
        rig = MarketRig(peer, "A-USD", url=f"ws://127.0.0.1:{port}/")
        rig.watch.until(ConnectionState.CONNECTING)
        rig.stream.stop()
        for each in waiting:
            each.close()


def test_a_callback_may_stop_the_stream(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", starts=False)
    stopped = threading.Event()

    def stop(_: object) -> None:
        rig.stream.stop()
        stopped.set()

    rig.stream.start(stop)
    line = peer.take()
    line.requests("heartbeats", "level2")
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    assert stopped.wait(20)
    assert line.gone()


def test_it_starts_again_after_a_stop_and_not_twice(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    rig.open()
    with pytest.raises(RuntimeError, match="stop it first"):
        rig.stream.start(rig.heard)
    rig.stream.stop()
    rig.stream.start(rig.heard)
    rig.open()


# --- what is odd --------------------------------------------------------------------------------


def test_unknown_channels_types_and_fields_are_counted_and_survived(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    line.message("futures_of_tomorrow", {"a": 1})
    line.message("l2_data", {**l2("A-USD", {"10": "2"}, {}), "colour": "blue"}, mood="good")
    line.message("ticker_batch", {"type": "update", "tickers": [{"product_id": ""}]})  # P19
    line.change("Q-USD", {"10": "2"}, {})
    line.text("{not json")
    line.send(frame(b"\x00\x01\x02", BINARY))
    line.change("A-USD", {"10": "3"}, {})
    rig.heard.of(BookDelta, 2)
    assert rig.watch.words() >= {
        "unknown_channel",
        "unknown_field",
        "empty_ticker",
        "unknown_product",
        "not_json",
    }


def test_an_update_that_cannot_be_read_loses_its_book_alone_and_asks_for_it(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = rig.open()
    told = len(rig.heard.events)
    line.change("A-USD", {"10": "2", "10.001": "1"}, {})
    assert line.asked()["product_ids"] == ["A-USD"]
    assert rig.lost(StaleReason.GAP) == ["A-USD"]
    assert kinds(rig)[told:] == ["FeedLost A-USD"]  # nothing of the half that could be read
    assert rig.watch.odd("off_grid")


def test_a_flood_of_oddities_is_told_once_and_then_summed_up(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    for _ in range(50):
        line.text("nonsense")
    line.change("A-USD", {"10": "2"}, {})
    rig.heard.of(BookDelta)
    assert [times for issue, _, times in rig.watch.issues.events if issue == "not_json"] == [1]
    rig.clock.advance(4)
    line.beat()
    line.change("A-USD", {"10": "3"}, {})
    rig.heard.of(BookDelta, 2)
    rig.stream.stop()
    told = [times for issue, _, times in rig.watch.issues.events if issue == "not_json"]
    assert told == [1, 49]


def test_a_product_that_goes_offline_is_not_quoted_until_it_is_online_again(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = rig.open()

    def status(word: str) -> None:
        row = {"id": "A-USD", "status": word, "status_message": "maintenance"}
        line.message("status", {"type": "update", "products": [row]})

    status("online")
    status("offline")
    assert rig.lost(StaleReason.NOT_ONLINE) == ["A-USD"]
    assert rig.watch.odd("product_not_online") == "A-USD: offline maintenance"
    told = len(rig.heard.events)
    line.change("A-USD", {"10": "2"}, {})
    line.change("B-USD", {"10": "2"}, {})
    rig.heard.of(BookDelta)
    assert kinds(rig)[told:] == ["BookDelta B-USD"]
    status("online")
    assert line.asked()["product_ids"] == ["A-USD"]
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    rig.heard.of(BookSnapshot, 3)


def test_a_thread_that_died_loses_the_books_and_can_be_told_and_started_anew(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: died.set())
    monkeypatch.setattr(BaseSession, "in_order", lambda *_: 1 // 0)
    line.beat()
    assert died.wait(20)
    assert rig.lost(StaleReason.DISCONNECTED) == ["A-USD"]
    no_thread_is_left()
    assert [rig.stream.alive] == [False]
    monkeypatch.undo()
    rig.stream.stop()
    rig.stream.start(rig.heard)
    rig.open()
    assert [rig.stream.alive] == [True]
    rig.stream.stop()


def test_pauses_grow_until_a_connection_became_ready(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets: list[int] = []
    rig = MarketRig(peer, "A-USD", starts=False)
    monkeypatch.setattr(Backoff, "reset", lambda _: resets.append(1))
    rig.stream.start(rig.heard)
    for number in range(1, 4):
        line = peer.take()
        line.requests("heartbeats", "level2")
        line.acknowledge(heartbeats=["heartbeats"], level2=["A-USD"])
        line.beat()
        line.goodbye()
        rig.watch.until(ConnectionState.LOST, number)
    assert resets == []
    rig.open()
    assert resets == [1]
