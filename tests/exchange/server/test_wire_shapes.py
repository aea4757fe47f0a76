"""Every frame has the keys, the order and the types of the recorded or documented one."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from quietmaker.core.units import Side, plain
from quietmaker.exchange.server.connection_requests import Endpoint
from quietmaker.exchange.server.frames import NumberText, heartbeat_time, rfc3339
from tests.exchange.server.hubs import GOOD, USER_ID, Rig
from tests.exchange.server.samples import sample, shape
from tests.exchange.support import SYMBOL


def rig_with_past() -> Rig:
    rig = Rig()
    for number in range(3):
        rig.trade(100 + number, 5, Side.SELL)
        rig.pass_time(301)
    return rig


@pytest.mark.parametrize(
    ("channel", "file"),
    [
        ("level2", "ws_l2_snapshot_btc_top25.recorded_truncated.json"),
        ("market_trades", "ws_market_trades_snapshot_100.recorded.json"),
        ("ticker", "ws_ticker_snapshot.recorded.json"),
        ("candles", "ws_candles_snapshot_100.recorded.json"),
    ],
)
def test_a_snapshot_has_the_recorded_shape(channel: str, file: str) -> None:
    frame = rig_with_past().client().subscribe(channel, SYMBOL)[0]
    recorded = sample(file)[0]
    assert shape(frame) == shape(recorded)
    assert frame["channel"] == recorded["channel"]
    assert frame["events"][0]["type"] == recorded["events"][0]["type"] == "snapshot"


def l2(rig: Rig) -> None:
    rig.delta((Side.BUY, 101, 3), (Side.SELL, 102, 0))


def trades(rig: Rig) -> None:
    rig.trade(101, 3)


@pytest.mark.parametrize(
    ("channel", "what", "file"),
    [
        ("level2", l2, "ws_l2_updates.recorded.jsonl"),
        ("market_trades", trades, "ws_market_trades_updates.recorded.jsonl"),
        ("ticker", trades, "ws_ticker_updates.recorded.jsonl"),
        ("candles", trades, "ws_candles_updates.recorded.jsonl"),
    ],
)
def test_an_update_has_the_recorded_shape(channel: str, what: Any, file: str) -> None:
    rig = rig_with_past()
    client = rig.client()
    client.subscribe(channel, SYMBOL)
    what(rig)
    rig.pass_time(11)
    (frame,) = client.frames()
    for recorded in sample(file):
        assert shape(frame) == shape(recorded)
        assert frame["events"][0]["type"] == recorded["events"][0]["type"] == "update"


def test_heartbeats_have_the_recorded_shape_and_count_seconds() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("heartbeats")
    rig.pass_time(3)
    frames = client.frames()
    recorded = sample("ws_heartbeats.recorded.jsonl")
    assert shape(frames[0]) == shape(recorded[0])
    assert [frame["events"][0]["heartbeat_counter"] for frame in frames] == [1, 2, 3]
    text = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9} \+0000 UTC m=\+\d+\.\d{9}")
    for frame in (*frames, *recorded):
        assert text.fullmatch(frame["events"][0]["current_time"])


def test_an_acknowledgement_has_the_recorded_shape() -> None:
    client = Rig().client()
    for channel in ("market_trades", "candles", "ticker", "level2"):
        client.subscribe(channel, SYMBOL)
    ack = client.subscribe("heartbeats")[-1]
    recorded = sample("ws_subscriptions_acks.recorded.jsonl")[-1]
    assert shape(ack) == shape(recorded)
    assert ack["events"][0]["subscriptions"]["heartbeats"] == ["heartbeats"]


def test_the_user_endpoint_says_what_was_recorded_of_an_account_without_orders() -> None:
    rig = Rig()
    client = rig.client(Endpoint.USER)
    snapshot, ack = client.subscribe("user", jwt=GOOD)
    client.subscribe("heartbeats", jwt=GOOD)
    rig.pass_time(1)
    (beat,) = client.frames()
    recorded = sample("ws_user_envelopes.recorded.jsonl")
    assert [shape(frame) for frame in (snapshot, ack, beat)] == [shape(row) for row in recorded]
    assert snapshot["events"] == recorded[0]["events"]
    assert ack["events"] == [{"subscriptions": {"user": [USER_ID]}}]
    assert [snapshot["sequence_num"], ack["sequence_num"]] == [0, 1]


def test_an_order_has_the_documented_fields() -> None:
    rig = Rig()
    rig.order("qm1-1")
    snapshot = rig.client(Endpoint.USER).subscribe("user", jwt=GOOD)[0]
    (documented,) = sample("ws_user_snapshot.documented.json")
    theirs = documented["events"][0]["orders"][0]
    ours = snapshot["events"][0]["orders"][0]
    assert shape(ours) == shape(theirs)
    assert ours["order_type"] == theirs["order_type"] == "Limit"
    assert ours["time_in_force"] == theirs["time_in_force"]
    assert ours["leaves_quantity"] == "5"
    assert ours["limit_price"] == "0.09"


def test_status_has_the_documented_envelope() -> None:
    frame = Rig().client().subscribe("status", SYMBOL)[0]
    (documented,) = sample("ws_status.documented.json")
    assert [key for key, _ in shape(frame["events"][0])] == [
        key for key, _ in shape(documented["events"][0])
    ]
    assert frame["events"][0]["products"][0]["id"] == SYMBOL


def test_the_slow_ticker_has_no_best_bid_and_ask() -> None:
    frame = rig_with_past().client().subscribe("ticker_batch", SYMBOL)[0]
    (recorded,) = sample("ws_ticker_batch_empty.recorded_by_ccxt.json")
    assert shape(frame["events"]) == shape(recorded["events"])


def test_errors_are_the_recorded_ones() -> None:
    client = Rig().client()
    unknown = client.subscribe("level3", SYMBOL)
    products = client.subscribe("level2", "NO-SUCH")
    assert [*unknown, *products] == sample("ws_errors.recorded.jsonl")


def test_the_recorded_requests_are_taken() -> None:
    rig = Rig()
    client = rig.client()
    for request in sample("ws_requests_sent.recorded.jsonl"):
        frames = client.send(**{**request, "product_ids": [SYMBOL]})
        assert frames[-1]["channel"] == "subscriptions"
    for request in sample("sdk_ws_requests.observed.jsonl"):
        products = [SYMBOL] if request["product_ids"] else []
        frames = client.send(**{**request, "product_ids": products, "jwt": GOOD})
        assert frames[-1]["channel"] == "subscriptions"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (1_786_309_548_228_568_804, "2026-08-09T21:05:48.228568804Z"),
        (1_786_309_538_504_360_000, "2026-08-09T21:05:38.50436Z"),
        (1_786_309_538_000_000_000, "2026-08-09T21:05:38Z"),
    ],
)
def test_times_have_no_trailing_zeros(at: int, text: str) -> None:
    assert rfc3339(at) == text


def test_a_heartbeat_time_is_go_s() -> None:
    at = 1_786_309_548_854_840_045
    expected = sample("ws_heartbeats.recorded.jsonl")[0]["events"][0]["current_time"]
    assert heartbeat_time(at, 41_691_260_485_341) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("increment", "units", "text"),
    [
        ("0.01", 6_508_366, "65083.66"),
        ("0.00000001", 20_371_215, "0.20371215"),
        ("0.01", 266_700, "2667"),
        ("0.05", 3, "0.15"),
        ("1", 7, "7"),
        ("100", 7, "700"),
        ("0.00000001", 0, "0"),
    ],
)
def test_numbers_have_no_trailing_zeros(increment: str, units: int, text: str) -> None:
    assert NumberText(Decimal(increment)).text(units) == text


@pytest.mark.parametrize(
    ("value", "text"), [("1E+3", "1000"), ("0.500", "0.5"), ("-0", "0"), ("0E-36", "0")]
)
def test_a_decimal_is_written_without_exponent(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
