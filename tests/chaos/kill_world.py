"""The world of a bot that is killed again and again: an exchange and a database that outlive it.

The exchange is `quietmaker exchange` in a process of its own, with a market that hardly rests. The
database is either a server that the driver keeps, or the embedded one, which dies with the bot where the
driver says so. The bot is `quietmaker run` in a process of its own, as a victim (`tests.kit.victim`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from quietmaker.ledger.server.embedded import EmbeddedPostgres
from supervisors.exchange_instance import ExchangeInstance
from supervisors.home import Home
from tests.kit.operator import Operator
from tests.kit.paper_exchange import ROOT, paper_exchange
from tests.kit.victim import VARIABLE, kill_database

SYMBOLS: Final = ("PROVE-USD", "FORTH-USD", "KAIO-USD", "XTZ-USD")
CASH: Final = "1000000"
STOCK: Final = "100000000"
"""Units of each base currency that the account holds besides: what is sold twice would be sold."""
MARKET: Final[Mapping[str, str]] = {
    "paper.speed": "12",
    "paper.fill_model": "touch",
    "paper.maker_fee_pct": "0.02",
    "paper.taker_fee_pct": "0.05",
    "paper.order_latency_ms": "10",
}
TRADING: Final[Mapping[str, str]] = {
    "management.port": "0",
    "logging.format": "json",
    "universe.symbols": "[" + ", ".join(SYMBOLS) + "]",
    "quote.level_sizes": "[20, 20]",
    "quote.max_position": "200",
    "quote.max_age_seconds": "5",
    "quote.cooldown_seconds": "0.5",
    "exits.min_profit_pct": "0.1",
    "exits.max_lifetime_seconds": "3",
    "exits.stale_patience_seconds": "1",
    "exits.stop_loss_pct": "0.5",
    "exits.retry_delay_seconds": "0.2",
    "risk.max_exposure": "2000",
    "risk.max_orders_per_minute": "600",
    "risk.max_daily_loss": "10000000",
    "exchange.refresh_seconds": "2",
    "ledger.tie_out_seconds": "10",
    "exchange.requests.entries_per_minute": "900",
    "exchange.requests.private_per_second": "1000",
    "exchange.requests.public_per_second": "1000",
    "exchange.requests.per_hour": "1000000",
    "exchange.requests.read_timeout_seconds": "3",
    "exchange.streams.stale_seconds": "2.5",
    "exchange.streams.reconnect_seconds": "5",
}
LEVELS: Final = 2
LINES_KEPT: Final = 40
SAYS_WITHIN: Final = 0.5


@dataclass(slots=True)
class World:
    """An exchange, a database, and a home for the bots.

    Attributes:
        server: the database that the driver keeps; None when the bot brings its own.
        settings: what else each bot is told by --set.
    """

    root: Path
    exchange: ExchangeInstance
    operator: Operator
    server: EmbeddedPostgres | None
    settings: dict[str, str] = field(default_factory=dict)
    lives: int = 0

    @property
    def home(self) -> Home:
        """Return the home of every bot of this world."""
        return Home(self.root / "home")

    @property
    def data(self) -> Path:
        """Return the data directory of the database, whoever runs it."""
        holder = self.home.database if self.server is None else self.root / "served"
        return holder / "postgres"

    def url(self) -> str:
        """Return where the books are, whoever runs their server."""
        if self.server is not None:
            return self.server.start()
        password = (self.home.database / "postgres.password").read_text().strip()
        port = (self.home.database / "postgres.port").read_text()
        return f"postgresql://quietmaker:{password}@127.0.0.1:{port}/quietmaker"

    def kill_database(self) -> bool:
        """Kill the database server; return whether it ran."""
        return kill_database(self.data)

    def start(self, orders: Mapping[str, Any] | None = None) -> Life:
        """Start a bot, with its first orders."""
        settings = {
            **TRADING,
            **self.settings,
            "paper.exchange_url": self.exchange.rest_url,
            "exchange.address.ca_file": self.exchange.ca,
        }
        self.lives += 1
        return Life(
            self.root / f"life-{self.lives}.log",
            [part for key, value in settings.items() for part in ("--set", f"{key}={value}")],
            {
                "QUIETMAKER_HOME": str(self.home.root),
                "QUIETMAKER_API_KEY_FILE": str(self.exchange.first_key),
                **({} if self.server is None else {"QUIETMAKER__LEDGER__URL": self.server.start()}),
                **({VARIABLE: json.dumps(orders)} if orders else {}),
            },
        )

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Reach the books; an embedded database is only there for the block. No bot may run then."""
        server = self.server or EmbeddedPostgres(self.home.database)
        try:
            yield server.start()
        finally:
            if self.server is None:
                server.stop()


@contextlib.contextmanager
def world(root: Path, *, seed: int, served: bool) -> Iterator[World]:
    """Open a world until the block ends."""
    balances = [f"--balance={base.partition('-')[0]}={STOCK}" for base in SYMBOLS]
    unlimited = ("--private-rate=0", "--public-rate=0", "--connection-rate=0", "--message-rate=0")
    settings = {**MARKET, "paper.seed": str(seed)}
    with contextlib.ExitStack() as stack:
        instance = stack.enter_context(
            paper_exchange(
                root / "market", settings, *unlimited, f"--balance=USD={CASH}", *balances
            )
        )
        operator = Operator(instance)
        stack.callback(operator.leave)
        server = EmbeddedPostgres(root / "served") if served else None
        if server is not None:
            stack.callback(server.stop)
            server.start()
        yield World(root=root, exchange=instance, operator=operator, server=server)


class Life:
    """One bot, from its start to its end.

    Attributes:
        began: when it was started, of the monotonic clock.
        ready: set once it said that it is.
        ready_after: seconds until then.
        lines: the last lines of its log.
    """

    def __init__(self, log: Path, args: list[str], env: Mapping[str, str]) -> None:
        """Start it; `log` takes all that it says."""
        self._log = log
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.victim", "run", *args],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.ready = threading.Event()
        self.ready_after = 0.0
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self._log.open("w", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                self.lines.append(line.rstrip())
                if '"process_ready"' in line:
                    self.ready_after = time.monotonic() - self.began
                    self.ready.set()
        self._over.set()
        self.ready.set()

    @property
    def alive(self) -> bool:
        """Return whether it runs."""
        return self.process.poll() is None

    def tell(self, **orders: Any) -> None:
        """Give it orders; a dead one takes none."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(orders) + "\n")
            self.process.stdin.flush()

    def await_ready(self, patience: float) -> bool:
        """Wait until it is ready; return False if it died before.

        Raises:
            AssertionError: if it is neither in time.
        """
        assert self.ready.wait(patience), f"not ready within {patience:g} s\n{self.tail()}"
        return self.ready_after > 0

    def await_death(self, patience: float) -> bool:
        """Wait until it has died; return whether it did in time."""
        return self._over.wait(patience)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def bury(self, patience: float = 30.0) -> int:
        """Wait for the end and let go of everything; return the exit code."""
        code = self.process.wait(patience)
        self._reader.join(patience)
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        return code

    def status(self) -> str:
        """Return what it says of itself over its management port."""
        for line in self._log.read_text().splitlines():
            if '"management_listening"' in line:
                url = json.loads(line)["url"]
                with (
                    contextlib.suppress(OSError),
                    urllib.request.urlopen(f"{url}/-/status", timeout=2) as answer,
                ):
                    said: bytes = answer.read()
                    return said.decode()
        return "it says nothing of itself"

    def tail(self) -> str:
        """Return the last lines of its log; one that lives says first what its threads do."""
        if self.alive:
            self.signal(signal.SIGUSR1)
            self.await_death(SAYS_WITHIN)
        return "\n".join([f"--- {self._log}", *self.lines])
