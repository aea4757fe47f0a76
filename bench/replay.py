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

Two shares, by CPU time. `share_of_floor` is from Parquet on both sides: the engine and the bare loop read
the same columns of the same file, and both pay for that. It is what the goal of 0.4 means, for whoever
replays a file cannot leave reading out, and a bare loop of 1.5 million events a second includes it.
`share_of_floor_loops_alone` leaves reading out on both sides: it is the smaller one, and the harder one to
raise, because the loop's own share of its time is the smallest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.native import ROOT, environment, native
from bench.replay_market import make

SETS: Final = {"one_symbol": (1, 1_000_000), "twenty_symbols": (20, 100_000)}


def main() -> None:
    """Make the data, run each set in a process of its own, print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--interpreted", action="store_true", help="measure the working tree as it is"
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the events, for a quick look"
    )
    chosen = parser.parse_args()
    library = ROOT if chosen.interpreted else native()
    with tempfile.TemporaryDirectory() as folder:
        for name, (symbols, events) in SETS.items():
            path = Path(folder) / f"{name}.parquet"
            make(path, symbols, int(events * chosen.scale))
            print(json.dumps({"bench": f"replay.{name}", **_measured(library, path, symbols)}))


def _measured(library: Path, path: Path, symbols: int) -> dict[str, object]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench.replay_run", str(path), str(symbols)],
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
