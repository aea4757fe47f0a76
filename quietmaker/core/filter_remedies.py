"""What would have to change for a rule that fails to pass, in the fewest words that are true."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from quietmaker.core.filter_rules import (
    Finding,
    Rule,
    RuleResult,
    Thresholds,
    Trades,
    amount_text,
)
from quietmaker.core.units import minus, times


def remedy(result: RuleResult, trades: Trades, limits: Thresholds) -> str:
    """Return what would change the finding of one rule; empty when it passes or is off."""
    match result.finding:
        case Finding.PASS | Finding.OFF:
            return ""
        case Finding.NO_DATA if result.rule is Rule.SPREAD:
            return "watch it for longer"
        case Finding.NO_DATA:
            return f"{limits.min_trades - trades.trips} more closed trades"
        case Finding.FAIL:
            return _better(result, trades)
        case _:
            assert_never(result.finding)


def _better(result: RuleResult, trades: Trades) -> str:
    limit = result.threshold or Decimal(0)
    match result.rule:
        case Rule.WIN_RATE:
            return _wins(trades, limit)
        case Rule.AVG_PNL:
            return _earned(minus(times(limit, Decimal(trades.trips)), trades.net))
        case Rule.TOTAL_PNL:
            return _earned(minus(limit, trades.net))
        case Rule.AVG_PNL_PCT:
            return _earned(minus(times(limit, trades.notional), trades.net))
        case Rule.TOTAL_PNL_PCT:
            wanted = times(limit, trades.notional) / trades.trips
            return _earned(wanted - trades.net)
        case Rule.SPREAD:
            return f"an average of {amount_text(limit, percent=True)} or less over the window"
        case _:
            assert_never(result.rule)


def _wins(trades: Trades, limit: Decimal) -> str:
    """Return how many won trades in a row reach the rate: (wins + n) / (trips + n) >= limit."""
    if limit >= 1:
        return "only trades that win, once the others are too old"
    missing = limit * trades.trips - trades.wins
    whole, rest = divmod(missing, 1 - limit)  # Decimal's // truncates
    return f"{int(whole) + (rest > 0)} won trades in a row"


def _earned(amount: Decimal) -> str:
    return f"{amount_text(amount, percent=False)} more earned, or as much lost that ages out"
