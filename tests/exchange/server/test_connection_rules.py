"""One connection: its numbers, its subscriptions, its deadlines, and what it may cost."""

from __future__ import annotations

import dataclasses
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.units import SECOND, Nanos, Side
from quietmaker.exchange.server.connection import Limits
from quietmaker.exchange.server.connection_outgoing import Abort, Close
from quietmaker.exchange.server.connection_requests import Channel, Endpoint
from tests.exchange.server.hubs import GOOD, USDC, USER_ID, Client, Rig
from tests.exchange.support import OTHER, SYMBOL

WORDS = (
    *("type", "subscribe", "unsubscribe", "channel", "product_ids", "jwt", SYMBOL, USDC),
    *(channel.value for channel in Channel),
)
WIDE = Limits(connections=1000, messages=1000)


def closed(client: Client) -> list[Close]:
    return [outgoing for outgoing in client.outgoing() if isinstance(outgoing, Close)]


def test_one_sequence_from_0_runs_over_everything() -> None:
    rig = Rig()
    client = rig.client()
    frames = []
    for channel in ("heartbeats", "level2", "market_trades", "ticker", "candles", "status"):
        frames += client.subscribe(channel, SYMBOL, OTHER.symbol)
    rig.trade(101, 1)
    rig.delta((Side.BUY, 101, 1))
    rig.pass_time(12)
    frames += client.frames()
    frames += client.send(type="unsubscribe", channel="level2")
    assert {frame["channel"] for frame in frames} == {
        *("heartbeats", "l2_data", "market_trades", "ticker", "candles", "status"),
        "subscriptions",
    }
    assert [frame["sequence_num"] for frame in frames] == list(range(len(frames)))


def test_each_connection_has_a_sequence_of_its_own() -> None:
    rig = Rig()
    assert rig.client().subscribe("ticker", SYMBOL)[0]["sequence_num"] == 0
    assert rig.client().subscribe("ticker", SYMBOL)[0]["sequence_num"] == 0


def test_snapshots_come_one_frame_per_product_before_the_acknowledgement() -> None:
    frames = Rig().client().subscribe("level2", SYMBOL, OTHER.symbol)
    assert [frame["channel"] for frame in frames] == ["l2_data", "l2_data", "subscriptions"]
    assert [frame["events"][0]["product_id"] for frame in frames[:2]] == [SYMBOL, OTHER.symbol]


def test_the_acknowledgement_lists_everything_and_leaves_out_what_was_refused() -> None:
    client = Rig().client()
    client.subscribe("heartbeats")
    ack = client.subscribe("level2", SYMBOL, "NO-SUCH")[-1]
    assert ack["events"][0]["subscriptions"] == {"heartbeats": ["heartbeats"], "level2": [SYMBOL]}


def test_after_unsubscribing_from_all_the_acknowledgement_is_empty() -> None:
    client = Rig().client()
    client.subscribe("level2", SYMBOL, OTHER.symbol)
    (one,) = client.send(type="unsubscribe", channel="level2", product_ids=[OTHER.symbol])
    assert one["events"] == [{"subscriptions": {"level2": [SYMBOL]}}]
    (none,) = client.send(type="unsubscribe", channel="level2")
    assert none["events"] == [{"subscriptions": {}}]


def test_unsubscribing_from_an_unknown_product_changes_nothing() -> None:
    client = Rig().client()
    client.subscribe("level2", SYMBOL)
    (ack,) = client.send(type="unsubscribe", channel="level2", product_ids=["NO-SUCH"])
    assert ack["events"] == [{"subscriptions": {"level2": [SYMBOL]}}]


def test_nothing_more_is_told_after_unsubscribing() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("ticker", SYMBOL)
    client.send(type="unsubscribe", channel="ticker", product_ids=[SYMBOL])
    rig.trade(101, 1)
    assert client.frames() == []


def test_subscribing_again_brings_a_new_snapshot() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("level2", SYMBOL)
    rig.delta((Side.BUY, 100, 77))
    client.send(type="unsubscribe", channel="level2", product_ids=[SYMBOL])
    snapshot = client.subscribe("level2", SYMBOL)[0]["events"][0]
    assert snapshot["type"] == "snapshot"
    assert snapshot["updates"][0]["new_quantity"] == "7.7"


@pytest.mark.parametrize("product_ids", ["TNSR-USD", [1], {"a": 1}, []])
def test_a_product_list_that_is_none_is_refused(product_ids: object) -> None:
    answer = Rig().client().send(type="subscribe", channel="level2", product_ids=product_ids)
    assert answer == [{"type": "error", "message": "failure to subscribe"}]


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b'{"type":"hello"}', b"\xff\xfe", b"{"])
def test_a_message_that_is_none_is_answered_with_an_error_and_the_socket_stays(text: bytes) -> None:
    rig = Rig()
    client = rig.client()
    rig.hub.receive(client.line, text, good=False)
    (error,) = client.frames()
    assert error["type"] == "error"
    assert client.subscribe("ticker", SYMBOL)[-1]["channel"] == "subscriptions"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(WORDS),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)
        ),
        max_leaves=12,
    ),
    st.binary(max_size=8),
)
def test_no_message_of_a_client_breaks_the_hub(message: object, noise: bytes) -> None:
    rig = Rig()
    client = rig.client()
    for text in (json.dumps(message).encode(), json.dumps(message).encode() + noise, noise):
        rig.hub.receive(client.line, text, good=True)
    rig.trade(101, 1)
    rig.pass_time(1)
    client.frames()
    assert client.subscribe("ticker", SYMBOL)[-1]["channel"] == "subscriptions"


@pytest.mark.parametrize("channel", ["level3", "", None, 7, ["level2"]])
def test_p20_an_unknown_channel_is_answered_like_a_bad_key(channel: object) -> None:
    answer = Rig().client().send(type="subscribe", channel=channel, product_ids=[SYMBOL])
    assert answer == [{"type": "error", "message": "authentication failure"}]


@pytest.mark.parametrize("token", ["stale", 7, ["x"]])
def test_a_token_is_checked_wherever_one_is_sent(token: object) -> None:
    answer = Rig().client().send(type="subscribe", channel="heartbeats", jwt=token)
    assert answer == [{"type": "error", "message": "authentication failure"}]


@pytest.mark.parametrize("endpoint", list(Endpoint))
@pytest.mark.parametrize("channel", ["user", "futures_balance_summary"])
def test_channels_of_an_account_need_a_token_on_either_endpoint(
    endpoint: Endpoint, channel: str
) -> None:
    client = Rig().client(endpoint)
    assert client.subscribe(channel)[0]["message"] == "authentication failure"
    ack = client.subscribe(channel, jwt=GOOD)[-1]
    assert ack["events"] == [{"subscriptions": {channel: [USER_ID]}}]


def test_the_user_endpoint_has_no_market_channels() -> None:
    client = Rig().client(Endpoint.USER)
    answer = client.subscribe("level2", SYMBOL, jwt=GOOD)
    assert answer == [{"type": "error", "message": "authentication failure"}]


def test_client_id_is_on_the_user_endpoint_and_switchable_on_the_other() -> None:
    rig = Rig()
    assert "client_id" not in rig.client().subscribe("heartbeats")[0]
    assert rig.client(Endpoint.USER).subscribe("heartbeats")[0]["client_id"] == ""
    switched = Rig(market_client_id=True)
    assert switched.client().subscribe("heartbeats")[0]["client_id"] == ""


def test_p5_an_alias_listens_to_the_product_whose_book_it_shares() -> None:
    rig = Rig()
    client = rig.client()
    for channel in ("level2", "ticker", "market_trades", "candles"):
        ack = client.subscribe(channel, USDC)[-1]
        assert ack["events"][0]["subscriptions"][channel] == [SYMBOL]
    rig.trade(101, 1)
    assert client.frames()[0]["events"][0]["tickers"][0]["product_id"] == SYMBOL
    (ack,) = client.send(type="unsubscribe", channel="level2", product_ids=[USDC])
    assert "level2" not in ack["events"][0]["subscriptions"]


def test_without_a_subscription_within_5_s_it_is_closed() -> None:
    rig = Rig()
    silent, talking = rig.client(), rig.client()
    talking.subscribe("ticker", SYMBOL)
    rig.pass_time(4.5)
    assert closed(silent) == []
    rig.pass_time(0.75)
    assert [each.code for each in closed(silent)] == [1000]
    assert closed(talking) == []


def test_an_error_is_no_subscription() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("level3")
    rig.pass_time(5.5)
    assert len(closed(client)) == 1


def test_without_anything_to_say_it_is_closed_after_60_to_90_s() -> None:
    rig = Rig()
    ends = set()
    for _ in range(8):
        client = rig.client()
        client.subscribe("level2", OTHER.symbol)
        rig.pass_time(59)
        assert closed(client) == []
        for second in range(60, 92):
            rig.pass_time(1)
            if closed(client):
                ends.add(second)
                break
        else:
            pytest.fail("it was not closed")
    assert len(ends) > 1


def test_heartbeats_keep_it_open() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("heartbeats")
    client.subscribe("level2", OTHER.symbol)
    for _ in range(200):
        rig.pass_time(1)
        assert client.frames()
    assert not client.line.ended


def test_without_a_good_token_8_messages_a_second_are_taken_from_an_address() -> None:
    rig = Rig(limits=Limits())
    client, neighbour = rig.client(), rig.client()
    stranger = rig.client(peer="127.0.0.2")
    answers = [client.subscribe("ticker", SYMBOL)[-1] for _ in range(8)]
    assert all(answer["channel"] == "subscriptions" for answer in answers)
    refusal = {"type": "error", "message": "rate limit exceeded"}
    assert client.subscribe("ticker", SYMBOL) == [refusal]
    assert neighbour.subscribe("ticker", SYMBOL, jwt="bad") == [refusal]
    assert stranger.subscribe("ticker", SYMBOL)[-1]["channel"] == "subscriptions"
    assert client.subscribe("ticker", SYMBOL, jwt=GOOD)[-1]["channel"] == "subscriptions"
    rig.wait_ms(130)
    assert client.subscribe("ticker", SYMBOL)[-1]["channel"] == "subscriptions"
    assert client.subscribe("ticker", SYMBOL) == [refusal]


def test_8_connections_a_second_are_taken_from_an_address() -> None:
    rig = Rig(limits=Limits())
    assert [rig.hub.admits("127.0.0.1") for _ in range(9)] == [True] * 8 + [False]
    assert rig.hub.admits("127.0.0.2")
    rig.wait_ms(1000)
    assert rig.hub.admits("127.0.0.1")


def test_a_backlog_beyond_the_bound_ends_the_connection_and_frees_its_memory() -> None:
    rig = Rig(limits=dataclasses.replace(WIDE, backlog=20_000))
    slow, quick = rig.client(), rig.client()
    slow.subscribe("ticker", SYMBOL)
    quick.subscribe("ticker", SYMBOL)
    told = 0
    for number in range(100):
        rig.trade(101 + number % 2, 1)
        told += len(quick.frames())
        assert slow.line.backlog <= 20_000
    assert told == 100
    assert slow.line.broken
    assert slow.line.backlog == 0
    assert [type(each) for each in slow.outgoing()] == [Abort]
    assert not quick.line.broken


def test_a_client_that_reads_nothing_for_the_stall_time_is_broken_off() -> None:
    rig = Rig(limits=dataclasses.replace(WIDE, stall=Nanos(3 * SECOND)))
    dead, alive = rig.client(), rig.client()
    for client in (dead, alive):
        client.subscribe("heartbeats")
    for _ in range(5):
        rig.pass_time(1)
        assert alive.frames()
    assert dead.line.broken
    assert not alive.line.broken


def test_a_client_that_left_costs_nothing() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("level2", SYMBOL)
    client.subscribe("heartbeats")
    rig.hub.leave(client.line)
    rig.delta((Side.BUY, 101, 1))
    rig.pass_time(2)
    assert client.frames() == []
    assert rig.hub.connections == {}
    assert rig.tally.counts == {("sockets_opened", "market"): 1, ("sockets_closed", "client"): 1}


def test_old_tokens_do_not_end_a_subscription() -> None:
    rig = Rig()
    client = rig.client(Endpoint.USER)
    client.subscribe("user", jwt=GOOD)
    client.subscribe("heartbeats", jwt=GOOD)
    for _ in range(600):
        rig.pass_time(1)
        client.frames()
    rig.hub.order(rig.order("late"))
    assert client.frames()[-1]["channel"] == "user"


def test_frames_of_all_connections_share_no_state() -> None:
    rig = Rig()
    first, second = rig.client(), rig.client(Endpoint.USER)
    first.subscribe("user", jwt=GOOD)
    second.subscribe("user", jwt=GOOD)
    rig.hub.order(rig.order("a"))
    one, two = first.raw(), second.raw()
    assert orjson.loads(one[0])["events"] == orjson.loads(two[0])["events"]
    assert b"client_id" not in one[0].split(b'"events"')[0]
    assert b"client_id" in two[0].split(b'"events"')[0]
