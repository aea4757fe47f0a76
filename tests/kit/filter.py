"""Evidence, policies and standings for tests of the symbol filter; every field that matters by keyword."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from quietmaker.core.filter_rules import NO_TRADES, Spread, Thresholds, Trades
from quietmaker.core.filter_states import DAY, HOUR, Evidence, Policy, Standing, Transition, step
from quietmaker.core.units import SECOND, Instant, Nanos

T0 = Instant(1_700_000_000 * SECOND)
UNKNOWN_SPREAD = Spread(average=None, watched=0)
FOUNDING = Thresholds(
    min_trades=5,
    min_win_rate=Decimal("0.30"),
    min_avg_pnl=Decimal("-5"),
    min_total_pnl=Decimal("-50"),
    min_avg_return=None,
    min_total_return=None,
    max_spread=Decimal("0.02"),
)
POLICY = Policy(
    enabled=True,
    thresholds=FOUNDING,
    lookback=Nanos(30 * DAY),
    shadow=True,
    shadow_lookback=Nanos(7 * DAY),
    margin=Decimal("0.1"),
    readmit_trades=10,
    min_exclusion=Nanos(24 * HOUR),
    max_exclusions=3,
    probation_trades=10,
    probation_time=Nanos(72 * HOUR),
)


def policy(**changes: Any) -> Policy:
    """Return the usual policy with changes."""
    return replace(POLICY, **changes)


def trades(
    trips: int, wins: int, net: str | Decimal = "1", *, notional: str | None = None
) -> Trades:
    """Return sums; each trade is worth 25 unless said otherwise."""
    worth = Decimal(25 * trips) if notional is None else Decimal(notional)
    return Trades(trips=trips, wins=wins, net=Decimal(net), notional=worth)


def spread(average: str | None, watched: int = 3_600) -> Spread:
    """Return an average spread as a ratio."""
    return Spread(average=None if average is None else Decimal(average), watched=watched)


def evidence(**known: Any) -> Evidence:
    """Return evidence; nothing is known but what is given."""
    usual: dict[str, Any] = {
        "real": NO_TRADES,
        "shadow": NO_TRADES,
        "spread": UNKNOWN_SPREAD,
        "ban": None,
        "included": None,
    }
    return Evidence(**{**usual, **known})


BAD = trades(10, 1, "-8")
GOOD = trades(12, 8, "6")


def after(hours: float) -> Instant:
    """Return a moment, in hours after a fixed day."""
    return Instant(T0 + int(hours * HOUR))


def moved(
    standing: Standing, seen: Evidence, by: Policy, hours: float
) -> tuple[Standing, Transition | None]:
    """Return where a symbol stands after one step, and what moved it."""
    _, transition = step(standing, seen, by, after(hours))
    return (standing if transition is None else standing.moved(transition)), transition


def excluded(
    hours: float = 0, *, by: Policy = POLICY, standing: Standing | None = None
) -> Standing:
    """Return a symbol that the win rate excluded."""
    found, transition = moved(standing or Standing(symbol="A-USD"), evidence(real=BAD), by, hours)
    assert transition is not None
    return found
