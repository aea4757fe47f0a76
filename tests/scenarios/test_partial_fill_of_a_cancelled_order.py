"""Coins were bought and never appeared in the books: their orders had been cancelled half filled.

A cancelled order was deleted with whatever it had executed, which left sells that matched nothing. What was
executed counts, however the order ended and in whatever order that is told.

Incident A7.
"""

from __future__ import annotations

import pytest

from quietmaker.core.orders import Move
from tests.kit.desk import Desk

ENDS = [Move.CANCELLED, Move.EXPIRED, Move.FAILED]


@pytest.mark.parametrize("end", ENDS)
def test_a_fill_told_before_the_end_counts(end: Move) -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.fill(entry, 100)
    desk.move(entry.client_id, end, filled=100)
    assert desk.held == desk.exit().size == 100


@pytest.mark.parametrize("end", ENDS)
def test_a_fill_told_after_the_end_counts_and_is_waited_for(end: Move) -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    late = desk.execute(entry, 100)
    desk.move(entry.client_id, end, filled=100)
    assert entry.client_id in desk.trader.state.orders
    assert entry.client_id not in {intent.client_id for intent in desk.entries()}
    desk.tell_fill(late)
    assert desk.held == desk.exit().size == 100
    assert entry.client_id not in desk.trader.state.orders


def test_a_fill_of_an_order_that_was_let_go_counts_all_the_same() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    late = desk.execute(entry, 100)
    desk.move(entry.client_id, Move.CANCELLED)  # the exchange states no size
    assert entry.client_id not in desk.trader.state.orders
    desk.tell_fill(late)
    assert desk.held == desk.exit().size == 100


def test_a_cancellation_that_is_refused_because_the_order_is_full_does_not_lose_its_fill() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.answering = False
    desk.touch(9_990, 10_090)
    late = desk.execute(entry)
    desk.move(entry.client_id, Move.FILLED, filled=250)
    desk.move(entry.client_id, Move.CANCEL_REFUSED)
    assert entry.client_id in desk.trader.state.orders
    desk.tell_fill(late)
    assert desk.held == desk.exit().size == 250
