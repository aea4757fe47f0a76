"""The life of one trading process: open, run, and close so that nothing is left behind.

Closing, in this order: entries stop (the kill switch), every trader cancels, the cancellations are
confirmed, what is still open is cancelled directly, the actors stop in reverse, the last facts are
stored, the books are compared with the exchange once more, and only then does the ledger close. A
process that gives up skips the traders and cancels directly (`ending`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from actors.view import snapshots
from quietmaker.core.units import SECOND, Nanos
from quietmaker.ledger import modes
from quietmaker.settings import Settings
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log, LogHandle
from quietmaker.telemetry.management import Check, ManagementServer
from quietmaker.telemetry.metrics import Metrics, ProcessState
from supervisors import build
from supervisors.clock import SystemClock
from supervisors.composition import Outside, Trading, compose, spare_what_stands
from supervisors.control import Control, standing, state_of
from supervisors.ending import Ending
from supervisors.firsts import note_firsts
from supervisors.home import Instance
from supervisors.opening import Chosen, Opened, open_run
from supervisors.paper_server import LOG
from supervisors.policy import GiveUp
from supervisors.reloading import asked
from supervisors.reloading.generations import Asked, Trigger
from supervisors.reloading.parts import Logs, Universe
from supervisors.reloading.reloader import Reloader, fingerprint
from supervisors.stopping import Stop
from supervisors.unsafe import unsafe

STEP: Final = 0.1
ALIVE_WITHIN: Final = Nanos(20 * SECOND)
"""The driving thread comes by far more often; beyond this the process is not healthy."""


@dataclass(slots=True)
class Process:
    """One run.

    Attributes:
        chosen: what to run, and where.
        first: seconds from the start of the process to the first quote and round trip, once they happened.
        logs: what configured the logs, once somebody did.
        hangups: reloads that were asked for by signal: safe to count in a handler.
    """

    chosen: Chosen
    revision: str
    stop: Stop = field(default_factory=Stop)
    first: dict[str, float] = field(default_factory=dict)
    hangups: int = 0
    logs: LogHandle | None = None
    _beat: Nanos = field(default=Nanos(0), init=False)
    _state: ProcessState = field(default=ProcessState.STARTING, init=False)
    _ready_told: bool = field(default=False, init=False)
    _log: Log = field(default_factory=lambda: Log("process"), init=False)
    opened: Opened = field(init=False)
    trading: Trading = field(init=False)
    management: ManagementServer = field(init=False)
    control: Control = field(init=False)
    reloader: Reloader = field(init=False)
    _seen: str = field(init=False)
    _started_at: str = field(init=False)

    def __post_init__(self) -> None:
        """Note when it began, and what the files were that it began with."""
        self.control = Control(
            lambda: getattr(self, "trading", None),
            metrics=self.metrics.operators,
            now=self.clock.now,
        )
        self._seen = fingerprint(self.chosen.settings.files)
        self._started_at = datetime.now(tz=UTC).isoformat(timespec="seconds")

    @property
    def settings(self) -> Settings:
        """Return the configuration in force."""
        return (
            self.trading.generations.current if hasattr(self, "trading") else self.chosen.settings
        )

    @property
    def clock(self) -> SystemClock:
        """Return the clock."""
        return self.chosen.clock

    @property
    def metrics(self) -> Metrics:
        """Return the metrics, which everything reports to."""
        return self.chosen.metrics

    # --- opening --------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the exchange and the ledger, and compose the actors.

        Raises:
            QuietmakerError: if one of them cannot be opened; what was opened is closed again.
        """
        chosen = self.chosen
        self._answer()
        try:
            self.opened = open_run(chosen)
            try:
                self.trading = self._compose()
            except BaseException:
                self.opened.close()
                raise
        except BaseException:
            self.management.stop()
            raise
        self.trading.roster.begin(self.opened.leftovers)
        self._join()
        for symbol in self.opened.products:
            self.metrics.add_symbol(symbol)
        self.reloader = Reloader(
            self.trading.generations,
            load=chosen.load,
            wake=self.trading.supervisor.wake,
            seen=self._seen,
        )
        self.metrics.watch(
            symbols=lambda: snapshots(self.trading.board.views().values()),
            inboxes=self.trading.supervisor.depths,
        )

    def _join(self) -> None:
        """Have everything take part in reloads that is not composed."""
        generations, trading = self.trading.generations, self.trading
        generations.join("universe", Universe(trading.roster, self.opened.offered))
        if self.logs is not None:
            generations.join("logs", Logs(self.logs))

    def _answer(self) -> None:
        """Answer on the management port from now on: a start that takes long, or fails, can be watched."""
        self.management = self._manage()
        self.management.start()
        self.chosen.home.publish(self._instance())
        self._log.info(
            Event.MANAGEMENT_LISTENING,
            self.management.url,
            url=self.management.url,
            pid=os.getpid(),
        )

    def _compose(self) -> Trading:
        opened = self.opened
        outside = Outside(
            exchange=opened.link.exchange,
            market_stream=opened.link.market,
            user_stream=opened.link.user,
            ledger=opened.books.ledger,
            tie_out_books=opened.books.tie_out,
            filter_books=opened.books.filter,
            risk_books=opened.books.risk,
            clock=self.clock,
            metrics=self.metrics,
            run=opened.run,
            born=opened.born,
            imposed=modes.standing(opened.books.url),
        )
        return compose(
            self.settings,
            outside,
            opened.products,
            process=self._facts_of_process,
            refresh=self._refresh,
        )

    def _manage(self) -> ManagementServer:
        chosen = self.settings.management
        reload = asked.ReloadAction(lambda: getattr(self, "reloader", None))
        return ManagementServer(
            host=chosen.host,
            port=chosen.port,
            expose=self.metrics.expose,
            health=self._healthy,
            ready=self._checks,
            status=self._page,
            actions={**self.control.actions(), asked.PATH: reload.perform},
            token=self.chosen.home.new_token(),
        )

    # --- running --------------------------------------------------------------------------------

    def run(self) -> int:
        """Trade until a stop is asked for or the tree gives up; return the exit code."""
        self._beat = self.clock.monotonic()
        self._become(ProcessState.RUNNING)
        spare_what_stands()
        supervisor = self.trading.supervisor
        supervisor.start()
        self.reloader.start()
        gave_up: GiveUp | None = None
        while gave_up is None and not self.stop.count:
            gave_up = (
                supervisor.step(STEP) or self.trading.roster.look() or self._without_exchange()
            )
            self._reload()
            self._beat = self.clock.monotonic()
        self.reloader.stop()
        reason = gave_up.reason if gave_up is not None else self.stop.reason
        self._close(reason, orderly=gave_up is None)
        return 0 if gave_up is None else 1

    def _reload(self) -> None:
        """Ask for the reloads that a signal asked for, and switch to what was read."""
        if self.hangups:
            self.hangups = 0  # several at once are one
            self.reloader.request(Asked(trigger=Trigger.SIGNAL, by="SIGHUP"))
        if self.reloader.step():
            self.chosen.home.publish(self._instance())

    def _without_exchange(self) -> GiveUp | None:
        """Give up when the paper exchange that we started is gone: there is nothing to come back to."""
        server = self.opened.server
        if server is None or server.alive:
            return None
        log = self.chosen.home.logs / LOG
        return GiveUp(reason=f"the paper exchange ended; its log is {log}")

    # --- closing --------------------------------------------------------------------------------

    def _close(self, reason: str, *, orderly: bool) -> None:
        self._log.info(Event.PROCESS_STOPPING, reason)
        self._become(ProcessState.DRAINING)
        ending = self._ending()
        stuck = ending.cancel_everything(reason, orderly=orderly)
        ending.store_the_rest(reason, tie_out=not stuck)
        self._become(ProcessState.STOPPED)
        self._log.info(Event.PROCESS_STOPPED, "everything is cancelled and stored")
        self.management.stop()

    def abort(self, within: float) -> None:
        """End at once: cancel what can be cancelled in time, and stop a database that is ours."""
        if hasattr(self, "trading"):
            self.trading.kill.shut("second signal")
            self._ending().cancel_directly(within)
        if hasattr(self, "opened") and self.opened.books.server is not None:
            self.opened.books.server.stop(timeout=within)

    def _ending(self) -> Ending:
        return Ending(self.trading, self.opened, clock=self.clock, beat=self._alive)

    def _alive(self) -> None:
        self._beat = self.clock.monotonic()

    # --- what the world sees --------------------------------------------------------------------

    def _page(self) -> Mapping[str, Any]:
        return {} if self._state is ProcessState.STARTING else self.trading.page.read()

    def _shown_state(self) -> ProcessState:
        """Return the state as the world sees it: while it runs, what the account's mode makes of it."""
        running = self._state is ProcessState.RUNNING
        return state_of(self.trading, self.clock.now()) if running else self._state

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
        if self._state is ProcessState.STARTING:
            return Check(True, self._state.value)  # each step of it has a time-out of its own
        age = self.clock.monotonic() - self._beat
        if age > ALIVE_WITHIN:
            return Check(False, f"the supervisor has not moved for {age / SECOND:.0f} s")
        return Check(True, self._state.value)

    def _checks(self) -> Mapping[str, Check]:
        if self._state is ProcessState.STARTING:
            return {"process": Check(False, self._state.value)}
        trading = self.trading
        views = trading.board.views()
        missing = [s for s in trading.products if s not in views or not views[s].recovered]
        fresh = [view for view in views.values() if view.bid is not None]
        kill, standing = trading.kill, trading.ledger.standing()
        return {
            "process": Check(self._state is ProcessState.RUNNING, self._state.value),
            "recovered": Check(not missing, f"waiting: {', '.join(missing)}" if missing else ""),
            "market": Check(bool(fresh), f"{len(fresh)} of {len(trading.products)} books are good"),
            "actors": Check(not trading.supervisor.down, ", ".join(trading.supervisor.down)),
            "entries": Check(not (stopped := kill.reason or kill.halted), stopped),
            "filter": Check(trading.eligibility.known, trading.eligibility.failing),
            "ledger": Check(
                not standing.trouble, standing.trouble or f"{standing.backlog} records wait"
            ),
        }

    def _facts_of_process(self) -> Mapping[str, Any]:
        trading = self.trading
        note_firsts(self.first, trading.board, round(self._age(), 1))
        return {
            "mode": self.settings.mode,
            "state": self._shown_state().value,
            "modes": standing(trading),
            "unsafe": unsafe(self.settings),
            "version": build.version(),
            "revision": self.revision,
            "run": self.opened.run,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "config_sha": self.settings.sha256,
            "config": trading.generations.page(),
            "management_url": self.management.url,
            "market": self.settings.paper.market if self.settings.mode == "paper" else "Coinbase",
            "exchange": self.opened.link.endpoints.rest,
            "kill_switch": trading.kill.reason,
            "checks": {n: {"ok": c.ok, "detail": c.detail} for n, c in self._checks().items()},
            "records_waiting": trading.ledger.standing().backlog,
            "tie_out": trading.tie_out.page(),
            "filter": trading.eligibility.document(self.clock.now()),
            "risk": trading.risk_page.read(),
            "inboxes": trading.supervisor.depths(),
            "dead_letters": sum(trading.dead.counts().values()),
            "first_seconds": dict(self.first),
        }

    def _age(self) -> float:
        began = datetime.fromisoformat(self._started_at)
        return self.clock.now() / SECOND - began.timestamp()

    def _refresh(self) -> None:
        """Set the gauges that are not read at the scrape."""
        now = self.clock.now()
        self.trading.modes.poll(now)
        self.metrics.state(self._shown_state())
        for role, age in self.trading.supervisor.ages().items():
            self.metrics.heartbeat(role, type(now)(now - age))
        ready = all(check.ok for check in self._checks().values())
        self.metrics.ready(ready)
        if ready and not self._ready_told:
            self._ready_told = True
            self._log.info(Event.PROCESS_READY, f"after {self._age():.1f} s")
