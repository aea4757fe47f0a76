"""The families of metrics about risk: limits and how much of them is used, equity, breakers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from quietmaker.core.breakers import Breaker, Phase
from quietmaker.telemetry.snapshot import PREFIX, number


class RiskMetrics(Collector):
    """What the risk guard measures. Thread-safe: what is shown is replaced as a whole."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Create the families, with their known label sets at 0."""
        self._used: Mapping[str, Decimal] = {}
        self._equity: Decimal | None = None
        self._drawdown: Decimal | None = None
        trips = Counter(
            PREFIX + "breaker_trips",
            "Times that a circuit breaker of the account or of a symbol paused or halted.",
            ["breaker"],
            registry=registry,
        )
        self._trips = {each: trips.labels(each.value) for each in Breaker}
        standing = Gauge(
            PREFIX + "breakers",
            "Circuit breakers that are not armed.",
            ["phase"],
            registry=registry,
        )
        self._standing = {
            each: standing.labels(each.value) for each in (Phase.TRIPPED, Phase.HALTED)
        }
        registry.register(self)

    def measured(
        self, used: Mapping[str, Decimal], *, equity: Decimal | None, drawdown: Decimal | None
    ) -> None:
        """Show what was measured.

        Args:
            used: the share of each limit that is used, the worst where it is one of many symbols.
            equity: in dollars; None while nobody knows it.
            drawdown: of the equity, from 0 to 1.
        """
        self._used, self._equity, self._drawdown = dict(used), equity, drawdown

    def tripped(self, breaker: Breaker) -> None:
        """Count a breaker that paused or halted."""
        self._trips[breaker].inc()

    def standing(self, phases: Iterable[Phase]) -> None:
        """Show how many breakers are not armed."""
        counted = list(phases)
        for phase, gauge in self._standing.items():
            gauge.set(counted.count(phase))

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the families."""
        return self._families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families of this moment; a value that nobody knows is absent."""
        used, equity, drawdown = families = self._families()
        for limit, share in sorted(self._used.items()):
            used.add_metric([limit], number(share))
        if self._equity is not None:
            equity.add_metric([], number(self._equity))
        if self._drawdown is not None:
            drawdown.add_metric([], number(self._drawdown))
        yield from families

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                PREFIX + "risk_limit_ratio",
                "Share of a limit that is used, by its setting; of many symbols that of the worst.",
                labels=["limit"],
            ),
            GaugeMetricFamily(
                PREFIX + "equity_usd",
                "Money put in, and what trading made of it: closed results and open ones.",
            ),
            GaugeMetricFamily(
                PREFIX + "drawdown_ratio",
                "How far the equity is below its peak; deposits and withdrawals do not count.",
            ),
        )
