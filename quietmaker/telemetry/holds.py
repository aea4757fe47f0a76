"""Why each side is not quoted, for how long it was, and what was earned today, per symbol."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from quietmaker.core.commands import Gate, HoldChanged, RoundTrip
from quietmaker.core.units import SECOND, ZERO, Instant, Side
from quietmaker.telemetry.snapshot import PREFIX, number

QUOTED: Final = "quoted"
"""The reason shown for a side that is quoted."""
UNKNOWN: Final = "warming_up"
"""The reason of a symbol that has said nothing yet."""
_OFF: Final = Gate.SIDE_OFF.value
_DAY: Final = 86_400 * SECOND


class Holds(Collector):
    """Follows `HoldChanged` and `RoundTrip`. Fed by the traders' shells, read by the scrape's thread."""

    def __init__(self, now: Callable[[], Instant]) -> None:
        """Know no symbol yet.

        Args:
            now: the clock that the facts' times come from.
        """
        self._now = now
        self._lock = threading.Lock()
        self._reason: dict[tuple[str, Side], str] = {}
        self._since: dict[tuple[str, Side], Instant] = {}
        self._quoted: dict[tuple[str, Side], int] = {}
        self._earned: dict[str, tuple[int, Decimal]] = {}

    def add(self, symbol: str) -> None:
        """Show a symbol from now on."""
        with self._lock:
            for side in Side:
                self._reason.setdefault((symbol, side), UNKNOWN)
                self._quoted.setdefault((symbol, side), 0)
            self._earned.setdefault(symbol, (0, ZERO))

    def remove(self, symbol: str) -> None:
        """Show it no more."""
        with self._lock:
            for side in Side:
                for store in (self._reason, self._since, self._quoted):
                    store.pop((symbol, side), None)
            self._earned.pop(symbol, None)

    def changed(self, fact: HoldChanged) -> None:
        """Take over the reason that a side is not quoted for."""
        key = (fact.symbol, fact.side)
        with self._lock:
            since = self._since.pop(key, None)
            if since is not None:
                self._quoted[key] = self._quoted.get(key, 0) + max(fact.now - since, 0)
            if fact.gate is None:
                self._since[key] = fact.now
            self._reason[key] = QUOTED if fact.gate is None else fact.gate.value

    def earned(self, trip: RoundTrip) -> None:
        """Add what a round trip earned to its UTC day."""
        day = trip.closed_at // _DAY
        with self._lock:
            known, total = self._earned.get(trip.symbol, (day, ZERO))
            if day >= known:
                self._earned[trip.symbol] = (day, trip.net + (total if day == known else ZERO))

    def describe(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Name the families."""
        return list(_families())

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield the families of this moment."""
        reason, quoted, earned = families = _families()
        now = self._now()
        with self._lock:
            for (symbol, side), word in self._reason.items():
                reason.add_metric([symbol, side.value.lower(), word], 1)
            for key, nanos in self._quoted.items():
                if not nanos and self._reason.get(key) == _OFF:
                    continue  # hundreds of zeros that can never move
                running = max(now - self._since[key], 0) if key in self._since else 0
                quoted.add_metric([key[0], key[1].value.lower()], (nanos + running) / SECOND)
            for symbol, (day, total) in self._earned.items():
                earned.add_metric([symbol], number(total if day == now // _DAY else ZERO))
        yield from families


def _families() -> tuple[GaugeMetricFamily, CounterMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(
            f"{PREFIX}quote_reason",
            "1 for the current reason why the side is not quoted; quoted when it is.",
            labels=["symbol", "side", "reason"],
        ),
        CounterMetricFamily(
            f"{PREFIX}quoting_seconds",
            "Time with an entry quoted; none of a side that is switched off.",
            labels=["symbol", "side"],
        ),
        GaugeMetricFamily(
            f"{PREFIX}realized_pnl_usd",
            "Net result of the round trips closed on this UTC day since the process started.",
            labels=["symbol"],
        ),
    )
