"""`quietmaker run`: the market maker itself."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Final

import click
import pykka.debug
from rich.live import Live

from quietmaker.errors import SafetyRefusal
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.settings import Settings
from quietmaker.telemetry import logs
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics
from supervisors import build, credentials
from supervisors.clock import SystemClock
from supervisors.commands.options import config_options, load_settings, say
from supervisors.home import Home
from supervisors.opening import Chosen, StopAsked
from supervisors.plan import plan
from supervisors.process import Process
from supervisors.screen import render
from supervisors.stopping import Stop
from supervisors.unsafe import unsafe

REFRESHES: Final = 2
AT_ONCE: Final = 1.5
"""Seconds that a second signal leaves for cancelling, and again for the database."""
_CARELESS: Final = {
    signal.SIGTERM: "SIGTERM",
    signal.SIGINT: "SIGINT (Ctrl-C)",
}
_HANGUP: Final = "SIGHUP (the terminal is gone)"


@click.command()
@config_options
@click.option(
    "--market",
    metavar="SOURCE",
    help="The paper market: synthetic, or the path of a recording (paper.market).",
)
@click.option(
    "--speed", metavar="N", help="Market seconds per second of a recording (paper.speed)."
)
@click.option(
    "--live", is_flag=True, help="Trade real money; the file must say mode: live as well."
)
@click.option(
    "--unsafe",
    "insists",
    is_flag=True,
    help="With --live: trade although a setting is known to lose money.",
)
def run(
    config_file: Path,
    overrides: tuple[str, ...],
    market: str | None,
    speed: str | None,
    live: bool,
    insists: bool,
) -> int:
    """Run the market maker until SIGTERM or Ctrl-C: then every order is cancelled and all is stored.

    A second signal cancels at once, without waiting for anything else. SIGHUP reads the configuration
    again; where the terminal is gone it stops as SIGTERM does. SIGUSR1 logs what every thread is doing.
    """
    extra = [f"paper.market={market}"] if market is not None else []
    extra += [f"paper.speed={speed}"] if speed is not None else []
    settings = load_settings(config_file, [*overrides, *extra])
    check_deliberate(settings, config_file, live=live, insists=insists)
    home, clock, revision = Home.from_env(os.environ), SystemClock(), build.revision(os.environ)
    metrics = Metrics(version=build.version(), revision=revision, mode=settings.mode, now=clock.now)
    stop = Stop()
    chosen = Chosen(
        settings=settings,
        config_file=config_file,
        overrides=(*overrides, *extra),
        home=home,
        clock=clock,
        metrics=metrics,
        tell=say,
        stopping=lambda: stop.count > 0,
    )
    with home.claim():
        return _run(Process(chosen=chosen, revision=revision, stop=stop))


def check_deliberate(settings: Settings, config_file: Path, *, live: bool, insists: bool) -> None:
    """Let real money be traded only if file and command line both say so.

    Raises:
        SafetyRefusal: if one of them does not, or a setting is known to lose money and nobody insists.
    """
    if live and settings.mode != "live":
        raise SafetyRefusal(f"--live needs mode: live in the configuration; {config_file} is paper")
    if settings.mode == "live" and not live:
        raise SafetyRefusal(
            f"{config_file} says mode: live; to trade real money say --live as well"
        )
    if live and not insists and (found := unsafe(settings)):
        raise SafetyRefusal(
            f"{'; '.join(found)}. To trade real money like that say --unsafe as well"
        )


def _run(process: Process) -> int:
    settings = process.settings
    with ExitStack() as stack:
        screen = stack.enter_context(_Screen(process)) if sys.stdout.isatty() else None
        handle = logs.configure(
            level=settings.logging.level,
            form=settings.logging.format,
            max_repeats_per_minute=settings.logging.max_repeats_per_minute,
            env=os.environ,
            context={"mode": settings.mode, "config_sha": settings.sha256[:12]},
            secrets=_secrets(settings),
            count=process.metrics.log_message,
            said=process.metrics.log_event,
        )
        stack.callback(handle.close)
        process.logs = handle
        _handle_signals(process)
        log = Log("process")
        log.info(
            Event.PROCESS_STARTED,
            f"quietmaker {build.version()} ({process.revision}) in {settings.mode.upper()} mode",
            version=build.version(),
            revision=process.revision,
            home=str(process.chosen.home.root),
            pid=os.getpid(),
        )
        log.info(
            Event.CONFIG_LOADED,
            f"{process.chosen.config_file}, {settings.sha256[:12]}",
            files=tuple(str(each) for each in settings.files),
        )
        for notice in settings.notices:
            log.warning(Event.CONFIG_NOTICE, notice)
        try:
            process.open()
        except StopAsked:
            log.info(Event.PROCESS_STOPPED, f"{process.stop.reason}: before anything was traded")
            return 0
        stack.callback(process.opened.close)
        for title, text in effective_plan(process):
            log.info(Event.PLAN, f"{title}: {text}")
        if screen is not None:
            screen.begin()
        return process.run()


def effective_plan(process: Process) -> list[tuple[str, str]]:
    """Return what the process is about to do, in words and numbers."""
    settings, opened = process.settings, process.opened
    lines = [*plan(settings, fees=opened.link.fees())]
    lines.append(("exchange", opened.link.endpoints.rest))
    lines.append(("trading", ", ".join(opened.products)))
    if settings.mode == "paper":
        lines.append(("fill model bias", FILL_MODELS[settings.paper.fill_model].bias))
    lines += [
        ("most at risk", _worst_case(settings, process)),
        (
            "ledger",
            f"{_without_password(settings.ledger.url)}, run {opened.run} (`quietmaker db url`)",
        ),
        ("management", process.management.url),
        ("home", str(process.chosen.home.root)),
    ]
    return lines


def _secrets(settings: Settings) -> list[str]:
    """Return what no log may show, whatever form it takes."""
    known = [settings.ledger.url] if "@" in settings.ledger.url else []
    return known + [os.environ[name] for name in (credentials.SECRET,) if os.environ.get(name)]


def _without_password(url: str) -> str:
    return re.sub(r"(//[^/:@]*):[^@/]*@", r"\1:***@", url)


def _worst_case(settings: Settings, process: Process) -> str:
    """Return how much may be bought at most, whatever happens."""
    chosen = [settings.symbol(symbol) for symbol in process.opened.products]
    positions = sum(each.quote.max_position for each in chosen)
    exposure = max((each.risk.max_exposure for each in chosen), default=0)
    return f"{min(positions, exposure)} (positions {positions}, all symbols together {exposure})"


def _handle_signals(process: Process) -> None:
    # Under nohup the end of the terminal is not to be heard of.
    on_terminal = _terminal_is_there() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def ask(reason: str) -> None:
        if process.stop.ask(reason) > 1:
            threading.Thread(target=_abort, args=(process,), name="abort", daemon=True).start()

    def on_stop(number: int, frame: FrameType | None) -> None:
        del frame
        ask(_CARELESS[signal.Signals(number)])

    def on_hangup(number: int, frame: FrameType | None) -> None:
        del number, frame
        if on_terminal and not _terminal_is_there():
            ask(_HANGUP)
        else:
            process.hangups += 1

    def on_dump(number: int, frame: FrameType | None) -> None:
        pykka.debug.log_thread_tracebacks(number, frame)

    for number in _CARELESS:
        signal.signal(number, on_stop)
    signal.signal(signal.SIGHUP, on_hangup)
    signal.signal(signal.SIGUSR1, on_dump)


def _terminal_is_there() -> bool:
    """Return whether the terminal that the process was started on is still there."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _abort(process: Process) -> None:
    """Cancel what can be cancelled in a moment, and end. The books recover at the next start."""
    os.write(2, b"second signal: cancelling and ending at once\n")
    threading.Timer(2 * AT_ONCE, os._exit, args=(1,)).start()
    process.abort(AT_ONCE)
    os._exit(1)


class _Screen:
    """The live status below the log, on a terminal."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._live = Live(refresh_per_second=REFRESHES, transient=False)
        self._over = threading.Event()

    def __enter__(self) -> _Screen:
        # From here on what is written to stdout appears above the table.
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._live.stop()

    def begin(self) -> None:
        """Show the status from now on."""
        threading.Thread(target=self._work, name="screen", daemon=True).start()

    def _work(self) -> None:
        while not self._over.wait(1 / REFRESHES):
            self._live.update(render(self._process.trading.page.read()))
