"""The official SDK's `WSClient` and `WSUserClient` against the paper exchange, as anybody uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.integration.sdk.remote import Client, Sdk, SdkError, SocketClient
from tests.kit.operator import Operator

SYMBOL = "TNSR-USD"
Message = dict[str, Any]
CHANNELS = {
    "level2": "l2_data",
    "market_trades": "market_trades",
    "ticker": "ticker",
    "ticker_batch": "ticker_batch",
    "candles": "candles",
    "status": "status",
}
"""Channels of products, and what their frames call them."""


@pytest.fixture
def opened() -> Iterator[Callable[[SocketClient], SocketClient]]:
    """Return what opens a client; it is closed at the end if it still is open."""
    clients: list[SocketClient] = []

    def open_it(client: SocketClient) -> SocketClient:
        client.open()
        assert client.hear() == {"sdk": "on_open"}
        clients.append(client)
        return client

    yield open_it
    for client in clients:
        if client.is_open():
            client.close()


def acknowledged(messages: list[Message], channel: str) -> bool:
    """Return whether the latest message is an acknowledgement with this channel."""
    last = messages[-1]
    return last.get("channel") == "subscriptions" and channel in last["events"][0]["subscriptions"]


def subscriptions(client: SocketClient) -> dict[str, list[str]]:
    """Return what the next acknowledgement states."""
    state: dict[str, list[str]] = client.until_channel("subscriptions")["events"][0][
        "subscriptions"
    ]
    return state


# --- market channels ----------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [True, False], ids=["wss", "ws"])
def test_every_market_channel_tells_its_snapshot_before_it_is_acknowledged(
    sdk: Sdk,
    exchange: Operator,
    opened: Callable[[SocketClient], SocketClient],
    tls: bool,
) -> None:
    exchange.trade(SYMBOL, "0.101", "7", "BUY")
    client = opened(sdk.market(tls=tls))
    sequence = 0
    for channel, told in CHANNELS.items():
        getattr(client, channel)(product_ids=[SYMBOL])
        messages = client.until(lambda m: m.get("channel") == "subscriptions")
        first, acknowledgement = messages[0], messages[-1]
        assert (first["channel"], first["events"][0]["type"]) == (told, "snapshot")
        assert acknowledgement["events"][0]["subscriptions"][channel] == [SYMBOL]
        for message in messages:
            assert message["sequence_num"] == sequence
            sequence += 1
    state = acknowledgement["events"][0]["subscriptions"]
    assert state.keys() == CHANNELS.keys()
    client.heartbeats()
    assert subscriptions(client)["heartbeats"] == ["heartbeats"]
    first, second = client.until_channel("heartbeats"), client.until_channel("heartbeats")
    counters = [m["events"][0]["heartbeat_counter"] for m in (first, second)]
    assert counters[1] == counters[0] + 1


def test_the_market_is_heard_as_it_moves(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    client = opened(sdk.market(exchange.instance.first_key))
    for channel in ("level2", "market_trades", "ticker", "ticker_batch", "candles"):
        getattr(client, channel)([SYMBOL])
        assert channel in subscriptions(client)
    exchange.market({"product": SYMBOL, "levels": [["bid", "0.1", "0"], ["bid", "0.101", "50"]]})
    exchange.trade(SYMBOL, "0.102", "3", "BUY")
    heard: dict[str, Any] = {}
    wanted = {"l2_data", "market_trades", "ticker", "ticker_batch", "candles"}

    def all_heard(message: Message) -> bool:
        for event in message["events"]:
            if event["type"] == "update":
                heard[message["channel"]] = event
        return heard.keys() >= wanted

    client.until(all_heard)
    changes = {(row["side"], row["price_level"]): row for row in heard["l2_data"]["updates"]}
    assert changes["bid", "0.1"]["new_quantity"] == "0"
    assert changes["bid", "0.101"]["new_quantity"] == "50"
    [trade] = heard["market_trades"]["trades"]
    assert (trade["price"], trade["size"], trade["side"]) == ("0.102", "3", "SELL")
    [ticker] = heard["ticker"]["tickers"]
    assert (ticker["price"], ticker["best_bid"], ticker["best_ask"]) == ("0.102", "0.101", "0.102")
    [slow] = heard["ticker_batch"]["tickers"]
    assert slow["price"] == "0.102"
    assert Decimal(heard["candles"]["candles"][-1]["close"]) == Decimal("0.102")


def test_usdc_pairs_are_heard_under_the_name_of_the_book_they_share(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    client = opened(sdk.market())
    client.subscribe(["BTC-USDC"], ["level2", "ticker"])
    assert client.hear()["events"][0]["product_id"] == "BTC-USD"
    assert subscriptions(client) == {"level2": ["BTC-USD"]}
    assert client.hear()["events"][0]["tickers"][0]["product_id"] == "BTC-USD"


def test_unsubscribing_leaves_the_rest_and_in_the_end_nothing(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    client = opened(sdk.market())
    client.subscribe([SYMBOL, "BTC-USD"], ["level2", "ticker"])
    client.until(lambda m: acknowledged([m], "ticker"))
    client.level2_unsubscribe(product_ids=[SYMBOL])
    state = subscriptions(client)
    assert (state["level2"], sorted(state["ticker"])) == (["BTC-USD"], ["BTC-USD", SYMBOL])
    client.unsubscribe_all()
    client.until(lambda m: m.get("channel") == "subscriptions" and "level2" not in str(m))
    assert subscriptions(client) == {}
    client.ticker([SYMBOL])  # the connection is as good as new
    assert subscriptions(client) == {"ticker": [SYMBOL]}


def test_a_bad_key_and_unknown_products_are_errors_on_a_connection_that_stays(
    sdk: Sdk,
    exchange: Operator,
    opened: Callable[[SocketClient], SocketClient],
    tmp_path: Any,
) -> None:
    stolen = tmp_path / "stranger.json"
    stolen.write_bytes(
        exchange.instance.first_key.read_bytes().replace(b'"name": "', b'"name": "not-')
    )
    client = opened(sdk.market(stolen))
    client.level2([SYMBOL])
    assert client.hear() == {"type": "error", "message": "authentication failure"}
    nobody = opened(sdk.market())
    with pytest.raises(SdkError, match="Unauthenticated"):
        nobody.user([])
    healthy = opened(sdk.market(exchange.instance.first_key))
    healthy.level2(["NONE-USD"])
    assert healthy.hear() == {"type": "error", "message": "failure to subscribe"}
    healthy.level2(["NONE-USD", SYMBOL])
    assert subscriptions(healthy) == {"level2": [SYMBOL]}


# --- the user channel ---------------------------------------------------------------------------


def order_updates(client: SocketClient, order_id: str, last: str) -> list[Message]:
    """Return the states of an order that are told, up to a status."""
    states: list[Message] = []

    def ended(message: Message) -> bool:
        if message.get("channel") == "user":
            for event in message["events"]:
                states.extend(row for row in event["orders"] if row["order_id"] == order_id)
        return bool(states) and states[-1]["status"] == last

    client.until(ended)
    return states


@pytest.mark.parametrize("tls", [True, False], ids=["wss", "ws"])
def test_orders_are_seen_open_then_filled_or_cancelled(
    sdk: Sdk,
    client: Client,
    exchange: Operator,
    opened: Callable[[SocketClient], SocketClient],
    tls: bool,
) -> None:
    user = opened(sdk.user(exchange.instance.first_key, tls=tls))
    user.heartbeats()
    user.user(product_ids=[])
    snapshot = user.until_channel("user")
    assert (snapshot["events"][0]["type"], snapshot["client_id"]) == ("snapshot", "")
    [who] = subscriptions(user)["user"]
    assert len(who) == 36

    bid = client.limit_order_gtc_buy("", SYMBOL, "50", "0.1005", post_only=True)
    order_id = bid["success_response"]["order_id"]
    assert order_updates(user, order_id, "OPEN")[-1]["leaves_quantity"] == "50"
    exchange.trade(SYMBOL, "0.1005", "30", "SELL")
    exchange.trade(SYMBOL, "0.1005", "30", "SELL")
    states = order_updates(user, order_id, "FILLED")
    assert [(row["status"], row["cumulative_quantity"]) for row in states] == [
        ("OPEN", "30"),
        ("FILLED", "50"),
    ]
    assert (states[-1]["leaves_quantity"], states[-1]["number_of_fills"]) == ("0", "2")
    assert Decimal(states[-1]["total_fees"]) == Decimal("50") * Decimal("0.1005") * Decimal(
        "0.0025"
    )

    ask = client.limit_order_gtc_sell("", SYMBOL, "20", "0.11", post_only=True)
    order_id = ask["success_response"]["order_id"]
    client.cancel_orders([order_id])
    states = order_updates(user, order_id, "CANCELLED")
    assert [row["status"] for row in states] == ["OPEN", "CANCEL_QUEUED", "CANCELLED"]
    user.user_unsubscribe(product_ids=[])
    assert "user" not in subscriptions(user)


def test_an_order_that_ends_in_time_is_seen_to_expire(
    sdk: Sdk,
    client: Client,
    exchange: Operator,
    opened: Callable[[SocketClient], SocketClient],
) -> None:
    user = opened(sdk.user(exchange.instance.first_key))
    user.user(product_ids=[])
    end = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    bid = client.limit_order_gtd_buy("", SYMBOL, "50", "0.1", end, post_only=True)
    states = order_updates(user, bid["success_response"]["order_id"], "EXPIRED")
    assert [row["status"] for row in states] == ["OPEN", "EXPIRED"]
    assert Decimal(states[0]["outstanding_hold_amount"]) > 0
    assert states[1]["outstanding_hold_amount"] == "0"


def test_frames_of_the_user_endpoint_fit_the_sdks_own_types(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    user = opened(sdk.user(exchange.instance.first_key))
    user.user(product_ids=[])
    typed = sdk.ask("typed", user.until_channel("user"))
    assert (typed["channel"], typed["sequence_num"]) == ("user", 0)
    market = opened(sdk.market())  # which has no client_id any more: the SDK's own pitfall
    market.ticker([SYMBOL])
    with pytest.raises(SdkError, match="client_id"):
        sdk.ask("typed", market.until_channel("ticker"))


def test_the_snapshot_has_all_open_orders_in_frames_of_fifty(
    sdk: Sdk,
    client: Client,
    exchange: Operator,
    opened: Callable[[SocketClient], SocketClient],
) -> None:
    placed = [
        client.limit_order_gtc_buy("", SYMBOL, "12", f"0.09{step:03d}", post_only=True)
        for step in range(53)
    ]
    ids = {answer["success_response"]["order_id"] for answer in placed}
    user = opened(
        sdk.market(exchange.instance.first_key)
    )  # the market endpoint has the channel as well
    user.user(product_ids=[])
    messages = user.until(lambda m: m.get("channel") == "subscriptions")
    batches = [m["events"][0]["orders"] for m in messages if m["channel"] == "user"]
    assert [len(batch) for batch in batches] == [50, 3]
    assert {row["order_id"] for batch in batches for row in batch} == ids


def test_the_futures_channel_exists_for_an_account_without_futures(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    user = opened(sdk.user(exchange.new_key(ed25519_key=True)))
    user.futures_balance_summary()
    assert "futures_balance_summary" in subscriptions(user)


# --- the connection -----------------------------------------------------------------------------


def test_after_an_abrupt_end_the_sdk_reconnects_and_has_its_snapshot_again(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    client = opened(sdk.market(exchange.instance.first_key))
    client.level2([SYMBOL])
    subscriptions(client)
    exchange.admin("POST", "/close", {"abort": True})
    client.until(lambda m: m.get("sdk") == "on_open")
    snapshot = client.hear()
    assert (snapshot["sequence_num"], snapshot["events"][0]["type"]) == (0, "snapshot")
    assert subscriptions(client) == {"level2": [SYMBOL]}
    client.raise_background_exception()


def test_after_a_clean_end_the_sdk_is_silent_and_works_again_once_it_is_opened(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    client = opened(sdk.market(exchange.instance.first_key))
    client.level2([SYMBOL])
    subscriptions(client)
    exchange.admin("POST", "/close", {"code": 1000})
    client.ended()
    client.raise_background_exception()  # it has none: the SDK's own pitfall
    again = opened(sdk.market(exchange.instance.first_key))
    again.level2([SYMBOL])
    assert subscriptions(again) == {"level2": [SYMBOL]}


def test_the_sdk_closes_its_connection_cleanly(
    sdk: Sdk, exchange: Operator, opened: Callable[[SocketClient], SocketClient]
) -> None:
    client = opened(sdk.market())
    client.ticker([SYMBOL])
    client.close()
    assert client.until(lambda m: m.get("sdk") == "on_close")
    counts = exchange.admin("GET", "/state")["counts"]
    assert counts["sockets_closed.client"] >= 1
