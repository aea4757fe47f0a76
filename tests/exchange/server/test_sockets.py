"""The endpoints over real sockets, as clients meet them."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import struct
from collections.abc import Iterator

import aiohttp
import orjson
import pytest
import websocket

from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.server.connection import Limits
from tests.exchange.server.serving import TIMEOUT, Served, serve
from tests.exchange.support import SYMBOL

OPEN = Limits(connections=0, messages=0)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as server:
        yield server


@pytest.fixture(autouse=True)
def no_faults(served: Served) -> Iterator[None]:
    yield
    served.ask("DELETE", "/admin/faults")
    served.hang_up()


@pytest.mark.parametrize("path", ["/", "/ws"])
def test_the_market_endpoint_serves_all_channels_in_one_sequence(served: Served, path: str) -> None:
    peer = served.connect(path)
    frames = []
    for channel in ("heartbeats", "level2", "market_trades", "ticker", "candles", "status"):
        frames += peer.subscribe(channel, SYMBOL)
    frames += peer.subscribe("user", jwt=served.signer.socket())
    served.trade()
    served.market({"product": SYMBOL, "levels": [["bid", "0.101", "5"]]})
    seen: set[str] = set()
    while not {"heartbeats", "l2_data", "market_trades", "ticker"} <= seen:
        frames.append(peer.receive())
        seen.add(frames[-1]["channel"])
    assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))
    state = [frame for frame in frames if frame["channel"] == "subscriptions"][-1]
    assert len(state["events"][0]["subscriptions"]) == 7


def test_the_user_endpoint_tells_a_snapshot_then_acknowledges(served: Served) -> None:
    peer = served.connect("/user")
    snapshot, ack = peer.subscribe("user", jwt=served.signer.socket())
    assert snapshot["events"][0]["orders"] == []
    assert ack["events"][0]["subscriptions"] == {"user": [served.server.house.user_id]}
    assert ack["client_id"] == ""


def test_a_level2_batch_takes_some_50_ms(served: Served) -> None:
    peer = served.connect()
    peer.subscribe("level2", SYMBOL)
    for size in range(1, 6):
        served.market({"product": SYMBOL, "levels": [["bid", "0.098", str(size)]]})
    quantities: list[str] = []
    while not quantities or quantities[-1] != "5":
        (row,) = peer.until("l2_data")["events"][0]["updates"]
        quantities.append(row["new_quantity"])
    assert quantities == sorted(quantities)


def test_pings_are_answered(served: Served) -> None:
    peer = served.connect()
    peer.socket.ping("hello")
    opcode, data = peer.socket.recv_data(control_frame=True)
    assert (opcode, data) == (websocket.ABNF.OPCODE_PONG, b"hello")


async def compressed(port: int) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{port}/", compress=15, max_msg_size=0) as peer,
    ):
        await peer.send_json({"type": "subscribe", "channel": "level2", "product_ids": [SYMBOL]})
        snapshot = await peer.receive_str()
        return peer.compress, snapshot


def test_p4_compression_is_negotiated_and_a_snapshot_may_have_any_size(served: Served) -> None:
    served.fault("ws.pad", match={"channel": "l2_data"}, parameters={"megabytes": 6})
    window, snapshot = asyncio.run(compressed(served.port))
    assert window
    assert len(snapshot) > 6 * 1024 * 1024
    peer = served.connect()
    assert len(peer.subscribe("level2", SYMBOL)[0]["events"][0]["updates"]) > 50_000


def test_a_plain_request_is_told_to_upgrade(served: Served) -> None:
    assert served.ask("GET", "/")[0] == 426


def test_without_a_subscription_the_connection_is_closed_cleanly_within_6_s(
    served: Served,
) -> None:
    peer = served.connect()
    opcode, data = peer.socket.recv_data()
    assert opcode == websocket.ABNF.OPCODE_CLOSE
    assert struct.unpack("!H", data[:2]) == (1000,)


def test_too_big_a_message_ends_the_connection_and_no_other(served: Served) -> None:
    neighbour = served.connect()
    neighbour.subscribe("ticker", SYMBOL)
    peer = served.connect()
    peer.socket.send("x" * 100_000)
    peer.drain()
    served.trade()
    assert neighbour.receive()["channel"] == "ticker"


def test_garbage_of_a_client_is_answered_and_the_connection_stays(served: Served) -> None:
    peer = served.connect()
    peer.socket.send("}{")
    assert peer.receive()["type"] == "error"
    peer.socket.send_binary(orjson.dumps({"type": "subscribe", "channel": "heartbeats"}))
    assert peer.receive()["channel"] == "subscriptions"


def turned_away(served: Served) -> int:
    """Connect until refused: the bucket refills by one every eighth of a second."""
    for _ in range(8):
        try:
            served.connect()
        except websocket.WebSocketBadStatusException as refusal:
            return int(refusal.status_code)
    return 0


def test_connections_beyond_8_a_second_are_turned_away() -> None:
    with serve(Limits(connections=8, messages=0)) as served:
        for _ in range(8):
            served.connect()
        assert turned_away(served) == 429


def dead_client(port: int) -> socket.socket:
    """Connect a client with a small window that subscribes and never reads."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(TIMEOUT)
    plain.connect(("127.0.0.1", port))
    peer = websocket.create_connection(f"ws://127.0.0.1:{port}/", socket=plain)
    peer.send(orjson.dumps({"type": "subscribe", "channel": "heartbeats"}))
    peer.send(orjson.dumps({"type": "subscribe", "channel": "ticker", "product_ids": [SYMBOL]}))
    return plain


@pytest.mark.parametrize(
    ("limits", "ending"),
    [
        (dataclasses.replace(OPEN, backlog=1024 * 1024), "slow"),
        (dataclasses.replace(OPEN, stall=Nanos(SECOND)), "stalled"),
    ],
)
def test_a_client_that_does_not_read_is_broken_off_and_stalls_nobody(
    limits: Limits, ending: str
) -> None:
    said = {"price": "0.101", "size": "1", "aggressor": "BUY"}
    with serve(limits) as served:
        live = served.connect()
        live.subscribe("ticker", SYMBOL)
        dead = dead_client(served.port)
        counts = served.server.tally.counts
        for _ in range(600):
            served.market(*[{"product": SYMBOL, "trade": said}] * 100)
            for _ in range(100):
                live.receive()
            if counts.get(("sockets_closed", ending)):
                break
        else:
            pytest.fail("the dead client is still there")
        _, state = served.ask("GET", "/admin/state")
        assert [line["id"] for line in state["connections"]] == [1]
        dead.close()


def test_a_flood_of_messages_lets_others_have_their_turn(served: Served) -> None:
    peer = served.connect()
    message = orjson.dumps({"type": "subscribe", "channel": "level2", "product_ids": [SYMBOL]})
    frame = websocket.ABNF.create_frame(message, websocket.ABNF.OPCODE_TEXT).format()
    [line] = served.on_loop(lambda: list(served.server.hub.connections.values()))
    peer.socket.sock.sendall(frame * 1_000)
    while not (told := served.on_loop(lambda: line.told)):
        pass
    assert told < 1_000, "a turn came before the flood was over"
    while line.told < 2_000:
        peer.socket.recv()
