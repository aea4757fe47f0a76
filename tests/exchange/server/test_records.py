"""Memory is bounded: the oldest orders and fills are forgotten, live orders never."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.orders import Fill, Move
from quietmaker.core.units import Instant, Liquidity, Lots, Nanos, Side, Ticks
from quietmaker.exchange.orders import Order
from quietmaker.exchange.server import records as module
from quietmaker.exchange.server.records import OrderRecord, Records
from quietmaker.ports import UserFill
from tests.exchange.server.test_desk import draft
from tests.exchange.support import FEES, SYMBOL, buy

NOW = Instant(1_800_000_000_000_000_999)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> Records:
    monkeypatch.setattr(module, "ENDED_KEPT", 3)
    monkeypatch.setattr(module, "FILLS_KEPT", 4)
    return Records(session="test")


def opened(records: Records, client_id: str) -> OrderRecord:
    order = Order(buy(client_id, 99, 50), f"core-{client_id}", FEES, Decimal(1))
    return records.open(draft(client_id), order, NOW)


def execute(records: Records, record: OrderRecord, trade_id: str, *, delay: int = 0) -> None:
    fill = Fill(
        trade_id=trade_id,
        client_id=record.client_id,
        symbol=SYMBOL,
        side=Side.BUY,
        price=Ticks(99),
        size=Lots(1),
        fee=Decimal(0),
        liquidity=Liquidity.MAKER,
        at=NOW,
    )
    records.fill(record, UserFill(order_id="x", fill=fill), delay=Nanos(delay))


def test_the_oldest_ended_orders_are_forgotten_with_their_client_ids(records: Records) -> None:
    stays = opened(records, "live")
    ended = [opened(records, f"o{number}") for number in range(5)]
    for record in ended:
        records.end(record, Move.CANCELLED, "")
    assert [r.client_id for r in records.newest_first()] == ["o4", "o3", "o2", "live"]
    assert records.by_client("o1") is None
    assert records.by_id(ended[0].order_id) is None
    assert records.by_client("o2") is ended[2]
    assert list(records.live()) == [stays]


def test_the_oldest_fills_are_forgotten_in_every_list(records: Records) -> None:
    first, second = opened(records, "a"), opened(records, "b")
    execute(records, first, "t0")
    for number in range(1, 6):
        execute(records, second, f"t{number}")
    assert len(list(records.fills(NOW))) == 4
    assert list(records.fills(NOW, (first.order_id,))) == []
    assert len(list(records.fills(NOW, (first.order_id, second.order_id)))) == 4
    assert second.fills == 5


def test_a_fill_is_listed_when_its_time_has_come(records: Records) -> None:
    record = opened(records, "a")
    execute(records, record, "t", delay=5)
    assert list(records.fills(Instant(NOW + 4))) == []
    assert len(list(records.fills(Instant(NOW + 5)))) == 1


def test_ids_are_uuids_of_this_life_of_the_exchange(records: Records) -> None:
    other = Records(session="another")
    ours, theirs = opened(records, "a").order_id, opened(other, "a").order_id
    assert ours != theirs
    assert len(ours) == len(theirs) == 36


def test_times_are_those_of_the_engine(records: Records) -> None:
    assert opened(records, "a").created == NOW - 999
