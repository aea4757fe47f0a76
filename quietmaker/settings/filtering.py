"""The keys of the symbol filter, and what they mean to the core."""
# ruff: noqa: RUF009 - live() and section() are dataclasses.field() with our metadata

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from quietmaker.core.filter_desk import Floor, FloorPolicy
from quietmaker.core.filter_rules import Thresholds
from quietmaker.core.filter_states import DAY, HOUR, Policy
from quietmaker.core.units import EXACT, Nanos, seconds
from quietmaker.settings.keys import QUOTE, Reload, key, pct, section, whole
from quietmaker.settings.keys import seconds as span
from quietmaker.settings.kinds import Choice, Flag, Number

live: Final = partial(key, reload=Reload.LIVE)
_RESULT: Final = Number(Decimal(-10_000_000), Decimal(10_000_000), decimals=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadmissionSettings:
    """What an excluded symbol needs to come back."""

    min_hours: int = live(
        whole(0, 8760),
        24,
        "least time excluded, doubled with every further exclusion within the look-back",
        unit="hours",
    )
    max_exclusions: int = live(
        whole(1, 100),
        3,
        "excluded so often within the look-back, a symbol stays out until that is over",
        unit="exclusions",
    )
    margin_pct: Decimal = live(
        pct("0", "100", "0.5"),
        Decimal(10),
        "how much better than each threshold its results must be, so that nothing flaps",
        unit="percent of the threshold",
    )
    min_trades: int = live(
        whole(1, 10_000), 10, "closed shadow trades that it needs", unit="trades"
    )
    probation_trades: int = live(
        whole(1, 10_000),
        10,
        "closed trades at a reduced size that end the probation",
        unit="trades",
    )
    probation_hours: int = live(
        whole(1, 8760), 72, "time that ends it as well, with fewer trades", unit="hours"
    )
    probation_size_pct: Decimal = live(
        pct("1", "100", "1"),
        Decimal(50),
        "size of entries in a probation",
        unit="percent of the usual size",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings:
    """The dynamic symbol filter: excludes by evidence, lets back in by evidence."""

    enabled: bool = live(
        Flag(),
        True,
        "false: no rule excludes, what rules excluded returns in probation; bans hold all the same",
    )
    evaluate_seconds: Decimal = live(
        span("1", "86400"), Decimal(3600), "pause between evaluations", unit="seconds"
    )
    lookback_days: int = live(whole(1, 365), 30, "how far back closed trades count", unit="days")
    min_trades: int = live(
        whole(1, 10_000), 5, "fewer closed trades are no data, not a pass", unit="trades"
    )
    min_win_rate_pct: Decimal = live(
        pct("0", "100", "1"),
        Decimal(30),
        "excluded below; a break-even counts as a trade that was not won",
        unit="percent of closed trades",
    )
    min_avg_pnl: Decimal = live(
        _RESULT, Decimal(-5), "excluded below, on average per closed trade", unit=QUOTE
    )
    min_total_pnl: Decimal = live(
        _RESULT, Decimal(-50), "excluded below, over the look-back", unit=QUOTE
    )
    min_avg_pnl_pct: Decimal | None = live(
        pct("-100", "100", "0.001"),
        None,
        "as min_avg_pnl, whatever the size of the trades; null is off",
        unit="percent of the value entered",
        optional=True,
    )
    min_total_pnl_pct: Decimal | None = live(
        pct("-10000", "10000", "0.01"),
        None,
        "as min_total_pnl, whatever the size of the trades; null is off",
        unit="percent of one trade's value",
        optional=True,
    )
    max_spread_pct: Decimal = live(
        pct("0", "50", "0.02"),
        Decimal(2),
        "excluded above, on average over the window",
        unit="percent of mid",
    )
    spread_window_seconds: Decimal = live(
        span("60", "86400"),
        Decimal(3600),
        "the spread is averaged over this time; a tenth of it must have been watched",
        unit="seconds",
    )
    min_eligible: int = live(
        whole(0, 10_000), 1, "fewer symbols that may enter raise an alarm", unit="symbols"
    )
    below_floor: str = live(
        Choice(tuple(each.value for each in FloorPolicy)),
        "exclude",
        "whether rules exclude below min_eligible too, or keep the symbols of the least loss",
    )
    shadow: bool = live(
        Flag(),
        True,
        "excluded symbols trade on paper against the live book, and return by that; false: by ageing",
    )
    shadow_lookback_days: int = live(
        whole(1, 90), 7, "how far back shadow trades count", unit="days"
    )
    shadow_cpu_pct: Decimal = live(
        pct("1", "100", "1"),
        Decimal(10),
        "beyond this share of one processor, shadow trading passes over market data",
        unit="percent",
    )
    readmission: ReadmissionSettings = section()

    def policy(self) -> Policy:
        """Return what the core decides by."""
        back = self.readmission
        return Policy(
            enabled=self.enabled,
            thresholds=self._thresholds(),
            lookback=Nanos(self.lookback_days * DAY),
            shadow=self.shadow,
            shadow_lookback=Nanos(self.shadow_lookback_days * DAY),
            margin=_share(back.margin_pct),
            readmit_trades=back.min_trades,
            min_exclusion=Nanos(back.min_hours * HOUR),
            max_exclusions=back.max_exclusions,
            probation_trades=back.probation_trades,
            probation_time=Nanos(back.probation_hours * HOUR),
        )

    def floor(self) -> Floor:
        """Return what happens when too few symbols are left."""
        return Floor(symbols=self.min_eligible, policy=FloorPolicy(self.below_floor))

    def window(self) -> Nanos:
        """Return the time over which the spread is averaged."""
        return seconds(self.spread_window_seconds)

    def _thresholds(self) -> Thresholds:
        average, total = self.min_avg_pnl_pct, self.min_total_pnl_pct
        return Thresholds(
            min_trades=self.min_trades,
            min_win_rate=_share(self.min_win_rate_pct),
            min_avg_pnl=self.min_avg_pnl,
            min_total_pnl=self.min_total_pnl,
            min_avg_return=None if average is None else _share(average),
            min_total_return=None if total is None else _share(total),
            max_spread=_share(self.max_spread_pct),
        )


def _share(percent: Decimal) -> Decimal:
    return EXACT.multiply(percent, Decimal("0.01"))
