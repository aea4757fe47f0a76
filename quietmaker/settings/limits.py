"""The keys of the ceilings: see `ceilings`."""
# ruff: noqa: RUF009 - key() and section() are dataclasses.field() with our metadata

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from quietmaker.settings.keys import MONEY_ABOVE_ZERO, QUOTE, key, pct, section, whole

_START: Final = "the greatest value at the start when null"


def _money() -> Any:
    return key(MONEY_ABOVE_ZERO, None, _START, unit=QUOTE, optional=True)


def _count(high: int, unit: str) -> Any:
    return key(whole(1, high), None, _START, unit=unit, optional=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteCeilings:
    """The same for limits of quotes."""

    max_position: Decimal | None = _money()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCeilings:
    """The same for limits of one symbol."""

    max_order_notional: Decimal | None = _money()
    max_exposure: Decimal | None = _money()
    max_open_orders: int | None = _count(100, "orders")
    max_orders_per_minute: int | None = _count(600, "orders")
    max_daily_loss: Decimal | None = _money()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCeilings:
    """The same for limits of the account."""

    max_daily_loss: Decimal | None = _money()
    max_drawdown_pct: Decimal | None = key(
        pct("0.1", "100", "0.5"), None, _START, unit="percent of the peak", optional=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingSettings:
    """How far a reload may raise limits; fixed at the start. A reload may always lower them."""

    quote: QuoteCeilings = section()
    risk: RiskCeilings = section()
    account: AccountCeilings = section()
