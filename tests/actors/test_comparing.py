"""What reconciling makes of the exchange's word: values in, values out."""

from __future__ import annotations

import pytest

from actors.comparing import ARRIVED_AFTER, foreign, judge, missed, owed
from quietmaker.core.differences import DifferenceKind
from quietmaker.core.orders import Move, OrderState, Working
from quietmaker.core.units import Instant, Side
from quietmaker.ports import UserFill
from tests.actors.fakes import report
from tests.kit.makers import START, make_fill, make_intent

LATER = Instant(START + ARRIVED_AFTER)


def order(state: OrderState = OrderState.OPEN, *, filled: int = 0) -> Working:
    intent = make_intent("qm1-a", Side.BUY, 10_000, 250)
    return Working(intent=intent, state=state, sent_at=START, filled=filled)


@pytest.mark.parametrize(
    ("state", "move"),
    [
        (OrderState.OPEN, Move.ACCEPTED),
        (OrderState.FILLED, Move.FILLED),
        (OrderState.CANCELLED, Move.CANCELLED),
        (OrderState.EXPIRED, Move.EXPIRED),
        (OrderState.FAILED, Move.FAILED),
    ],
)
def test_the_exchanges_word_is_believed(state: OrderState, move: Move) -> None:
    found = judge(order(), report("qm1-a", state, filled=100), LATER)
    assert (found.moves, found.stated, found.young, found.difference) == ((move,), 100, 0, None)
    assert found.filled == (None if state is OrderState.OPEN else 100)


def test_a_request_that_may_be_under_way_says_nothing_yet() -> None:
    found = judge(order(OrderState.UNKNOWN), None, Instant(LATER - 1))
    assert (found.young, found.moves, found.gone, found.difference) == (1, (), False, None)


def test_a_request_that_never_arrived_is_no_difference() -> None:
    found = judge(order(OrderState.UNKNOWN), None, LATER)
    assert found.moves == (Move.OUTCOME_UNKNOWN, Move.NOT_FOUND)
    assert (found.gone, found.difference) == (True, None)


@pytest.mark.parametrize("state", [OrderState.OPEN, OrderState.CANCEL_PENDING])
def test_an_order_that_was_taken_and_is_gone_is_a_difference(state: OrderState) -> None:
    found = judge(order(state), None, LATER)
    assert found.moves == (Move.NOT_FOUND, Move.NOT_FOUND)
    assert found.difference is not None
    assert found.difference.name == (DifferenceKind.ORDER_UNKNOWN_THERE, "qm1-a")
    assert (found.difference.ours, found.difference.theirs) == (state.value, "")


@pytest.mark.parametrize(
    ("state", "stated", "here", "fits"),
    [
        (OrderState.OPEN, 250, 0, True),
        (OrderState.OPEN, 251, 0, False),
        (OrderState.OPEN, 50, 100, True),  # the query may be behind
        (OrderState.CANCELLED, 50, 100, False),
        (OrderState.CANCELLED, 100, 100, True),
    ],
)
def test_a_size_that_cannot_be_is_a_difference(
    state: OrderState, stated: int, here: int, fits: bool
) -> None:
    found = judge(order(filled=here), report("qm1-a", state, filled=stated), LATER)
    assert (found.difference is None) is fits
    if found.difference is not None:
        assert found.difference.kind is DifferenceKind.ORDER_FILLED


def test_what_is_stated_and_not_listed_is_owed() -> None:
    told = UserFill(order_id="o", fill=make_fill("t1", Side.BUY, 1, 60, client_id="a"))
    assert owed({"a": 61}, [], [told])
    assert not owed({"a": 60, "b": 0}, [], [told])


def test_what_the_books_have_of_an_order_need_not_be_listed_again() -> None:
    half = order(filled=100)
    half.trade_ids.add("t1")
    again = UserFill(order_id="o", fill=make_fill("t1", Side.BUY, 1, 100, client_id="qm1-a"))
    rest = UserFill(order_id="o", fill=make_fill("t2", Side.BUY, 1, 150, client_id="qm1-a"))
    assert not owed({"qm1-a": 100}, [half], [])
    assert not owed({"qm1-a": 100}, [half], [again])
    assert owed({"qm1-a": 250}, [half], [again])
    assert not owed({"qm1-a": 250}, [half], [again, rest])


def test_only_orders_that_are_neither_in_the_books_nor_named_like_ours_are_foreign() -> None:
    every = [report(each, OrderState.OPEN) for each in ("qm1-a", "qm7-lost", "by-hand")]
    assert [each.subject for each in foreign(every, {"qm1-a"}, "qm")] == ["by-hand"]


def test_an_execution_that_was_missed_is_named_by_its_trade() -> None:
    fill = make_fill("t1", Side.BUY, 10_000, 60, client_id="a", fee="0.1")
    assert missed(fill).name == (DifferenceKind.EXECUTION_MISSING, "t1")
    assert missed(fill).theirs == "X-USD BUY 60 lots at 10000 ticks, fee 0.1, order a"
