"""Pre-trade risk: an entry is approved, or refused with the limit, its value and its setting.

Only entries are asked. An exit reduces risk and is never refused here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

from quietmaker.core.state import State
from quietmaker.core.units import SECOND, Instant

MINUTE: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Approved:
    """The order may be sent."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The order may not be sent: `limit` is the name of the setting, `detail` its numbers."""

    limit: str
    detail: str


Verdict: TypeAlias = Approved | Refused

APPROVED: Final = Approved()


class OrderRate:
    """When entries were sent in the last minute; memory is bounded by the limit that it serves."""

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        """Start with nothing sent."""
        self._sent: deque[Instant] = deque()

    def count(self, now: Instant) -> int:
        """Return how many were sent within the last minute."""
        while self._sent and now - self._sent[0] >= MINUTE:
            self._sent.popleft()
        return len(self._sent)

    def add(self, now: Instant) -> None:
        """Count one that is sent now."""
        self._sent.append(now)

    def free_at(self, now: Instant) -> Instant:
        """Return when the oldest one leaves the minute."""
        return Instant(self._sent[0] + MINUTE) if self._sent else now


def approve(
    state: State, *, notional: int, exposure: int, planned: int, rate: OrderRate
) -> Verdict:
    """Judge one entry order.

    Args:
        state: the facts.
        notional: value of the order in tick-lots.
        exposure: value of this symbol's position and entry orders without it, in tick-lots.
        planned: new orders of the same decision that were approved before it.
        rate: entries sent lately.
    """
    risk, limits, product = state.params.risk, state.limits, state.product
    if notional > limits.order:
        value = product.notional(notional, 1)
        return Refused("max_order_notional", f"order {value} > {risk.max_order_notional}")
    working = len(state.orders) + planned
    if working >= risk.max_open_orders:
        return Refused("max_open_orders", f"{working} orders, {risk.max_open_orders} allowed")
    if state.others + exposure + notional > limits.exposure:
        value = product.notional(state.others + exposure + notional, 1)
        return Refused("max_exposure", f"exposure {value} > {risk.max_exposure}")
    if state.lost_today >= risk.max_daily_loss:
        return Refused("max_daily_loss", f"lost {state.lost_today} of {risk.max_daily_loss} today")
    if rate.count(state.now) + planned >= risk.max_orders_per_minute:
        return Refused(
            "max_orders_per_minute", f"{risk.max_orders_per_minute} sent in the last minute"
        )
    return APPROVED


def describe(refused: Refused) -> str:
    """Say a refusal with its setting."""
    return f"{refused.detail} (risk.{refused.limit})"
