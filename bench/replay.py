"""Replay speed against its floor: `python -m bench.replay` prints one JSON line per data set.

Data: seeded L1 events (touches and trades) in Parquet, as docs/parquet.md has it: one symbol with
1,000,000 events, and 20 symbols with 100,000 each. Rule: both touches are quoted and moved when the
touch has moved two ticks, 10 ms of latency, every gate and check on. Each run is a process of its own, so
that its seconds have everything in them, start-up and reading included.

Floor: a bare loop over the same columns that tracks the best bid and ask and one order a side, and does
nothing else: what any engine in this language pays. It runs in the same process, right after the engine.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quietmaker.core.product import Product
    from quietmaker.market.columns import Columns
    from quietmaker.replay.engine import Setup

SETS: Final = {"one_symbol": (1, 1_000_000), "twenty_symbols": (20, 100_000)}
TICK: Final = Decimal("0.01")
LOT: Final = Decimal("0.001")
MEAN_GAP_NS: Final = 35_000_000


def make(path: Path, symbols: int, events: int) -> None:
    """Write a seeded market: about 11 % trades, the mid moves on 13 % of the events, spread about 5 ticks."""
    import numpy as np  # noqa: PLC0415 - the children that are measured do not need it here
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rng = np.random.default_rng(20251215)
    columns: dict[str, list[object]] = {name: [] for name in _NAMES}
    clock = np.cumsum(rng.exponential(MEAN_GAP_NS / symbols, symbols * events).astype(np.int64) + 1)
    state = [[100_000 - 2, 100_000 + 3, 500, 500] for _ in range(symbols)]
    draws = rng.random((symbols * events, 3))
    sizes = rng.integers(1, 60, symbols * events)
    for row in range(symbols * events):
        index = row % symbols
        book, (pick, direction, move), size = state[index], draws[row], int(sizes[row])
        trade = pick < 0.107
        if not trade:
            _step(book, pick, direction, move, size)
        columns["ts_ns"].append(int(clock[row]))
        columns["symbol"].append(f"S{index:02d}-USD")
        columns["kind"].append("trade" if trade else "quote")
        for name, value in zip(_TOUCH, (book[0], book[2], book[1], book[3]), strict=True):
            columns[name].append(None if trade else value / (100 if name.endswith("px") else 1000))
        bought = direction < 0.5
        columns["price"].append((book[1] if bought else book[0]) / 100 if trade else None)
        columns["size"].append(size / 1000 if trade else None)
        columns["aggressor"].append(("BUY" if bought else "SELL") if trade else None)
    pq.write_table(pa.table(columns), path, row_group_size=65_536)


_TOUCH: Final = ("bid_px", "bid_sz", "ask_px", "ask_sz")
_NAMES: Final = ("ts_ns", "symbol", "kind", *_TOUCH, "price", "size", "aggressor")


def _step(book: list[int], pick: float, direction: float, move: float, size: int) -> None:
    """Change a touch: a size mostly; in 15 % of the quotes one side moves, pulled to a spread of 5 ticks."""
    if pick > 0.107 + 0.15 * 0.893:
        book[2 if direction < 0.5 else 3] = 10 * size
        return
    spread = book[1] - book[0]
    narrow = move < 0.5 + 0.06 * (spread - 5)
    if direction < 0.5:
        book[0] = min(book[0] + (1 if narrow else -1), book[1] - 1)
        book[2] = 10 * size
    else:
        book[1] = max(book[1] + (-1 if narrow else 1), book[0] + 1)
        book[3] = 10 * size


def child(path: Path, symbols: int) -> dict[str, object]:
    """Run the engine over a file, then the floor; return what was measured."""
    from quietmaker.coinbase.recordings import CoinbaseFrames  # noqa: PLC0415
    from quietmaker.exchange.models import FILL_MODELS  # noqa: PLC0415
    from quietmaker.market.sources import open_source  # noqa: PLC0415
    from quietmaker.replay.engine import Engine  # noqa: PLC0415
    from quietmaker.replay.session import ColumnSource  # noqa: PLC0415

    source = open_source(path, decoders=CoinbaseFrames(), products=_products(symbols))
    assert isinstance(source, ColumnSource)
    engine = Engine(_setup(symbols), FILL_MODELS["queue"], sink=None)
    spent = 0.0
    for batch in source.columns():
        began = time.process_time()
        engine.run_columns(batch)
        spent += time.process_time() - began
    engine.finish()
    peak = _peak_mib()
    until_here = time.process_time()
    floor = _floor(source.columns(), symbols)
    stats = engine.stats
    return {
        "events": engine.events,
        "engine_events_per_second": round(engine.events / spent),
        "floor_events_per_second": round(engine.events / floor),
        "share_of_floor": round(floor / spent, 3),
        "process_cpu_seconds": round(until_here, 3),
        "orders": sum(stats.orders.values()),
        "fills": sum(stats.fills.values()),
        "round_trips": sum(trips.count for trips in stats.trips.values()),
        "peak_mib": peak,
        "compiled": not str(sys.modules["quietmaker.core.trader"].__file__).endswith(".py"),
    }


def _peak_mib() -> int:
    """Return the greatest resident size of this process; getrusage would count its parent's before exec."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise RuntimeError("/proc/self/status states no VmHWM; this benchmark needs Linux")


def _floor(batches: Iterable[Columns], symbols: int) -> float:
    """Return the CPU seconds of tracking best bid and ask, and one order a side that follows them.

    An order moves when its touch has moved two ticks, and is gone when a trade reaches it.
    """
    best = [[0, 0] for _ in range(symbols)]
    orders = [[0, 0] for _ in range(symbols)]
    spent = 0.0
    for batch in batches:
        began = time.process_time()
        for _at, index, kind, bid, _bs, ask, _as, price, _size, _side in batch.rows():
            mine = orders[index]
            if kind == 0:
                touch = best[index]
                touch[0] = bid
                touch[1] = ask
                if not -2 < bid - mine[0] < 2:
                    mine[0] = bid
                if not -2 < ask - mine[1] < 2:
                    mine[1] = ask
            elif price <= mine[0]:
                mine[0] = 0
            elif price >= mine[1]:
                mine[1] = 0
        spent += time.process_time() - began
    return spent


def _products(symbols: int) -> dict[str, Product]:
    from quietmaker.core.product import Product  # noqa: PLC0415

    return {
        f"S{index:02d}-USD": Product(
            symbol=f"S{index:02d}-USD",
            base=f"S{index:02d}",
            quote="USD",
            tick=TICK,
            lot=LOT,
            min_size=LOT,
            max_size=Decimal(1000),
            min_notional=Decimal(1),
            untradable="",
        )
        for index in range(symbols)
    }


def _setup(symbols: int) -> Setup:
    from quietmaker.core.fees import FeeRates  # noqa: PLC0415
    from quietmaker.core.units import MILLISECOND, Nanos, Rate  # noqa: PLC0415
    from quietmaker.exchange.latency import Latency  # noqa: PLC0415
    from quietmaker.replay.engine import Setup  # noqa: PLC0415
    from quietmaker.settings import load  # noqa: PLC0415

    products = _products(symbols)
    settings = load(
        Path("config/paper.yaml"),
        env={},
        overrides=[
            "defaults.quote.sides=[bid, ask]",
            "defaults.quote.level_sizes=[10]",
            "defaults.quote.refresh_ticks=2",
            "defaults.quote.max_age_seconds=86400",
            "defaults.quote.cooldown_seconds=0",
            "defaults.quote.max_position=50",
            "defaults.gates.min_spread_pct=0",
            "defaults.gates.edge_buffer_pct=0",
            "defaults.gates.max_tick_share_pct=50",
            "defaults.exits.rest_at_touch=true",
            "defaults.exits.min_profit_pct=0",
            "defaults.risk.max_exposure=100000",
            "defaults.risk.max_orders_per_minute=600",
            "defaults.risk.max_daily_loss=100000",
        ],
    )
    balances = {"USD": Decimal(1_000_000)} | {
        product.base: Decimal(100) for product in products.values()
    }
    return Setup(
        products=products,
        params={symbol: settings.params(symbol, product) for symbol, product in products.items()},
        fees=FeeRates(maker=Rate(0), taker=Rate(0)),
        balances=balances,
        excluded={},
        latency=Latency(
            entry=Nanos(10 * MILLISECOND),
            cancel=Nanos(10 * MILLISECOND),
            response=Nanos(0),
            jitter=Nanos(0),
        ),
        seed=1,
    )


def main() -> None:
    """Make the data, run each set in a process of its own, print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--symbols", type=int, default=1)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="share of the events, for a quick look"
    )
    chosen = parser.parse_args()
    if chosen.child is not None:
        print(json.dumps(child(chosen.child, chosen.symbols)))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, (symbols, events) in SETS.items():
            path = Path(folder) / f"{name}.parquet"
            make(path, symbols, int(events * chosen.scale))
            command = [
                sys.executable,
                "-m",
                "bench.replay",
                "--child",
                str(path),
                "--symbols",
                str(symbols),
            ]
            began = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            wall = time.perf_counter() - began
            print(
                json.dumps(
                    {
                        "bench": f"replay.{name}",
                        **json.loads(done.stdout),
                        "wall_seconds": round(wall, 3),
                    }
                )
            )


if __name__ == "__main__":
    main()
