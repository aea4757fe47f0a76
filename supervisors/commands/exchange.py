"""`quietmaker exchange`: the paper exchange as a process of its own, for any Coinbase client."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from quietmaker.coinbase.products import products_from_answer
from quietmaker.coinbase.recordings import CoinbaseFrames
from quietmaker.core.grid import NumberError, number
from quietmaker.core.market import MarketEvent
from quietmaker.core.units import Nanos
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.server.app import (
    MARKET_PATHS,
    USER_PATH,
    ExchangeServer,
    ServerSettings,
)
from quietmaker.exchange.server.catalogue import NOTHING, Recorded, read_catalogue
from quietmaker.exchange.server.connection import Limits
from quietmaker.exchange.server.keys import Permissions, new_key
from quietmaker.exchange.server.limits import Rates
from quietmaker.exchange.server.listeners import Addresses, allow_connections
from quietmaker.exchange.server.monitor import Tally
from quietmaker.market.sources import MANUAL, SYNTHETIC, open_source
from quietmaker.ports import MarketSource
from quietmaker.settings import Settings
from quietmaker.telemetry import logs
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from supervisors import build
from supervisors.books import paper_balances
from supervisors.clock import SystemClock
from supervisors.commands.exchange_health import health
from supervisors.commands.exchange_keys import keys
from supervisors.commands.options import config_options, load_settings, say
from supervisors.exchange_instance import FILE, FIRST_KEY, ExchangeInstance
from supervisors.home import Home
from supervisors.live_market import LIVE, LiveMarket
from supervisors.market import WARM_UP
from supervisors.recording_faults import telling_faults

_STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says beside the configuration."""

    host: str
    port: int
    tls_port: int
    catalogue: Path | None
    balances: Mapping[str, Decimal]
    private_rate: int
    public_rate: int
    connection_rate: int
    message_rate: int
    client_id: bool
    loop: bool
    admin: bool
    session: str | None


@click.group(invoke_without_command=True)
@config_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8480,
    show_default=True,
    help="Plain HTTP; 0: any.",
)
@click.option(
    "--tls-port",
    type=click.IntRange(0, 65535),
    default=8443,
    show_default=True,
    help="TLS; 0: any.",
)
@click.option(
    "--catalogue",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A recorded answer of GET /market/products, plain or gzip, listed beside the market's products.",
)
@click.option(
    "--balance",
    "balances",
    multiple=True,
    metavar="CURRENCY=AMOUNT",
    help="What the account begins with, instead of paper.starting_balances. Can be repeated.",
)
@click.option(
    "--private-rate",
    type=click.IntRange(0),
    default=30,
    show_default=True,
    help="Requests per second and key; 0: no limit.",
)
@click.option(
    "--public-rate",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Requests without a token per second and address; 0: no limit.",
)
@click.option(
    "--connection-rate",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="WebSocket connections per second and address; 0: no limit.",
)
@click.option(
    "--message-rate",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    help="WebSocket messages without a token per second and address; 0: no limit.",
)
@click.option(
    "--client-id", is_flag=True, help="Send client_id in frames of the market endpoint as well."
)
@click.option("--loop", is_flag=True, help="Play a recording again when it has ended.")
@click.option(
    "--admin/--no-admin",
    default=True,
    show_default=True,
    help="Answer under /admin, on loopback: faults, state.",
)
@click.option(
    "--session", metavar="TEXT", help="Makes the ids of this life unique; default: the time."
)
@click.option("--watch-stdin", is_flag=True, help="End when standard input is closed.")
@click.pass_context
def exchange(
    context: click.Context,
    /,
    config_file: Path,
    overrides: tuple[str, ...],
    balances: tuple[str, ...],
    watch_stdin: bool,
    **options: object,
) -> int:
    """Run the paper exchange: Coinbase Advanced Trade's REST and WebSocket on this machine.

    It plays the market of the section paper, until SIGTERM or Ctrl-C. Addresses, the authority to trust
    and the keys are printed at the start and written to exchange/instance.json under QUIETMAKER_HOME.
    """
    if context.invoked_subcommand is not None:
        return 0
    settings = load_settings(config_file, overrides)
    chosen = Options(balances=_balances(balances), **options)  # type: ignore[arg-type]
    stop = _Stop()
    if watch_stdin:
        stop.watch_stdin()
    root = Home.from_env(os.environ).exchange
    home = Home(root)
    with home.claim():
        return _serve(settings, chosen, home, stop)


exchange.add_command(keys)
exchange.add_command(health)


class _Stop:
    """What asks the exchange to end: signals, and a standard input that closes."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._wake: Callable[[], None] = lambda: None

    def watch_stdin(self) -> None:
        """Ask for the end when standard input is closed, from now on."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def ask(self) -> None:
        """Ask for the end. Any thread."""
        self._asked.set()
        self._wake()

    async def wait(self) -> None:
        """Return once it was asked for."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        self._wake = wake
        for number_ in _STOPS:
            loop.add_signal_handler(number_, self.ask)
        if not self._asked.is_set():
            await woken.wait()

    def _read(self) -> None:
        try:
            while os.read(sys.stdin.fileno(), 65_536):
                pass
        except (OSError, ValueError):
            pass  # it was closed before we looked
        self.ask()


class _ToLog:
    """Writes what the server tells into the log. Implements `Monitor`; the tally keeps the counts."""

    def __init__(self) -> None:
        self._log = Log("exchange")

    def log(self, event: str, message: str) -> None:
        self._log.info(Event.EXCHANGE_NOTICE, message, what=event)

    def count(self, name: str, label: str) -> None:
        """Keep nothing: the tally does."""


def _serve(settings: Settings, options: Options, home: Home, stop: _Stop) -> int:
    for number_ in _STOPS:
        signal.signal(number_, lambda *_: stop.ask())  # until the event loop takes them over
    allow_connections()
    tally = Tally(then=_ToLog())
    handle = logs.configure(
        level=settings.logging.level,
        form=settings.logging.format,
        max_repeats_per_minute=settings.logging.max_repeats_per_minute,
        env=os.environ,
        context={"mode": "exchange"},
        secrets=[],
        count=lambda level: tally.count("log_lines", level),
    )
    try:
        clock = SystemClock()
        recorded = NOTHING
        if options.catalogue is not None:
            recorded = read_catalogue(options.catalogue, products_from_answer)
        live = LiveMarket(settings, clock) if settings.paper.market == LIVE else None
        source = _market(settings, recorded) if live is None else live.source
        chosen = _server_settings(settings, options, source, home.root)
        if not (home.root / "keys" / f"{FIRST_KEY}.json").exists():
            new_key(
                home.root / "keys", name=FIRST_KEY, ed25519_key=False, permissions=Permissions()
            )
        server = ExchangeServer(chosen, source=source, recorded=recorded, clock=clock, tally=tally)
        asyncio.run(telling_faults(source, _run(server, live, options, home, stop)))
    finally:
        handle.close()
    return 0


async def _run(
    server: ExchangeServer,
    live: LiveMarket | None,
    options: Options,
    home: Home,
    stop: _Stop,
) -> None:
    """Serve until the end is asked for."""
    log = Log("exchange")
    addresses = await server.open(host=options.host, port=options.port, tls_port=options.tls_port)
    instance = _described(addresses, home.root)
    serving = asyncio.create_task(server.run(), name="server")
    asked = asyncio.create_task(stop.wait(), name="stop")
    try:
        instance.publish(home.root / FILE)
        for line in _banner(instance):
            say(line)
        log.info(
            Event.EXCHANGE_LISTENING,
            f"quietmaker {build.version()}: the paper exchange answers at {addresses.rest_url}",
            version=build.version(),
            revision=build.revision(os.environ),
            rest_url=addresses.rest_url,
            http_url=addresses.http_url,
            pid=os.getpid(),
        )
        if live is not None:
            loop = asyncio.get_running_loop()
            live.start(lambda event: _later(loop, server, event))
        await asyncio.wait((serving, asked), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving  # a defect: it never ends by itself
        log.info(Event.PROCESS_STOPPING, "the end was asked for")
    finally:
        if live is not None:
            await asyncio.to_thread(live.stop)
        for task in (serving, asked):
            task.cancel()
        await asyncio.gather(serving, asked, return_exceptions=True)
        await server.close()
    log.info(Event.PROCESS_STOPPED, "every connection is closed")


def _later(loop: asyncio.AbstractEventLoop, server: ExchangeServer, event: MarketEvent) -> None:
    """Hand an event of another thread to the exchange."""
    loop.call_soon_threadsafe(server.desk.happen, event)


def _market(settings: Settings, recorded: Recorded) -> MarketSource:
    """Open the configured market; the catalogue states the products of recordings that do not."""
    paper = settings.paper
    products = {**recorded.products, **settings.products()}
    if paper.market == MANUAL:  # has a market of every product; an alias shares another's
        products = {s: p for s, p in products.items() if s not in recorded.aliases}
    source = open_source(
        paper.market,
        decoders=CoinbaseFrames(),
        products=products,
        seed=paper.seed,
    )
    for statement in source.info().inferred.values():
        say(f"note: {statement}")
    return source


def _server_settings(
    settings: Settings, options: Options, source: MarketSource, folder: Path
) -> ServerSettings:
    paper = settings.paper
    one_way = Nanos(int(paper.order_latency_ms * 1_000_000))
    return ServerSettings(
        folder=folder,
        balances=options.balances or paper_balances(settings, source.info().products),
        fees=settings.paper_fees(),
        model=FILL_MODELS[paper.fill_model],
        latency=Latency(entry=one_way, cancel=one_way, response=Nanos(0), jitter=Nanos(0)),
        seed=paper.seed,
        speed=paper.speed,
        warmup=WARM_UP if paper.market == SYNTHETIC else Nanos(0),
        loop=options.loop,
        session=options.session,
        rates=Rates(private=options.private_rate, public=options.public_rate),
        sockets=Limits(connections=options.connection_rate, messages=options.message_rate),
        market_client_id=options.client_id,
        admin=options.admin,
    )


def _balances(texts: tuple[str, ...]) -> dict[str, Decimal]:
    balances: dict[str, Decimal] = {}
    for text in texts:
        currency, equals, amount = text.partition("=")
        try:
            if not currency or not equals or currency in balances:
                raise NumberError("expected each currency once, as CURRENCY=AMOUNT")
            balances[currency] = number(amount)
        except NumberError as error:
            raise click.BadParameter(f"{text!r}: {error}", param_hint="--balance") from error
    return balances


def _described(addresses: Addresses, folder: Path) -> ExchangeInstance:
    """Return how this process describes itself."""
    market = MARKET_PATHS[-1]
    return ExchangeInstance(
        pid=os.getpid(),
        rest_url=addresses.rest_url,
        http_url=addresses.http_url,
        market_ws_url=addresses.socket_url(market, tls=True),
        user_ws_url=addresses.socket_url(USER_PATH, tls=True),
        market_ws_plain_url=addresses.socket_url(market, tls=False),
        user_ws_plain_url=addresses.socket_url(USER_PATH, tls=False),
        ca=str(folder / "ca.pem"),
        keys=str(folder / "keys"),
        started_at=datetime.now(tz=UTC).isoformat(timespec="seconds"),
    )


def _banner(instance: ExchangeInstance) -> list[str]:
    return [
        f"REST            {instance.rest_url}  (plain: {instance.http_url})",
        f"market channels {instance.market_ws_url}  (plain: {instance.market_ws_plain_url})",
        f"user channels   {instance.user_ws_url}  (plain: {instance.user_ws_plain_url})",
        f"authority       {instance.ca}  (REQUESTS_CA_BUNDLE, SSL_CERT_FILE)",
        f"keys            {instance.keys}  (make one: quietmaker exchange keys new)",
    ]
