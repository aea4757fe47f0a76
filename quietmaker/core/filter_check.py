"""The filter's self-test: the rules on cases whose answers are known, at and around every boundary."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from quietmaker.core.filter_rules import Rule, Spread, Thresholds, Trades, judge

_LIMITS: Final = Thresholds(
    min_trades=5,
    min_win_rate=Decimal("0.30"),
    min_avg_pnl=Decimal("-5"),
    min_total_pnl=Decimal("-50"),
    min_avg_return=None,
    min_total_return=None,
    max_spread=Decimal("0.02"),
)
_NARROW: Final = "0.001"
_CASES: Final = (
    # trades, won, net, average spread, the first rule that fails
    (10, 3, "-50", _NARROW, None),
    (10, 2, "1", _NARROW, Rule.WIN_RATE),
    (5, 5, "-25", _NARROW, None),
    (5, 5, "-25.01", _NARROW, Rule.AVG_PNL),
    (20, 20, "-50.01", _NARROW, Rule.TOTAL_PNL),
    (4, 0, "-100", _NARROW, None),
    (0, 0, "0", "0.02", None),
    (0, 0, "0", "0.0201", Rule.SPREAD),
    (10, 10, "5", None, None),
)


def defects() -> list[str]:
    """Return the cases that the rules answer wrongly; none is right."""
    wrong = []
    for trips, wins, net, wide, expected in _CASES:
        trades = Trades(trips=trips, wins=wins, net=Decimal(net), notional=Decimal(25 * trips))
        average = None if wide is None else Decimal(wide)
        failed = judge(trades, Spread(average=average, watched=3_600), _LIMITS).failed
        found = None if failed is None else failed.rule
        if found is not expected:
            wrong.append(
                f"{wins} won of {trips}, net {net}, spread {wide}: {found}, not {expected}"
            )
    return wrong
