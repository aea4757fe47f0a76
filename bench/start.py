"""How long it takes until 400 actors stand: `python -m bench.start` prints one JSON line.

The composition of a run, with a symbol for each trader that is missing to 400, on a paper exchange in this
process whose market stands still, and with the books in memory. `started_s` is from the first actor to the
moment at which each has begun: every trader shows itself, every other one has taken a message.
`recovered_s` is until every trader knows its orders, its position and its candles as well. `composed_s`
comes before both. What a start waits for besides (the database, and one request for candles a symbol at
the exchange's limits) is not in it.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.latency import INSTANT
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.paper import PaperExchange
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ledger.memory_risk import MemoryRiskBooks
from quietmaker.market.manual import ManualMarket
from quietmaker.settings import load
from quietmaker.telemetry.metrics import Metrics
from supervisors import tree
from supervisors.clock import SystemClock
from supervisors.composition import Outside, Trading, compose, spare_what_stands
from supervisors.composition.shared import FIXED

ACTORS: Final = 400
GOAL: Final = 3.0
PATIENCE: Final = Nanos(120 * SECOND)


def main() -> int:
    """Measure; exit with 1 beyond the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actors", type=int, default=ACTORS)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the end of each round says of every book that it is lost
    rounds = [_round(chosen.actors) for _ in range(chosen.rounds)]
    worst = max(rounds, key=lambda each: float(each["started_s"]))
    sys.stdout.write(json.dumps({"bench": "start", "goal_s": GOAL, **worst}) + "\n")
    return 0 if worst["started_s"] < GOAL else 1


def _round(actors: int) -> dict[str, Any]:
    clock = SystemClock()
    fixed = len(FIXED)
    products = {symbol: _product(symbol) for symbol in _symbols(actors - fixed)}
    settings = load(None, env={})
    exchange = PaperExchange(
        source=ManualMarket(products),
        clock=clock,
        fees=settings.paper_fees(),
        balances={"USD": Decimal(1_000_000)},
        model=FILL_MODELS["queue"],
        latency=INSTANT,
        seed=1,
        speed=Decimal(1),
        warmup=Nanos(0),
        loop=False,
        session="bench",
    )
    began = time.perf_counter()
    trading = _compose(exchange, products, clock)
    spare_what_stands()
    composed, first = time.perf_counter(), time.perf_counter()
    trading.supervisor.start()
    _until(trading, clock, lambda: _all_begun(trading, actors))
    started = time.perf_counter()
    _until(trading, clock, lambda: _all_recovered(trading))
    recovered = time.perf_counter()
    trading.kill.set("the bench is over")
    assert trading.supervisor.stop() == ()
    exchange.close()
    return {
        "actors": actors,
        "composed_s": round(composed - began, 3),
        "started_s": round(started - first, 3),
        "recovered_s": round(recovered - first, 3),
    }


def _compose(exchange: PaperExchange, products: dict[str, Product], clock: SystemClock) -> Trading:
    settings = load(None, env={})
    ledger = MemoryLedger()
    outside = Outside(
        exchange=exchange,
        market_stream=exchange.market_stream,
        user_stream=exchange.user_stream,
        ledger=ledger,
        tie_out_books=ledger.tie_out_books(products),
        filter_books=MemoryFilterBooks(ledger, products),
        risk_books=MemoryRiskBooks(ledger, products),
        clock=clock,
        metrics=Metrics(version="bench", revision="bench", mode="paper", now=clock.now),
        run=ledger.begin_run(mode="paper", config_sha="bench", version="bench", at=clock.now()),
        born=None,
        imposed=(),
    )
    return compose(settings, outside, products, process=dict, refresh=lambda: None)


def _all_begun(trading: Trading, actors: int) -> bool:
    lives = list(trading.supervisor._lives.items())
    return (
        len(lives) == actors
        and len(trading.board.views()) == len(trading.traders)
        and all(tree.role(name) == "trader" or life.pulse.handled for name, life in lives)
    )


def _all_recovered(trading: Trading) -> bool:
    views = trading.board.views().values()
    return all(view.recovered for view in views)


def _until(trading: Trading, clock: SystemClock, wanted: Callable[[], bool]) -> None:
    deadline = clock.monotonic() + PATIENCE
    while not wanted():
        if clock.monotonic() > deadline:
            raise RuntimeError("not within two minutes")
        gave_up = trading.supervisor.step(0.005)
        assert gave_up is None, gave_up


def _symbols(count: int) -> list[str]:
    return [f"S{number:03}-USD" for number in range(count)]


def _product(symbol: str) -> Product:
    return Product(
        symbol=symbol,
        base=symbol.partition("-")[0],
        quote="USD",
        tick=Decimal("0.01"),
        lot=Decimal("0.001"),
        min_size=Decimal("0.001"),
        max_size=Decimal(1_000_000),
        min_notional=Decimal(1),
        untradable="",
    )


if __name__ == "__main__":
    sys.exit(main())
