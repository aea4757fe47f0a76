"""The tie-out: what agrees is quiet, the smallest difference is named, and deposits disturb nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.differences import Difference, DifferenceKind, Suspects
from quietmaker.core.evidence import Flow
from quietmaker.core.units import SECOND, Instant, Nanos, Side
from tests.core.tie_out_world import (
    CENT,
    NOW,
    World,
    changed,
    execution,
    live,
    tie,
    worlds,
)

Kind = DifferenceKind
AMOUNTS = st.integers(-(10**12), 10**12).filter(bool).map(lambda n: n * Decimal("1e-9"))
CURRENCIES = st.sampled_from(["USD", "EUR", "X", "Y", "NEW"])


def named(found: tuple[Difference, ...]) -> set[tuple[Kind, str]]:
    return {each.name for each in found}


@given(world=worlds(), data=st.data())
def test_what_agrees_agrees_in_any_order_and_however_often_it_is_told(
    world: World, data: st.DataObject
) -> None:
    books, account = world.books(), world.account()
    told = data.draw(st.permutations(account.executions * 2))
    kept = data.draw(st.permutations(books.executions * 2))
    done = tie(replace(books, executions=tuple(kept)), replace(account, executions=tuple(told)))
    assert done.found == ()
    assert done.remainders == {}
    assert done.compared == len(world.ours)
    assert {each.trade_id for each in done.foreign} == {each.trade_id for each in world.foreign}


@given(world=worlds(), data=st.data())
def test_one_execution_that_the_books_lack_is_named(world: World, data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(world.ours))
    there = world.account()
    world.ours.remove(lost)
    books = world.books()
    books = replace(books, known={**books.known, lost.client_id: lost.at})
    done = tie(books, there)
    assert named(done.found) == {(Kind.EXECUTION_MISSING, lost.trade_id)}
    assert done.missing == (lost,)
    assert done.remainders == {}  # it explains the balances: nothing came or went


@given(world=worlds(), data=st.data())
def test_one_execution_that_the_exchange_does_not_list_is_named(
    world: World, data: st.DataObject
) -> None:
    invented = data.draw(st.sampled_from(world.ours))
    books = world.books()
    world.ours.remove(invented)
    done = tie(books, world.account())
    assert named(done.found) == {(Kind.EXECUTION_UNKNOWN_THERE, invented.trade_id)}
    assert done.remainders == {}


@given(
    world=worlds(),
    data=st.data(),
    what=st.sampled_from(["price", "size", "fee", "side", "order"]),
)
def test_the_smallest_change_of_an_execution_is_named(
    world: World, data: st.DataObject, what: str
) -> None:
    true = data.draw(st.sampled_from(world.ours))
    account = world.account()
    world.ours[world.ours.index(true)] = changed(true, what)
    done = tie(world.books(), account)
    assert named(done.found) == {(Kind.EXECUTION_DIFFERS, true.trade_id)}
    assert done.remainders == {}


@given(world=worlds(), currency=CURRENCIES, amount=AMOUNTS)
def test_money_that_came_or_went_is_what_remains_and_no_difference(
    world: World, currency: str, amount: Decimal
) -> None:
    world.surprise = {currency: amount}
    done = world.compare()
    assert done.remainders == {currency: amount}
    assert {kind for kind, _ in named(done.found)} <= {Kind.BALANCE_BELOW_POSITION}


@given(world=worlds(), data=st.data(), currency=CURRENCIES, amount=AMOUNTS)
def test_nothing_is_taken_for_a_deposit_while_executions_disagree(
    world: World, data: st.DataObject, currency: str, amount: Decimal
) -> None:
    true = data.draw(st.sampled_from(world.ours))
    world.surprise = {currency: amount}
    account = world.account()
    world.ours[world.ours.index(true)] = changed(true, "fee")
    done = tie(world.books(), account)
    assert done.remainders == {}
    assert (Kind.CASH_DIFFERS, currency) in named(done.found)


@given(world=worlds(), data=st.data())
def test_history_that_was_changed_behind_the_window_is_named(
    world: World, data: st.DataObject
) -> None:
    books, account = world.books(), world.account()
    old = data.draw(st.sampled_from([*world.before, execution("x", age=900)]))
    flow = books.flows.get(old.symbol, Flow())
    flow = flow.minus(old) if old in world.before else flow.plus(old)
    done = tie(replace(books, flows={**books.flows, old.symbol: flow}), account)
    assert (Kind.HISTORY_CHANGED, old.symbol) in named(done.found)
    assert done.remainders == {}


@given(world=worlds(), data=st.data())
def test_what_may_still_be_on_its_way_is_no_difference_and_leaves_no_remainder(
    world: World, data: st.DataObject
) -> None:
    fresh = replace(
        data.draw(st.sampled_from(world.ours)), trade_id="new", at=Instant(NOW - SECOND)
    )
    told_there = replace(world, ours=[*world.ours, fresh])
    for books, account in (
        (world.books(), told_there.account()),
        (told_there.books(), world.account()),
    ):
        done = tie(books, account)
        assert (done.found, done.missing, done.remainders) == ((), (), {})


def test_coins_that_are_not_there_are_an_alarm_even_if_they_were_withdrawn() -> None:
    world = World(ours=[execution("t1", size="2")], cash={"USD": Decimal(1_000)})
    assert world.compare().found == ()
    world.surprise = {"X": -CENT}
    done = world.compare()
    (short,) = done.found
    assert short.name == (Kind.BALANCE_BELOW_POSITION, "X")
    assert (short.ours, short.theirs) == ("2", "1.99")
    assert done.remainders == {"X": -CENT}


def test_dust_is_no_difference() -> None:
    bought, sold = execution("t1", size="1.00000001"), execution("t2", side=Side.SELL, size="1")
    assert World(ours=[bought, sold]).compare().found == ()


def test_an_execution_named_like_ours_that_the_books_never_heard_of_is_named_and_not_booked() -> (
    None
):
    world = World(foreign=[execution("t1", client_id="qm9-lost")])
    done = world.compare()
    assert named(done.found) == {(Kind.EXECUTION_MISSING, "t1")}
    assert (done.missing, done.foreign) == ((), ())


def test_an_execution_whose_order_is_not_found_is_nobodys_for_a_minute_and_then_foreign() -> None:
    for age, foreign in ((59, 0), (60, 1)):
        done = World(foreign=[execution("f1", client_id="", age=age)]).compare()
        assert (done.found, done.remainders, len(done.foreign)) == ((), {}, foreign)


def test_foreign_executions_from_before_the_books_began_are_in_the_opening_balance() -> None:
    world = World(foreign=[execution("f1", client_id="hand", age=100)])
    late = replace(world.books(), opened_at=Instant(NOW - 50 * SECOND))
    assert tie(late, world.account()).foreign == ()
    accounted = replace(world.books(), stored=frozenset({"trade f1 X", "trade f1 USD"}))
    assert tie(accounted, world.account()).foreign == ()


def test_what_the_exchange_undoes_of_ours_is_named_and_stays_so() -> None:
    world = World()
    undone = replace(execution("r1"), undoes="REVERSAL")
    account = replace(world.account(), executions=(undone,))
    first = tie(world.books(), account)
    assert named(first.found) == {(Kind.EXECUTION_REVERSED, "r1")}
    later = tie(replace(world.books(), differences=first.found), world.account())
    assert later.found == first.found


@pytest.mark.parametrize("mended", [False, True])
def test_a_difference_that_the_window_left_behind_stays_until_it_is_mended(mended: bool) -> None:
    world, lost = World(), execution("t1", age=5_000)
    open_one = Difference(
        kind=Kind.EXECUTION_MISSING, subject="t1", ours="", theirs=lost.text(), detail=""
    )
    by_id = {"t1": lost} if mended else {}
    done = tie(replace(world.books(), differences=(open_one,), by_id=by_id), world.account())
    assert done.found == (() if mended else (open_one,))


def orders(
    here: tuple[str, float] | None, there: str | None, **known: float
) -> set[tuple[Kind, str]]:
    """Return what is found of order `qm1-a`: filled here at an age, filled there, and others known."""
    world = World()
    books, account = world.books(), world.account()
    if here is not None:
        books = replace(books, orders=(live("qm1-a", filled=here[0], age=here[1]),))
    heard = {name: Instant(NOW - int(age * SECOND)) for name, age in known.items()}
    books = replace(books, known=heard)
    if there is not None:
        account = replace(account, orders=(live("qm1-a", filled=there),))
    return named(tie(books, account).found)


def test_orders_are_compared_once_nothing_was_heard_of_them_for_a_while() -> None:
    assert orders(("0", 60), "0") == set()
    assert orders(("0", 60), "1") == {(Kind.ORDER_FILLED, "qm1-a")}
    assert orders(("0", 1), "1") == set()
    assert orders(("0", 60), None) == {(Kind.ORDER_NOT_OPEN_THERE, "qm1-a")}
    assert orders(("0", 1), None) == set()
    assert orders(None, "0") == {(Kind.ORDER_UNKNOWN_HERE, "qm1-a")}
    assert orders(None, "0", **{"qm1-a": 60}) == {(Kind.ORDER_OPEN_THERE, "qm1-a")}
    assert orders(None, "0", **{"qm1-a": 1}) == set()


def test_an_order_of_somebody_else_is_foreign_and_no_more() -> None:
    world = World()
    account = replace(world.account(), orders=(live("by-hand"),))
    assert named(tie(world.books(), account).found) == {(Kind.FOREIGN_ORDER, "by-hand")}


def test_an_order_whose_executions_are_not_listed_leaves_no_conclusion_about_money() -> None:
    # The balance may be ahead of the list: it is neither a withdrawal nor a deposit yet.
    world = World(surprise={"USD": Decimal(-100), "X": Decimal(1)})
    books = replace(world.books(), orders=(live("qm1-a", age=60, is_open=False),))
    done = tie(books, world.account())
    assert done.remainders == {}
    assert (Kind.ORDER_FILLED, "qm1-a") in named(done.found)


# --- what is believed ---------------------------------------------------------------------------


def suspect(theirs: str = "1", kind: Kind = Kind.EXECUTION_MISSING) -> Difference:
    return Difference(kind=kind, subject="t1", ours="", theirs=theirs, detail="")


def test_a_suspect_is_believed_once_it_was_found_twice_some_time_apart() -> None:
    suspects = Suspects(Nanos(15 * SECOND))
    one = suspect()
    assert suspects.sort([one], Nanos(0)) == ([], [one])
    assert suspects.sort([one], Nanos(14 * SECOND)) == ([], [one])
    assert suspects.sort([one], Nanos(15 * SECOND)) == ([one], [])


def test_other_evidence_or_a_clean_look_in_between_begins_anew() -> None:
    suspects = Suspects(Nanos(15 * SECOND))
    suspects.sort([suspect("1")], Nanos(0))
    assert suspects.sort([suspect("2")], Nanos(20 * SECOND)) == ([], [suspect("2")])
    suspects.sort([], Nanos(30 * SECOND))
    assert suspects.sort([suspect("2")], Nanos(50 * SECOND)) == ([], [suspect("2")])


def test_what_no_race_can_make_is_believed_at_once() -> None:
    differs = suspect(kind=Kind.EXECUTION_DIFFERS)
    assert Suspects(Nanos(15 * SECOND)).sort([differs], Nanos(0)) == ([differs], [])
