"""The families of metrics about the symbol filter."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from quietmaker.core.filter_rules import Rule
from quietmaker.core.filter_states import (
    AGED,
    BAN_ENDED,
    OPERATOR,
    PASSED,
    PERMANENT,
    SHADOW,
    SWITCHED_OFF,
    FilterState,
    Transition,
)
from quietmaker.core.outcomes import Outcome, outcome_of
from quietmaker.core.units import SECOND, Instant
from quietmaker.telemetry.snapshot import PREFIX, epoch_seconds

_REASONS: Final = (
    *(rule.value for rule in Rule),
    *(PERMANENT, OPERATOR, SWITCHED_OFF, BAN_ENDED, SHADOW, AGED, PASSED),
)
_EXCLUDED: Final = (*(rule.value for rule in Rule), PERMANENT, OPERATOR)


class FilterMetrics:
    """What the symbol filter does. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Create the families, with their known label sets at 0."""
        self._lock = threading.Lock()
        states = Gauge(
            PREFIX + "symbols", "Symbols by state of the filter.", ["state"], registry=registry
        )
        self._states = {each: states.labels(each.value) for each in FilterState}
        self._excluded = Gauge(
            PREFIX + "symbol_excluded",
            "1 for a symbol that may not enter, by what keeps it out.",
            ["symbol", "reason"],
            registry=registry,
        )
        self._shown: set[tuple[str, str]] = set()
        moved = Counter(
            PREFIX + "symbol_filter_transitions",
            "Symbols that the filter moved.",
            ["direction", "reason"],
            registry=registry,
        )
        self._moved = {
            **{("excluded", reason): moved.labels("excluded", reason) for reason in _EXCLUDED},
            **{
                ("included", r): moved.labels("included", r) for r in _REASONS if r not in _EXCLUDED
            },
            ("included", OPERATOR): moved.labels("included", OPERATOR),
        }
        self._family = moved
        self._success = Gauge(
            PREFIX + "symbol_filter_last_success_timestamp_seconds",
            "When the filter last evaluated.",
            registry=registry,
        )
        done = Counter(
            PREFIX + "symbol_filter_evaluations",
            "Evaluations: held, failed for want of the books, or refused as not to be believed.",
            ["result"],
            registry=registry,
        )
        self._done = {each: done.labels(each) for each in ("held", "failed", "refused")}
        self._below = Gauge(
            PREFIX + "symbol_filter_below_floor",
            "1 while fewer symbols may enter than filter.min_eligible.",
            registry=registry,
        )
        self._shadow(registry)

    def _shadow(self, registry: CollectorRegistry) -> None:
        self._shadows = Gauge(
            PREFIX + "shadow_symbols",
            "Excluded symbols that trade in the shadow.",
            registry=registry,
        )
        trips = Counter(
            PREFIX + "shadow_round_trips",
            "Round trips of the shadow, which are never mixed with real ones.",
            ["result"],
            registry=registry,
        )
        self._shadow_trips = {each: trips.labels(each.value) for each in Outcome}
        self._shadow_cpu = Counter(
            PREFIX + "shadow_cpu_seconds", "Processor time of shadow trading.", registry=registry
        )
        self._shadow_skipped = Counter(
            PREFIX + "shadow_skipped_events",
            "Market events that shadow trading passed over to stay within its share.",
            registry=registry,
        )

    def shadows(self, symbols: int) -> None:
        """Set how many symbols trade in the shadow."""
        self._shadows.set(symbols)

    def shadow_trip(self, net: Decimal) -> None:
        """Count a round trip of the shadow."""
        self._shadow_trips[outcome_of(net)].inc()

    def shadow_cpu(self, nanos: int) -> None:
        """Count processor time of shadow trading."""
        self._shadow_cpu.inc(nanos / SECOND)

    def shadow_skipped(self, events: int) -> None:
        """Count market events that shadow trading passed over."""
        self._shadow_skipped.inc(events)

    def evaluated(self, at: Instant) -> None:
        """Count an evaluation that held."""
        self._done["held"].inc()
        self._success.set(epoch_seconds(at))

    def failed(self, *, refused: bool) -> None:
        """Count an evaluation that did not hold."""
        self._done["refused" if refused else "failed"].inc()

    def floor(self, *, below: bool) -> None:
        """Set whether too few symbols may enter."""
        self._below.set(1 if below else 0)

    def moved(self, transition: Transition) -> None:
        """Count a transition by whether the symbol may enter after it."""
        key = ("included" if transition.after.enters else "excluded", transition.rule)
        with self._lock:
            child = self._moved.get(key)
            if child is None:
                child = self._moved[key] = self._family.labels(*key)
        child.inc()

    def standings(self, standings: Mapping[str, tuple[FilterState, str]]) -> None:
        """Set where every symbol stands: its state, and what brought it there."""
        out = {(symbol, rule) for symbol, (state, rule) in standings.items() if not state.enters}
        with self._lock:
            for gone in self._shown - out:
                self._excluded.remove(*gone)
            for come in out - self._shown:
                self._excluded.labels(*come).set(1)
            self._shown = out
        for each, gauge in self._states.items():
            gauge.set(sum(state is each for state, _ in standings.values()))
