"""The same account was said to hold $0, $3 865, $3 887 and $129.70 within a month, by four formulas.

One left out what was held by orders, one had a deposit twice, one took a currency that was missing in the
answer for nothing. A balance is measured; what should be there by the books is a check on it, and what is
left over is shown in its currency, to the last digit.

Incident A8.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from quietmaker.core.differences import DifferenceKind
from quietmaker.core.units import Side
from tests.core.tie_out_world import World, execution, tie


def account(**cash: str) -> World:
    return World(
        ours=[
            execution("t1", size="2.5", price="40.02", fee="0.25"),
            execution("t2", side=Side.SELL, size="2.5", price="40.10", fee="0.250625"),
        ],
        cash={currency: Decimal(amount) for currency, amount in cash.items()},
    )


def test_cash_is_what_was_there_and_what_every_execution_moved() -> None:
    world = account(USD="129.70")
    assert world.account().totals["USD"] == Decimal("129.70") - Decimal("100.30") + Decimal(
        "99.999375"
    )
    assert world.compare().remainders == {}


@pytest.mark.parametrize("amount", ["3755.30", "-0.000001", "0.01"])
def test_what_is_left_over_is_shown_in_its_currency_to_the_last_digit(amount: str) -> None:
    world = account(USD="129.70")
    world.surprise = {"USD": Decimal(amount)}
    done = world.compare()
    assert done.remainders == {"USD": Decimal(amount)}
    assert done.found == (), "money that came or went is no defect of the books"


def test_a_deposit_in_a_currency_that_was_never_there_is_found_by_itself() -> None:
    world = account(USD="129.70")
    world.surprise = {"EUR": Decimal("0.5")}
    assert world.compare().remainders == {"EUR": Decimal("0.5")}


def test_while_executions_disagree_nothing_is_explained_away_as_a_deposit() -> None:
    world = account(USD="129.70")
    told = world.account()
    world.ours[0] = execution("t1", size="2.5", price="40.02", fee="0.35")
    done = tie(world.books(), told)
    assert done.remainders == {}
    assert DifferenceKind.EXECUTION_DIFFERS in {each.kind for each in done.found}
