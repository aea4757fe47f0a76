"""Our side of `bench.wire`, in a process of its own: everything that a run has, composed as a run has it.

`URL memory|durable`: connection, actors and books on an exchange that answers at the URL. On standard
input come questions, one a line, each answered with one line of JSON:

* `{"touches": {symbol: [bid, ask]}}`: waits until every trader's market stands there; when, and the CPU time
  since. A trader has taken the touch, or it lies in the box within which the trader decides nothing.
* `{"report": true}`: how long the intents took to become durable.
* `{"serve": true}`: takes commands by POST; at which port, with which token.
* `{"idle": seconds}`: the share of a core that it takes while nothing is asked of it.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pykka

from actors.conflate import MarketSlot, inside
from actors.trader import TraderActor
from bench.wire_traffic import SYMBOLS
from quietmaker.coinbase.auth import ApiKey
from quietmaker.core.events import DataLost, TouchChanged
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.trader import Trader
from quietmaker.ledger.filter_memory import MemoryFilterBooks
from quietmaker.ledger.journal.folder import JournalPlace
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ledger.memory_risk import MemoryRiskBooks
from quietmaker.ledger.postgres import PostgresLedger
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from quietmaker.ledger.tie_out import PostgresTieOutBooks
from quietmaker.ports import Ledger, TieOutBooks
from quietmaker.settings import load
from quietmaker.telemetry import logs
from quietmaker.telemetry.management import Check, ManagementServer
from quietmaker.telemetry.metrics import Metrics
from supervisors.clock import SystemClock
from supervisors.composition import Outside, Trading, compose, spare_what_stands
from supervisors.control import Control
from supervisors.link import Connection, paper_endpoints

CHOSEN: Final = (
    f"universe.symbols=[{', '.join(SYMBOLS)}]",
    "exchange.requests.private_per_second=1000",
    "exchange.requests.public_per_second=1000",
    "exchange.requests.per_hour=1000000",
    "exchange.requests.entries_per_minute=6000",
    "defaults.risk.max_exposure=100000",
    "defaults.gates.min_candles=1",  # the market of this benchmark stands still for minutes
    "defaults.risk.max_orders_per_minute=600",
)
"""What is not the default: limits that a benchmark would run into, and nothing else."""
_LOOK: Final = 0.002


class Stopwatch:
    """A ledger whose intents are timed on their way to the real one."""

    def __init__(self, ledger: Ledger) -> None:
        """Time this ledger."""
        self._ledger = ledger
        self._write = ledger.write_intent
        self.taken: list[int] = []

    def write_intent(self, intent: Intent) -> None:
        """Make it durable, and note how long that took."""
        began = time.perf_counter_ns()
        self._write(intent)
        self.taken.append(time.perf_counter_ns() - began)

    def __getattr__(self, name: str) -> Any:
        """Leave everything else to the ledger."""
        return getattr(self._ledger, name)


def main() -> None:
    """Trade until standard input ends."""
    url, kind = sys.argv[1:]
    place = Path("var")
    place.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=place, prefix="bench-wire-") as folder,
        open(Path(folder) / "log", "w", encoding="utf-8") as log,
    ):
        _trade(url, kind, Path(folder), log)


def _trade(url: str, kind: str, folder: Path, log: Any) -> None:
    clock = SystemClock()
    settings = load(None, env={}, overrides=CHOSEN)
    metrics = Metrics(version="bench", revision="bench", mode="paper", now=clock.now)
    handle = logs.configure(
        level="info",
        form="json",
        max_repeats_per_minute=60,
        env={},
        count=metrics.log_message,
        stream=log,
    )
    key = ApiKey.parse("bench", base64.b64encode(os.urandom(32)).decode())
    connection = Connection(
        settings, paper_endpoints(settings, url), key, clock=clock, metrics=metrics
    )
    products = {
        symbol: connection.offered[symbol] for symbol in settings.select(connection.offered)
    }
    link = connection.serve(products)
    with _books(kind, folder, products) as (ledger, tie_out_books):
        watch = Stopwatch(ledger)
        run = ledger.begin_run(
            mode="paper", config_sha=settings.sha256, version="bench", at=clock.now()
        )
        outside = Outside(
            exchange=link.exchange,
            market_stream=link.market,
            user_stream=link.user,
            ledger=watch,
            tie_out_books=tie_out_books,
            filter_books=MemoryFilterBooks(MemoryLedger(), {}),
            risk_books=MemoryRiskBooks(MemoryLedger(), {}),
            clock=clock,
            metrics=metrics,
            run=run,
            born=None,
            imposed=(),
        )
        trading = compose(settings, outside, products, process=dict, refresh=lambda: None)
        _Run(trading, watch).go()
        link.close()
    handle.close()


@contextmanager
def _books(
    kind: str, folder: Path, products: Mapping[str, Product]
) -> Iterator[tuple[Ledger, TieOutBooks]]:
    if kind == "memory":
        memory = MemoryLedger()
        yield memory, memory.tie_out_books(products)
        return
    server = EmbeddedPostgres(folder)
    try:
        place = JournalPlace(folder=folder / "journal", now=SystemClock().now)
        database = PostgresLedger(server.start)
        ledger = JournaledLedger(database, place, products=products, tell=print)
        books = PostgresTieOutBooks(server.start)
        yield ledger, books
        books.close()
        ledger.close()
    finally:
        server.stop()


class _Run:
    """The supervisor in a thread of its own, and the questions in this one."""

    def __init__(self, trading: Trading, watch: Stopwatch) -> None:
        self._trading = trading
        self._watch = watch
        self._over = threading.Event()

    def go(self) -> None:
        driver = threading.Thread(target=self._drive, name="supervisor")
        driver.start()
        try:
            self._until(self._trades)
            cores = self._cores()
            self._say({"ready": True})
            cpu = time.process_time()
            for line in sys.stdin:
                question = json.loads(line)
                if "touches" in question:
                    wanted = {s: tuple(each) for s, each in question["touches"].items()}
                    self._until(partial(_all_there, cores, self._trading.slots, wanted))
                    at, now = time.monotonic_ns(), time.process_time()
                    self._say({"at": at, "cpu": now - cpu})
                    cpu = now
                elif "serve" in question:
                    self._say(self._serve())
                elif "idle" in question:
                    cpu = time.process_time()
                    time.sleep(question["idle"])
                    self._say({"share": (time.process_time() - cpu) / question["idle"]})
                else:
                    self._say({"taken": self._watch.taken})
        finally:
            self._trading.kill.set("the benchmark is over")
            self._over.set()
            driver.join()
            self._trading.supervisor.stop()

    def _drive(self) -> None:
        supervisor = self._trading.supervisor
        spare_what_stands()
        supervisor.start()
        while not self._over.is_set():
            gave_up = supervisor.step(0.1)
            if gave_up is not None:
                print(gave_up.reason, file=sys.stderr, flush=True)
                os._exit(1)

    def _serve(self) -> Mapping[str, object]:
        """Take commands on a management port of its own; say where, and the token."""
        trading, token = self._trading, "bench"
        clock = SystemClock()
        metrics = Metrics(version="bench", revision="bench", mode="paper", now=clock.now)
        control = Control(lambda: trading, metrics=metrics.operators, now=clock.now)
        server = ManagementServer(
            host="127.0.0.1",
            port=0,
            expose=metrics.expose,
            health=lambda: Check(True),
            ready=dict,
            actions=control.actions(),
            token=token,
        )
        server.start()
        return {"port": server.port, "token": token}

    def _trades(self) -> bool:
        views = self._trading.board.views()
        return len(views) == len(self._trading.products) and all(
            view.recovered and view.bid is not None for view in views.values()
        )

    def _cores(self) -> dict[str, Trader]:
        refs = pykka.ActorRegistry.get_by_class(TraderActor)
        cores: list[Trader] = [ref.proxy().core.get(timeout=5) for ref in refs]
        return {core.state.product.symbol: core for core in cores}

    def _until(self, wanted: Any) -> None:
        while not wanted():
            time.sleep(_LOOK)

    def _say(self, answer: Mapping[str, Any]) -> None:
        print(json.dumps(answer), flush=True)


def _all_there(
    cores: Mapping[str, Trader],
    slots: Mapping[str, MarketSlot],
    touches: Mapping[str, tuple[int, int]],
) -> bool:
    return all(_there(cores[s], slots[s].standing(), touch) for s, touch in touches.items())


def _there(core: Trader, standing: TouchChanged | DataLost | None, touch: tuple[int, int]) -> bool:
    if not isinstance(standing, TouchChanged) or (standing.bid, standing.ask) != touch:
        return False
    state, quiet = core.state, core.quiet()
    return (state.bid, state.ask) == touch or (quiet is not None and inside(quiet, standing))


if __name__ == "__main__":
    main()
