"""Where a symbol stands with the filter, and what moves it:

    eligible ──a rule fails──► excluded ──evidence and time──► probation ──trades or time──► eligible
        ▲                          ▲                              │
        │                          └────────a rule fails──────────┘
    denied (by the configuration or the operator) ◄──► any; a ban that ends leads to probation, or to
    excluded where a rule fails

An excluded symbol earns no trades, and would come back by forgetting. So it comes back by what it earned in
the shadow (`Policy.shadow`), after a least time that doubles with each exclusion, and not at all once it was
excluded too often; then it trades at a reduced size. Trades before its return are not held against it again.
Without shadow trading it comes back once its old trades have aged out of the look-back: by ageing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, assert_never

from quietmaker.core.filter_rules import (
    NO_TRADES,
    DayOfTrades,
    Finding,
    Rule,
    RuleResult,
    Spread,
    Thresholds,
    Trades,
    Verdict,
    judge,
)
from quietmaker.core.units import SECOND, Instant, Name, Nanos

_NEVER_YET: Final = Instant(0)

HOUR: Final = Nanos(3_600 * SECOND)
DAY: Final = Nanos(24 * HOUR)
OPERATOR: Final = "operator"
PERMANENT: Final = "permanent_exclusions"
SWITCHED_OFF: Final = "filter_off"
BAN_ENDED: Final = "ban_ended"
SHADOW: Final = "shadow_results"
AGED: Final = "aged_out"
PASSED: Final = "probation_passed"
"""What moves a symbol besides the rules; stored as the rule of a transition."""


class FilterState(Name):
    """Where a symbol stands."""

    ELIGIBLE = "eligible"
    EXCLUDED = "excluded"
    PROBATION = "probation"
    DENIED = "denied"

    @property
    def enters(self) -> bool:
        """Return whether entries are allowed."""
        return self is FilterState.ELIGIBLE or self is FilterState.PROBATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the filter decides, beyond its thresholds.

    Attributes:
        enabled: whether rules exclude; bans hold in any case.
        lookback: how far back closed trades count.
        shadow: whether excluded symbols trade in the shadow; else they come back by ageing.
        shadow_lookback: how far back shadow trades count.
        margin: how much better than each threshold a symbol must be to come back, as a share of it.
        readmit_trades: shadow trades that a return needs.
        min_exclusion: least time excluded, doubled with every further exclusion within the look-back.
        max_exclusions: so many within the look-back, and it stays out until one is older than that.
        probation_trades, probation_time: either ends the probation.
    """

    enabled: bool
    thresholds: Thresholds
    lookback: Nanos
    shadow: bool
    shadow_lookback: Nanos
    margin: Decimal
    readmit_trades: int
    min_exclusion: Nanos
    max_exclusions: int
    probation_trades: int
    probation_time: Nanos

    @property
    def readmission(self) -> Thresholds:
        """Return what an excluded symbol must reach."""
        return self.thresholds.stricter(self.margin, min_trades=self.readmit_trades)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A symbol moved. `value`, `threshold` and `sample` are those of the rule, None where it has none."""

    symbol: str
    at: Instant
    before: FilterState
    after: FilterState
    rule: str
    value: Decimal | None
    threshold: Decimal | None
    sample: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a symbol stands, rebuilt from its transitions.

    Attributes:
        since: of the latest transition; 0 before the first.
        rule, reason: what brought it here.
        exclusions: when rules excluded it, oldest first.
        judged_from: trades that closed before count no more.
    """

    symbol: str
    state: FilterState = FilterState.ELIGIBLE
    since: Instant = _NEVER_YET
    rule: str = ""
    reason: str = ""
    exclusions: tuple[Instant, ...] = ()
    judged_from: Instant = _NEVER_YET

    def moved(self, by: Transition) -> Standing:
        """Return where it stands after a transition."""
        excluded = by.after is FilterState.EXCLUDED
        cleared = by.after is FilterState.PROBATION
        return replace(
            self,
            state=by.after,
            since=by.at,
            rule=by.rule,
            reason=by.reason,
            exclusions=(*self.exclusions, by.at) if excluded else self.exclusions,
            judged_from=by.at if cleared else self.judged_from,
        )

    def excluded_lately(self, policy: Policy, now: Instant) -> tuple[Instant, ...]:
        """Return its exclusions within the look-back."""
        return tuple(at for at in self.exclusions if at > now - policy.lookback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """What denies a symbol, whatever its results: the configuration or the operator."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a symbol at an evaluation.

    Attributes:
        real, shadow: closed trades within their windows.
        ban: what denies it, None when nothing does.
        included: the operator's reason for letting it in against the rules, None when there is none.
    """

    real: Trades
    shadow: Trades
    spread: Spread
    ban: Ban | None
    included: str | None


def restored(symbol: str, transitions: Iterable[Transition]) -> Standing:
    """Return where a symbol stands after its stored transitions, oldest first."""
    standing = Standing(symbol=symbol)
    for each in transitions:
        standing = standing.moved(each)
    return standing


def counts_from(standing: Standing, policy: Policy, now: Instant) -> Instant:
    """Return from when on closed trades count."""
    return Instant(max(now - policy.lookback, standing.judged_from))


def shadow_counts_from(standing: Standing, policy: Policy, now: Instant) -> Instant:
    """Return from when on shadow trades count: those of this exclusion, within their look-back."""
    return Instant(max(now - policy.shadow_lookback, standing.since))


def step(
    standing: Standing, seen: Evidence, policy: Policy, now: Instant
) -> tuple[Verdict, Transition | None]:
    """Judge a symbol and return what moves it, if anything does."""
    verdict = judge(seen.real, seen.spread, policy.thresholds)
    if seen.ban is not None:
        return verdict, _deny(standing, seen.ban, now)
    failed = verdict.failed if policy.enabled and seen.included is None else None
    moved: Transition | None
    match standing.state:
        case FilterState.DENIED:
            moved = _exclude(standing, failed, now) or _plain(
                standing, FilterState.PROBATION, BAN_ENDED, "the ban ended", now
            )
        case FilterState.ELIGIBLE:
            moved = _exclude(standing, failed, now)
        case FilterState.PROBATION:
            moved = _exclude(standing, failed, now)
            if moved is None and (verdict.failed is None or not policy.enabled):
                moved = _pass(standing, seen, policy, now)
        case FilterState.EXCLUDED:
            moved = _readmit(standing, seen, policy, now)
        case _:
            assert_never(standing.state)
    return verdict, moved


def _deny(standing: Standing, ban: Ban, now: Instant) -> Transition | None:
    if standing.state is FilterState.DENIED:
        return None
    return _plain(standing, FilterState.DENIED, ban.rule, ban.reason, now)


def _exclude(standing: Standing, failed: RuleResult | None, now: Instant) -> Transition | None:
    if failed is None:
        return None
    return Transition(
        symbol=standing.symbol,
        at=now,
        before=standing.state,
        after=FilterState.EXCLUDED,
        rule=failed.rule.value,
        value=failed.value,
        threshold=failed.threshold,
        sample=failed.sample,
        reason=failed.words(),
    )


def _pass(standing: Standing, seen: Evidence, policy: Policy, now: Instant) -> Transition | None:
    """Return the end of a probation in which no rule failed."""
    trips, age = seen.real.trips, now - standing.since
    if trips >= policy.probation_trades:
        why = f"{trips} trades at a reduced size, and no rule fails"
    elif age >= policy.probation_time:
        why = f"{age // HOUR} h at a reduced size with {trips} trades, and no rule fails"
    else:
        return None
    return Transition(
        symbol=standing.symbol,
        at=now,
        before=standing.state,
        after=FilterState.ELIGIBLE,
        rule=PASSED,
        value=seen.real.net,
        threshold=None,
        sample=trips,
        reason=why,
    )


def _readmit(standing: Standing, seen: Evidence, policy: Policy, now: Instant) -> Transition | None:
    if seen.included is not None:
        return _plain(standing, FilterState.PROBATION, OPERATOR, seen.included, now)
    if not policy.enabled:
        return _plain(
            standing,
            FilterState.PROBATION,
            SWITCHED_OFF,
            "the filter's rules are switched off",
            now,
        )
    if next(obstacles(standing, seen, policy, now), None) is not None:
        return None
    trades = seen.shadow if policy.shadow else seen.real
    won = judge(trades, seen.spread, policy.readmission).of(Rule.WIN_RATE)
    return Transition(
        symbol=standing.symbol,
        at=now,
        before=standing.state,
        after=FilterState.PROBATION,
        rule=SHADOW if policy.shadow else AGED,
        value=won.value,
        threshold=won.threshold,
        sample=trades.trips,
        reason="every threshold is met in the shadow"
        if policy.shadow
        else "its old trades aged out",
    )


def _plain(
    standing: Standing, after: FilterState, rule: str, reason: str, now: Instant
) -> Transition:
    return Transition(
        symbol=standing.symbol,
        at=now,
        before=standing.state,
        after=after,
        rule=rule,
        value=None,
        threshold=None,
        sample=None,
        reason=reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an excluded symbol does not come back yet.

    Attributes:
        until: when this alone stands in the way no more; None where only evidence can tell.
    """

    words: str
    until: Instant | None


def earliest(standing: Standing, policy: Policy, now: Instant) -> Instant:
    """Return when the clock alone lets an excluded symbol come back."""
    lately = standing.excluded_lately(policy, now)
    doublings = max(len(lately) - 1, 0)
    due = standing.since + min(policy.min_exclusion << min(doublings, 16), policy.lookback)
    if len(lately) >= policy.max_exclusions:
        due = max(due, lately[-policy.max_exclusions] + policy.lookback)
    return Instant(due)


def aged_out_at(
    standing: Standing, days: Sequence[DayOfTrades], policy: Policy, now: Instant
) -> Instant:
    """Return when an excluded symbol's trades no longer fail it, if it makes no others: by ageing.

    Args:
        standing: of the excluded symbol.
        days: its trades by day, oldest first; a day counts until the last of it is past the look-back.
        policy: how the filter decides.
        now: trades before the look-back are gone already.
    """
    unknown = Spread(average=None, watched=0)
    left = [NO_TRADES]
    """What is left once more and more of the oldest days are gone, read from the end."""
    for day in reversed(days):
        left.append(left[-1].plus(day.trades))
    due = now
    for gone, rest in enumerate(reversed(left)):
        if gone:
            due = Instant(max(now, (days[gone - 1].day + 1) * DAY + policy.lookback))
        if judge(rest, unknown, policy.thresholds).failed is None:
            break
    return Instant(max(due, earliest(standing, policy, now)))


def obstacles(
    standing: Standing, seen: Evidence, policy: Policy, now: Instant
) -> Iterator[Obstacle]:
    """Yield what keeps an excluded symbol out."""
    due = earliest(standing, policy, now)
    if now < due:
        count = len(standing.excluded_lately(policy, now))
        capped = count >= policy.max_exclusions
        words = f"excluded {count} times within the look-back" if capped else "least time excluded"
        yield Obstacle(words=words, until=due)
    yield from _unmet(standing, seen, policy)


def _unmet(standing: Standing, seen: Evidence, policy: Policy) -> Iterator[Obstacle]:
    """Yield the thresholds that are not reached."""
    limits = policy.readmission
    if not policy.shadow:
        limits = replace(limits, min_trades=policy.thresholds.min_trades)
    trades = seen.shadow if policy.shadow else seen.real
    by_spread = standing.rule == Rule.SPREAD.value
    for each in judge(trades, seen.spread, limits).results:
        if each.failed:
            yield Obstacle(words=each.words(), until=None)
        elif each.finding is Finding.NO_DATA and _needs(each.rule, by_spread, policy):
            needed = limits.min_trades
            more = f"{needed} needed" if each.rule is not Rule.SPREAD else "watch it for longer"
            yield Obstacle(words=f"{each.words()}; {more}", until=None)


def _needs(rule: Rule, by_spread: bool, policy: Policy) -> bool:
    """Return whether a return waits for data of a rule: of the kind that excluded the symbol."""
    if rule is Rule.SPREAD:
        return by_spread
    return policy.shadow and not by_spread and rule is Rule.WIN_RATE
