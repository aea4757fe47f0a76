"""Every fault as a client sees it, over real sockets."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import urllib3
import websocket

from tests.exchange.server.samples import shape
from tests.exchange.server.serving import BASE, BOOK, Peer, Served, serve
from tests.exchange.support import SYMBOL

ORDERS = f"{BASE}/orders"
CLOSED = websocket.WebSocketConnectionClosedException


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serve() as served:
        yield served


@pytest.fixture
def served(server: Served) -> Iterator[Served]:
    server.market(BOOK)
    yield server
    server.ask("DELETE", "/admin/faults")
    server.hang_up()


@pytest.fixture
def peer(served: Served) -> Peer:
    peer = served.connect()
    peer.subscribe("ticker", SYMBOL)
    return peer


def order(name: str = "", side: str = "BUY") -> dict[str, Any]:
    price = "0.099" if side == "BUY" else "0.103"
    variant = {"base_size": "1", "limit_price": price, "post_only": True}
    return {
        "client_order_id": name or uuid.uuid4().hex,
        "product_id": SYMBOL,
        "side": side,
        "order_configuration": {"limit_limit_gtc": variant},
    }


# --- frames -------------------------------------------------------------------------------------


def test_a_dropped_frame_is_a_gap(served: Served, peer: Peer) -> None:
    served.fault("ws.drop", match={"channel": "ticker"}, count=1)
    served.trade()
    served.trade()
    assert peer.receive()["sequence_num"] == 3


def test_a_duplicated_frame_comes_twice(served: Served, peer: Peer) -> None:
    served.fault("ws.duplicate", count=1, parameters={"sequence": "same"})
    served.trade()
    assert peer.receive() == peer.receive()


def test_a_reordered_frame_comes_later(served: Served, peer: Peer) -> None:
    served.fault("ws.reorder", count=1)
    served.trade()
    served.trade()
    assert [peer.receive()["sequence_num"] for _ in range(2)] == [3, 2]


def test_a_delayed_frame_comes_in_order_and_late(served: Served, peer: Peer) -> None:
    served.fault("ws.delay", count=1, parameters={"ms": 300})
    begun = time.monotonic()
    served.trade()
    served.trade()
    assert [peer.receive()["sequence_num"] for _ in range(2)] == [2, 3]
    assert time.monotonic() - begun >= 0.3


def test_a_clean_close_has_code_1000(served: Served, peer: Peer) -> None:
    served.fault("ws.close", count=1, parameters={"code": 1000, "reason": "bye"})
    served.trade()
    opcode, data = peer.socket.recv_data()
    assert (opcode, data) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xe8bye")


def test_an_abrupt_close_has_no_close_frame(served: Served, peer: Peer) -> None:
    served.fault("ws.abort", count=1)
    served.trade()
    assert peer.drain() == []


def test_half_a_frame_ends_the_connection(served: Served, peer: Peer) -> None:
    served.fault("ws.half", count=1)
    served.trade()
    with pytest.raises(CLOSED):
        peer.socket.recv()


def test_bytes_below_the_protocol_are_a_protocol_error(served: Served, peer: Peer) -> None:
    served.fault("ws.garbage", count=1, parameters={"kind": "wire"})
    served.trade()
    with pytest.raises(websocket.WebSocketException):
        peer.socket.recv()


def test_text_that_is_no_utf8_reaches_the_client(served: Served, peer: Peer) -> None:
    served.fault("ws.garbage", count=1, parameters={"kind": "utf8"})
    served.trade()
    with pytest.raises(websocket.WebSocketPayloadException):
        peer.socket.recv()


def test_a_truncated_frame_is_no_json_and_the_connection_goes_on(
    served: Served, peer: Peer
) -> None:
    served.fault("ws.truncate", count=1)
    served.trade()
    served.trade()
    with pytest.raises(orjson.JSONDecodeError):
        peer.receive()
    assert peer.receive()["sequence_num"] == 3


def test_an_error_frame_has_no_sequence(served: Served, peer: Peer) -> None:
    served.fault("ws.error", count=1)
    served.trade()
    assert peer.receive() == {"type": "error", "message": "authentication failure"}
    assert peer.receive()["sequence_num"] == 2


def test_a_subscription_can_go_unacknowledged(served: Served) -> None:
    served.fault("ws.mute", match={"channel": "subscriptions"}, count=1)
    peer = served.connect("/user")
    peer.send(type="subscribe", channel="user", jwt=served.signer.socket())
    peer.send(type="subscribe", channel="heartbeats", jwt=served.signer.socket())
    assert [peer.receive()["channel"] for _ in range(2)] == ["user", "subscriptions"]


# --- requests -----------------------------------------------------------------------------------


def test_p3_a_401_is_plain_text_and_nothing_is_done(served: Served) -> None:
    before = len(served.orders)
    served.fault("rest.unauthorized", match={"path": ORDERS}, count=2)
    assert [served.ask("POST", ORDERS, order())[0] for _ in range(3)] == [401, 401, 200]
    assert len(served.orders) == before + 1
    served.fault("rest.unauthorized")
    answer = served.answer("GET", f"{BASE}/time")
    assert (answer.data, answer.headers["content-type"]) == (
        b"Unauthorized",
        "text/plain; charset=utf-8",
    )


def test_a_429_has_the_headers_that_the_rule_says(served: Served) -> None:
    served.fault("rest.rate_limited", count=1)
    served.fault("rest.rate_limited", count=1, parameters={"retry_after": "2", "remaining": "0"})
    bare = served.answer("GET", f"{BASE}/time")
    told = served.answer("GET", f"{BASE}/time")
    assert (bare.status, told.status) == (429, 429)
    assert "retry-after" not in bare.headers
    assert "x-ratelimit-remaining" not in bare.headers
    assert (told.headers["retry-after"], told.headers["x-ratelimit-remaining"]) == ("2", "0")
    assert bare.json()["errors"][0]["id"] == "rate_limit_exceeded"


@pytest.mark.parametrize("placed", [True, False])
def test_p7_a_502_is_a_page_with_the_order_placed_or_not(served: Served, placed: bool) -> None:
    before = len(served.orders)
    served.fault("rest.bad_gateway", match={"path": ORDERS}, parameters={"placed": placed})
    answer = served.answer("POST", ORDERS, order())
    assert answer.status == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert b"Bad Gateway" in answer.data
    assert len(served.orders) == before + placed


@pytest.mark.parametrize("placed", [True, False])
def test_a_time_out_leaves_the_order_placed_or_not(served: Served, placed: bool) -> None:
    before = len(served.orders)
    served.fault("rest.timeout", match={"method": "POST"}, parameters={"placed": placed})
    with pytest.raises(urllib3.exceptions.TimeoutError):
        served.answer("POST", ORDERS, order(), timeout=0.2)
    assert served.ask("GET", f"{BASE}/time")[0] == 200
    assert len(served.orders) == before + placed


def test_a_time_out_ends_with_the_connection(served: Served) -> None:
    served.fault("rest.timeout", parameters={"ms": 50})
    with pytest.raises(urllib3.exceptions.ProtocolError):
        served.answer("GET", f"{BASE}/time")


@pytest.mark.parametrize("placed", [True, False])
def test_a_broken_connection_leaves_the_order_placed_or_not(served: Served, placed: bool) -> None:
    before = len(served.orders)
    served.fault("rest.abort", count=1, parameters={"placed": placed})
    with pytest.raises(urllib3.exceptions.ProtocolError):
        served.answer("POST", ORDERS, order())
    assert len(served.orders) == before + placed


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_can_be_late(served: Served, when: str) -> None:
    served.fault("rest.delay", parameters={"ms": 200, "when": when})
    begun = time.monotonic()
    assert served.ask("POST", ORDERS, order())[0] == 200
    assert time.monotonic() - begun >= 0.2


def test_p1_a_field_of_an_answer_can_be_missing_strange_or_new(served: Served) -> None:
    served.fault("rest.remove", parameters={"field": "success_response"}, count=1)
    assert served.ask("POST", ORDERS, order())[1].keys() == {"success", "order_configuration"}
    served.fault("rest.set", parameters={"field": "success", "value": "maybe"}, count=1)
    assert served.ask("POST", ORDERS, order())[1]["success"] == "maybe"
    served.fault("rest.add", parameters={"field": "novelty", "value": 1}, count=1)
    body = served.ask("POST", ORDERS, order())[1]
    assert body["novelty"] == body["success_response"]["novelty"] == 1


def test_an_answer_can_end_in_the_middle_of_its_json(served: Served) -> None:
    served.fault("rest.truncate", count=1)
    status, body = served.ask("GET", f"{BASE}/time")
    assert status == 200
    assert isinstance(body, bytes)


def test_a_rule_can_mean_one_order(served: Served) -> None:
    match = {"client_order_id": "qm7.*", "side": "SELL", "post_only": True, "product": SYMBOL}
    served.fault("rest.unauthorized", match=match)
    statuses = [
        served.ask("POST", ORDERS, order(name, side))[0]
        for name, side in (("qm7.1", "SELL"), ("qm7.2", "BUY"), ("qm8.1", "SELL"))
    ]
    assert statuses == [401, 200, 200]


def test_the_clock_can_be_wrong(served: Served) -> None:
    honest = served.ask("GET", f"{BASE}/time")[1]
    served.fault("clock.skew", match={"where": "rest"}, parameters={"ms": 90_000})
    skewed = served.ask("GET", f"{BASE}/time")[1]
    ahead = int(skewed["epochMillis"]) - int(honest["epochMillis"])
    assert 90_000 <= ahead < 90_000 + 5_000
    assert int(skewed["epochSeconds"]) == int(skewed["epochMillis"]) // 1000
    assert shape(skewed) == shape(honest)


def test_a_connection_attempt_can_be_refused(served: Served) -> None:
    served.fault("rest.bad_gateway", match={"path": "/user"}, count=1, parameters={"status": 503})
    with pytest.raises(websocket.WebSocketBadStatusException):
        served.connect("/user")
    served.connect("/user")
