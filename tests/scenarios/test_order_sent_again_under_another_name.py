"""A request without an answer was taken for failed and sent again with a new client id: two orders.

The id is the order's name. It is written down before the request leaves, and a request whose fate nobody
knows is asked for under it, never repeated under another.

Incident P27.
"""

from __future__ import annotations

from quietmaker.core.commands import Gate
from quietmaker.core.orders import Move, OrderState, Purpose
from tests.kit.desk import Desk

HOUR = 3_600


def test_no_second_entry_is_sent_while_the_fate_of_the_first_is_unknown() -> None:
    desk = Desk()
    desk.answering = False
    desk.touch(10_000, 10_100)
    first = desk.entry()
    desk.move(first.client_id, Move.OUTCOME_UNKNOWN)
    for step in range(60):
        desk.touch(10_000 - step, 10_100 - step)
        desk.wait(HOUR / 60)
    assert desk.sent == [first]
    assert desk.gate() is Gate.ORDER_UNRESOLVED
    desk.move(first.client_id, Move.NOT_FOUND)
    desk.load_candles(9_700, 10_100)
    desk.touch(9_900, 10_000)
    assert [i.purpose for i in desk.sent] == [Purpose.ENTRY, Purpose.ENTRY]


def test_no_second_exit_is_sent_while_the_fate_of_the_first_is_unknown() -> None:
    desk = Desk()
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.answering = False
    desk.fill(entry)
    first = desk.exit()
    desk.move(first.client_id, Move.OUTCOME_UNKNOWN)
    desk.touch(9_700, 9_800)
    desk.wait(60)
    assert desk.exit() == first, "a stop would sell what the first may have sold"
    desk.fill(first)
    assert desk.held == 0


def test_an_order_of_unknown_fate_keeps_its_reservation_and_its_executions() -> None:
    desk = Desk()
    desk.answering = False
    desk.touch(10_000, 10_100)
    entry = desk.entry()
    desk.move(entry.client_id, Move.OUTCOME_UNKNOWN)
    assert desk.trader.state.orders[entry.client_id].state is OrderState.UNKNOWN
    assert desk.trader.state.orders[entry.client_id].leaves == entry.size
    desk.fill(entry, 40)
    assert desk.held == 40
    assert desk.exit().size == 40
