"""Replay speed against its floor: `python -m bench.replay` prints one JSON line per data set.

Data: seeded L1 events (touches and trades) in Parquet, as docs/parquet.md has it: one symbol with
1,000,000 events, and 20 symbols with 100,000 each. Rule: both touches are quoted and moved when they have
moved two ticks, 10 ms of latency, every gate and check on. Each run is a process of its own, so that its
seconds have everything in them, start-up and reading included. What runs is the compiled core that a wheel
holds, wherever there is a C compiler; `--interpreted` measures the working tree. Each line says which.

Floor: a bare loop over the same columns, in Python, in the same process right after the engine. It knows
the best bid and ask and one order a side, quotes both touches anew when mid has moved two ticks, counts
a quote from 10 ms later on, and drops it once a trade or the other touch reaches it. That is the rule
without everything that an engine is for: no queue, no gate, no position, no money, no exit, no id. Its
orders and fills are printed beside the engine's, which does more: it watches each side for itself, and
answers every fill with an exit or a new quote.

Two shares, by CPU time: of the loops alone, and from Parquet, where the same reading of the columns counts
in both, as it does for whoever replays a file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.native import ROOT, environment, native
from bench.replay_market import make, products_of, setup_of

if TYPE_CHECKING:
    from quietmaker.market.columns import Columns

SETS: Final = {"one_symbol": (1, 1_000_000), "twenty_symbols": (20, 100_000)}
LATENCY: Final = 10_000_000
NEVER: Final = 2**62


class Timed:
    """Batches of a source, and the CPU seconds that reading them took."""

    def __init__(self, batches: Iterable[Columns]) -> None:
        """Measure these."""
        self.seconds = 0.0
        self._batches = batches

    def __iter__(self) -> Iterator[Columns]:
        """Yield each batch."""
        began = time.process_time()
        for batch in self._batches:
            self.seconds += time.process_time() - began
            yield batch
            began = time.process_time()
        self.seconds += time.process_time() - began


def child(path: Path, symbols: int) -> dict[str, object]:
    """Run the engine over a file, then the floor; return what was measured."""
    from quietmaker.coinbase.recordings import CoinbaseFrames  # noqa: PLC0415
    from quietmaker.exchange.models import FILL_MODELS  # noqa: PLC0415
    from quietmaker.market.sources import open_source  # noqa: PLC0415
    from quietmaker.replay.engine import Engine  # noqa: PLC0415
    from quietmaker.replay.session import ColumnSource  # noqa: PLC0415

    source = open_source(path, decoders=CoinbaseFrames(), products=products_of(symbols))
    assert isinstance(source, ColumnSource)
    engine = Engine(setup_of(symbols), FILL_MODELS["queue"], sink=None)
    batches = Timed(source.columns())
    spent = -time.process_time()
    for batch in batches:
        engine.run_columns(batch)
    engine.finish()
    spent += time.process_time() - batches.seconds
    peak, process = _peak_mib(), time.process_time()
    floor = Floor(symbols)
    again = Timed(source.columns())
    bare = -time.process_time()
    for batch in again:
        floor.run(batch)
    bare += time.process_time() - again.seconds
    events, stats = engine.events, engine.stats
    reading = min(batches.seconds, again.seconds)
    return {
        "compiled": not str(sys.modules["quietmaker.core.trader"].__file__).endswith(".py"),
        "events": events,
        "engine_events_per_second": round(events / spent),
        "floor_events_per_second": round(events / bare),
        "share_of_floor": round(bare / spent, 3),
        "reading_seconds": round(reading, 3),
        "engine_events_per_second_from_parquet": round(events / (spent + reading)),
        "floor_events_per_second_from_parquet": round(events / (bare + reading)),
        "share_of_floor_from_parquet": round((bare + reading) / (spent + reading), 3),
        "process_cpu_seconds": round(process, 3),
        "process_events_per_second": round(events / process),
        "orders": sum(stats.orders.values()),
        "fills": sum(stats.fills.values()),
        "round_trips": sum(trips.count for trips in stats.trips.values()),
        "floor_orders": floor.orders,
        "floor_fills": floor.fills,
        "peak_mib": peak,
    }


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
    """Make the data, run each set in a process of its own, print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--symbols", type=int, default=1)
    parser.add_argument(
        "--interpreted", action="store_true", help="measure the working tree as it is"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the events, for a quick look"
    )
    chosen = parser.parse_args()
    if chosen.child is not None:
        print(json.dumps(child(chosen.child, chosen.symbols)))
        return
    library = ROOT if chosen.interpreted else native()
    with tempfile.TemporaryDirectory() as folder:
        for name, (symbols, events) in SETS.items():
            path = Path(folder) / f"{name}.parquet"
            make(path, symbols, int(events * chosen.scale))
            print(json.dumps({"bench": f"replay.{name}", **_measured(library, path, symbols)}))


def _measured(library: Path, path: Path, symbols: int) -> dict[str, object]:
    command = [sys.executable, "-P", "-m", "bench.replay", "--child", os.fspath(path)]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--symbols", str(symbols)],
        check=True,
        cwd=ROOT,
        env=environment(library),
        stdout=subprocess.PIPE,
        text=True,
    )
    wall = time.perf_counter() - began
    measured: dict[str, object] = json.loads(done.stdout)
    return {**measured, "wall_seconds_with_floor": round(wall, 3)}


if __name__ == "__main__":
    main()
