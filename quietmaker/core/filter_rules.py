"""The rules of the symbol filter: from a symbol's closed trades and its spread to a verdict.

A symbol fails when any rule fails:

    win_rate        won / closed              <  min_win_rate
    avg_pnl         net / closed              <  min_avg_pnl
    total_pnl       net                       <  min_total_pnl
    avg_pnl_pct     net / value bought        <  min_avg_return      (off unless it is set)
    total_pnl_pct   net / one trade's value   <  min_total_return    (off unless it is set)
    spread          time-weighted average     >  max_spread

The rules on trades need `min_trades` closed trades, else they have no data; so has the spread until it was
watched for long enough. No data is neither a pass nor a ban. Comparisons are exact: no quotient is formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.outcomes import ratio_of
from quietmaker.core.units import ZERO, Name, plain, plus, times


class Rule(Name):
    """What a symbol is judged by, in the order in which failures are named."""

    WIN_RATE = "win_rate"
    AVG_PNL = "avg_pnl"
    TOTAL_PNL = "total_pnl"
    AVG_PNL_PCT = "avg_pnl_pct"
    TOTAL_PNL_PCT = "total_pnl_pct"
    SPREAD = "spread"


class Finding(Name):
    """What a rule says."""

    PASS = "pass"
    FAIL = "fail"
    NO_DATA = "no_data"
    OFF = "off"


AS_PERCENT: Final = frozenset({Rule.WIN_RATE, Rule.AVG_PNL_PCT, Rule.TOTAL_PNL_PCT, Rule.SPREAD})
"""Rules whose values are ratios, and shown as percent; the others are amounts of quote currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trades:
    """Sums over closed round trips, in quote.

    Attributes:
        wins: those with a net result above zero.
        notional: what their units were entered for, without fees.
    """

    trips: int = 0
    wins: int = 0
    net: Decimal = ZERO
    notional: Decimal = ZERO

    def plus(self, other: Trades) -> Trades:
        """Return both together."""
        return Trades(
            trips=self.trips + other.trips,
            wins=self.wins + other.wins,
            net=plus(self.net, other.net),
            notional=plus(self.notional, other.notional),
        )

    @property
    def flaw(self) -> str:
        """Return what cannot be true about them, or nothing."""
        if self.trips < 0 or not 0 <= self.wins <= self.trips:
            return f"{self.wins} won of {self.trips}"
        if self.trips and self.notional <= 0:
            return f"{self.trips} trades worth {self.notional:f}"
        return "a result without a trade" if not self.trips and self.net else ""


NO_TRADES: Final = Trades()


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfTrades:
    """The closed trades of one UTC day, `day` days after 1970-01-01."""

    day: int
    trades: Trades


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The time-weighted average spread.

    Attributes:
        average: as a share of mid; None while it was not watched for long enough.
        watched: seconds that it stands for.
    """

    average: Decimal | None
    watched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What the rules compare with: ratios, and amounts of quote currency. None switches a twin off."""

    min_trades: int
    min_win_rate: Decimal
    min_avg_pnl: Decimal
    min_total_pnl: Decimal
    min_avg_return: Decimal | None
    min_total_return: Decimal | None
    max_spread: Decimal

    def stricter(self, margin: Decimal, *, min_trades: int) -> Thresholds:
        """Return what a symbol that failed must reach: each threshold better by a share of itself."""

        def above(value: Decimal) -> Decimal:
            return plus(value, times(margin, abs(value)))

        average, total = self.min_avg_return, self.min_total_return
        return Thresholds(
            min_trades=min_trades,
            min_win_rate=min(above(self.min_win_rate), Decimal(1)),
            min_avg_pnl=above(self.min_avg_pnl),
            min_total_pnl=above(self.min_total_pnl),
            min_avg_return=None if average is None else above(average),
            min_total_return=None if total is None else above(total),
            max_spread=plus(self.max_spread, -times(margin, self.max_spread)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """What one rule found.

    Attributes:
        value: for showing, rounded to nine digits; None without data.
        sample: closed trades, or seconds watched for the spread.
    """

    rule: Rule
    finding: Finding
    value: Decimal | None
    threshold: Decimal | None
    sample: int

    @property
    def failed(self) -> bool:
        """Return whether the rule fails the symbol."""
        return self.finding is Finding.FAIL

    def words(self) -> str:
        """Return it as a sentence with its numbers."""
        percent = self.rule in AS_PERCENT
        of = "s watched" if self.rule is Rule.SPREAD else "trades"
        if self.finding is Finding.OFF:
            return f"{self.rule.value} is off"
        if self.value is None or self.finding is Finding.NO_DATA:
            return f"{self.rule.value} has no data ({self.sample} {of})"
        sign = {True: (">" if self.failed else "<="), False: ("<" if self.failed else ">=")}
        shown, limit = amount_text(self.value, percent), amount_text(self.threshold, percent)
        between = sign[self.rule is Rule.SPREAD]
        return f"{self.rule.value} {shown} {between} {limit} ({self.sample} {of})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all rules found."""

    results: tuple[RuleResult, ...]

    @property
    def failed(self) -> RuleResult | None:
        """Return the first rule that fails, None when none does."""
        return next((each for each in self.results if each.failed), None)

    def of(self, rule: Rule) -> RuleResult:
        """Return what one rule found."""
        return next(each for each in self.results if each.rule is rule)


def judge(trades: Trades, spread: Spread, thresholds: Thresholds) -> Verdict:
    """Judge a symbol by every rule."""
    limit = thresholds.max_spread
    wide = Finding.NO_DATA
    if spread.average is not None:
        wide = Finding.FAIL if spread.average > limit else Finding.PASS
    by_spread = RuleResult(
        rule=Rule.SPREAD,
        finding=wide,
        value=spread.average,
        threshold=limit,
        sample=spread.watched,
    )
    return Verdict(results=(*_by_trades(trades, thresholds), by_spread))


def _by_trades(trades: Trades, limits: Thresholds) -> tuple[RuleResult, ...]:
    count, net, notional = Decimal(trades.trips), trades.net, trades.notional
    enough = trades.trips >= limits.min_trades and trades.trips > 0
    found = (
        # (rule, threshold, what is compared with threshold * base, base)
        (Rule.WIN_RATE, limits.min_win_rate, Decimal(trades.wins), count),
        (Rule.AVG_PNL, limits.min_avg_pnl, net, count),
        (Rule.TOTAL_PNL, limits.min_total_pnl, net, Decimal(1)),
        (Rule.AVG_PNL_PCT, limits.min_avg_return, net, notional),
        # against the average value of a trade: multiplied by what divides it
        (Rule.TOTAL_PNL_PCT, limits.min_total_return, times(net, count), notional),
    )
    return tuple(_by_trade(*each, trades.trips, enough=enough) for each in found)


def _by_trade(
    rule: Rule, threshold: Decimal | None, part: Decimal, base: Decimal, trips: int, *, enough: bool
) -> RuleResult:
    finding = Finding.NO_DATA
    if threshold is None:
        finding = Finding.OFF
    elif enough:
        finding = Finding.FAIL if part < times(threshold, base) else Finding.PASS
    return RuleResult(
        rule=rule,
        finding=finding,
        value=ratio_of(part, base) if trips else None,
        threshold=threshold,
        sample=trips,
    )


def amount_text(value: Decimal | None, percent: bool) -> str:
    """Return a value as people read it: percent for ratios, else the amount."""
    if value is None:
        return "none"
    number = times(value, Decimal(100)) if percent else value
    text = plain(number.quantize(Decimal("0.0001")))
    return f"{text} %" if percent else text
