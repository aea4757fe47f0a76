"""The risk desk: measures every limit of every symbol and of the account, and steps their breakers.

It holds what breakers need to remember and nothing else: the breakers, and the equity of each kind of money.
What is measured is given to it at each look. A limit that nobody can measure now has no value: it neither
trips nor counts for kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from quietmaker.core.breakers import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    Phase,
    Reading,
    armed,
    imposed,
    released,
    step,
)
from quietmaker.core.equity import Equity, opened
from quietmaker.core.risk_tape import LEAST_ANSWERS, LEAST_MARKS, Tape
from quietmaker.core.units import ROUNDED, SECOND, ZERO, Instant, Nanos

DAY: Final = 86_400 * SECOND
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The limits of a symbol, or of the account; None where there is no such limit.

    Attributes:
        section: of the settings, which the keys are in.
    """

    section: str
    daily_loss: Decimal | None
    drawdown_pct: Decimal | None
    consecutive_losses: int | None
    reject_pct: Decimal | None
    adverse_markout_pct: Decimal | None
    inventory_age: Nanos | None
    data_age: Nanos | None
    clock_skew: Nanos | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCaps:
    """What the trader itself holds the entries of a symbol to; here it is only shown."""

    exposure: Decimal
    position: Decimal
    open_orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRules:
    """What the operator chose.

    Attributes:
        account: limits of the account.
        symbol, caps: return those of a symbol.
    """

    policy: BreakerPolicy
    account: RiskLimits
    symbol: Callable[[str], RiskLimits]
    caps: Callable[[str], EntryCaps]

    def of(self, scope: str | None) -> RiskLimits:
        """Return the limits of a scope."""
        return self.account if scope is None else self.symbol(scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was measured of a scope; None for what nobody knows now.

    Attributes:
        lost: of the UTC day, or since the breaker was armed: closed results and open losses, positive.
        losses: round trips lost in a row, up to the latest.
        inventory_age: of the open position; 0 when flat.
        data_age: since when its market data is not to be trusted; 0 while it is.
        skew: between our clock and the exchange's.
    """

    lost: Decimal | None = None
    losses: int | None = None
    inventory_age: int | None = None
    data_age: int | None = None
    skew: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerMoved:
    """The fact that is stored: a breaker of a scope (None: the account) is in this state from now on."""

    at: Instant
    scope: str | None
    state: BreakerState


@dataclass(frozen=True, slots=True, kw_only=True)
class EquitySeen:
    """The fact that is stored: the equity in one kind of money."""

    at: Instant
    money: str
    equity: Equity


class RiskDesk:
    """The breakers and equities. One thread at a time.

    Attributes:
        equities: by kind of money.
        readings: of the latest look, by scope.
    """

    def __init__(
        self,
        states: Mapping[tuple[str | None, Breaker], BreakerState],
        equities: Mapping[str, Equity],
        *,
        now: Instant,
    ) -> None:
        """Go on from what is remembered.

        A clock may have been set back since: what counts from an arming counts from now at the latest.
        """
        self._states = {
            name: replace(state, armed_at=min(state.armed_at, now))
            for name, state in states.items()
        }
        self.equities = dict(equities)
        self.readings: dict[str | None, dict[Breaker, Reading]] = {}

    def state(self, scope: str | None, breaker: Breaker) -> BreakerState:
        """Return a breaker; one that never tripped has been armed for ever."""
        found = self._states.get((scope, breaker))
        if found is None:
            found = self._states[scope, breaker] = armed(breaker, Instant(0))
        return found

    def states(self, scope: str | None) -> list[BreakerState]:
        """Return the breakers of a scope that were looked at."""
        return [state for (each, _), state in self._states.items() if each == scope]

    def open(self) -> list[tuple[str | None, BreakerState]]:
        """Return the breakers that are not armed, with their scopes."""
        return [
            (scope, state)
            for (scope, _), state in self._states.items()
            if state.phase is not Phase.ARMED
        ]

    def speaker(self, scope: str | None) -> BreakerState | None:
        """Return the breaker that speaks for a scope; None while all are armed."""
        return imposed(self.states(scope))

    # --- equity ---------------------------------------------------------------------------------

    def value(self, money: str, *, capital: Decimal, result: Decimal) -> Equity:
        """Take what an account is worth now."""
        before = self.equities.get(money)
        after = opened(capital, result) if before is None else before.funded(capital).earned(result)
        self.equities[money] = after
        return after

    # --- looking --------------------------------------------------------------------------------

    def look(
        self,
        scope: str | None,
        limits: RiskLimits,
        measured: Measured,
        tape: Tape,
        policy: BreakerPolicy,
        now: Instant,
    ) -> list[BreakerMoved]:
        """Look at the limits of a scope; return the breakers that moved."""
        readings = self.readings[scope] = {}
        moved = []
        for breaker in Breaker:
            before = self.state(scope, breaker)
            reading = self._read(breaker, limits, measured, tape, before, now)
            if reading is None:
                reading = (
                    _NO_LIMIT  # switched off by the operator: what stands is let go in its time
                )
            else:
                readings[breaker] = reading
            after = step(before, reading, policy, now)
            if after is before:
                continue
            self._states[scope, breaker] = after
            if breaker is Breaker.DRAWDOWN and after.phase is Phase.ARMED:
                self._rebase()
            if (after.phase, after.trips) != (before.phase, before.trips):
                moved.append(BreakerMoved(at=now, scope=scope, state=after))
        return moved

    def release(self, scope: str | None, now: Instant) -> list[BreakerMoved]:
        """Arm every breaker of a scope, on the operator's word; return those that moved."""
        moved = []
        for (each, breaker), state in list(self._states.items()):
            if each != scope or state.phase is Phase.ARMED:
                continue
            after = self._states[scope, breaker] = released(state, now)
            if breaker is Breaker.DRAWDOWN:
                self._rebase()
            moved.append(BreakerMoved(at=now, scope=scope, state=after))
        return moved

    def adopt(self, scope: str | None, state: BreakerState) -> BreakerMoved:
        """Take over a breaker that stands imposed and was not remembered."""
        self._states[scope, state.breaker] = state
        return BreakerMoved(at=state.armed_at, scope=scope, state=state)

    def forget(self, scope: str | None) -> None:
        """Forget the readings of a symbol that is not traded any more; its breakers stay."""
        self.readings.pop(scope, None)

    def _rebase(self) -> None:
        self.equities = {money: each.rebased() for money, each in self.equities.items()}

    # --- measuring ------------------------------------------------------------------------------

    def _read(
        self,
        breaker: Breaker,
        limits: RiskLimits,
        measured: Measured,
        tape: Tape,
        state: BreakerState,
        now: Instant,
    ) -> Reading | None:
        """Return a limit and its value; None where there is no such limit."""
        setting = f"{limits.section}.{breaker.value}"
        match breaker:
            case Breaker.DAILY_LOSS:
                midnight = (now // DAY + 1) * DAY
                text = "lost {} of {} today"
                return _reading(limits.daily_loss, measured.lost, setting, text, midnight)
            case Breaker.DRAWDOWN:
                return _reading(
                    limits.drawdown_pct, self._drawdown(), setting, "{} % below peak, {} %"
                )
            case Breaker.CONSECUTIVE_LOSSES:
                text = "{} losses in a row, {} allowed"
                return _reading(limits.consecutive_losses, measured.losses, setting, text)
            case Breaker.REJECTS:
                value = _refused(tape, state, now)
                return _reading(limits.reject_pct, value, setting, "{} % of orders refused, {} %")
            case Breaker.ADVERSE_MARKOUT:
                text = "the market moves {} % against our fills, {} %"
                return _reading(limits.adverse_markout_pct, _adverse(tape, state), setting, text)
            case Breaker.INVENTORY_AGE:
                text = "a position is {} s old, {} s"
                return _aged(limits.inventory_age, measured.inventory_age, setting, text)
            case Breaker.DATA_AGE:
                text = "market data is stale for {} s, {} s"
                return _aged(limits.data_age, measured.data_age, setting, text)
            case Breaker.CLOCK_SKEW:
                text = "clocks are {} s apart, {} s"
                return _aged(limits.clock_skew, measured.skew, f"exchange.{breaker.value}", text)

    def _drawdown(self) -> Decimal | None:
        """Return the worst drawdown in percent; None while no equity is known."""
        known = [d for each in self.equities.values() if (d := each.drawdown) is not None]
        return ROUNDED.multiply(max(known), _HUNDRED) if known else None


_NO_LIMIT: Final = Reading(value=ZERO, limit=Decimal(1), setting="", words="")


def _reading(
    limit: Decimal | int | None,
    value: Decimal | int | None,
    setting: str,
    text: str,
    not_before: int = 0,
) -> Reading | None:
    if limit is None:
        return None
    known = None if value is None else Decimal(value)
    return Reading(
        value=known,
        limit=Decimal(limit),
        setting=setting,
        words=text,
        not_before=not_before,
    )


def _aged(limit: Nanos | None, value: int | None, setting: str, text: str) -> Reading | None:
    """Return a reading in seconds."""
    span = None if value is None else ROUNDED.divide(Decimal(value), Decimal(SECOND))
    most = None if limit is None else ROUNDED.divide(Decimal(limit), Decimal(SECOND))
    return _reading(most, span, setting, text)


def _refused(tape: Tape, state: BreakerState, now: Instant) -> Decimal | None:
    refused, answered = tape.refusals(now, state.armed_at)
    if answered < LEAST_ANSWERS:
        return None
    return ROUNDED.divide(_HUNDRED * refused, Decimal(answered))


def _adverse(tape: Tape, state: BreakerState) -> Decimal | None:
    value, notional, count = tape.markout(state.armed_at)
    if count < LEAST_MARKS or notional <= 0:
        return None
    return max(ZERO, ROUNDED.divide(ROUNDED.multiply(-value, _HUNDRED), notional))


def losses_in_row(nets: Iterable[Decimal]) -> int:
    """Return how many of these results, the latest first, are losses without a gain between them."""
    count = 0
    for net in nets:
        if net >= 0:
            break
        count += 1
    return count
