"""The life of an order is a table; every pair that it lacks is an illegal move."""

from __future__ import annotations

import pytest

from quietmaker.core.orders import (
    NEXT,
    TERMINAL,
    IllegalMove,
    Move,
    OrderState,
    next_state,
)
from quietmaker.core.units import Side
from tests.kit.makers import make_intent, make_working

S, M = OrderState, Move
ENDS = {M.FILLED: S.FILLED, M.CANCELLED: S.CANCELLED, M.EXPIRED: S.EXPIRED, M.FAILED: S.FAILED}

LEGAL: dict[tuple[OrderState, Move], OrderState] = {
    **{(state, move): end for state in S if state not in TERMINAL for move, end in ENDS.items()},
    (S.PENDING, M.ACCEPTED): S.OPEN,
    (S.PENDING, M.REJECTED): S.FAILED,
    (S.PENDING, M.OUTCOME_UNKNOWN): S.UNKNOWN,
    (S.OPEN, M.ACCEPTED): S.OPEN,
    (S.OPEN, M.CANCEL_SENT): S.CANCEL_PENDING,
    (S.OPEN, M.CANCEL_REFUSED): S.OPEN,
    (S.OPEN, M.NOT_FOUND): S.UNKNOWN,
    (S.CANCEL_PENDING, M.ACCEPTED): S.CANCEL_PENDING,
    (S.CANCEL_PENDING, M.CANCEL_REFUSED): S.OPEN,
    (S.CANCEL_PENDING, M.NOT_FOUND): S.UNKNOWN,
    (S.UNKNOWN, M.ACCEPTED): S.OPEN,
    (S.UNKNOWN, M.REJECTED): S.FAILED,
    (S.UNKNOWN, M.OUTCOME_UNKNOWN): S.UNKNOWN,
    (S.UNKNOWN, M.NOT_FOUND): S.FAILED,
    (S.FILLED, M.FILLED): S.FILLED,
    (S.CANCELLED, M.CANCELLED): S.CANCELLED,
    (S.EXPIRED, M.EXPIRED): S.EXPIRED,
    (S.FAILED, M.FAILED): S.FAILED,
    (S.FAILED, M.REJECTED): S.FAILED,
    **{(state, M.CANCEL_REFUSED): state for state in TERMINAL},
}
"""Written out a second time, on purpose: a change of the table must be meant."""

PAIRS = [(state, move) for state in OrderState for move in Move]


@pytest.mark.parametrize(("state", "move"), sorted(LEGAL, key=str))
def test_a_legal_move_leads_where_the_table_says(state: OrderState, move: Move) -> None:
    assert next_state("order", state, move) is LEGAL[state, move]


@pytest.mark.parametrize(("state", "move"), [pair for pair in PAIRS if pair not in LEGAL])
def test_a_missing_pair_is_an_illegal_move(state: OrderState, move: Move) -> None:
    with pytest.raises(IllegalMove, match=f"order abc is {state.value} and cannot become"):
        next_state("abc", state, move)


def test_the_table_knows_every_state_and_nothing_else() -> None:
    assert set(NEXT) == set(OrderState)


def test_nothing_leads_out_of_an_end() -> None:
    for state in TERMINAL:
        assert set(NEXT[state].values()) == {state}


def test_every_state_reaches_an_end() -> None:
    for state in OrderState:
        assert state in TERMINAL or TERMINAL & set(NEXT[state].values())


def test_an_illegal_move_leaves_the_order_as_it_was() -> None:
    order = make_working(make_intent("abc", Side.BUY, 100, 10), state=OrderState.OPEN)
    with pytest.raises(IllegalMove):
        order.move(Move.REJECTED)
    assert order.state is OrderState.OPEN
    assert not order.done


def test_what_may_still_execute_ends_with_the_order() -> None:
    order = make_working(make_intent("abc", Side.BUY, 100, 10), state=OrderState.OPEN)
    order.filled = 4
    assert order.leaves == 6
    order.move(Move.CANCELLED)
    assert order.leaves == 0
    assert order.done


def test_an_order_has_settled_only_when_its_last_fill_was_told() -> None:
    order = make_working(make_intent("abc", Side.BUY, 100, 10), state=OrderState.OPEN)
    assert not order.settled
    order.move(Move.FILLED)
    order.final = 10
    assert not order.settled
    order.filled = 10
    assert order.settled
