"""The families of metrics that the process exposes, each with its known label sets at 0.

Names follow Prometheus' conventions: base units, plural, ``_total``. No label holds an id, a price or
free text.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable
from enum import Enum
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, ProcessCollector

from quietmaker.core.commands import AlertKind, CancelReason, Gate
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import ExitReason, Purpose
from quietmaker.core.outcomes import Outcome
from quietmaker.core.units import Instant, Liquidity, Side
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.holds import Holds
from quietmaker.telemetry.registry import Registry
from quietmaker.telemetry.snapshot import PREFIX, Snapshots


class ProcessState(Enum):
    """What the process as a whole is doing."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DRAINING = "draining"
    HALTED = "halted"
    STOPPED = "stopped"


class MarketKind(Enum):
    """The kinds of market event that are counted."""

    SNAPSHOT = "snapshot"
    DELTA = "delta"
    TOUCH = "touch"
    TRADE = "trade"
    CANDLE = "candle"


class LedgerOperation(Enum):
    """What the ledger is asked to do."""

    INTENT = "intent"
    FACTS = "facts"


ACTORS: Final = (
    "feed",
    "user_feed",
    "trader",
    "gateway",
    "reconciler",
    "risk_guard",
    "ledger",
    "clock",
    "tie_out",
    "filter",
    "shadow",
    "status",
)
"""The actors by role: all traders share one name, so that series do not multiply by symbols."""
DOLLARS: Final = ("-USD", "-USDC", "-USDT")
"""Products whose money counts in the ``_usd`` families, one to one. Others would not add up."""
MAX_REASONS: Final = 40
"""Different words of the exchange kept apart; further ones count as ``other``."""
_BUILD: Final = ("version", "revision", "python", "mode")
_HOLD_BUCKETS: Final = (1, 5, 15, 60, 120, 300, 600, 900, 1800, 3600, 14400)
_MESSAGE_BUCKETS: Final = (0.0001, 0.001, 0.01, 0.1, 1, 10)
HORIZONS: Final = (5, 30, 60, 300)
"""Seconds after a fill at which the mid is looked at again."""
_CALL_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Families:
    """Creates every family on a registry of its own."""

    def __init__(
        self, *, version: str, revision: str, mode: str, now: Callable[[], Instant]
    ) -> None:
        """Create them.

        Args:
            version: of the program.
            revision: the commit it was built from.
            mode: ``paper`` or ``live``.
            now: the clock that the facts' times come from.
        """
        self.registry = Registry()
        ProcessCollector(registry=self.registry)
        self._process(version, revision, mode)
        self._actors()
        self._market()
        self._orders()
        self._results()
        self._ledger()
        self._holds = Holds(now)
        self._snapshots = Snapshots(self._snapshot_failed.inc)
        self.registry.register(self._holds)
        self.registry.register(self._snapshots)

    def _process(self, version: str, revision: str, mode: str) -> None:
        build = self._gauge(
            "build_info", "Version of the running program.", "version", "revision", "python", "mode"
        )
        build.labels(version, revision, platform.python_version(), mode).set(1)
        state = self._gauge("state", "1 for the current state of the process.", "state")
        self._state = {each: state.labels(each.value) for each in ProcessState}
        self._ready = self._gauge("ready", "Whether every readiness check passes.")
        threads = self._gauge("threads", "Threads of the process.")
        threads.set_function(threading.active_count)
        logs = self._counter("log_messages", "Log messages by level.", "level")
        self._logs = {each: logs.labels(each) for each in ("debug", "info", "warning", "error")}
        said = self._counter(
            "log_events", "Log lines by their word, also those held back as repeats.", "event"
        )
        self._said = {each.value: said.labels(each.value) for each in Event}
        self._snapshot_failed = self._counter(
            "snapshot_errors", "Scrapes that could not read the state of the symbols."
        )

    def _actors(self) -> None:
        failures = self._counter("actor_failures", "Exceptions that ended an actor.", "actor")
        restarts = self._counter("actor_restarts", "Restarts by the supervisor.", "actor")
        beats = self._gauge(
            "actor_last_heartbeat_timestamp_seconds",
            "Last heartbeat; of the slowest where several share a name.",
            "actor",
        )
        self._failures = {each: failures.labels(each) for each in ACTORS}
        self._restarts = {each: restarts.labels(each) for each in ACTORS}
        self._beats = beats
        took = self._histogram(
            "actor_message_duration_seconds",
            "Time that an actor took for a message.",
            _MESSAGE_BUCKETS,
            "actor",
        )
        self._took = {each: took.labels(each) for each in ACTORS}
        self._dead_letters = self._counter("dead_letters", "Messages to an actor that was gone.")

    def _market(self) -> None:
        events = self._counter("market_events", "Market events received.", "kind")
        self._market_events = {each: events.labels(each.value) for each in MarketKind}
        self._market_at = self._gauge(
            "market_last_event_timestamp_seconds", "When the last market event was received."
        )
        self._market_lag = self._gauge(
            "market_data_lag_seconds",
            "From the exchange's time of the latest change of a book to its receipt; clock skew is in it.",
        )
        lost = self._counter(
            "market_data_lost", "Times that a book could not be trusted.", "reason"
        )
        self._lost = {each: lost.labels(each.value) for each in StaleReason}

    def _orders(self) -> None:
        self._submitted = self._counter(
            "orders_submitted", "Orders sent.", "symbol", "side", "purpose"
        )
        self._rejected = self._counter(
            "orders_rejected", "Orders refused by the exchange.", "reason"
        )
        self._reasons: dict[str, Counter] = {"other": self._rejected.labels("other")}
        self._unknown = self._counter("orders_unknown", "Requests without an answer.")
        cancels = self._counter("orders_canceled", "Cancellations asked for.", "reason")
        self._cancels = {each: cancels.labels(each.value) for each in CancelReason}
        self._submit_seconds = self._histogram(
            "order_submit_duration_seconds", "From the request to its answer.", _CALL_BUCKETS
        )
        self._fills = self._counter("fills", "Executions.", "symbol", "side", "liquidity")
        notional = self._counter("fill_notional_usd", "Value of executions.", "liquidity")
        self._notional = {each: notional.labels(_word(each)) for each in Liquidity}
        moved = self._counter(
            "fill_markout_usd",
            "Value of the mid's moves after executions, for us or against us.",
            "horizon",
            "direction",
        )
        self._markouts = {
            (seconds, way): moved.labels(f"{seconds}s", way)
            for seconds in HORIZONS
            for way in ("favourable", "adverse")
        }
        fees = self._gauge(
            "fees_usd",
            "Fees paid since the start; a gauge, because a rebate is negative.",
            "liquidity",
        )
        self._fees = {each: fees.labels(_word(each)) for each in Liquidity}

    def _results(self) -> None:
        skipped = self._counter(
            "entries_skipped", "Times that a gate began to refuse a side.", "reason"
        )
        self._skipped = {each: skipped.labels(each.value) for each in Gate}
        exits = self._counter("exits", "Positions left, by the rule that decided it.", "reason")
        self._exits = {each: exits.labels(each.value) for each in ExitReason}
        trips = self._counter(
            "round_trips",
            "Closed positions: won, lost, lost_to_fees where the price move was no loss, or break_even.",
            "result",
        )
        results = (*(each.value for each in Outcome), "lost_to_fees")
        self._trips = {each: trips.labels(each) for each in results}
        self._held = self._histogram(
            "position_hold_seconds", "From the first fill to flat.", _HOLD_BUCKETS
        )
        alerts = self._counter("alerts", "What must never happen quietly.", "kind")
        self._alerts = {each: alerts.labels(each.value) for each in AlertKind}

    def _ledger(self) -> None:
        done = self._counter("db_operations", "Writes to the ledger.", "operation", "result")
        self._written = {
            (each, ok): done.labels(each.value, "ok" if ok else "failed")
            for each in LedgerOperation
            for ok in (True, False)
        }
        seconds = self._histogram(
            "db_operation_duration_seconds",
            "Time of a write to the ledger.",
            _CALL_BUCKETS,
            "operation",
        )
        self._write_seconds = {each: seconds.labels(each.value) for each in LedgerOperation}
        self._backlog = self._gauge(
            "ledger_backlog_records", "Records of the journal that the database does not hold yet."
        )
        self._backlog_at = self._gauge(
            "ledger_backlog_oldest_timestamp_seconds",
            "When the oldest of them was recorded; 0 when there is none.",
        )
        self._ledger_ok = self._gauge(
            "ledger_available",
            "Whether entries can be recorded; exits may be able to all the same.",
        )
        self._ledger_ok.set(1)
        self._facts_refused = self._counter(
            "ledger_facts_refused", "Facts that contradict the books; they were set aside."
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(PREFIX + name, about, labels, registry=self.registry, buckets=buckets)


class SymbolCounters:
    """The children of one symbol, looked up once."""

    __slots__ = ("fills", "submitted")

    def __init__(self, of: Families, symbol: str) -> None:
        """Create them at 0."""
        self.submitted = {
            (side, purpose): of._submitted.labels(symbol, _word(side), purpose.value)
            for side in Side
            for purpose in Purpose
        }
        self.fills = {
            (side, liquidity): of._fills.labels(symbol, _word(side), _word(liquidity))
            for side in Side
            for liquidity in Liquidity
        }


def _word(value: Side | Liquidity) -> str:
    return str(value.value).lower()
