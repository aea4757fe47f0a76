"""The families of metrics about whether books and exchange agree."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from prometheus_client import CollectorRegistry, Counter, Gauge

from quietmaker.core.differences import DifferenceKind, Verdict
from quietmaker.core.evidence import CashKind
from quietmaker.core.units import Instant
from quietmaker.telemetry.snapshot import PREFIX, epoch_seconds


class Reconciled(Enum):
    """How a recovery pass or a sweep ended."""

    AGREED = "agreed"
    DIFFERENT = "different"
    INCOMPLETE = "incomplete"


class TruthMetrics:
    """What reconciliations and tie-outs find. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Create the families, with their known label sets at 0."""
        passes = Counter(
            PREFIX + "reconciliations",
            "Recovery passes and sweeps; incomplete where something could not be asked for.",
            ["result"],
            registry=registry,
        )
        self._passes = {each: passes.labels(each.value) for each in Reconciled}
        self._passed_at = Gauge(
            PREFIX + "last_reconciliation_timestamp_seconds",
            "When books and exchange were last brought together.",
            registry=registry,
        )
        mismatches = Counter(
            PREFIX + "reconciliation_mismatches",
            "Differences between books and exchange, each counted when it began.",
            ["kind"],
            registry=registry,
        )
        self._mismatches = {each: mismatches.labels(each.value) for each in DifferenceKind}
        unresolved = Gauge(
            PREFIX + "differences_unresolved",
            "Differences between books and exchange that are not resolved.",
            ["kind"],
            registry=registry,
        )
        self._unresolved = {each: unresolved.labels(each.value) for each in DifferenceKind}
        tie_outs = Counter(PREFIX + "tie_outs", "Tie-outs.", ["verdict"], registry=registry)
        self._tie_outs = {each: tie_outs.labels(each.value) for each in Verdict}
        last = Gauge(
            PREFIX + "tie_out_verdict",
            "1 for the verdict of the last tie-out.",
            ["verdict"],
            registry=registry,
        )
        self._last = {each: last.labels(each.value) for each in Verdict}
        self._tied_at = Gauge(
            PREFIX + "last_tie_out_timestamp_seconds",
            "When a tie-out last came to a conclusion.",
            registry=registry,
        )
        cash = Counter(
            PREFIX + "cash_movements",
            "Amounts of money that came or went without an execution of ours.",
            ["kind"],
            registry=registry,
        )
        self._cash = {each: cash.labels(each.value) for each in CashKind}

    def reconciled(self, result: Reconciled, at: Instant) -> None:
        """Count a recovery pass or a sweep."""
        self._passes[result].inc()
        if result is not Reconciled.INCOMPLETE:
            self._passed_at.set(epoch_seconds(at))

    def differs(self, kind: DifferenceKind) -> None:
        """Count a difference that began."""
        self._mismatches[kind].inc()

    def unresolved(self, counts: Mapping[DifferenceKind, int]) -> None:
        """Set how many differences are open; kinds that are not named have none."""
        for kind, gauge in self._unresolved.items():
            gauge.set(counts.get(kind, 0))

    def tied_out(self, verdict: Verdict, at: Instant) -> None:
        """Count a tie-out."""
        self._tie_outs[verdict].inc()
        for each, gauge in self._last.items():
            gauge.set(1 if each is verdict else 0)
        if verdict is not Verdict.INCONCLUSIVE:
            self._tied_at.set(epoch_seconds(at))

    def cash_moved(self, kind: CashKind) -> None:
        """Count money that came or went."""
        self._cash[kind].inc()
