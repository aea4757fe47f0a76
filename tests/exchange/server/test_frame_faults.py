"""What fault rules do to the frames of a connection, as its client sees it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from quietmaker.core.units import MILLISECOND, Nanos, Side
from quietmaker.exchange.server.connection_outgoing import Abort, Close, Half, Pause, Text, Wire
from quietmaker.exchange.server.connection_requests import Endpoint
from quietmaker.exchange.server.frames import rfc3339
from tests.exchange.server.hubs import GOOD, Client, Rig
from tests.exchange.support import SYMBOL


def ticking(rig: Rig) -> Client:
    client = rig.client()
    client.subscribe("ticker", SYMBOL)
    return client


def numbers(client: Client) -> list[int]:
    return [frame["sequence_num"] for frame in client.frames()]


def trade(rig: Rig, times: int) -> None:
    for _ in range(times):
        rig.trade(101, 1)


def test_a_dropped_frame_takes_its_number_along() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.drop", match={"channel": "ticker"}, after=1, count=1)
    trade(rig, 3)
    assert numbers(client) == [2, 4]


def test_a_muted_channel_falls_silent_without_a_gap() -> None:
    rig = Rig()
    client = ticking(rig)
    client.subscribe("heartbeats")
    rig.fault("ws.mute", match={"channel": "ticker"})
    trade(rig, 3)
    rig.pass_time(2)
    frames = client.frames()
    assert [frame["channel"] for frame in frames] == ["heartbeats"] * 2
    assert [frame["sequence_num"] for frame in frames] == [3, 4]


def test_a_gap_skips_numbers() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.gap", count=1, parameters={"skip": 3})
    trade(rig, 2)
    assert numbers(client) == [5, 6]


@pytest.mark.parametrize(("sequence", "expected"), [("next", [2, 3, 4, 5]), ("same", [2, 2, 2, 3])])
def test_a_duplicate_has_the_next_number_or_the_same(sequence: str, expected: list[int]) -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.duplicate", count=1, parameters={"copies": 2, "sequence": sequence})
    trade(rig, 2)
    frames = client.frames()
    assert [frame["sequence_num"] for frame in frames] == expected
    assert frames[0]["events"] == frames[1]["events"] == frames[2]["events"]


def test_a_reordered_frame_comes_after_later_ones() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.reorder", count=1, parameters={"by": 2})
    trade(rig, 4)
    assert numbers(client) == [3, 4, 2, 5]


def test_a_reordered_frame_comes_even_when_the_rule_is_gone() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.reorder", count=1)
    trade(rig, 1)
    rig.faults.clear()
    trade(rig, 2)
    assert numbers(client) == [3, 2, 4]


def test_a_delay_holds_the_frame_and_all_behind_it() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.delay", count=1, parameters={"ms": 250})
    trade(rig, 2)
    first, *rest = client.outgoing()
    assert first == Pause(Nanos(250 * MILLISECOND))
    assert [type(each) for each in rest] == [Text, Text]


def ticker_after(point: str, **parameters: Any) -> dict[str, Any]:
    rig = Rig()
    client = ticking(rig)
    rig.fault(point, parameters=parameters)
    trade(rig, 1)
    (frame,) = client.frames()
    return frame


def test_a_field_can_be_missing() -> None:
    assert "best_bid" not in ticker_after("ws.remove", field="best_bid")["events"][0]["tickers"][0]
    assert "sequence_num" not in ticker_after("ws.remove", field="sequence_num")


def test_a_field_can_be_more() -> None:
    frame = ticker_after("ws.add", field="new_field", value={"a": [1]})
    assert frame["new_field"] == {"a": [1]}
    assert frame["events"][0]["tickers"][0]["new_field"] == {"a": [1]}


def test_a_field_can_hold_something_unheard_of() -> None:
    assert ticker_after("ws.set", field="channel", value="weather")["channel"] == "weather"
    price = ticker_after("ws.set", field="price", value=None)["events"][0]["tickers"][0]["price"]
    assert price is None


def test_an_order_can_have_an_unknown_status() -> None:
    rig = Rig()
    client = rig.client(Endpoint.USER)
    client.subscribe("user", jwt=GOOD)
    rig.fault(
        "ws.set",
        match={"channel": "user", "status": "OPEN", "client_order_id": "qm*", "side": "BUY"},
        parameters={"field": "status", "value": "MOONING"},
    )
    rig.hub.order(rig.order("qm1-1"))
    rig.hub.order(rig.order("other"))
    statuses = [frame["events"][0]["orders"][0]["status"] for frame in client.frames()]
    assert statuses == ["MOONING", "OPEN"]


def test_a_user_update_can_come_twice() -> None:
    rig = Rig()
    client = rig.client(Endpoint.USER)
    client.subscribe("user", jwt=GOOD)
    rig.fault("ws.duplicate", match={"channel": "user"})
    rig.hub.order(rig.order("a"))
    one, two = client.frames()
    assert one["events"] == two["events"]
    assert two["sequence_num"] == one["sequence_num"] + 1


@pytest.mark.parametrize("megabytes", [6, 12])
def test_p4_a_snapshot_can_be_huge_and_still_be_a_book(megabytes: int) -> None:
    rig = Rig()
    client = rig.client()
    rig.fault("ws.pad", match={"channel": "l2_data"}, parameters={"megabytes": megabytes})
    rig.hub.receive(
        client.line,
        orjson.dumps({"type": "subscribe", "channel": "level2", "product_ids": [SYMBOL]}),
        good=False,
    )
    snapshot, _ = client.raw()
    assert megabytes * 1024 * 1024 <= len(snapshot) < megabytes * 1024 * 1024 * 1.2
    rows = orjson.loads(snapshot)["events"][0]["updates"]
    offers = [Decimal(row["price_level"]) for row in rows if row["side"] == "offer"]
    assert offers == sorted(set(offers))
    assert all(price % Decimal("0.001") == 0 for price in offers[-1000:])
    rig.delta((Side.BUY, 101, 1))
    rig.pass_time(0.05)
    assert len(client.raw()[0]) < 1000


def test_client_id_can_come_and_go() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.client_id", count=1)
    trade(rig, 2)
    assert ["client_id" in frame for frame in client.frames()] == [True, False]


def test_a_frame_can_end_in_the_middle_of_its_json() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.truncate", count=1)
    trade(rig, 2)
    cut, whole = client.raw()
    assert 0 < len(cut) < len(whole)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(cut)
    assert orjson.loads(whole)["sequence_num"] == 3


@pytest.mark.parametrize(("kind", "type_"), [("text", Text), ("utf8", Text), ("wire", Wire)])
def test_garbage_can_come_instead_of_a_frame(kind: str, type_: type) -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.garbage", count=1, parameters={"kind": kind})
    trade(rig, 1)
    (garbage,) = client.outgoing()
    assert isinstance(garbage, type_)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(garbage.data)  # type: ignore[union-attr]


def test_an_error_can_come_before_a_frame() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.error", count=1, parameters={"message": "internal"})
    trade(rig, 1)
    error, frame = client.frames()
    assert error == {"type": "error", "message": "internal"}
    assert frame["sequence_num"] == 2


@pytest.mark.parametrize(
    ("point", "end"),
    [("ws.close", Close(1000, "")), ("ws.abort", Abort()), ("ws.half", Half(b""))],
)
def test_the_connection_can_end_instead(point: str, end: object) -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault(point, count=1)
    trade(rig, 3)
    (last,) = client.outgoing()
    assert type(last) is type(end)
    if not isinstance(last, Half):
        assert last == end
    assert client.line.ended
    assert client.line.ending.value == "fault"


def test_timestamps_can_be_wrong() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("clock.skew", match={"where": "ws"}, parameters={"ms": -7_000})
    trade(rig, 1)
    assert client.frames()[0]["timestamp"] == rfc3339(rig.now - 7_000 * MILLISECOND)


def test_p3_a_good_subscription_can_be_refused() -> None:
    rig = Rig()
    rig.fault("subscribe.refuse", match={"channel": "level2"}, count=1)
    client = rig.client()
    assert client.subscribe("level2", SYMBOL) == [
        {"type": "error", "message": "authentication failure"}
    ]
    assert client.subscribe("level2", SYMBOL)[-1]["channel"] == "subscriptions"


def test_a_rule_for_one_connection_spares_the_others() -> None:
    rig = Rig()
    first, second = ticking(rig), ticking(rig)
    rig.fault("ws.drop", match={"connection": str(second.line.number)})
    trade(rig, 1)
    assert len(first.frames()) == 1
    assert second.frames() == []


def test_rules_on_one_frame_act_together() -> None:
    rig = Rig()
    client = ticking(rig)
    rig.fault("ws.gap", count=1)
    rig.fault("ws.add", count=1, parameters={"field": "x"})
    rig.fault("ws.duplicate", count=1, parameters={"sequence": "same"})
    trade(rig, 1)
    frames = client.frames()
    assert [(frame["sequence_num"], frame["x"]) for frame in frames] == [(3, "1"), (3, "1")]
