"""One measured run of the replay benchmark: the engine over a file, then the floor, in this process.

A module of its own, so that the process that is measured imports nothing that a replay does not need.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.replay_market import products_of, setup_of

if TYPE_CHECKING:
    from quietmaker.market.columns import Columns

LATENCY: Final = 10_000_000
NEVER: Final = 2**62


def measure(path: Path, symbols: int) -> dict[str, object]:
    """Run the engine over a file, then the floor; return what was measured."""
    from quietmaker.coinbase.recordings import CoinbaseFrames  # noqa: PLC0415
    from quietmaker.exchange.models import FILL_MODELS  # noqa: PLC0415
    from quietmaker.market.sources import open_source  # noqa: PLC0415
    from quietmaker.replay.engine import Engine  # noqa: PLC0415
    from quietmaker.replay.session import ColumnSource, rare_collections  # noqa: PLC0415

    source = open_source(path, decoders=CoinbaseFrames(), products=products_of(symbols))
    assert isinstance(source, ColumnSource)
    engine = Engine(setup_of(symbols), FILL_MODELS["queue"], sink=None)
    floor = Floor(symbols)
    with rare_collections():  # as a replay runs; for both
        spent, reading = _spent(source.columns(), engine.run_columns, engine.finish)
        peak, process = _peak_mib(), time.process_time()
        bare, again = _spent(source.columns(), floor.run, None)
    events, stats = engine.events, engine.stats
    reading = min(reading, again)
    return {
        "compiled": not str(sys.modules["quietmaker.core.trader"].__file__).endswith(".py"),
        "events": events,
        "events_per_second": round(events / (spent + reading)),
        "floor_events_per_second": round(events / (bare + reading)),
        "share_of_floor": round((bare + reading) / (spent + reading), 3),
        "reading_seconds": round(reading, 3),
        "events_per_second_loop_alone": round(events / spent),
        "floor_events_per_second_loop_alone": round(events / bare),
        "share_of_floor_loops_alone": round(bare / spent, 3),
        "process_cpu_seconds": round(process, 3),
        "process_events_per_second": round(events / process),
        "orders": sum(stats.orders.values()),
        "fills": sum(stats.fills.values()),
        "round_trips": sum(trips.count for trips in stats.trips.values()),
        "floor_orders": floor.orders,
        "floor_fills": floor.fills,
        "peak_mib": peak,
    }


def _spent(
    batches: Iterator[Columns], take: Callable[[Columns], None], end: Callable[[], None] | None
) -> tuple[float, float]:
    """Give every batch to `take`, then call `end`; return the CPU seconds of that, and of reading."""
    taking = reading = 0.0
    began = time.process_time()
    for batch in batches:
        read = time.process_time()
        reading += read - began
        take(batch)
        began = time.process_time()
        taking += began - read
    read = time.process_time()
    reading += read - began
    if end is not None:
        end()
    return taking + time.process_time() - read, reading


class Quotes:
    """What the floor knows of one symbol: the touch, an order a side, and the next pair under way."""

    __slots__ = ("ask", "bid", "buy", "due", "next_buy", "next_sell", "sell", "twice_mid")

    def __init__(self) -> None:
        """Know nothing."""
        self.bid = self.ask = self.twice_mid = 0
        self.buy = self.next_buy = 0
        self.sell = self.next_sell = self.due = NEVER


class Floor:
    """The bare loop."""

    def __init__(self, symbols: int) -> None:
        """Start with nothing quoted."""
        self.orders = self.fills = 0
        self._quotes = [Quotes() for _ in range(symbols)]

    def run(self, batch: Columns) -> None:
        """Take a batch of rows."""
        quotes, orders, fills = self._quotes, self.orders, self.fills
        for at, index, kind, bid, _bs, ask, _as, price, _size, _side in batch.rows():
            mine = quotes[index]
            if at >= mine.due:
                mine.buy, mine.sell, mine.due = mine.next_buy, mine.next_sell, NEVER
            if kind == 0:
                mine.bid = bid
                mine.ask = ask
                if ask <= mine.buy:
                    mine.buy = 0
                    fills += 1
                if bid >= mine.sell:
                    mine.sell = NEVER
                    fills += 1
                twice_mid = bid + ask
                if not -4 < twice_mid - mine.twice_mid < 4:
                    mine.twice_mid = twice_mid
                    mine.next_buy = bid
                    mine.next_sell = ask
                    mine.due = at + LATENCY
                    orders += 2
            elif price <= mine.buy:
                mine.buy = 0
                fills += 1
            elif price >= mine.sell:
                mine.sell = NEVER
                fills += 1
        self.orders, self.fills = orders, fills


def _peak_mib() -> int:
    """Return the greatest resident size of this process; getrusage would count its parent's before exec."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError("/proc/self/status states no VmHWM; this benchmark needs Linux")


def main() -> None:
    """Measure one file and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("symbols", type=int)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.path, chosen.symbols)))


if __name__ == "__main__":
    main()
