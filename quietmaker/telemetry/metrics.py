"""Metrics: one method per thing that happens, one registry per process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import prometheus_client
from prometheus_client.exposition import choose_encoder

from quietmaker.core.commands import Alert, CancelReason, HoldChanged, RoundTrip
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import Fill, Intent
from quietmaker.core.outcomes import Outcome, outcome_of
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.ports import LedgerStanding
from quietmaker.telemetry.configuration import ConfigMetrics
from quietmaker.telemetry.families import (
    ACTORS,
    DOLLARS,
    MAX_REASONS,
    Families,
    LedgerOperation,
    MarketKind,
    ProcessState,
    SymbolCounters,
)
from quietmaker.telemetry.filtering import FilterMetrics
from quietmaker.telemetry.operating import OperatorMetrics
from quietmaker.telemetry.risk import RiskMetrics
from quietmaker.telemetry.snapshot import SymbolSnapshot, epoch_seconds, number
from quietmaker.telemetry.truth import TruthMetrics
from quietmaker.telemetry.wire import WireMetrics

__all__ = ["ACTORS", "LedgerOperation", "MarketKind", "Metrics", "ProcessState", "SymbolSnapshot"]

# Otherwise every counter and histogram gets a second family with the time of its creation.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics(Families):
    """The metrics of one process. Thread-safe; every child is looked up once.

    Attributes:
        wire: those of requests, WebSockets and clocks.
        truth: those of reconciliations and tie-outs.
        filter: those of the symbol filter.
        operators: those of operators' commands.
        config: those of the configuration.
        risk: those of limits, equity and breakers.
    """

    def __init__(
        self, *, version: str, revision: str, mode: str, now: Callable[[], Instant]
    ) -> None:
        """Create every family, with its known label sets at 0.

        Args:
            version: of the program.
            revision: the commit it was built from.
            mode: ``paper`` or ``live``.
            now: the clock that the facts' times come from.
        """
        super().__init__(version=version, revision=revision, mode=mode, now=now)
        self.wire = WireMetrics(self.registry)
        self.truth = TruthMetrics(self.registry)
        self.filter = FilterMetrics(self.registry)
        self.operators = OperatorMetrics(self.registry)
        self.config = ConfigMetrics(self.registry)
        self.risk = RiskMetrics(self.registry)
        self._symbols: dict[str, SymbolCounters] = {}
        self._lock = threading.Lock()
        self.state(ProcessState.STARTING)

    # --- the process ---

    def state(self, state: ProcessState) -> None:
        """Set what the process is doing."""
        for each, gauge in self._state.items():
            gauge.set(1 if each is state else 0)

    def ready(self, ready: bool) -> None:
        """Set whether every readiness check passes."""
        self._ready.set(1 if ready else 0)

    def log_message(self, level: str) -> None:
        """Count a log message; levels above error count as error."""
        self._logs.get(level, self._logs["error"]).inc()

    def log_event(self, event: str) -> None:
        """Count a log line by its word, before repeats are held back."""
        self._said[event].inc()

    def watch(
        self,
        *,
        symbols: Callable[[], Iterable[SymbolSnapshot]],
        inboxes: Callable[[], Mapping[str, int]],
    ) -> None:
        """Read the state of symbols and inboxes at each scrape, in the scrape's thread."""
        self._snapshots.symbols = symbols
        self._snapshots.inboxes = inboxes

    # --- actors ---

    def actor_failed(self, actor: str) -> None:
        """Count an exception that ended an actor."""
        self._failures[actor].inc()

    def actor_restarted(self, actor: str) -> None:
        """Count a restart by the supervisor."""
        self._restarts[actor].inc()

    def heartbeat(self, actor: str, at: Instant) -> None:
        """Say when the actor, or the slowest of those that share its name, was last heard of."""
        self._beats.labels(actor).set(epoch_seconds(at))

    def message_timer(self, actor: str) -> Callable[[int], None]:
        """Return what observes the time of an actor's messages, in nanoseconds."""
        observe = self._took[actor].observe
        return lambda nanos: observe(nanos / SECOND)

    def dead_letter(self) -> None:
        """Count a message whose receiver was gone."""
        self._dead_letters.inc()

    # --- market data ---

    def market_event(self, kind: MarketKind, at: Instant, count: int = 1) -> None:
        """Count market events, the last of which was received at a time."""
        self._market_events[kind].inc(count)
        self._market_at.set(epoch_seconds(at))

    def market_lag(self, lag: Nanos) -> None:
        """Set how long the latest change of a book was under way."""
        self._market_lag.set(lag / SECOND)

    def market_data_lost(self, reason: StaleReason) -> None:
        """Count a book that could not be trusted any more."""
        self._lost[reason].inc()

    # --- symbols ---

    def add_symbol(self, symbol: str) -> None:
        """Show a symbol, with everything at 0."""
        self._of(symbol)

    def remove_symbol(self, symbol: str) -> None:
        """Drop every series of a symbol."""
        with self._lock:
            if self._symbols.pop(symbol, None) is None:
                return
            self._holds.remove(symbol)
            for family in (self._submitted, self._fills):
                family.remove_by_labels({"symbol": symbol})

    def _of(self, symbol: str) -> SymbolCounters:
        known = self._symbols.get(symbol)
        if known is None:
            with self._lock:
                known = self._symbols.setdefault(symbol, SymbolCounters(self, symbol))
                self._holds.add(symbol)
        return known

    # --- orders ---

    def order_submitted(self, intent: Intent) -> None:
        """Count an order whose request goes out."""
        self._of(intent.symbol).submitted[intent.side, intent.purpose].inc()

    def submit_answered(self, seconds: float) -> None:
        """Observe the time from a request to its answer."""
        self._submit_seconds.observe(seconds)

    def order_rejected(self, reason: str) -> None:
        """Count a refusal by the exchange, under its word."""
        child = self._reasons.get(reason)
        if child is None:
            with self._lock:
                room = len(self._reasons) < MAX_REASONS and len(reason) <= 64
                name = reason if room and reason.replace("_", "").isalnum() else "other"
                child = self._reasons.setdefault(name, self._rejected.labels(name))
        child.inc()

    def order_unknown(self) -> None:
        """Count a request whose outcome nobody knows."""
        self._unknown.inc()

    def cancel_requested(self, reason: CancelReason) -> None:
        """Count a cancellation that is asked for."""
        self._cancels[reason].inc()

    def fill(self, fill: Fill, notional: Decimal) -> None:
        """Count an execution.

        Args:
            fill: what the exchange booked.
            notional: its value, in quote.
        """
        counters = self._of(fill.symbol)
        counters.fills[fill.side, fill.liquidity].inc()
        if fill.symbol.endswith(DOLLARS):
            self._notional[fill.liquidity].inc(number(notional))
            self._fees[fill.liquidity].inc(number(fill.fee))

    def marked(self, symbol: str, horizon: Nanos, value: Decimal) -> None:
        """Count what the mid's move some time after an execution was worth to us."""
        child = self._markouts.get((horizon // SECOND, "favourable" if value >= 0 else "adverse"))
        if child is not None and symbol.endswith(DOLLARS):
            child.inc(number(abs(value)))

    # --- decisions and results ---

    def hold_changed(self, fact: HoldChanged) -> None:
        """Take over why a side is not quoted; count the gate that began to refuse it."""
        self._of(fact.symbol)
        self._holds.changed(fact)
        if fact.gate is not None:
            self._skipped[fact.gate].inc()

    def round_trip(self, trip: RoundTrip) -> None:
        """Count a closed position by its exit reason and result."""
        self._exits[trip.exit_reason].inc()
        self._held.observe((trip.closed_at - trip.opened_at) / SECOND)
        outcome = outcome_of(trip.net)
        # Gross zero or better, and yet a loss: the founding loss, paid to the exchange alone.
        by_fees = outcome is Outcome.LOST and trip.net + trip.fees >= 0
        self._trips["lost_to_fees" if by_fees else outcome.value].inc()
        self._of(trip.symbol)
        if trip.symbol.endswith(DOLLARS):
            self._holds.earned(trip)

    def alert(self, alert: Alert) -> None:
        """Count what must never happen quietly."""
        self._alerts[alert.kind].inc()

    # --- the ledger ---

    def ledger_write(self, operation: LedgerOperation, seconds: float, *, ok: bool) -> None:
        """Observe a write to the ledger."""
        self._written[operation, ok].inc()
        self._write_seconds[operation].observe(seconds)

    def ledger_stands(self, standing: LedgerStanding) -> None:
        """Set whether entries can be recorded, and what waits for the database since when."""
        self._ledger_ok.set(0 if standing.trouble else 1)
        self._backlog.set(standing.backlog)
        self._backlog_at.set(epoch_seconds(standing.oldest) if standing.oldest is not None else 0)

    def fact_refused(self) -> None:
        """Count a fact that contradicts the books."""
        self._facts_refused.inc()

    # --- exposition ---

    def expose(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the client accepts, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), str(content_type)
