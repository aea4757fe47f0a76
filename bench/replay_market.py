"""The market, the products and the settings of the replay benchmark."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from quietmaker.core.product import Product
    from quietmaker.replay.engine import Setup

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


def products_of(symbols: int) -> dict[str, Product]:
    """Return the products of a set."""
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


def setup_of(symbols: int) -> Setup:
    """Return what a set is replayed with: both touches quoted, moved by two ticks, 10 ms of latency."""
    from quietmaker.core.fees import FeeRates  # noqa: PLC0415
    from quietmaker.core.units import MILLISECOND, Nanos, Rate  # noqa: PLC0415
    from quietmaker.exchange.latency import Latency  # noqa: PLC0415
    from quietmaker.replay.engine import Setup  # noqa: PLC0415
    from quietmaker.settings import load  # noqa: PLC0415

    products = products_of(symbols)
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
