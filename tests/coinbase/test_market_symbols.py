"""Symbols come and go on the open connection to the market."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from quietmaker.core.market import BookDelta, BookSnapshot, FeedLost
from tests.coinbase.peer import Line, Peer
from tests.coinbase.rigs import MarketRig, no_thread_is_left, product


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Return a peer, and leave no thread of a stream behind."""
    with Peer() as listening:
        yield listening
    no_thread_is_left()


def asked(line: Line) -> tuple[str, str, tuple[str, ...]]:
    """Return the next request."""
    request = line.asked()
    return request["type"], request["channel"], tuple(request["product_ids"])


def books(rig: MarketRig, number: int) -> list[str]:
    """Return the symbols of the first snapshots."""
    return [event.symbol for event in rig.heard.of(BookSnapshot, number)]


def test_a_symbol_that_comes_is_subscribed_on_the_open_connection(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", channels=("level2", "status"))
    line = peer.take()
    line.requests("heartbeats", "level2", "status")
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    rig.stream.add(product("B-USD"))
    assert [asked(line), asked(line)] == [
        ("subscribe", "level2", ("B-USD",)),
        ("subscribe", "status", ("B-USD",)),
    ]
    line.book("B-USD", {"10": "1"}, {"11": "1"})
    line.change("B-USD", {"10": "2"}, {})
    line.change("A-USD", {"10": "3"}, {})  # nothing happened to the other
    assert books(rig, 2) == ["A-USD", "B-USD"]
    assert [event.symbol for event in rig.heard.of(BookDelta, 2)] == ["B-USD", "A-USD"]
    assert not any(isinstance(event, FeedLost) for event in rig.heard.events)


def test_a_symbol_that_is_there_is_not_asked_for_again(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    rig.stream.add(product("A-USD"))
    rig.stream.add(product("B-USD"))
    assert asked(line) == ("subscribe", "level2", ("B-USD",))


def test_a_symbol_that_goes_is_left_and_nothing_of_it_is_told(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = rig.open()
    rig.stream.remove("B-USD")
    assert asked(line) == ("unsubscribe", "level2", ("B-USD",))
    line.change("B-USD", {"10": "2"}, {})  # it was under way
    line.change("A-USD", {"10": "3"}, {})
    assert [event.symbol for event in rig.heard.of(BookDelta)] == ["A-USD"]


def test_one_that_goes_and_comes_again_begins_with_a_snapshot(peer: Peer) -> None:
    rig = MarketRig(peer, "A-USD", "B-USD")
    line = rig.open()
    rig.stream.remove("B-USD")
    rig.stream.add(product("B-USD"))
    requests = {asked(line) for _ in range(4)}
    assert requests == {
        ("unsubscribe", "level2", ("B-USD",)),
        ("subscribe", "level2", ("B-USD",)),
    }
    line.book("B-USD", {"10": "1"}, {"11": "1"})
    assert books(rig, 3) == ["A-USD", "B-USD", "B-USD"]


def test_a_new_connection_has_the_symbols_of_now_and_none_at_all_subscribes_to_none(
    peer: Peer,
) -> None:
    rig = MarketRig(peer, "A-USD")
    line = rig.open()
    rig.stream.add(product("B-USD"))
    rig.stream.remove("A-USD")
    assert {asked(line), asked(line)} == {
        ("unsubscribe", "level2", ("A-USD",)),
        ("subscribe", "level2", ("B-USD",)),
    }
    line.raw.close()
    again = peer.take()
    requests = again.requests("heartbeats", "level2")
    assert requests["level2"]["product_ids"] == ["B-USD"]
    rig.stream.remove("B-USD")
    again.raw.close()
    last = peer.take()
    assert last.asked()["channel"] == "heartbeats"
    last.settle()  # a list without names would mean every product there is


def test_who_joins_a_book_gets_its_snapshot_and_who_inherits_one_distrusts_it_first(
    peer: Peer,
) -> None:
    rig = MarketRig(peer, "A-USD", aliases={"A-USDC": "A-USD"})
    line = rig.open()
    rig.stream.add(product("A-USDC"))
    requests = [asked(line) for _ in range(3)]
    assert requests[0] == ("subscribe", "level2", ("A-USDC",))
    assert requests[1:] == [
        ("unsubscribe", "level2", ("A-USD", "A-USDC")),
        ("subscribe", "level2", ("A-USD", "A-USDC")),
    ]
    line.book("A-USD", {"10": "1"}, {"11": "1"})
    assert books(rig, 3) == ["A-USD", "A-USD", "A-USDC"]
    rig.stream.remove("A-USD")
    requests = [asked(line) for _ in range(3)]
    assert requests[0] == ("unsubscribe", "level2", ("A-USD",))
    assert [event.symbol for event in rig.heard.of(FeedLost)] == ["A-USDC"]
    line.book("A-USD", {"10": "1"}, {"11": "1"})  # under the label it always had
    assert books(rig, 4)[-1] == "A-USDC"
