"""What of PromQL must be ours: metrics that exist, labels that they have, values that those can take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from quietmaker.core.commands import Gate
from quietmaker.core.units import Instant
from quietmaker.telemetry.catalogue import Described, catalogue
from quietmaker.telemetry.holds import QUOTED
from quietmaker.telemetry.metrics import Metrics
from supervisors.watch import StreamsWatch

_METRIC: Final = re.compile(r"\b((?:quietmaker|process)_[a-z0-9_]+)(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GIVEN: Final = frozenset({"job", "instance"})
"""Labels that Prometheus gives every target."""
_OPEN: Final = frozenset({"symbol", "code", "endpoint", "bucket", "sha256", "version", "revision"})
"""Labels whose values are not ours to list."""


@cache
def families() -> Mapping[str, Described]:
    """Return every family by the names of its samples."""
    return {name: family for family in catalogue() for name in family.samples()}


@cache
def values() -> Mapping[tuple[str, str], frozenset[str]]:
    """Return the values that stand at 0 from the start, by sample and label."""
    metrics = Metrics(version="", revision="", mode="paper", now=lambda: Instant(0))
    StreamsWatch(metrics, now=lambda: Instant(0))
    metrics.add_symbol("A-USD")
    reasons = {QUOTED, *(gate.value for gate in Gate)}
    found: dict[tuple[str, str], set[str]] = {("quietmaker_quote_reason", "reason"): reasons}
    for family in metrics.registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                found.setdefault((sample.name, label), set()).add(value)
    return {key: frozenset(known) for key, known in found.items()}


def faults(expression: str) -> Iterator[str]:
    """Yield what the expression names and the program does not have."""
    for name, matchers in _METRIC.findall(expression):
        family = families().get(name)
        if family is None:
            yield f"there is no metric {name}"
            continue
        for label, operator, value in _MATCHER.findall(matchers or ""):
            if label not in (*family.labels, *_GIVEN):
                yield f"{name} has no label {label}"
            elif label not in _OPEN | _GIVEN and operator == "=" and "$" not in value:
                known = values().get((name, label), frozenset())
                if known and value not in known:
                    yield f"{label} of {name} is never {value}"


def names(expression: str) -> set[str]:
    """Return the metrics that an expression reads."""
    return {name for name, _ in _METRIC.findall(expression)}
