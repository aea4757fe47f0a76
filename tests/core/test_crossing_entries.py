"""Entries refused for crossing, at once or after they were taken: they speak against our book."""

from __future__ import annotations

import pytest

from quietmaker.core.commands import CancelReason, Gate, RefreshBook
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import POST_ONLY_REFUSED, Intent, Move
from quietmaker.core.units import Side
from tests.kit.desk import Desk
from tests.kit.makers import make_params, make_quote


def quoting(*, limit: int = 3, **quote: object) -> Desk:
    """Return a desk at an exchange that refuses every entry for crossing."""
    chosen = make_quote(post_only_rejects=limit, **quote)  # type: ignore[arg-type]
    desk = Desk(params=make_params(quote=chosen), base=10_000)
    desk.refusing = POST_ONLY_REFUSED
    return desk


def refreshes(desk: Desk) -> int:
    return sum(isinstance(said, RefreshBook) for said in desk.said)


def die(desk: Desk, intent: Intent, move: Move = Move.CANCELLED) -> None:
    """Refuse an entry for crossing after it was taken."""
    desk.move(intent.client_id, move, reason=POST_ONLY_REFUSED, filled=0)


def test_the_side_is_held_by_name_and_the_book_asked_for_after_some_in_a_row() -> None:
    desk = quoting()
    desk.touch(10_000, 10_100)
    assert [intent.price for intent in desk.sent] == [10_000] * 3
    assert (desk.gate(), refreshes(desk)) == (Gate.POST_ONLY_REFUSED, 1)
    detail = desk.hold().detail
    assert detail == (
        "3 entries in a row would have crossed; the next rests 1 ticks further away (quote.post_only_rejects)"
    )


def test_each_further_one_is_held_longer_and_rests_further_away() -> None:
    desk = quoting()
    desk.touch(10_000, 10_100)
    for held, back in ((1, 1), (2, 2), (4, 3), (8, 4)):
        before = len(desk.sent)
        desk.wait(held - 0.01)
        assert len(desk.sent) == before
        desk.wait(0.01)
        assert [intent.price for intent in desk.sent[before:]] == [10_000 - back]
    assert refreshes(desk) == 5


def test_an_ask_goes_the_other_way() -> None:
    desk = quoting(limit=1, bid=False, ask=True)
    desk.touch(10_000, 10_100)
    desk.wait(1.1)
    assert [intent.price for intent in desk.sent] == [10_100, 10_101]


@pytest.mark.parametrize("move", [Move.CANCELLED, Move.FAILED])
def test_a_refusal_after_the_acknowledgement_counts_as_one(move: Move) -> None:
    desk = quoting()
    desk.refusing = ""
    desk.touch(10_000, 10_100)
    for _ in range(3):
        die(desk, desk.entry(), move)
    assert (desk.gate(), refreshes(desk), desk.entries()) == (Gate.POST_ONLY_REFUSED, 1, [])


def test_an_end_that_is_told_twice_counts_once() -> None:
    desk = quoting(limit=2)
    desk.refusing = ""
    desk.touch(10_000, 10_100)
    first = desk.entry()
    die(desk, first)
    die(desk, first)
    assert (len(desk.entries()), refreshes(desk)) == (1, 0)


def test_an_acknowledgement_alone_forgets_nothing() -> None:
    desk = quoting(limit=1)
    desk.touch(10_000, 10_100)
    desk.refusing = ""
    desk.wait(1.1)
    assert desk.entry().price == 9_999
    die(desk, desk.entry())
    desk.wait(2.1)
    assert desk.entry().price == 9_998


def test_a_quote_behind_the_touch_keeps_its_place_until_it_has_to_move() -> None:
    desk = quoting(limit=1)
    desk.touch(10_000, 10_100)
    desk.refusing = ""
    desk.wait(1.1)
    desk.touch(10_000, 10_101)
    assert (desk.entry().price, desk.cancels) == (9_999, [])
    desk.touch(10_001, 10_101)  # it stood: the next one joins the touch again
    assert [cancelled.reason for cancelled in desk.cancels] == [CancelReason.REPRICE]
    assert desk.entry().price == 10_001


def test_a_fill_shows_that_it_stood() -> None:
    desk = quoting(limit=1, cooldown=1)
    desk.touch(10_000, 10_100)
    desk.refusing = ""
    desk.wait(1.1)
    desk.fill(desk.entry(), 10)
    assert desk.trader.entries.ladders[0].back == 0


def test_an_end_that_nobody_explains_shows_nothing() -> None:
    desk = quoting(limit=1)
    desk.touch(10_000, 10_100)
    desk.refusing = ""
    desk.wait(1.1)
    desk.move(desk.entry().client_id, Move.CANCELLED, reason="", filled=0)
    assert desk.entry().price == 9_999


def test_other_refusals_move_no_price_and_doubt_no_book() -> None:
    desk = quoting()
    desk.refusing = "INSUFFICIENT_FUND"
    desk.touch(10_000, 10_100)
    desk.wait(1.1)
    assert {intent.price for intent in desk.sent} == {10_000}
    assert refreshes(desk) == 0


def test_the_other_side_goes_on() -> None:
    desk = quoting(limit=1, ask=True)
    desk.refusing = ""
    desk.touch(10_000, 10_100)
    die(desk, desk.entry(Side.BUY))
    assert (desk.gate(Side.BUY), desk.entry(Side.SELL).price) == (Gate.POST_ONLY_REFUSED, 10_100)


def test_a_doubted_book_is_stale_and_the_hold_outlives_it() -> None:
    desk = quoting(limit=1)
    desk.touch(10_000, 10_100)
    desk.lose_data(StaleReason.DOUBTED)
    assert (desk.gate(), desk.hold().detail) == (Gate.STALE_DATA, "book_doubted")
    desk.touch(10_000, 10_100)
    assert desk.gate() is Gate.POST_ONLY_REFUSED
