"""Our orders over a real socket: ready, repeats and steps back, exact executions, lost and found again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from quietmaker.coinbase.streams.session import BaseSession
from quietmaker.coinbase.streams.watch import ConnectionState
from quietmaker.core.orders import Move
from quietmaker.errors import QuietmakerError
from quietmaker.ports import UserFill, UserOrder, UserStreamLost, UserStreamReady
from tests.coinbase.peer import Line, Peer, order
from tests.coinbase.rigs import UserRig, execution, no_thread_is_left


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Return a peer, and leave no thread of a stream behind."""
    with Peer() as listening:
        yield listening
    no_thread_is_left()


def tell(line: Line, *orders: dict[str, object], kind: str = "update") -> None:
    """Send a frame of the user channel."""
    positions: dict[str, list[object]] = {"perpetual_futures_positions": []}
    line.message("user", {"type": kind, "orders": list(orders), "positions": positions})


def moves(rig: UserRig) -> list[tuple[str, Move, int | None]]:
    """Return what was told of orders."""
    return [
        (event.client_id, event.move, event.filled)
        for event in rig.heard.events
        if isinstance(event, UserOrder)
    ]


# --- ready --------------------------------------------------------------------------------------


def test_the_user_channel_is_asked_for_with_a_fresh_token_each(peer: Peer) -> None:
    rig = UserRig(peer)
    asked = peer.take().requests("heartbeats", "user")
    assert {request["jwt"] for request in asked.values()} == {"token-1", "token-2"}
    assert asked["user"]["product_ids"] == []
    assert rig.heard.events == []


def test_it_is_ready_after_a_short_batch_and_the_acknowledgement(peer: Peer) -> None:
    rig = UserRig(peer)
    line = peer.take()
    line.requests("heartbeats", "user")
    tell(line, *(order(f"a{n}", "OPEN") for n in range(50)), kind="snapshot")
    line.acknowledge(heartbeats=["heartbeats"], user=["00000000"])
    tell(line, *(order(f"b{n}", "OPEN") for n in range(50)), kind="snapshot")
    line.beat()
    rig.heard.of(UserOrder, 100)
    line.settle()
    assert not [event for event in rig.heard.events if isinstance(event, UserStreamReady)]
    tell(line, kind="snapshot")
    rig.heard.of(UserStreamReady)
    assert rig.learnt["b49"] == "id-b49"


def test_p8_neither_errors_nor_foreign_traffic_make_it_ready(peer: Peer) -> None:
    rig = UserRig(peer)
    line = peer.take()
    line.requests("heartbeats", "user")
    line.error("authentication failure")
    line.acknowledge(heartbeats=["heartbeats"])
    for _ in range(4):
        line.beat()
        tell(line, order("a", "OPEN"))
        line.settle()
        rig.clock.advance(4.9)
    line.beat()
    rig.clock.advance(1)
    reason = rig.watch.until(ConnectionState.LOST)
    assert "no acknowledgement of user" in reason
    assert "snapshot of open orders is not complete" in reason
    assert "authentication failure" in reason
    assert [type(event) for event in rig.heard.events] == [UserOrder, UserStreamLost]
    rig.open()
    rig.heard.of(UserStreamReady)


def test_a_snapshot_with_an_acknowledgement_of_something_else_is_not_ready(peer: Peer) -> None:
    rig = UserRig(peer)
    line = peer.take()
    line.requests("heartbeats", "user")
    tell(line, kind="snapshot")
    line.acknowledge(heartbeats=["heartbeats"])
    line.settle()
    assert rig.heard.events == []
    line.acknowledge(heartbeats=["heartbeats"], user=["0"])
    rig.heard.of(UserStreamReady)


# --- orders -------------------------------------------------------------------------------------


def test_the_life_of_an_order_is_told_once_each(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    for status in ("PENDING", "QUEUED", "OPEN", "CANCEL_QUEUED", "edit_queued"):
        tell(line, order("a", status))
    tell(line, order("a", "Cancelled", cancel_reason="User requested cancel"))
    told = rig.heard.of(UserOrder, 2)
    assert [event.move for event in told] == [Move.ACCEPTED, Move.CANCELLED]
    assert (told[1].reason, told[1].filled) == ("User requested cancel", 0)
    assert rig.listed.asked.events == []


@pytest.mark.parametrize(
    ("status", "more", "move", "reason"),
    [
        ("FILLED", {}, Move.FILLED, ""),
        ("EXPIRED", {}, Move.EXPIRED, ""),
        ("FAILED", {"reject_reason": "HOLD_FAILURE"}, Move.FAILED, "HOLD_FAILURE"),
        ("FAILED", {"reject_Reason": "TOO_MANY_OPEN_ORDERS"}, Move.FAILED, "TOO_MANY_OPEN_ORDERS"),
        (
            "CANCELLED",
            {"reject_reason": "REJECT_REASON_UNSPECIFIED", "cancel_reason": "why"},
            Move.CANCELLED,
            "why",
        ),
    ],
)
def test_an_end_is_told_with_its_reason_even_when_nothing_came_before(
    peer: Peer, status: str, more: dict[str, str], move: Move, reason: str
) -> None:
    rig = UserRig(peer)
    line = rig.open()
    tell(line, order("a", status, **more))
    [told] = rig.heard.of(UserOrder)
    assert (told.move, told.reason, told.symbol, told.order_id) == (move, reason, "A-USD", "id-a")


def test_p6_an_unknown_status_is_live_and_counted(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    tell(line, order("a", "PONDERING"))
    assert [event.move for event in rig.heard.of(UserOrder)] == [Move.ACCEPTED]
    assert rig.watch.odd("unknown_status") == "order a: PONDERING"
    rig.heard.of(UserStreamReady, 2)  # it may have been an end: whoever listens asks for it
    tell(line, order("a", "OPEN"), order("a", "FILLED"))
    assert [event.move for event in rig.heard.of(UserOrder, 2)] == [Move.ACCEPTED, Move.FILLED]


def test_p1_an_order_that_cannot_be_read_is_asked_for_as_if_nobody_had_listened(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    unread = order("a", "FILLED", "5")
    del unread["cumulative_quantity"]
    tell(line, unread, order("b", "OPEN"))
    events = rig.heard.until(lambda e: sum(isinstance(x, UserStreamReady) for x in e) == 2)
    assert isinstance(events[-1], UserStreamReady), "after everything else of the frame"
    assert rig.watch.states.events[-1][0] is ConnectionState.READY, "and the connection stays"


def test_steps_back_and_repeats_tell_nothing_and_are_counted(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    rig.listed.fills["id-a"] = [execution("a", 1, 500)]
    tell(line, order("a", "OPEN", "0.5"))
    tell(line, order("a", "OPEN", "0.2"))
    tell(line, order("a", "OPEN", "0.5"))
    tell(line, order("a", "CANCELLED", "0.5", outstanding_hold_amount="3"))
    tell(line, order("a", "CANCELLED", "0.5"))
    tell(line, order("a", "OPEN", "0.5"))
    tell(line, order("a", "FILLED", "0.5"))
    tell(line, order("z", "OPEN"))
    rig.heard.until(lambda _: ("z", Move.ACCEPTED, None) in moves(rig))
    assert moves(rig)[:-1] == [("a", Move.ACCEPTED, None), ("a", Move.CANCELLED, 500)]
    assert rig.watch.words() == {"order_regressed", "order_repeated"}
    assert len(rig.heard.of(UserFill)) == 1


def test_a_total_that_shrinks_is_a_step_back_and_no_repeat(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    tell(line, order("a", "OPEN", "0.5"), order("a", "OPEN", "0.2"))
    assert rig.watch.odd("order_regressed") == "order a"
    assert rig.watch.words() == {"order_regressed"}


def test_orders_that_are_not_ours_are_told_and_unknown_products_counted(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    tell(line, order("manual", "OPEN"), order("b", "OPEN", product_id="Q-USD"))
    tell(line, order("c", "OPEN", product_id="B-USD"))
    rig.heard.of(UserOrder, 2)
    assert [client_id for client_id, _, _ in moves(rig)] == ["manual", "c"]
    assert "Q-USD" in rig.watch.odd("unknown_product")


def test_an_order_that_cannot_be_read_hides_no_other(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    broken = [
        order("a", "OPEN", "0.00001"),
        order("b", "OPEN", "-1"),
        order("c", "OPEN", "many"),
        order("d", "OPEN", order_id=""),
        {**order("e", "OPEN"), "status": None},
        {"product_id": "A-USD"},
    ]
    tell(line, *broken, order("f", "OPEN", ""), order("g", "OPEN", colour="red"))
    rig.heard.of(UserOrder, 2)
    assert [client_id for client_id, _, _ in moves(rig)] == ["f", "g"]
    rig.clock.advance(11)
    line.beat()
    rig.watch.odd("order_unreadable", 2)
    told = [times for issue, _, times in rig.watch.issues.events if issue == "order_unreadable"]
    assert sum(told) == len(broken)


def test_p9_times_of_any_length_and_of_year_one_are_read(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    for number, stamp in enumerate(
        ("2026-11-25T15:00:00Z", "2026-11-25T15:00:00.1Z", "2026-11-25T15:00:00.12345678987Z")
    ):
        line.message(
            "user", {"type": "update", "orders": [order(f"a{number}", "OPEN")]}, timestamp=stamp
        )
    line.message(
        "user", {"type": "update", "orders": [order("b", "OPEN")]}, timestamp="0001-01-01T00:00:00Z"
    )
    told = rig.heard.of(UserOrder, 4)
    assert [event.at % 10**9 for event in told[:3]] == [0, 100_000_000, 123_456_789]
    assert told[3].at == rig.clock.now()
    assert rig.watch.words() == {"time_replaced"}


# --- executions ---------------------------------------------------------------------------------


def test_a_new_total_becomes_exact_executions_each_told_once(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    first, second = execution("a", 1, 200), execution("a", 2, 300)
    rig.listed.fills["id-a"] = [first]
    tell(line, order("a", "OPEN", "0.2"))
    assert rig.heard.of(UserFill) == [first]
    rig.listed.fills["id-a"] = [first, second]
    tell(line, order("a", "FILLED", "0.5"))
    assert rig.heard.of(UserFill, 2) == [first, second]
    assert moves(rig) == [("a", Move.ACCEPTED, None), ("a", Move.FILLED, 500)]


def test_executions_that_cannot_be_asked_for_are_asked_for_again(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    rig.listed.error = QuietmakerError("502 of the exchange")
    tell(line, order("a", "FILLED", "0.5"))
    assert rig.watch.odd("fills_unreachable") == "502 of the exchange"
    rig.listed.fills["id-a"] = [execution("a", 1, 500)]
    rig.listed.error = None
    rig.clock.advance(1)
    tell(line, order("b", "OPEN", "0.001"))
    rig.heard.of(UserFill)


def test_the_client_id_is_learnt_before_executions_are_asked_for(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    known: list[str | None] = []
    rig.listed.before = lambda: known.append(rig.learnt.get("a"))
    tell(line, order("a", "FILLED", "0.5"))
    rig.listed.asked.count(1)
    assert known[0] == "id-a"


# --- lost and found -----------------------------------------------------------------------------


def test_p16_a_new_connection_repeats_orders_and_nothing_is_told_twice(peer: Peer) -> None:
    rig = UserRig(peer)
    rig.listed.fills["id-a"] = [execution("a", 1, 200)]
    line = rig.open(order("a", "OPEN", "0.2"), order("b", "OPEN"))
    rig.heard.of(UserFill)
    line.goodbye(1000)
    assert "1000" in rig.heard.of(UserStreamLost)[0].reason
    line = rig.open(order("a", "OPEN", "0.2"))  # b ended meanwhile: that is for whoever hears ready
    tell(line, order("a", "OPEN", "0.2"), order("z", "OPEN"))
    rig.heard.until(lambda _: ("z", Move.ACCEPTED, None) in moves(rig))
    assert moves(rig) == [(c, Move.ACCEPTED, None) for c in ("a", "b", "z")]
    assert len(rig.heard.of(UserFill)) == 1
    kinds = [type(e) for e in rig.heard.events if isinstance(e, UserStreamReady | UserStreamLost)]
    assert kinds == [UserStreamReady, UserStreamLost, UserStreamReady]


def test_p14_a_gap_loses_the_stream_and_a_new_connection_heals_it(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    line.sequence += 1
    tell(line, order("a", "OPEN"))
    assert "lost on the way" in rig.heard.of(UserStreamLost)[0].reason
    rig.open(order("a", "OPEN"))
    rig.heard.of(UserStreamReady, 2)
    assert moves(rig) == [("a", Move.ACCEPTED, None)]


def test_heartbeats_that_stop_lose_the_stream_and_their_return_finds_it(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    rig.clock.advance(5.1)
    assert rig.heard.of(UserStreamLost)[0].reason == "no heartbeat"
    line.beat()
    rig.heard.of(UserStreamReady, 2)
    rig.clock.advance(12.1)
    rig.watch.until(ConnectionState.LOST)
    rig.open()
    rig.heard.of(UserStreamReady, 3)


def test_a_duplicate_frame_is_ignored(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    tell(line, order("a", "OPEN"))
    line.message(
        "user", {"type": "update", "orders": [order("b", "OPEN")]}, number=line.sequence - 1
    )
    tell(line, order("c", "OPEN"))
    rig.heard.of(UserOrder, 2)
    assert [client_id for client_id, _, _ in moves(rig)] == ["a", "c"]
    assert rig.watch.words() == {"sequence_repeat"}


def test_market_channels_and_unknown_ones_on_the_user_connection_are_counted(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open()
    line.message("futures_balance_summary", {"a": 1})
    line.message("user", {"type": "delta", "orders": []})
    line.message("user", {"type": "update"})
    line.message("user", "nonsense")
    line.text("[]")
    tell(line, order("a", "OPEN"))
    rig.heard.of(UserOrder)
    assert rig.watch.words() == {
        "unknown_channel",
        "unknown_event_type",
        "missing_field",
        "not_a_frame",
    }


def test_a_thread_that_died_loses_the_stream_and_can_be_told(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = UserRig(peer)
    line = rig.open()
    assert [rig.stream.alive] == [True]
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(BaseSession, "in_order", lambda *_: 1 // 0)
    line.beat()
    assert "an error in the stream itself" in rig.heard.of(UserStreamLost)[0].reason
    for thread in threading.enumerate():
        if thread.name == "user":
            thread.join(20)
    assert [rig.stream.alive] == [False]


def test_stop_ends_every_thread_and_start_begins_anew(peer: Peer) -> None:
    rig = UserRig(peer)
    line = rig.open(order("a", "OPEN"))
    rig.stream.stop()
    no_thread_is_left()
    assert line.gone()
    told = len(rig.heard.events)
    rig.stream.start(rig.heard)
    rig.open(order("a", "OPEN"))
    rig.heard.of(UserStreamReady, 2)
    assert moves(rig) == [("a", Move.ACCEPTED, None)] * 2  # a new listener has seen nothing
    assert len(rig.heard.events) == told + 2
