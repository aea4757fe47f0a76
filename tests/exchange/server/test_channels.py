"""What the channels tell of the market and of orders, and when."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from quietmaker.core.market import TradePrint
from quietmaker.core.units import MILLISECOND, Lots, Side, Ticks
from quietmaker.exchange.server.connection_requests import Endpoint
from quietmaker.exchange.server.frames import rfc3339
from quietmaker.exchange.server.records import OrderStatus
from tests.exchange.server.hubs import GOOD, NOW, USDC, Client, Rig
from tests.exchange.support import OTHER, SYMBOL

MICROS = rfc3339(NOW // 1000 * 1000)


def events(client: Client, channel: str) -> list[dict[str, Any]]:
    return [frame["events"][0] for frame in client.frames() if frame["channel"] == channel]


def levels(event: dict[str, Any]) -> list[tuple[str, str, str]]:
    updates = event["updates"]
    assert isinstance(updates, list)
    return [(row["side"], row["price_level"], row["new_quantity"]) for row in updates]


# --- level2 -------------------------------------------------------------------------------------


def test_a_book_snapshot_goes_from_best_to_worst_bids_first() -> None:
    rig = Rig()
    rig.book(bids=[(99, 20), (100, 10)], asks=[(103, 40), (102, 30)])
    event = rig.client().subscribe("level2", SYMBOL)[0]["events"][0]
    assert levels(event) == [
        ("bid", "0.1", "1"),
        ("bid", "0.099", "2"),
        ("offer", "0.102", "3"),
        ("offer", "0.103", "4"),
    ]
    assert {row["event_time"] for row in event["updates"]} == {MICROS}


def test_changes_are_told_in_a_batch_every_50_ms_bids_first_with_removals_as_0() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("level2", SYMBOL)
    rig.delta((Side.SELL, 102, 0), (Side.BUY, 98, 7))
    rig.wait_ms(20)
    rig.delta((Side.BUY, 101, 5), (Side.BUY, 98, 0))
    latest = rfc3339(rig.now // 1000 * 1000)
    assert client.frames() == []
    rig.pass_time(0.05)
    (event,) = events(client, "l2_data")
    assert event["type"] == "update"
    assert levels(event) == [
        ("bid", "0.101", "0.5"),
        ("bid", "0.098", "0"),
        ("offer", "0.102", "0"),
    ]
    assert {row["event_time"] for row in event["updates"]} == {latest}
    rig.pass_time(1)
    assert client.frames() == []


def test_batches_rebuild_the_book_of_the_exchange() -> None:
    rig = Rig()
    client = rig.client()
    book: dict[tuple[str, str], str] = {}
    frames = client.subscribe("level2", SYMBOL)
    for step in range(300):
        side = Side.BUY if step % 3 else Side.SELL
        base = 60 + step * 7 % 40 if side is Side.BUY else 102 + step * 11 % 40
        rig.delta((side, base, step * 13 % 5 * 10))
        if step % 4 == 0:
            rig.pass_time(0.05)
        frames += client.frames()
    rig.pass_time(0.05)
    for frame in [*frames, *client.frames()]:
        for row in frame["events"][0].get("updates", ()):
            book[row["side"], row["price_level"]] = row["new_quantity"]
    rebuilt = {key for key, quantity in book.items() if quantity != "0"}
    bids, asks = rig.house.core.symbol(SYMBOL).book()
    tick = Decimal("0.001")
    prices = {("bid", Decimal(price) * tick) for price, _ in bids}
    prices |= {("offer", Decimal(price) * tick) for price, _ in asks}
    assert {(side, Decimal(price)) for side, price in rebuilt} == prices


def test_what_waits_is_told_to_the_others_before_a_new_listener_gets_its_snapshot() -> None:
    rig = Rig()
    old, new = rig.client(), rig.client()
    old.subscribe("level2", SYMBOL)
    rig.delta((Side.BUY, 101, 5))
    snapshot = new.subscribe("level2", SYMBOL)[0]["events"][0]
    assert levels(snapshot)[0] == ("bid", "0.101", "0.5")
    assert len(events(old, "l2_data")) == 1
    rig.pass_time(0.1)
    assert new.frames() == []


def test_a_source_without_depth_is_a_book_of_one_level_a_side() -> None:
    rig = Rig()
    rig.lose()
    client = rig.client()
    assert levels(client.subscribe("level2", SYMBOL)[0]["events"][0]) == []
    rig.touch(100, 10, 102, 10)
    (snapshot,) = events(client, "l2_data")
    assert snapshot["type"] == "snapshot"
    assert levels(snapshot) == [("bid", "0.1", "1"), ("offer", "0.102", "1")]
    rig.touch(101, 20, 102, 10)
    rig.touch(101, 20, 103, 0)
    rig.pass_time(0.05)
    (update,) = events(client, "l2_data")
    assert levels(update) == [("bid", "0.101", "2"), ("bid", "0.1", "0"), ("offer", "0.102", "0")]


def test_a_lost_market_falls_silent_and_comes_back_with_a_snapshot() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("level2", SYMBOL)
    rig.delta((Side.BUY, 101, 5))
    rig.lose()
    rig.pass_time(1)
    assert client.frames() == []
    rig.book(bids=[(90, 10)], asks=[(110, 10)])
    (snapshot,) = events(client, "l2_data")
    assert snapshot["type"] == "snapshot"
    assert levels(snapshot) == [("bid", "0.09", "1"), ("offer", "0.11", "1")]


def test_a_product_whose_market_ended_goes_offline_until_it_plays_again() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("status", SYMBOL)
    told: list[str] = []
    for _ in range(2):
        rig.lose()
        rig.lose()
        told += [_status(frame) for frame in client.frames()]
        rig.book(bids=[(100, 10)], asks=[(102, 30)])
        told += [_status(frame) for frame in client.frames()]
    assert told == ["offline", "online", "offline", "online"]


def _status(frame: dict[str, Any]) -> str:
    assert frame["channel"] == "status"
    return str(frame["events"][0]["products"][0]["status"])


def test_levels_of_a_lost_market_are_not_told_before_its_snapshot() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("level2", SYMBOL)
    rig.lose()
    rig.delta((Side.BUY, 90, 10), (Side.SELL, 95, 10))
    rig.pass_time(0.1)
    assert client.frames() == []


def test_the_market_of_an_alias_is_told_once_by_its_product() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("ticker", SYMBOL)
    rig.trade(101, 1)
    rig.hub.market(
        TradePrint(symbol=USDC, at=rig.now, price=Ticks(101), size=Lots(1), aggressor=Side.BUY),
        rig.house.core.symbol(SYMBOL),
    )
    assert len(client.frames()) == 1


def test_a_product_that_the_market_does_not_play_has_an_empty_snapshot() -> None:
    client = Rig().client()
    for channel, key in (
        ("level2", "updates"),
        ("market_trades", "trades"),
        ("candles", "candles"),
    ):
        frame = client.subscribe(channel, OTHER.symbol)[0]
        assert frame["events"][0][key] == []


# --- trades -------------------------------------------------------------------------------------


def test_trades_are_told_newest_first_within_250_ms_with_the_maker_s_side() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("market_trades", SYMBOL)
    rig.trade(102, 5, Side.BUY)
    rig.trade(100, 6, Side.SELL)
    rig.trade(102, 7, Side.BUY)
    assert client.frames() == []
    rig.pass_time(0.25)
    (event,) = events(client, "market_trades")
    trades = event["trades"]
    assert isinstance(trades, list)
    assert [row["size"] for row in trades] == ["0.7", "0.6", "0.5"]
    assert [row["side"] for row in trades] == ["SELL", "BUY", "SELL"]
    ids = [int(row["trade_id"]) for row in trades]
    assert ids == [ids[-1] + 2, ids[-1] + 1, ids[-1]]


def test_a_trade_snapshot_has_the_latest_100_newest_first() -> None:
    rig = Rig()
    for size in range(1, 131):
        rig.trade(101, size)
    event = rig.client().subscribe("market_trades", SYMBOL)[0]["events"][0]
    assert event["type"] == "snapshot"
    sizes = [Decimal(row["size"]) * 10 for row in event["trades"]]
    assert sizes == list(range(130, 30, -1))
    ids = [int(row["trade_id"]) for row in event["trades"]]
    assert ids == list(range(ids[0], ids[0] - 100, -1))


def test_a_trade_of_the_snapshot_is_not_told_again() -> None:
    rig = Rig()
    old, new = rig.client(), rig.client()
    old.subscribe("market_trades", SYMBOL)
    rig.trade(101, 1)
    assert len(new.subscribe("market_trades", SYMBOL)[0]["events"][0]["trades"]) == 1
    rig.pass_time(0.3)
    assert new.frames() == []
    assert len(events(old, "market_trades")) == 1


# --- tickers and candles ------------------------------------------------------------------------


def test_the_ticker_is_told_at_every_trade_and_every_change_of_the_touch() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("ticker", SYMBOL)
    rig.trade(102, 5)
    rig.delta((Side.BUY, 100, 11))
    rig.delta((Side.BUY, 98, 11))
    rig.delta((Side.SELL, 101, 3))
    rows = [event["tickers"][0] for event in events(client, "ticker")]
    assert [
        (row["price"], row["best_bid_quantity"], row["best_ask"], row["best_ask_quantity"])
        for row in rows
    ] == [
        ("0.102", "1", "0.102", "3"),
        ("0.102", "1.1", "0.102", "3"),
        ("0.102", "1.1", "0.101", "0.3"),
    ]


def test_the_ticker_knows_the_day() -> None:
    rig = Rig()
    rig.trade(50, 10)
    rig.pass_time(301)
    for price in (200, 100):
        rig.trade(price, 10)
    row = rig.client().subscribe("ticker", SYMBOL)[0]["events"][0]["tickers"][0]
    assert row["volume_24_h"] == "3"
    assert (row["low_24_h"], row["high_24_h"]) == ("0.05", "0.2")
    assert row["price_percent_chg_24_h"] == "100"


def test_the_slow_ticker_is_told_every_5_s_if_it_changed() -> None:
    rig = Rig()
    client = rig.client()
    client.subscribe("ticker_batch", SYMBOL)
    rig.pass_time(5)
    client.frames()
    rig.trade(102, 5)
    rig.trade(101, 5)
    rig.pass_time(5)
    (event,) = events(client, "ticker_batch")
    assert event["tickers"][0]["price"] == "0.101"
    rig.pass_time(10)
    assert client.frames() == []


def test_candles_come_oldest_first_with_holes_and_100_at_most() -> None:
    rig = Rig()
    for bucket in range(120):
        if bucket % 10:
            rig.trade(100 + bucket, 1)
        rig.pass_time(300)
    candles = rig.client().subscribe("candles", SYMBOL)[0]["events"][0]["candles"]
    starts = [int(row["start"]) for row in candles]
    assert len(starts) == 100
    assert starts == sorted(starts)
    assert starts[-1] - starts[0] > 99 * 300
    assert all(start % 300 == 0 for start in starts)


def test_a_candle_is_told_while_it_grows_and_once_more_after_it_closed() -> None:
    rig = Rig()
    rig.pass_time(150)
    client = rig.client()
    client.subscribe("candles", SYMBOL)
    rig.trade(102, 5)
    rig.trade(100, 5)
    rig.pass_time(10)
    (event,) = events(client, "candles")
    (row,) = event["candles"]
    assert [row[key] for key in ("open", "high", "low", "close", "volume")] == [
        *("0.102", "0.102", "0.1", "0.1"),
        "1",
    ]
    rig.pass_time(10)
    assert client.frames() == []
    rig.trade(104, 5)
    rig.wait_ms(300_000)
    rig.trade(105, 5)
    rig.pass_time(0.05)
    (event,) = events(client, "candles")
    old, new = event["candles"]
    assert (old["close"], new["open"]) == ("0.104", "0.105")
    assert int(new["start"]) - int(old["start"]) == 300


# --- user ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orders", "batches"),
    [(0, [0]), (1, [1]), (49, [49]), (50, [50, 0]), (51, [50, 1]), (100, [50, 50, 0])],
)
def test_open_orders_come_in_batches_of_50_ended_by_a_short_one(
    orders: int, batches: list[int]
) -> None:
    rig = Rig()
    for number in range(orders):
        rig.order(f"o{number}")
    frames = rig.client(Endpoint.USER).subscribe("user", jwt=GOOD)
    assert [len(frame["events"][0]["orders"]) for frame in frames[:-1]] == batches
    assert frames[-1]["channel"] == "subscriptions"
    told = [row["client_order_id"] for frame in frames[:-1] for row in frame["events"][0]["orders"]]
    assert told == [f"o{number}" for number in range(orders)]


def test_an_order_is_told_with_its_cumulative_state() -> None:
    rig = Rig()
    client = rig.client(Endpoint.USER)
    client.subscribe("user", jwt=GOOD)
    record = rig.order("a")
    rig.hub.order(record)
    record.filled, record.value, record.fees = Decimal(2), Decimal("0.18"), Decimal("0.00045")
    record.fills = 1
    rig.hub.order(record)
    record.status = OrderStatus.CANCELLED
    rig.hub.order(record)
    rows = [event["orders"][0] for event in events(client, "user")]
    keys = ("status", "cumulative_quantity", "leaves_quantity", "filled_value", "total_fees")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("OPEN", "0", "5", "0", "0"),
        ("OPEN", "2", "3", "0.18", "0.00045"),
        ("CANCELLED", "2", "0", "0.18", "0.00045"),
    ]
    assert rows[1]["avg_price"] == "0.09"
    assert rows[1]["completion_percentage"] == "40.00"
    assert all(isinstance(value, str) for row in rows for value in row.values())


def test_orders_can_be_heard_of_one_product_only() -> None:
    rig = Rig()
    one, all_, none = (rig.client(Endpoint.USER) for _ in range(3))
    rig.order("before")
    snapshot = one.subscribe("user", SYMBOL, jwt=GOOD)[0]["events"][0]
    assert len(snapshot["orders"]) == 1
    all_.subscribe("user", jwt=GOOD)
    assert none.subscribe("user", OTHER.symbol, jwt=GOOD)[0]["events"][0]["orders"] == []
    rig.hub.order(rig.order("a"))
    assert [len(client.frames()) for client in (one, all_, none)] == [1, 1, 0]
    none.subscribe("user", SYMBOL, jwt=GOOD)
    rig.hub.order(rig.order("b"))
    assert len(none.frames()) == 1
    none.send(type="unsubscribe", channel="user", jwt=GOOD)
    none.subscribe("user", jwt=GOOD)
    all_.subscribe("user", OTHER.symbol, jwt=GOOD)
    rig.hub.order(rig.order("c"))
    assert [len(client.frames()) for client in (one, all_, none)] == [2, 1, 1]


def test_times_of_the_envelope_are_those_of_sending() -> None:
    rig = Rig()
    client = rig.client()
    frame = client.subscribe("heartbeats")[0]
    assert frame["timestamp"] == rfc3339(NOW)
    rig.clock.advance(7 * MILLISECOND)
    assert client.subscribe("heartbeats")[0]["timestamp"] == rfc3339(NOW + 7 * MILLISECOND)
