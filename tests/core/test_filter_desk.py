"""One evaluation over all symbols: what is not believed, and what happens at the floor."""

from __future__ import annotations

from quietmaker.core.filter_desk import BELIEVED_AFTER, Evaluation, FilterDesk, Floor, FloorPolicy
from quietmaker.core.filter_rules import NO_TRADES, Trades
from quietmaker.core.filter_states import Ban, Evidence, FilterState
from tests.kit.filter import BAD, GOOD, POLICY, after, evidence, trades

SYMBOLS = ("A-USD", "B-USD", "C-USD", "D-USD")
NO_FLOOR = Floor(symbols=0, policy=FloorPolicy.EXCLUDE)


def desk(floor: Floor = NO_FLOOR) -> FilterDesk:
    return FilterDesk(SYMBOLS, POLICY, floor, {})


def seen(**real: Trades) -> dict[str, Evidence]:
    return {s: evidence(real=real.get(s[0], GOOD)) for s in SYMBOLS}


def evaluated(made: FilterDesk, known: dict[str, Evidence], hours: float) -> Evaluation:
    found = made.evaluate(known, after(hours))
    made.take(found.transitions)
    return found


def states(made: FilterDesk) -> str:
    """Return the first letter of each symbol's state."""
    return "".join(standing.state.value[:2] for standing in made.standings.values())


def test_an_evaluation_moves_who_fails_and_nobody_else() -> None:
    made = desk()
    found = evaluated(made, seen(B=BAD), 0)
    assert [each.symbol for each in found.transitions] == ["B-USD"]
    assert (states(made), found.tradable, found.below_floor) == ("elexelel", 3, False)


def test_sums_that_cannot_be_change_nothing() -> None:
    made = desk()
    wrong = Trades(trips=1, wins=2, net=NO_TRADES.net, notional=GOOD.notional)
    found = evaluated(made, {**seen(A=BAD), "B-USD": evidence(real=wrong)}, 0)
    assert "B-USD: 2 won of 1" in found.refused
    assert states(made) == "elelelel"
    for hour in range(1, 9):
        assert evaluated(made, {**seen(), "B-USD": evidence(real=wrong)}, hour).refused


def test_a_ledger_that_forgot_everything_is_not_believed_at_first() -> None:
    made = desk()
    evaluated(made, seen(B=BAD), 0)
    nothing = {s: evidence() for s in SYMBOLS}
    assert "are gone" in evaluated(made, nothing, 1).refused
    assert evaluated(made, seen(B=BAD), 2).refused == ""
    refusals = [evaluated(made, nothing, 3 + n).refused for n in range(BELIEVED_AFTER)]
    assert [bool(each) for each in refusals] == [True] * (BELIEVED_AFTER - 1) + [False]


def test_all_excluded_symbols_coming_back_at_once_is_not_believed_at_first() -> None:
    made = desk()
    evaluated(made, seen(A=BAD, B=BAD, C=BAD), 0)
    back = {s: evidence(real=GOOD, shadow=GOOD) for s in SYMBOLS}
    assert "all 3 excluded symbols" in evaluated(made, back, 30).refused
    assert states(made) == "exexexel"
    evaluated(made, back, 31)
    assert evaluated(made, back, 32).refused == ""
    assert states(made) == "prprprel"


def test_below_the_floor_an_alarm_is_raised_and_the_rules_hold() -> None:
    made = desk(Floor(symbols=2, policy=FloorPolicy.EXCLUDE))
    found = evaluated(made, seen(A=BAD, B=BAD, C=BAD), 0)
    assert (found.tradable, found.below_floor, found.withheld) == (1, True, ())
    assert states(made) == "exexexel"


def test_the_operator_may_have_the_least_losers_kept() -> None:
    made = desk(Floor(symbols=2, policy=FloorPolicy.KEEP))
    worse = trades(10, 1, "-40")
    found = evaluated(made, seen(A=worse, B=BAD, C=worse), 0)
    assert [each.symbol for each in found.withheld] == ["B-USD"]
    assert (found.tradable, found.below_floor) == (2, True)
    assert made.standings["B-USD"].state is FilterState.ELIGIBLE


def test_no_floor_keeps_a_banned_symbol() -> None:
    made = desk(Floor(symbols=4, policy=FloorPolicy.KEEP))
    known = seen()
    known["A-USD"] = evidence(ban=Ban(rule="operator", reason="operator ann: delisting"))
    found = evaluated(made, known, 0)
    assert (states(made), found.below_floor) == ("deelelel", True)
