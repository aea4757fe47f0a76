"""Every fault of the sockets, on both streams, while the bot trades: stale first, then healed, none lost."""

from __future__ import annotations

from typing import Any, Final

import pytest

from quietmaker.core.market import StaleReason
from tests.chaos.ending import ends_well
from tests.chaos.rig import Rig, running

MARKET: Final = {"endpoint": "market"}
BOOKS: Final = {"endpoint": "market", "channel": "l2_data"}
UPDATES: Final = {**BOOKS, "kind": "update"}
ORDERS: Final = {"endpoint": "user", "channel": "user", "kind": "update"}


def rule(
    point: str, match: dict[str, Any], probability: float = 0.15, **parameters: Any
) -> dict[str, Any]:
    """Return a fault rule."""
    return {
        "point": point,
        "match": match,
        "probability": probability,
        "parameters": parameters,
    }


def lost(rig: Rig) -> bool:
    """Return whether the streams told that they lost something, after the beginning."""
    return any(reason for _, _, reason in rig.overheard.losses)


LOSING = {
    "a book frame is dropped": rule("ws.drop", BOOKS),
    "a trade frame is dropped": rule("ws.drop", {**MARKET, "channel": "market_trades"}, 1),
    "numbers are skipped": rule("ws.gap", BOOKS, skip=3),
    "book frames change places": rule("ws.reorder", BOOKS, by=1),
    "a book frame comes much later": rule("ws.reorder", BOOKS, by=4),
    "the market closes cleanly with 1000": rule("ws.close", UPDATES, code=1000),
    "the market closes with 1011": rule("ws.close", UPDATES, code=1011, reason="internal error"),
    "the market breaks off": rule("ws.abort", UPDATES),
    "the market breaks off inside of a frame": rule("ws.half", UPDATES),
    "a book frame is cut short": rule("ws.truncate", UPDATES, percent=60),
    "a book frame is text that is no frame": rule("ws.garbage", UPDATES, kind="text"),
    "a book frame is not utf-8": rule("ws.garbage", UPDATES, kind="utf8"),
    "a book frame is not even WebSocket": rule("ws.garbage", UPDATES, kind="wire"),
    "a book update has no size": rule("ws.remove", UPDATES, field="new_quantity"),
    "a book update has a side that nobody knows": rule("ws.set", UPDATES, field="side", value="x"),
    "a book update has a size that is no number": rule(
        "ws.set", UPDATES, field="new_quantity", value="NaN"
    ),
    "an order frame is dropped": rule("ws.drop", ORDERS),
    "numbers are skipped before an order": rule("ws.gap", ORDERS, skip=2),
    "order frames change places": rule("ws.reorder", ORDERS, by=1),
    "the user endpoint closes cleanly with 1000": rule("ws.close", ORDERS, code=1000),
    "the user endpoint breaks off": rule("ws.abort", ORDERS),
    "the user endpoint breaks off inside of a frame": rule("ws.half", ORDERS),
    "an order frame is cut short": rule("ws.truncate", ORDERS, percent=70),
    "an order frame is text that is no frame": rule("ws.garbage", ORDERS, kind="text"),
    "an order frame is not even WebSocket": rule("ws.garbage", ORDERS, kind="wire"),
}

UNREADABLE = {
    "an order has no cumulative quantity": rule("ws.remove", ORDERS, field="cumulative_quantity"),
    "an order has no client id": rule("ws.remove", ORDERS, field="client_order_id"),
    "an order is in a status that nobody knows": rule(
        "ws.set", ORDERS, 0.3, field="status", value="HIBERNATING"
    ),
}

HARMLESS = {
    "a book frame is sent twice by the transport": rule("ws.duplicate", BOOKS, sequence="same"),
    "a book frame is sent twice under two numbers": rule("ws.duplicate", UPDATES, copies=2),
    "an order update is sent twice by the transport": rule("ws.duplicate", ORDERS, sequence="same"),
    "an order update is sent twice under two numbers": rule("ws.duplicate", ORDERS, 0.5, copies=2),
    "books are late by half a second": rule("ws.delay", UPDATES, 0.05, ms=500),
    "orders are late by half a second": rule("ws.delay", ORDERS, 0.1, ms=500),
    "an error frame comes on the market endpoint": rule("ws.error", BOOKS),
    "an error frame comes on the user endpoint": rule("ws.error", ORDERS),
    "book frames have a field more": rule("ws.add", BOOKS, field="venue", value={"a": [1]}),
    "orders have a field more": rule("ws.add", ORDERS, field="mood", value="good"),
    "an order lacks most of its fields": rule("ws.remove", ORDERS, field="avg_price"),
    "frames of the market carry client_id": rule("ws.client_id", MARKET, 1, present=True),
    "frames of the user endpoint lack client_id": rule(
        "ws.client_id", {"endpoint": "user"}, 1, present=False
    ),
}


@pytest.mark.parametrize("each", LOSING.values(), ids=LOSING.keys())
def test_a_loss_pulls_the_quotes_heals_and_costs_nothing(each: dict[str, Any]) -> None:
    with running() as rig:
        rig.trade(4)
        rig.suffer(each, fired=2)
        rig.until(lambda: lost(rig), "a stream says that it lost something", waves=True)
        rig.trade(4)
        ends_well(rig)


@pytest.mark.parametrize("each", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_order_that_cannot_be_read_is_asked_for(each: dict[str, Any]) -> None:
    with running() as rig:
        rig.trade(4)
        rig.suffer({**each, "probability": 0.6}, fired=6)
        assert not lost(rig)
        ends_well(rig)


@pytest.mark.parametrize("each", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_loses_nothing_changes_nothing(each: dict[str, Any]) -> None:
    with running() as rig:
        rig.trade(4)
        rig.suffer(each, fired=5)
        rig.trade(4)
        assert not lost(rig)
        ends_well(rig)


def test_snapshots_of_megabytes_are_taken_whenever_the_market_comes_anew() -> None:
    big = rule("ws.pad", {**BOOKS, "kind": "snapshot"}, 1, megabytes=6)
    with running(before=[big]) as rig:
        rig.trade(4)
        rig.served.ask("POST", "/admin/close", {"endpoint": "market", "code": 1000})
        rig.until(lambda: rig.fired >= 4, "big snapshots again", waves=True)
        assert rig.overheard.of(StaleReason.DISCONNECTED.value)
        rig.trade(4)
        rig.heal()
        ends_well(rig)
