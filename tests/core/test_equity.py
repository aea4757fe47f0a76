"""Equity: deposits and withdrawals move no drawdown, losses do, and it stays between nothing and all."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.equity import Equity, money_of, opened

MONEY = st.decimals("-2000", "2000", places=2)
STEPS = st.lists(st.tuples(st.sampled_from(["funded", "earned"]), MONEY), max_size=30)


def walk(steps: list[tuple[str, Decimal]], capital: str = "1000") -> Equity:
    """Return the equity after changes of the capital and of the result."""
    equity = opened(Decimal(capital), Decimal(0))
    for what, amount in steps:
        if what == "funded":
            equity = equity.funded(equity.capital + amount)
        else:
            equity = equity.earned(equity.result + amount)
    return equity


def test_a_loss_is_a_drawdown_from_the_best_that_was_reached() -> None:
    equity = walk([("earned", Decimal(200)), ("earned", Decimal(-300))])
    assert equity.value == Decimal(900)
    assert equity.drawdown == Decimal("0.25")


def test_a_deposit_hides_no_drawdown() -> None:
    lost = walk([("earned", Decimal(-196))])
    assert lost.drawdown == Decimal("0.196")
    assert abs(lost.funded(Decimal(10_000)).drawdown - Decimal("0.196")) < Decimal("1e-9")  # type: ignore[operator]


def test_a_withdrawal_makes_no_drawdown() -> None:
    assert walk([("funded", Decimal(-900))]).drawdown == 0


def test_the_same_loss_weighs_more_after_a_withdrawal() -> None:
    assert walk([("funded", Decimal(-900)), ("earned", Decimal(-50))]).drawdown == Decimal("0.5")


def test_an_account_without_money_has_no_drawdown_rather_than_a_wrong_one() -> None:
    assert opened(Decimal(0), Decimal(0)).drawdown is None


def test_an_account_that_lost_all_is_down_by_all_and_not_more() -> None:
    assert walk([("earned", Decimal(-1500))]).drawdown == 1


def test_whoever_resumes_begins_with_a_new_peak() -> None:
    equity = walk([("earned", Decimal(-300))]).rebased()
    assert equity.drawdown == 0
    assert equity.earned(Decimal(-370)).drawdown == Decimal("0.1")


def test_dollars_are_one_kind_of_money() -> None:
    assert {money_of(each) for each in ("USD", "USDC", "USDT")} == {"USD"}
    assert money_of("EUR") == "EUR"


@given(STEPS)
def test_a_drawdown_is_a_share(steps: list[tuple[str, Decimal]]) -> None:
    drawdown = walk(steps).drawdown
    assert drawdown is None or 0 <= drawdown <= 1


@given(STEPS, MONEY)
def test_no_movement_of_money_changes_a_drawdown(
    steps: list[tuple[str, Decimal]], amount: Decimal
) -> None:
    before = walk(steps)
    after = before.funded(before.capital + amount)
    if before.value <= 0 or after.value <= 0 or before.drawdown is None:
        return
    assert after.drawdown is not None
    # Rounding is against us, and by less than a billionth of a dollar's share.
    assert abs(after.drawdown - before.drawdown) <= Decimal("1e-9") / min(after.value, Decimal(1))


@given(STEPS)
def test_a_peak_is_never_below_the_equity(steps: list[tuple[str, Decimal]]) -> None:
    equity = walk(steps)
    assert equity.peak >= equity.value or equity.value <= 0
