"""Requests as they were recorded of real clients: the exchange understands each, with a fresh token."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import urllib3
import websocket

from quietmaker.coinbase.auth import ApiKey, Signer
from supervisors.clock import SystemClock
from tests.exchange.server.samples import sample
from tests.kit.operator import Operator

EXPECTED = {
    "get_accounts": ("accounts",),
    "list_orders": ("orders", "has_next", "cursor"),
    "limit_order_gtc_buy": ("success", "order_configuration"),
    "cancel_orders": ("results",),
    "get_product": ("product_id", "price_increment"),
    "edit_order": ("success", "errors"),
    "get_public_candles": ("candles",),
}
"""Calls of the SDK, and what their answers have."""


@pytest.fixture(scope="module")
def signer(server: Operator) -> Signer:
    return Signer(ApiKey.load(server.instance.first_key), SystemClock())


def test_every_rest_request_of_the_sdk_is_understood(exchange: Operator, signer: Signer) -> None:
    lines = sample("sdk_rest_requests.observed.jsonl")
    requests = [line for line in lines if "call" in line]
    [fixed] = [line["headers_always"] for line in lines if "headers_always" in line]
    host = exchange.instance.rest_url.removeprefix("https://")
    names = set()
    with urllib3.PoolManager(ca_certs=exchange.instance.ca, retries=False) as pool:
        for request in requests:
            name = request["call"].partition("(")[0]
            body = request["body"]
            text = body if isinstance(body, str) else json.dumps(body)
            token = signer.rest(request["method"], host, request["path"].partition("?")[0])
            answer = pool.request(
                request["method"],
                f"https://{host}{request['path']}",
                body=text.replace("<uuid4 hex>", uuid.uuid4().hex),
                headers={**fixed, "Authorization": f"Bearer {token}"},
            )
            assert answer.status == 200, (request, answer.data)
            assert set(EXPECTED[name]) <= answer.json().keys()
            names.add(name)
    assert names == EXPECTED.keys()


@pytest.mark.parametrize(
    "name", ["sdk_ws_requests.observed.jsonl", "ws_requests_sent.recorded.jsonl"]
)
def test_every_recorded_subscription_is_acknowledged(
    exchange: Operator, signer: Signer, name: str
) -> None:
    url = exchange.instance.market_ws_url
    socket = websocket.create_connection(url, timeout=20, sslopt={"ca_certs": exchange.instance.ca})
    wanted = set()
    try:
        for request in sample(name):
            token: dict[str, Any] = {"jwt": signer.socket()} if "jwt" in request else {}
            socket.send(json.dumps({**request, **token}))
            wanted.add(request["channel"])
            frame: dict[str, Any] = {}
            while frame.get("channel") != "subscriptions":
                frame = json.loads(socket.recv())
                assert frame.get("type") != "error", (request, frame)
            state = frame["events"][0]["subscriptions"]
            assert state.keys() == wanted
            if products := request["product_ids"]:
                expected = ["heartbeats"] if request["channel"] == "heartbeats" else products
                assert sorted(state[request["channel"]]) == sorted(expected)
    finally:
        socket.close()
