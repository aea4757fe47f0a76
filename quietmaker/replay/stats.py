"""What a replay adds up while it runs; memory does not grow with orders or events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from quietmaker.core.commands import Alert, CancelReason, Gate, HoldChanged, RoundTrip
from quietmaker.core.orders import ExitReason, Fill, Purpose
from quietmaker.core.outcomes import Outcome, outcome_of
from quietmaker.core.units import SECOND, ZERO, Instant, Liquidity, Side, plus


@dataclass(slots=True)
class Money:
    """Results in one quote currency. gross = spread_captured + price_move; net = gross - fees."""

    spread_captured: Decimal = ZERO
    price_move: Decimal = ZERO
    fees: Decimal = ZERO
    net: Decimal = ZERO

    def add(self, trip: RoundTrip) -> None:
        """Count one round trip."""
        self.spread_captured = plus(self.spread_captured, trip.spread_captured)
        self.price_move = plus(self.price_move, trip.price_move)
        self.fees = plus(self.fees, trip.fees)
        self.net = plus(self.net, trip.net)


@dataclass(slots=True)
class Trips:
    """Round trips of one exit reason."""

    count: int = 0
    wins: int = 0
    fee_only_losses: int = 0
    hold: int = 0
    longest: int = 0
    net: Decimal = ZERO

    def add(self, trip: RoundTrip) -> None:
        """Count one round trip; a fee-only loss lost although its price did not."""
        held = trip.closed_at - trip.opened_at
        gross = plus(trip.spread_captured, trip.price_move)
        self.count += 1
        self.wins += outcome_of(trip.net) is Outcome.WON
        self.fee_only_losses += trip.net < 0 <= gross
        self.hold += held
        self.longest = max(self.longest, held)
        self.net = plus(self.net, trip.net)


@dataclass(slots=True)
class Stats:
    """One engine's sums.

    Attributes:
        held: nanoseconds for which a side was not quoted, by gate.
        refusals: how often a gate became the reason for not quoting.
        quoted: nanoseconds for which a side was quoted.
    """

    orders: Counter[Purpose] = field(default_factory=Counter)
    cancels: Counter[CancelReason] = field(default_factory=Counter)
    fills: Counter[Liquidity] = field(default_factory=Counter)
    refusals: Counter[Gate] = field(default_factory=Counter)
    held: Counter[Gate] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    quoted: int = 0
    trips: dict[ExitReason, Trips] = field(default_factory=dict)
    money: dict[str, Money] = field(default_factory=dict)
    _since: dict[tuple[str, Side], tuple[Instant, Gate | None]] = field(default_factory=dict)

    def on_hold(self, change: HoldChanged) -> None:
        """Count a change of the reason for not quoting."""
        key = (change.symbol, change.side)
        self._close(key, change.now)
        self._since[key] = (change.now, change.gate)
        if change.gate is not None:
            self.refusals[change.gate] += 1

    def on_trip(self, trip: RoundTrip, quote: str) -> None:
        """Count a round trip in its quote currency."""
        self.trips.setdefault(trip.exit_reason, Trips()).add(trip)
        self.money.setdefault(quote, Money()).add(trip)

    def on_fill(self, fill: Fill) -> None:
        """Count an execution."""
        self.fills[fill.liquidity] += 1

    def on_alert(self, alert: Alert) -> None:
        """Count an alert."""
        self.alerts[alert.kind.value] += 1

    def finish(self, now: Instant) -> None:
        """Close the open periods at the end of the market."""
        for key in list(self._since):
            self._close(key, now)
        self._since.clear()

    def _close(self, key: tuple[str, Side], now: Instant) -> None:
        since, gate = self._since.get(key, (now, None))
        if gate is None:
            self.quoted += now - since
        else:
            self.held[gate] += now - since


def in_seconds(nanos: int) -> float:
    """Return nanoseconds as seconds, to the millisecond, for a report."""
    return round(nanos / SECOND, 3)
