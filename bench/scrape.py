"""What a scrape costs at 100 symbols: `python -m bench.scrape` prints one JSON line.

The metrics of a bot as it is after days: bids only, half of the symbols held and the others quoted, a fifth
excluded or in another mode, every actor and endpoint heard of, every limit measured. They are fetched over
HTTP from the management port, whose threads share the interpreter with this client. `cpu_ms` is the
processor time of one scrape, the client's included: what trading loses by it, however busy the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from quietmaker.core.commands import Gate, HoldChanged
from quietmaker.core.filter_states import FilterState
from quietmaker.core.units import SECOND, Instant, Side
from quietmaker.telemetry.management import Check, ManagementServer
from quietmaker.telemetry.metrics import ACTORS, Metrics, SymbolSnapshot
from supervisors.watch import StreamsWatch

NOW: Final = Instant(1_790_000_000 * SECOND)
SYMBOLS: Final = tuple(f"S{number}-USD" for number in range(100))
ENDPOINTS: Final = 12
ANSWERS: Final = ("200", "429", "503", "no_answer")
LIMITS: Final = 14
SCRAPES: Final = 100


def after_days(symbols: Sequence[str] = SYMBOLS) -> Metrics:
    """Return the metrics of a bot that has seen everything."""
    metrics = Metrics(version="1", revision="r" * 40, mode="paper", now=lambda: NOW)
    StreamsWatch(metrics, now=lambda: NOW)
    for symbol in symbols:
        metrics.add_symbol(symbol)
        for side, gate in ((Side.BUY, Gate.COOLDOWN), (Side.SELL, Gate.SIDE_OFF)):
            held = HoldChanged(symbol=symbol, now=NOW, side=side, gate=gate, detail="")
            metrics.hold_changed(held)
    shown = [_snapshot(symbol, number) for number, symbol in enumerate(symbols)]
    metrics.watch(symbols=lambda: shown, inboxes=lambda: dict.fromkeys(ACTORS, 1))
    excluded = symbols[: len(symbols) // 5]
    metrics.filter.standings(dict.fromkeys(excluded, (FilterState.EXCLUDED, "min_win_rate")))
    metrics.risk.measured(
        {f"risk.limit_{number}": Decimal(1) for number in range(LIMITS)},
        equity=Decimal(1),
        drawdown=Decimal(0),
    )
    for endpoint in range(ENDPOINTS):
        for code in ANSWERS:
            metrics.wire.request(f"endpoint_{endpoint}", code, 0.1)
    for actor in ACTORS:
        metrics.heartbeat(actor, NOW)
    return metrics


def _snapshot(symbol: str, number: int) -> SymbolSnapshot:
    held = bool(number % 2)
    return SymbolSnapshot(
        symbol=symbol,
        mode=int(number % 5 == 0),
        bid=None if held else Decimal("0.099"),
        ask=None,
        spread=Decimal("0.01"),
        inventory=Decimal(31),
        unrealized=Decimal(1),
        open_bids=1,
        open_asks=1,
        oldest_position=NOW if held else None,
        unprotected=False,
        book=NOW,
    )


def series(metrics: Metrics) -> int:
    """Return how many series a scrape has."""
    return sum(len(family.samples) for family in metrics.registry.collect())


def measure(scrapes: int) -> dict[str, object]:
    """Fetch them so often."""
    metrics = after_days()
    server = ManagementServer(
        host="127.0.0.1",
        port=0,
        expose=metrics.expose,
        health=lambda: Check(True),
        ready=dict,
    )
    server.start()
    took, size, cpu = [], 0, time.process_time()
    for _ in range(scrapes):
        began = time.perf_counter()
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
            size = len(answer.read())
        took.append((time.perf_counter() - began) * 1_000)
    cpu = time.process_time() - cpu
    server.stop()
    took.sort()
    return {
        "bench": "scrape",
        "symbols": len(SYMBOLS),
        "series": series(metrics),
        "bytes": size,
        "cpu_ms": round(cpu / scrapes * 1_000, 1),
        "p50_ms": round(statistics.median(took), 1),
        "p99_ms": round(took[int(len(took) * 0.99) - 1], 1),
        "scrapes": scrapes,
    }


def main() -> None:
    """Print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scrapes", type=int, default=SCRAPES)
    print(json.dumps(measure(parser.parse_args().scrapes)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
