"""Reports showed a loss of $258 where $0.72 had been lost: the books held coins that the account never had.

Executions were stored twice or not at all, and nobody compared. Books, executions of the exchange and cash
are three statements about the same account; they agree to the smallest unit, or the difference has a name.

Incident A4.
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.differences import ALARMING, DifferenceKind
from quietmaker.core.units import Side
from tests.core.tie_out_world import World, execution, tie

Kind = DifferenceKind


def bought_and_sold() -> World:
    buy = execution("t1", size="10", fee="0.1", client_id="qm1-b")
    sell = execution("t2", side=Side.SELL, size="10", fee="0.1", client_id="qm1-s")
    return World(ours=[buy, sell], cash={"USD": Decimal(1_000)})


def test_an_account_that_agrees_has_nothing_to_say() -> None:
    done = bought_and_sold().compare()
    assert (done.found, done.remainders, done.compared) == ((), {}, 2)


def test_a_sell_that_the_books_missed_is_named_and_the_coins_that_are_not_there_too() -> None:
    world = bought_and_sold()
    account = world.account()
    sell = world.ours.pop()
    books = world.books()
    done = tie(books, account)
    assert {each.name for each in done.found} == {(Kind.EXECUTION_MISSING, sell.trade_id)}
    (named,) = done.found
    assert named.kind in ALARMING
    assert sell.client_id in named.theirs


def test_an_execution_that_exists_in_the_books_alone_is_named() -> None:
    world = bought_and_sold()
    account = world.account()
    world.ours.append(execution("phantom", size="5", client_id="qm1-p"))
    done = tie(world.books(), account)
    assert (Kind.EXECUTION_UNKNOWN_THERE, "phantom") in {each.name for each in done.found}


def test_coins_that_somebody_took_from_under_a_position_are_an_alarm() -> None:
    world = World(ours=[execution("t1", size="10")], cash={"USD": Decimal(2_000)})
    world.surprise = {"X": Decimal("-0.00000001")}
    (named,) = world.compare().found
    assert named.name == (Kind.BALANCE_BELOW_POSITION, "X")
    assert (named.ours, named.theirs) == ("10", "9.99999999")
