"""What a policy would change, and what the symbols it concerns earned since: for `symbols simulate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quietmaker.core.filter_rules import NO_TRADES, DayOfTrades, Spread, Trades, judge
from quietmaker.core.filter_states import (
    DAY,
    PERMANENT,
    FilterState,
    Policy,
    counts_from,
    step,
)
from quietmaker.core.units import Instant
from quietmaker.ledger.filter_books import PostgresFilterBooks
from supervisors.survey import Surveyed


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A symbol that a policy would move.

    Attributes:
        would: ``go``, ``come back``, or ``lose its ban``.
        since: from when on `trades` count: when the rule would have failed it, or its exclusion began.
        trades: what it earned since; in the shadow for one that was out.
    """

    symbol: str
    state: FilterState
    would: str
    because: str
    since: Instant | None
    trades: Trades


def judged_since(
    books: PostgresFilterBooks, found: Mapping[str, Surveyed], policy: Policy, now: Instant
) -> Iterator[Judged]:
    """Yield the symbols that would move."""
    for symbol, each in found.items():
        _, moved = step(each.standing, each.evidence, policy, now)
        state = each.standing.state
        banned = state is FilterState.DENIED and each.standing.rule == PERMANENT
        if moved is None or moved.after is state:
            continue
        since, trades = None, NO_TRADES
        if state is FilterState.EXCLUDED and moved.after.enters:
            would, since, trades = "come back", each.standing.since, each.evidence.shadow
        elif banned:
            would = "lose its ban"
        elif not moved.after.enters:
            would = "go"
            days = books.days(symbol, since=counts_from(each.standing, policy, now))
            since, trades = first_failure(days, policy)
        else:
            continue  # a probation that ends: no threshold changes that
        yield Judged(
            symbol=symbol,
            state=state,
            would=would,
            because=moved.reason,
            since=since,
            trades=trades,
        )


def first_failure(days: Sequence[DayOfTrades], policy: Policy) -> tuple[Instant | None, Trades]:
    """Return the end of the first day on which the trades so far fail, and what came after it."""
    unknown = Spread(average=None, watched=0)
    so_far = NO_TRADES
    for place, day in enumerate(days):
        so_far = so_far.plus(day.trades)
        if judge(so_far, unknown, policy.thresholds).failed is not None:
            after = NO_TRADES
            for later in days[place + 1 :]:
                after = after.plus(later.trades)
            return Instant((day.day + 1) * DAY), after
    return None, NO_TRADES
