"""The limits of the whole account, how breakers come back, and what both mean to the core."""
# ruff: noqa: RUF009 - key() and section() are dataclasses.field() with our metadata

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.breakers import BreakerPolicy
from quietmaker.core.risk_desk import EntryCaps, RiskLimits
from quietmaker.core.units import SECOND, Nanos
from quietmaker.core.units import seconds as nanos
from quietmaker.settings.keys import MONEY_ABOVE_ZERO, QUOTE, Reload, key, pct, seconds, whole
from quietmaker.settings.trading import SymbolSettings

_HOUR = 3600 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """What all symbols together may not reach, and how every breaker comes back."""

    max_daily_loss: Decimal | None = key(
        MONEY_ABOVE_ZERO,
        Decimal(20),
        "a breaker: closed results and open losses of the UTC day, in each quote currency; null is off",
        unit=QUOTE,
        reload=Reload.LIVE,
        optional=True,
    )
    max_drawdown_pct: Decimal | None = key(
        pct("0.1", "100", "0.5"),
        Decimal(10),
        "a breaker: equity is so far below its peak; deposits and withdrawals do not count; null is off",
        unit="percent of the peak",
        reload=Reload.LIVE,
        optional=True,
    )
    max_consecutive_losses: int | None = key(
        whole(1, 1000),
        20,
        "a breaker: so many round trips lost in a row, over all symbols; null is off",
        unit="round trips",
        reload=Reload.LIVE,
        optional=True,
    )
    max_reject_pct: Decimal | None = key(
        pct("1", "100"),
        Decimal(60),
        "a breaker: as risk.max_reject_pct, of all symbols together; null is off",
        unit="percent of the answers",
        reload=Reload.LIVE,
        optional=True,
    )
    max_adverse_markout_pct: Decimal | None = key(
        pct("0.001", "50", "0.005"),
        None,
        "a breaker: as risk.max_adverse_markout_pct, of all symbols together; null is off",
        unit="percent of their value",
        reload=Reload.LIVE,
        optional=True,
    )
    max_open_orders: int = key(
        whole(1, 10_000),
        200,
        "greatest number of entry orders in the market, over all symbols",
        unit="orders",
        reload=Reload.LIVE,
    )
    turn_seconds: Decimal = key(
        seconds("1", "86400"),
        Decimal(300),
        "while there is too little money for all symbols, how long one keeps what it quotes with before "
        "others have their turn",
        unit="seconds",
        reload=Reload.LIVE,
    )
    cool_down_seconds: Decimal = key(
        seconds("1", "604800"),
        Decimal(900),
        "how long a breaker that tripped pauses entries at least; a daily loss until the next UTC day",
        unit="seconds",
        reload=Reload.LIVE,
    )
    max_resumes: int = key(
        whole(0, 100),
        3,
        "how often a breaker lets entries go on by itself; tripped once more, it halts until the operator",
        unit="times",
        reload=Reload.LIVE,
    )
    forget_hours: int = key(
        whole(1, 8760),
        24,
        "without a trip for so long, a breaker counts its resumptions anew",
        unit="hours",
        reload=Reload.LIVE,
    )


def breaker_policy(account: AccountSettings) -> BreakerPolicy:
    """Return how breakers come back."""
    return BreakerPolicy(
        cool_down=nanos(account.cool_down_seconds),
        max_resumes=account.max_resumes,
        forget_after=Nanos(account.forget_hours * _HOUR),
    )


def account_limits(account: AccountSettings, *, clock_skew_seconds: Decimal) -> RiskLimits:
    """Return the limits of the account."""
    return RiskLimits(
        section="account",
        daily_loss=account.max_daily_loss,
        drawdown_pct=account.max_drawdown_pct,
        consecutive_losses=account.max_consecutive_losses,
        reject_pct=account.max_reject_pct,
        adverse_markout_pct=account.max_adverse_markout_pct,
        inventory_age=None,
        data_age=None,
        clock_skew=nanos(clock_skew_seconds),
    )


def symbol_limits(symbol: SymbolSettings) -> RiskLimits:
    """Return the limits of one symbol."""
    risk, exits = symbol.risk, symbol.exits
    age = risk.max_inventory_age_seconds
    if age is not None:  # before that, the exit rules have their time
        age = max(age, exits.max_lifetime_seconds + exits.stale_patience_seconds)
    return RiskLimits(
        section="risk",
        daily_loss=risk.max_daily_loss,
        drawdown_pct=None,
        consecutive_losses=risk.max_consecutive_losses,
        reject_pct=risk.max_reject_pct,
        adverse_markout_pct=risk.max_adverse_markout_pct,
        inventory_age=None if age is None else nanos(age),
        data_age=_span(risk.max_data_age_seconds),
        clock_skew=None,
    )


def entry_caps(symbol: SymbolSettings) -> EntryCaps:
    """Return what a trader holds the entries of its symbol to."""
    return EntryCaps(
        exposure=symbol.risk.max_exposure,
        position=symbol.quote.max_position,
        open_orders=symbol.risk.max_open_orders,
    )


def _span(seconds_: Decimal | None) -> Nanos | None:
    return None if seconds_ is None else nanos(seconds_)
