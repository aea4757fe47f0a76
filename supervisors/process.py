"""The life of one trading process: open, run, and close so that nothing is left behind.

Closing, in this order: entries stop (the kill switch), every trader cancels, the cancellations are
confirmed, what is still open is cancelled directly, the actors stop in reverse, the last facts are
stored, the books are compared with the exchange once more, and only then does the ledger close. A
process that gives up skips the traders and cancels directly.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from actors.protocol import StopTrading
from actors.view import snapshots
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import LedgerError, SafetyRefusal
from quietmaker.exchange.paper import PaperExchange
from quietmaker.ports import MarketSource
from quietmaker.settings import Settings
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.management import Check, ManagementServer
from quietmaker.telemetry.metrics import Metrics, ProcessState
from supervisors import build
from supervisors.books import Books, carried_on, open_books, paper_balances
from supervisors.clock import SystemClock
from supervisors.closing import cancel_all, settle, write
from supervisors.composition import Outside, Trading, compose
from supervisors.home import Home, Instance
from supervisors.market import open_exchange, open_market
from supervisors.policy import GiveUp

STEP: Final = 0.1
CONFIRM_WITHIN: Final = Nanos(4 * SECOND)
"""How long cancellations may take to be confirmed at a stop."""
DIRECT_WITHIN: Final = 2.0
ALIVE_WITHIN: Final = Nanos(20 * SECOND)
"""The driving thread comes by far more often; beyond this the process is not healthy."""


@dataclass(slots=True)
class Stop:
    """What was asked for by signal: safe to set in a handler."""

    count: int = 0
    reason: str = ""

    def ask(self, reason: str) -> int:
        """Ask for a stop; return how often that was done."""
        self.count += 1
        self.reason = self.reason or reason
        return self.count


@dataclass(slots=True)
class Process:
    """One run.

    Attributes:
        tell: takes progress and the plan, line by line, for people.
        first: seconds from the start of the process to the first quote and round trip, once they happened.
    """

    settings: Settings
    home: Home
    revision: str
    tell: Callable[[str], None]
    clock: SystemClock = field(default_factory=SystemClock)
    stop: Stop = field(default_factory=Stop)
    first: dict[str, float] = field(default_factory=dict)
    _beat: Nanos = field(default=Nanos(0), init=False)
    _state: ProcessState = field(default=ProcessState.STARTING, init=False)
    _ready_told: bool = field(default=False, init=False)
    _end_told: bool = field(default=False, init=False)
    _log: Log = field(default_factory=lambda: Log("process"), init=False)
    metrics: Metrics = field(init=False)
    exchange: PaperExchange = field(init=False)
    books: Books = field(init=False)
    trading: Trading = field(init=False)
    management: ManagementServer = field(init=False)
    _run: int = field(default=0, init=False)
    _started_at: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Create the metrics, which everything reports to.

        Raises:
            SafetyRefusal: in live mode, for which there is no exchange adapter yet.
        """
        if self.settings.mode != "paper":
            raise SafetyRefusal(
                "mode: live is refused: this version trades on paper only; set mode: paper"
            )
        self._started_at = datetime.now(tz=UTC).isoformat(timespec="seconds")
        self.metrics = Metrics(
            version=build.version(),
            revision=self.revision,
            mode=self.settings.mode,
            now=self.clock.now,
        )

    # --- opening --------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the market, the ledger and the exchange, and compose the actors.

        Raises:
            QuietmakerError: if one of them cannot be opened; what was opened is closed again.
        """
        settings = self.settings
        source = open_market(settings)
        info = source.info()
        products = {s: info.products[s] for s in settings.select(info.products)}
        for symbol in products:
            settings.params(symbol, info.products[symbol])
        for symbol, statement in info.inferred.items():
            self.tell(f"note: {symbol}: {statement}")
        self.management = self._manage()
        self.books = open_books(settings, self.home, info.products)
        try:
            self._begin_run()
            self.exchange = self._open_exchange(source, info.products)
            self.trading = self._compose(products)
        except BaseException:
            self.books.close()
            raise
        for symbol in products:
            self.metrics.add_symbol(symbol)
        self.metrics.config_loaded(settings.sha256, self.clock.now())
        self.metrics.watch(
            symbols=lambda: snapshots(self.trading.board.views().values()),
            inboxes=self.trading.supervisor.depths,
        )

    def _begin_run(self) -> None:
        self._run = self.books.ledger.begin_run(
            mode=self.settings.mode,
            config_sha=self.settings.sha256,
            version=build.version(),
            at=self.clock.now(),
        )

    def _open_exchange(
        self, source: MarketSource, products: Mapping[str, Product]
    ) -> PaperExchange:
        reports = self.books.reports
        balances, short = carried_on(
            paper_balances(self.settings, products),
            held={holding.symbol: holding.size for holding in reports.positions()},
            cash=reports.cash_flows(),
        )
        for amount in short:
            self.tell(
                f"note: the paper account would hold {amount}; it begins at 0 "
                f"(paper.starting_balances was lowered)"
            )
        for symbol in set(self.books.ledger.symbols_in_use()) - set(products):
            self.tell(f"note: the books hold {symbol}, which this market does not have; it waits")
        return open_exchange(
            self.settings, source, clock=self.clock, balances=balances, session=f"p{self._run}"
        )

    def _compose(self, products: Mapping[str, Product]) -> Trading:
        outside = Outside(
            exchange=self.exchange,
            market_stream=self.exchange.market_stream,
            user_stream=self.exchange.user_stream,
            ledger=self.books.ledger,
            clock=self.clock,
            metrics=self.metrics,
            run=self._run,
        )
        return compose(
            self.settings, outside, products, process=self._facts_of_process, refresh=self._refresh
        )

    def _manage(self) -> ManagementServer:
        chosen = self.settings.management
        return ManagementServer(
            host=chosen.host,
            port=chosen.port,
            expose=self.metrics.expose,
            health=self._healthy,
            ready=self._checks,
            status=self._page,
        )

    @property
    def run_number(self) -> int:
        """Return the number of this run in the ledger."""
        return self._run

    # --- running --------------------------------------------------------------------------------

    def run(self) -> int:
        """Trade until a stop is asked for or the tree gives up; return the exit code."""
        self._beat = self.clock.monotonic()
        self.management.start()
        self.home.publish(self._instance())
        self._log.info(
            Event.MANAGEMENT_LISTENING,
            self.management.url,
            url=self.management.url,
            pid=os.getpid(),
        )
        self._become(ProcessState.RUNNING)
        supervisor = self.trading.supervisor
        supervisor.start()
        gave_up: GiveUp | None = None
        while gave_up is None and not self.stop.count:
            gave_up = supervisor.step(STEP)
            self._beat = self.clock.monotonic()
        reason = gave_up.reason if gave_up is not None else self.stop.reason
        self._close(reason, orderly=gave_up is None)
        return 0 if gave_up is None else 1

    # --- closing --------------------------------------------------------------------------------

    def _close(self, reason: str, *, orderly: bool) -> None:
        self.trading.kill.set(reason)
        self._log.info(Event.PROCESS_STOPPING, reason)
        self._become(ProcessState.DRAINING)
        if orderly:
            self._let_traders_cancel()
        self.cancel_directly(DIRECT_WITHIN)
        stuck = self.trading.supervisor.stop()
        if stuck:
            self._log.error(Event.ACTOR_FAILED, f"did not stop in time: {', '.join(stuck)}")
        self._store_the_rest(reason)
        self.exchange.close()
        self._become(ProcessState.STOPPED)
        self._log.info(Event.PROCESS_STOPPED, "everything is cancelled and stored")
        self.management.stop()

    def _let_traders_cancel(self) -> None:
        trading, deadline = self.trading, self.clock.monotonic() + CONFIRM_WITHIN
        for trader in trading.traders.values():
            trader.tell(StopTrading())
        while self.clock.monotonic() < deadline:
            trading.supervisor.step(STEP / 2)
            self._beat = self.clock.monotonic()
            views = trading.board.views().values()
            if not any(view.working for view in views) and not self.exchange.open_orders():
                return

    def cancel_directly(self, within: float) -> None:
        """Cancel what is open without any actor, in a thread that cannot hold up the exit."""
        done = threading.Event()

        def work() -> None:
            cancel_all(self.exchange)
            done.set()

        threading.Thread(target=work, name="cancel-all", daemon=True).start()
        if not done.wait(within):
            self._log.error(Event.ALERT, f"orders may still be open: no answer within {within:g} s")

    def abort(self, within: float) -> None:
        """End at once: cancel what can be cancelled in time, and stop a database that is ours."""
        if hasattr(self, "trading"):
            self.trading.kill.set("second signal")
            self.cancel_directly(within)
        if hasattr(self, "books") and self.books.server is not None:
            self.books.server.stop(timeout=within)

    def _store_the_rest(self, reason: str) -> None:
        """Store what the writer left, settle the orders with the exchange, end the run."""
        ledger, now = self.books.ledger, self.clock.now()
        try:
            facts = self.trading.facts
            while batch := facts.batch(1_000):
                write(ledger, batch)
                facts.stored(len(batch))
            write(ledger, settle(self.exchange, ledger, self.trading.products))
            ledger.end_run(self._run, at=now, reason=reason)
        except LedgerError as error:
            self._log.error(Event.LEDGER_UNAVAILABLE, f"the books are not up to date: {error}")

    # --- what the world sees --------------------------------------------------------------------

    def _page(self) -> Mapping[str, Any]:
        return self.trading.page.read()

    def _become(self, state: ProcessState) -> None:
        self._state = state
        self.metrics.state(state)

    def _instance(self) -> Instance:
        return Instance(
            pid=os.getpid(),
            mode=self.settings.mode,
            version=build.version(),
            revision=self.revision,
            config_sha=self.settings.sha256,
            started_at=self._started_at,
            management_url=self.management.url,
        )

    def _healthy(self) -> Check:
        age = self.clock.monotonic() - self._beat
        if age > ALIVE_WITHIN:
            return Check(False, f"the supervisor has not moved for {age / SECOND:.0f} s")
        return Check(True, self._state.value)

    def _checks(self) -> Mapping[str, Check]:
        trading = self.trading
        views = trading.board.views()
        missing = [s for s in trading.products if s not in views or not views[s].recovered]
        fresh = [view for view in views.values() if view.bid is not None]
        kill = trading.kill
        return {
            "process": Check(self._state is ProcessState.RUNNING, self._state.value),
            "recovered": Check(not missing, f"waiting: {', '.join(missing)}" if missing else ""),
            "market": Check(bool(fresh), f"{len(fresh)} of {len(trading.products)} books are good"),
            "actors": Check(not trading.supervisor.down, ", ".join(trading.supervisor.down)),
            "entries": Check(not kill.is_set, kill.reason),
            "ledger": Check(len(trading.facts) < 1_000, f"{len(trading.facts)} facts wait"),
        }

    def _facts_of_process(self) -> Mapping[str, Any]:
        trading = self.trading
        self._note_firsts()
        return {
            "mode": self.settings.mode,
            "state": self._state.value,
            "version": build.version(),
            "run": self._run,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "config_sha": self.settings.sha256,
            "management_url": self.management.url,
            "market": self.settings.paper.market,
            "market_ended": self.exchange.ended,
            "market_failure": str(self.exchange.failure or ""),
            "kill_switch": trading.kill.reason,
            "checks": {n: {"ok": c.ok, "detail": c.detail} for n, c in self._checks().items()},
            "facts_waiting": len(trading.facts),
            "inboxes": trading.supervisor.depths(),
            "dead_letters": sum(trading.dead.counts().values()),
            "first_seconds": dict(self.first),
        }

    def _note_firsts(self) -> None:
        """Note how long the first quote and the first round trip took: what a newcomer waits for."""
        board = self.trading.board
        seconds = round(self._age(), 1)
        if "quote" not in self.first and any(
            side.quotes for view in board.views().values() for side in view.sides.values()
        ):
            self.first["quote"] = seconds
        if "round_trip" not in self.first and board.results():
            self.first["round_trip"] = seconds

    def _age(self) -> float:
        began = datetime.fromisoformat(self._started_at)
        return self.clock.now() / SECOND - began.timestamp()

    def _refresh(self) -> None:
        """Set the gauges that are not read at the scrape."""
        now = self.clock.now()
        for role, age in self.trading.supervisor.ages().items():
            self.metrics.heartbeat(role, type(now)(now - age))
        ready = all(check.ok for check in self._checks().values())
        self.metrics.ready(ready)
        if ready and not self._ready_told:
            self._ready_told = True
            self._log.info(Event.PROCESS_READY, f"after {self._age():.1f} s")
        if self.exchange.ended and not self._end_told:
            self._end_told = True
            why = f": {self.exchange.failure}" if self.exchange.failure is not None else ""
            self._log.warning(
                Event.MARKET_DATA_LOST, f"{self.settings.paper.market} is played to its end{why}"
            )
