"""Orders over REST and the user channel together: the normal course, and every fault of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import websocket

from quietmaker.coinbase.wire import MarketDecoder
from quietmaker.core.units import SECOND, Instant
from tests.exchange.server.serving import BASE, BOOK, USDC, Peer, Served, serve
from tests.exchange.support import PRODUCT, SYMBOL


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as server:
        yield server


@pytest.fixture
def user(served: Served) -> Peer:
    peer = served.connect("/user")
    peer.subscribe("user", jwt=served.signer.socket())
    return peer


def told(peer: Peer) -> dict[str, Any]:
    """Return the next order that the user channel tells."""
    (row,) = peer.until("user")["events"][0]["orders"]
    state: dict[str, Any] = row
    return state


def fills(served: Served, order_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = served.ask(
        "GET", f"{BASE}/orders/historical/fills?order_ids={order_id}"
    )[1]["fills"]
    return rows


def test_an_order_is_told_from_its_opening_to_its_end(served: Served, user: Peer) -> None:
    order_id = served.place("a")
    opened = told(user)
    assert (opened["order_id"], opened["status"], opened["leaves_quantity"]) == (
        order_id,
        "OPEN",
        "5",
    )
    assert Decimal(opened["outstanding_hold_amount"]) > Decimal("0.5")
    served.trade("0.1", "2", "SELL")
    partly = told(user)
    assert (partly["status"], partly["cumulative_quantity"]) == ("OPEN", "2")
    served.trade("0.1", "3", "SELL")
    ended = told(user)
    assert (ended["status"], ended["cumulative_quantity"], ended["leaves_quantity"]) == (
        *("FILLED", "5"),
        "0",
    )
    assert (ended["filled_value"], ended["number_of_fills"]) == ("0.5", "2")
    rest = served.order(order_id)
    assert (rest["filled_size"], rest["total_fees"]) == ("5", ended["total_fees"])
    assert len(fills(served, order_id)) == 2
    state = served.ask("GET", "/admin/state")[1]
    assert (state["orders"], state["fills"]) == ([], 2)
    assert state["balances"]["TNSR"]["total"] == "1005"
    assert (state["orders_total"], state["positions"]) == (1, {SYMBOL: "5"})


def test_a_cancelled_order_is_told_queued_then_cancelled(served: Served, user: Peer) -> None:
    order_id = served.place("a")
    told(user)
    served.ask("POST", f"{BASE}/orders/batch_cancel", {"order_ids": [order_id]})
    statuses = [told(user)["status"]]
    while statuses[-1] != "CANCELLED":
        statuses.append(told(user)["status"])
    assert set(statuses) <= {"CANCEL_QUEUED", "CANCELLED"}


def test_open_orders_are_the_snapshot_and_ended_ones_are_not(served: Served) -> None:
    served.place("gone")
    served.trade("0.1", "5", "SELL")
    open_id = served.place("open", price="0.09")
    peer = served.connect("/user")
    snapshot, _ = peer.subscribe("user", jwt=served.signer.socket())
    assert [row["order_id"] for row in snapshot["events"][0]["orders"]] == [open_id]


def test_on_the_user_channel_an_alias_keeps_its_name(served: Served, user: Peer) -> None:
    market = served.connect()
    ack = market.subscribe("ticker", USDC)[-1]
    assert ack["events"][0]["subscriptions"] == {"ticker": [SYMBOL]}
    served.place("a", symbol=USDC)
    assert told(user)["product_id"] == USDC
    served.trade("0.1", "5", "SELL")
    assert told(user)["product_id"] == USDC
    assert market.receive()["events"][0]["tickers"][0]["product_id"] == SYMBOL


# --- faults -------------------------------------------------------------------------------------


def test_the_user_channel_can_overtake_the_answer(served: Served, user: Peer) -> None:
    served.fault(
        "rest.delay", match={"path": "*/orders"}, parameters={"when": "after", "ms": 2_000}
    )
    answered = threading.Event()

    def place() -> None:
        served.place("a")
        answered.set()

    sender = threading.Thread(target=place)
    sender.start()
    assert told(user)["client_order_id"] == "a"
    assert not answered.is_set()
    sender.join(10)
    assert answered.is_set()


@pytest.mark.parametrize("status", ["CANCELLED", "FAILED"])
def test_a_post_only_order_can_die_after_its_acknowledgement(
    served: Served, user: Peer, status: str
) -> None:
    served.fault("order.die", match={"post_only": True}, count=1, parameters={"status": status})
    order_id = served.place("a")
    state = told(user)
    while state["status"] != status:
        assert state["status"] == "OPEN"
        state = told(user)
    field = "reject_reason" if status == "FAILED" else "cancel_reason"
    assert state[field] == "INVALID_LIMIT_PRICE_POST_ONLY"
    assert served.order(order_id)["status"] == status
    assert served.ask("GET", "/admin/state")[1]["balances"]["USD"]["hold"] == "0"
    served.trade("0.09", "5", "SELL")
    assert fills(served, order_id) == []
    served.place("b")
    assert told(user)["status"] == "OPEN"


def test_filled_can_be_told_twice_first_with_a_hold(served: Served, user: Peer) -> None:
    served.fault("order.unsettled", count=1)
    served.place("a")
    told(user)
    served.trade("0.1", "5", "SELL")
    first, second = told(user), told(user)
    assert (first["status"], second["status"]) == ("FILLED", "FILLED")
    assert first["outstanding_hold_amount"] == "0.5"
    assert second["outstanding_hold_amount"] == "0"


def test_a_fill_can_be_listed_late(served: Served, user: Peer) -> None:
    served.fault("fills.late", count=1, parameters={"ms": 60_000})
    order_id = served.place("a")
    told(user)
    served.trade("0.1", "2", "SELL")
    assert told(user)["cumulative_quantity"] == "2"
    assert fills(served, order_id) == []
    served.trade("0.1", "3", "SELL")
    assert told(user)["status"] == "FILLED"
    assert [fill["size"] for fill in fills(served, order_id)] == ["3"]
    desk = served.server.desk
    later = served.on_loop(lambda: list(desk.records.fills(Instant(desk.now() + 61 * SECOND))))
    assert [str(fill.size) for fill in later] == ["3.0", "2.0"]


def test_p16_an_update_can_come_twice(served: Served, user: Peer) -> None:
    served.fault("ws.duplicate", match={"channel": "user"}, count=1)
    served.place("a")
    assert told(user) == told(user)


@pytest.mark.parametrize("point", ["rest.bad_gateway", "rest.abort", "rest.timeout"])
def test_an_order_whose_answer_got_lost_is_found_by_sending_it_again(
    served: Served, user: Peer, point: str
) -> None:
    more = {"ms": 20} if point == "rest.timeout" else {}
    served.fault(point, match={"path": "*/orders"}, count=1, parameters={"placed": True, **more})
    with pytest.raises(Exception, match=r"502|abort|reset|disconnect"):
        served.place("a")
    order_id = told(user)["order_id"]
    assert served.place("a") == order_id
    assert len(served.orders) == 1


def test_p6_a_status_can_be_unknown(served: Served, user: Peer) -> None:
    parameters = {"field": "status", "value": "REPRICED"}
    served.fault("ws.set", match={"channel": "user"}, count=1, parameters=parameters)
    order_id = served.place("a")
    assert told(user)["status"] == "REPRICED"
    assert served.order(order_id)["status"] == "OPEN"


def test_after_a_broken_user_connection_the_snapshot_shows_what_is_left(
    served: Served, user: Peer
) -> None:
    gone, kept = served.place("gone"), served.place("kept", price="0.09")
    for _ in range(2):
        told(user)
    served.ask("POST", "/admin/close", {"endpoint": "user", "abort": True})
    assert user.drain() == []
    served.trade("0.1", "5", "SELL")
    again = served.connect("/user")
    snapshot, _ = again.subscribe("user", jwt=served.signer.socket())
    assert [row["order_id"] for row in snapshot["events"][0]["orders"]] == [kept]
    assert served.order(gone)["status"] == "FILLED"


def test_a_bad_token_subscribes_to_nothing(served: Served) -> None:
    peer = served.connect("/user")
    refusal = {"type": "error", "message": "authentication failure"}
    token = served.signer.socket()
    assert peer.subscribe("user", jwt=token[:-6] + "AAAAAA") == [refusal]
    assert peer.subscribe("user") == [refusal]
    assert peer.subscribe("user", jwt=token)[-1]["channel"] == "subscriptions"


# --- the same over REST and sockets -------------------------------------------------------------


def test_trades_and_candles_are_the_same_over_rest_and_sockets(served: Served) -> None:
    for number in range(5):
        served.trade(f"0.10{number}", "1", "BUY" if number % 2 else "SELL")
    peer = served.connect()
    (event,) = peer.subscribe("market_trades", SYMBOL)[0]["events"]
    rest = served.ask("GET", f"{BASE}/market/products/{SYMBOL}/ticker?limit=100")[1]["trades"]
    keys = ("trade_id", "price", "size", "time", "side")
    assert [[row[key] for key in keys] for row in event["trades"]] == [
        [row[key] for key in keys] for row in rest
    ]
    (event,) = peer.subscribe("candles", SYMBOL)[0]["events"]
    path = f"{BASE}/market/products/{SYMBOL}/candles?granularity=FIVE_MINUTE"
    start = int(event["candles"][0]["start"])
    answer = served.ask("GET", f"{path}&start={start}&end={start + 3000}")[1]["candles"]
    parts = ("start", "open", "high", "low", "close", "volume")
    assert [[row[part] for part in parts] for row in event["candles"]] == [
        [row[part] for part in parts] for row in reversed(answer)
    ]


def test_our_decoder_finds_nothing_odd_in_what_the_exchange_says(served: Served) -> None:
    peer = served.connect()
    decoder = MarketDecoder({SYMBOL: PRODUCT})
    for number in range(10):
        served.trade(f"0.10{number}", "1")
    for channel in ("heartbeats", "level2", "market_trades", "ticker", "ticker_batch", "candles"):
        peer.send(type="subscribe", channel=channel, product_ids=[SYMBOL])
    peer.send(type="subscribe", channel="status", product_ids=[SYMBOL])
    served.market({"product": SYMBOL, "levels": [["bid", "0.101", "5"], ["offer", "0.102", "0"]]})
    served.trade()
    served.market({"product": SYMBOL, "lost": True}, BOOK)
    sequence = 0
    channels: dict[str, int] = {}
    while channels.get("heartbeats", 0) < 2:
        frame = decoder.decode(peer.socket.recv())
        assert not frame.issues, (frame.channel, frame.issues)
        assert frame.sequence == sequence
        sequence += 1
        channels[frame.channel] = channels.get(frame.channel, 0) + 1
    assert channels.keys() >= {
        *("heartbeats", "l2_data", "market_trades", "ticker", "ticker_batch", "candles"),
        *("status", "subscriptions"),
    }


def test_tls_serves_the_same_sockets(served: Served) -> None:
    socket = websocket.create_connection(
        f"wss://127.0.0.1:{served.tls_port}/user",
        sslopt={"ca_certs": str(served.authority)},
        timeout=10,
    )
    peer = Peer(socket)
    served.peers.append(peer)
    assert peer.subscribe("user", jwt=served.signer.socket())[-1]["channel"] == "subscriptions"
