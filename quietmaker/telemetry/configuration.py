"""The families of metrics about the configuration; the names are Prometheus' own after the prefix."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from quietmaker.core.units import Instant
from quietmaker.telemetry.snapshot import PREFIX, epoch_seconds

TRIGGERS: Final = ("file", "signal", "api", "cli")
RESULTS: Final = ("applied", "unchanged", "rejected")


class ConfigMetrics:
    """Which configuration is in force, and how reloads end. Written by one thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Create the families, with their known label sets at 0."""
        self._info = Gauge(
            PREFIX + "config_info",
            "Hash of the configuration in force.",
            ["sha256"],
            registry=registry,
        )
        self._generation = Gauge(
            PREFIX + "config_generation",
            "Number of the configuration in force; the start has 1.",
            registry=registry,
        )
        self._ok = Gauge(
            PREFIX + "config_last_reload_successful",
            "Whether the last configuration that was read is in force.",
            registry=registry,
        )
        self._at = Gauge(
            PREFIX + "config_last_reload_success_timestamp_seconds",
            "When a configuration was last read and taken.",
            registry=registry,
        )
        self._restart = Gauge(
            PREFIX + "config_restart_required",
            "Whether the last configuration that was taken has keys that wait for a restart.",
            registry=registry,
        )
        reloads = Counter(
            PREFIX + "config_reloads",
            "Reloads by what asked for them and how they ended.",
            ["trigger", "result"],
            registry=registry,
        )
        self._reloads = {(t, r): reloads.labels(t, r) for t in TRIGGERS for r in RESULTS}

    def loaded(self, sha256: str, at: Instant, *, generation: int, waiting: bool) -> None:
        """Say which configuration is in force since when, and whether a part of it waits for a restart."""
        self._info.clear()
        self._info.labels(sha256).set(1)
        self._generation.set(generation)
        self._ok.set(1)
        self._at.set(epoch_seconds(at))
        self._restart.set(1 if waiting else 0)

    def refused(self) -> None:
        """Say that what was read is not in force; the last good one is."""
        self._ok.set(0)

    def reloaded(self, trigger: str, result: str) -> None:
        """Count a reload."""
        self._reloads[trigger, result].inc()
