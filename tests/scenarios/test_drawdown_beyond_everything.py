"""Reports showed drawdowns of 99 690 %, 319 % and 31 % for the same weeks.

Equity began at zero, so that the first loss was more than everything; and each report had its own formula.
A drawdown is a share of a peak that began with the capital: never below nothing, never above all of it, and
not there at all while the capital is unknown.

Incident A9.
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.drawdown import deepest

amounts = st.decimals(min_value=-10_000, max_value=10_000, places=8)


@given(st.decimals(min_value="0.01", max_value=100_000, places=2), st.lists(amounts, max_size=60))
def test_a_drawdown_lies_between_nothing_and_everything(
    capital: Decimal, results: list[Decimal]
) -> None:
    found = deepest(capital, results)
    assert 0 <= found.share <= 1
    assert found.low <= found.peak
    assert found.peak >= capital


@given(st.lists(amounts.filter(lambda amount: amount >= 0), max_size=40))
def test_gains_alone_have_none(results: list[Decimal]) -> None:
    assert deepest(Decimal(100), results).share == 0


def test_a_loss_is_measured_from_the_highest_equity_before_it() -> None:
    found = deepest(Decimal(1_000), [Decimal(250), Decimal(-125), Decimal(-125), Decimal(500)])
    assert (found.peak, found.low) == (Decimal(1_250), Decimal(1_000))
    assert found.share == Decimal("0.2")


@pytest.mark.parametrize("capital", ["0", "-5"])
def test_a_capital_that_is_not_there_is_refused_and_not_guessed(capital: str) -> None:
    with pytest.raises(ValueError, match="capital"):
        deepest(Decimal(capital), [Decimal(-1)])
