"""The admin endpoint: rules, state, a market by hand, and who may ask."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from quietmaker.exchange.server.admin import _is_local
from quietmaker.exchange.server.faults_points import POINTS
from tests.exchange.server.serving import BASE, BOOK, USDC, Served, serve
from tests.exchange.support import SYMBOL


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serve() as served:
        yield served


@pytest.fixture
def served(server: Served) -> Iterator[Served]:
    server.market(BOOK)
    yield server
    server.ask("DELETE", "/admin/faults?seed=1")
    server.hang_up()


def test_rules_are_installed_listed_and_removed(served: Served) -> None:
    rules = [{"point": "ws.drop", "count": 3}, {"point": "rest.delay", "parameters": {"ms": 5}}]
    status, body = served.ask("POST", "/admin/faults", {"rules": rules})
    assert status == 200
    assert [rule["id"] for rule in body["rules"]] == [1, 2]
    assert body["rules"][1]["parameters"] == {"ms": 5, "when": "before"}
    assert served.ask("GET", "/admin/faults")[1] == body
    assert served.ask("DELETE", "/admin/faults/1") == (200, {"removed": 1})
    assert served.ask("DELETE", "/admin/faults/1")[0] == 404
    assert served.ask("DELETE", "/admin/faults/x")[0] == 404
    assert served.ask("DELETE", "/admin/faults") == (200, {"removed": 1})


def test_all_rules_of_a_request_are_installed_or_none(served: Served) -> None:
    rules = [{"point": "ws.drop"}, {"point": "nonsense"}]
    status, body = served.ask("POST", "/admin/faults", rules)
    assert status == 400
    assert "unknown point 'nonsense'" in body["error"]
    assert served.ask("GET", "/admin/faults")[1] == {"rules": []}


def test_every_point_is_told(served: Served) -> None:
    points = served.ask("GET", "/admin/points")[1]["points"]
    assert points.keys() == POINTS.keys()
    assert points["ws.gap"]["parameters"] == {"skip": 1}


def test_state_tells_orders_balances_and_connections(served: Served) -> None:
    peer = served.connect("/user")
    peer.subscribe("user", jwt=served.signer.socket())
    state = served.ask("GET", "/admin/state")[1]
    assert state["orders"] == []
    assert state["fills"] == 0
    assert state["balances"]["USD"] == {"available": "1000", "hold": "0", "total": "1000"}
    assert state["market"][SYMBOL] == {"bid": ["0.1", "10"], "ask": ["0.102", "30"]}
    (line,) = [line for line in state["connections"] if line["endpoint"] == "user"]
    assert list(line["subscriptions"]) == ["user"]
    assert line["told"] == 2


def test_the_market_can_be_moved_by_hand(served: Served) -> None:
    peer = served.connect()
    peer.subscribe("ticker", SYMBOL)
    served.market({"product": SYMBOL, "levels": [["bid", "0.101", "5"], ["offer", "0.102", "0"]]})
    row = peer.receive()["events"][0]["tickers"][0]
    assert (row["best_bid"], row["best_bid_quantity"], row["best_ask"]) == ("0.101", "5", "0")
    served.market({"product": SYMBOL, "lost": True}, BOOK)
    assert peer.receive()["events"][0]["tickers"][0]["best_ask"] == "0.102"
    served.trade("0.102", "3", "BUY")
    assert peer.receive()["events"][0]["tickers"][0]["price"] == "0.102"


def test_a_market_without_depth_can_be_moved_by_hand(served: Served) -> None:
    served.market({"product": SYMBOL, "lost": True})
    touch = {"bid": "0.05", "bid_size": "1", "ask": "0.06", "ask_size": "2"}
    served.market({"product": SYMBOL, "touch": touch})
    market = served.ask("GET", "/admin/state")[1]["market"]
    assert market[SYMBOL] == {"bid": ["0.05", "1"], "ask": ["0.06", "2"]}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "no product None"),
        ({"product": "NO-SUCH", "lost": True}, "no product 'NO-SUCH'; it has TNSR-USD"),
        ({"product": SYMBOL}, "exactly one of book, levels, touch, trade, lost"),
        ({"product": SYMBOL, "trade": {}, "lost": 1}, "exactly one of"),
        ({"product": SYMBOL, "trade": {}}, "cannot read trade: KeyError('price')"),
        ({"product": SYMBOL, "trade": {"price": 1, "size": "1"}}, "decimal text"),
        ({"product": SYMBOL, "levels": [["bid", "0.1005", "1"]]}, "not a multiple of 0.001"),
        ({"product": SYMBOL, "levels": [["top", "0.1", "1"]]}, "cannot read levels"),
        ({"product": SYMBOL, "book": {"bids": []}}, "cannot read book"),
        (
            {"product": SYMBOL, "trade": {"price": "0.1", "size": "0", "aggressor": "BUY"}},
            "a trade has a price and a size",
        ),
        ("x", "one market event"),
    ],
)
def test_a_market_event_that_cannot_happen_is_refused(served: Served, body: Any, says: str) -> None:
    status, answer = served.ask("POST", "/admin/market", body)
    assert status == 400
    assert says in answer["error"]


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        ("cancel_only", "online", "ORDER_ENTRY_DISABLED"),
        ("trading_disabled", "online", "TRADING_DISABLED"),
        ("delisted", "delisted", "UNTRADABLE_PRODUCT"),
    ],
)
def test_a_product_can_change_its_market_state(
    served: Served, state: str, status: str, reason: str
) -> None:
    peer = served.connect()
    peer.subscribe("status", SYMBOL)
    path = f"{BASE}/market/products"
    before = served.ask("GET", f"{path}/{SYMBOL}")[1]
    assert served.ask("POST", "/admin/product", {"product": SYMBOL, "state": state})[0] == 200
    event = peer.receive()["events"][0]
    assert (event["type"], event["products"][0]["status"]) == ("update", status)
    for symbol in (SYMBOL, USDC):
        row = served.ask("GET", f"{path}/{symbol}")[1]
        assert (row["status"], row["trading_disabled"]) == (status, state != "cancel_only")
        assert row["cancel_only"] is (state == "cancel_only")
        body = served.ask("POST", f"{BASE}/orders", order(symbol))[1]
        assert reason in body["error_response"].values()
    assert served.ask("POST", "/admin/product", {"product": USDC, "state": ""})[0] == 200
    assert peer.receive()["events"][0]["products"][0]["status"] == "online"
    assert served.ask("GET", f"{path}/{SYMBOL}")[1] == before
    assert served.ask("POST", f"{BASE}/orders", order(SYMBOL))[1]["success"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "say product and state"),
        ({"product": SYMBOL}, "say product and state"),
        ({"product": "NO-SUCH", "state": ""}, "lists no 'NO-SUCH'"),
        ({"product": SYMBOL, "state": "sad"}, "'sad' is no market state; there are '', "),
        ({"product": SYMBOL, "state": []}, "is no market state"),
    ],
)
def test_a_market_state_that_is_none_is_refused(served: Served, body: Any, says: str) -> None:
    status, answer = served.ask("POST", "/admin/product", body)
    assert status == 400
    assert says in answer["error"]


def order(symbol: str) -> dict[str, Any]:
    variant = {"base_size": "5", "limit_price": "0.09", "post_only": True}
    return {
        "client_order_id": uuid.uuid4().hex,
        "product_id": symbol,
        "side": "BUY",
        "order_configuration": {"limit_limit_gtc": variant},
    }


def test_money_can_come_to_the_account_and_go(served: Served) -> None:
    def move(currency: str, amount: str) -> tuple[int, Any]:
        return served.ask("POST", "/admin/cash", {"currency": currency, "amount": amount})

    assert move("BTC", "0.25") == (200, {"currency": "BTC", "available": "0.25"})
    assert move("BTC", "-0.05") == (200, {"currency": "BTC", "available": "0.2"})
    served.place("hold", price="0.1", size="10")
    dollars = served.ask("GET", "/admin/state")[1]["balances"]["USD"]
    status, answer = move("USD", f"-{dollars['total']}")
    assert (status, "orders hold the rest" in answer["error"]) == (400, True)
    balances = served.ask("GET", "/admin/state")[1]["balances"]
    assert (balances["USD"], balances["BTC"]["total"]) == (dollars, "0.2")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "say currency and amount"),
        ({"currency": "USD"}, "say currency and amount"),
        ({"currency": "usd", "amount": "1"}, "no currency"),
        ({"currency": "USD", "amount": 1.5}, "decimal text"),
        ({"currency": "USD", "amount": "many"}, "decimal text"),
        ({"currency": "USD", "amount": "0"}, "moves nothing"),
        ({"currency": "USD", "amount": "-99999999"}, "are available"),
    ],
)
def test_money_that_cannot_move_is_refused(served: Served, body: Any, says: str) -> None:
    status, answer = served.ask("POST", "/admin/cash", body)
    assert status == 400
    assert says in answer["error"]


def test_connections_can_be_closed_cleanly_or_broken_off(served: Served) -> None:
    market, user = served.connect(), served.connect("/user")
    market.subscribe("ticker", SYMBOL)
    user.subscribe("heartbeats")
    said = {"endpoint": "market", "code": 1001, "reason": "maintenance"}
    assert served.ask("POST", "/admin/close", said) == (200, {"closed": 1})
    assert market.drain()[-1].data == b"\x03\xe9maintenance"
    assert served.ask("POST", "/admin/close", {"abort": True})[1] == {"closed": 1}
    assert all(frame.opcode != 8 for frame in user.drain())


@pytest.mark.parametrize("body", [[], {"code": "1000"}, {"reason": 1}, {"who": "all"}])
def test_a_close_that_means_nothing_is_refused(served: Served, body: Any) -> None:
    assert served.ask("POST", "/admin/close", body)[0] == 400


@pytest.mark.parametrize("text", [b"", b"{", b"\xff"])
def test_a_body_that_is_no_json_is_refused(served: Served, text: bytes) -> None:
    url = f"http://127.0.0.1:{served.port}/admin/faults"
    assert served.http.request("POST", url, body=text).status == 400


@pytest.mark.parametrize(
    ("remote", "host", "local"),
    [
        ("127.0.0.1", "127.0.0.1:8080", True),
        ("127.0.0.1", "localhost", True),
        ("::1", "[::1]:8080", True),
        ("::1", "[::1]", True),
        ("127.0.0.1", "attacker.example:8080", False),
        ("192.0.2.7", "127.0.0.1:8080", False),
        ("", "127.0.0.1", False),
    ],
)
def test_only_this_machine_may_ask_and_only_by_its_own_name(
    remote: str, host: str, local: bool
) -> None:
    class Request:
        def __init__(self) -> None:
            self.remote = remote
            self.host = host

    assert _is_local(Request()) is local  # type: ignore[arg-type]


def test_the_endpoint_can_be_left_out() -> None:
    with serve(admin=False) as served:
        for method, path in (("GET", "state"), ("POST", "faults"), ("POST", "market")):
            assert served.ask(method, f"/admin/{path}")[0] == 404
        served.connect().subscribe("ticker", SYMBOL)


def test_a_page_of_another_name_is_refused(served: Served) -> None:
    assert served.ask("GET", "/admin/state", Host="attacker.example")[0] == 403
