"""The catalogue: every family of metrics that the process can expose, with its type, labels and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from quietmaker.core.units import Instant
from quietmaker.telemetry.metrics import Metrics

_TOTAL: Final = "_total"
_OURS: Final = "quietmaker_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One family.

    Attributes:
        name: as it is scraped, of a counter with ``_total``.
        kind: ``counter``, ``gauge`` or ``histogram``.
        about: its help text.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str

    @property
    def ours(self) -> bool:
        """Return whether it is ours and not the client library's."""
        return self.name.startswith(_OURS)

    def samples(self) -> tuple[str, ...]:
        """Return the names that its series have."""
        if self.kind != "histogram":
            return (self.name,)
        return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")


def catalogue() -> tuple[Described, ...]:
    """Return every family by name, of metrics that nobody has touched."""
    metrics = Metrics(version="", revision="", mode="paper", now=lambda: Instant(0))
    found = [each for one in metrics.registry.collectors for each in _described(one)]
    return tuple(sorted(found, key=lambda each: each.name))


def _described(collector: Collector) -> Iterator[Described]:
    # What is registered knows its labels also where no series is there yet; a scrape does not.
    wrapped = collector._labelnames if isinstance(collector, MetricWrapperBase) else ()
    # The library's own collector of the process has no description, only values.
    described = not isinstance(collector, ProcessCollector)
    for family in getattr(collector, "describe" if described else "collect")():
        yield Described(
            name=family.name + (_TOTAL if family.type == "counter" else ""),
            kind=family.type,
            labels=tuple(wrapped or getattr(family, "_labelnames", ())),
            about=family.documentation,
        )
