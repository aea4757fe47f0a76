"""The registry of a process, which can say what was registered: a scrape shows only what has series."""

from __future__ import annotations

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector


class Registry(CollectorRegistry):
    """A registry that remembers its collectors in order."""

    def __init__(self) -> None:
        """Start empty."""
        super().__init__(auto_describe=False)
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        """Register, and remember."""
        super().register(collector)
        self.collectors.append(collector)
