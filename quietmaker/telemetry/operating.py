"""The families of metrics about operators' commands."""

from __future__ import annotations

from enum import Enum
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from quietmaker.telemetry.snapshot import PREFIX

ACTIONS: Final = ("pause", "resume", "drain", "flatten", "halt")


class Result(Enum):
    """What came of a command."""

    DONE = "done"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    FAILED = "failed"


class OperatorMetrics:
    """What operators command. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Create the family, with its known label sets at 0."""
        family = Counter(
            PREFIX + "operator_actions_total",
            "Commands of operators to the running instance, by what came of them.",
            ["action", "result"],
            registry=registry,
        )
        self._actions = {
            (action, result): family.labels(action, result.value)
            for action in ACTIONS
            for result in Result
        }

    def acted(self, action: str, result: Result) -> None:
        """Count a command."""
        self._actions[action, result].inc()
