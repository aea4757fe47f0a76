"""The exchange put together: floor, records, channels, REST, and the sockets that they are reached by."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from aiohttp import web

from quietmaker.core.fees import FeeRates
from quietmaker.core.units import Nanos
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.models import FillModel
from quietmaker.exchange.server import tls
from quietmaker.exchange.server.admin import Admin
from quietmaker.exchange.server.auth import Authenticator
from quietmaker.exchange.server.catalogue import Recorded, merge
from quietmaker.exchange.server.connection import Limits
from quietmaker.exchange.server.connection_requests import Endpoint
from quietmaker.exchange.server.connection_socket import run_ticks, socket_handler
from quietmaker.exchange.server.desk import Desk
from quietmaker.exchange.server.faults import Faults
from quietmaker.exchange.server.faults_orders import OrderFaults
from quietmaker.exchange.server.faults_rest import fault_middleware
from quietmaker.exchange.server.house import House
from quietmaker.exchange.server.hub import Hub
from quietmaker.exchange.server.keys import KeyRing
from quietmaker.exchange.server.limits import RateLimiter, Rates
from quietmaker.exchange.server.listeners import Addresses, Listeners
from quietmaker.exchange.server.monitor import Tally
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.records import ENDED_KEPT, Records
from quietmaker.exchange.server.rest import Gate, in_words, routes
from quietmaker.ports import Clock, MarketSource

KEYS_EVERY: Final = 0.25
"""Seconds between two looks into the folder of keys."""
RENEW_EVERY: Final = 3600.0
GREATEST_BODY: Final = 1024 * 1024
MARKET_PATHS: Final = ("/", "/ws")
USER_PATH: Final = "/user"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How an exchange is opened.

    Attributes:
        folder: where it keeps its authority and keys.
        balances: what the account starts with, by currency.
        fees: the account's rates.
        model: what to believe of queues.
        latency: of requests and answers, on top of what the loopback takes.
        seed: of jitter, idle times, first trade ids and faults.
        speed: seconds of the market in each second.
        warmup: how much of the market is history at the start.
        loop: whether the market starts again when it ends.
        session: makes the ids of this life of the exchange its own; by the clock when None.
        rates: how often clients may ask.
        sockets: what socket clients may ask and cost.
        market_client_id: whether frames of the market endpoint carry ``client_id``.
        admin: whether faults, state and market can be reached under ``/admin``, on loopback.
    """

    folder: Path
    balances: Mapping[str, Decimal]
    fees: FeeRates
    model: FillModel
    latency: Latency
    seed: int
    speed: Decimal
    warmup: Nanos
    loop: bool
    session: str | None
    rates: Rates
    sockets: Limits
    market_client_id: bool
    admin: bool


class ExchangeServer:
    """The paper exchange as a server, in one event loop.

    Attributes:
        desk: its orders and its market.
        hub: its channels.
        faults: what goes wrong on purpose.
        house: who it is.
        tally: what it counted.
        keys: the keys that it accepts.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        source: MarketSource,
        recorded: Recorded,
        clock: Clock,
        tally: Tally,
    ) -> None:
        """Open the exchange and run the warm-up; nothing listens and nothing moves yet.

        Args:
            settings: how it is opened.
            source: the market that it plays.
            recorded: products that are listed beside those of the market.
            clock: the time of day.
            tally: takes what it counts and logs.

        Raises:
            QuietmakerError: if its folder or the market cannot be used.
        """
        self.tally = tally
        self.faults = Faults(seed=settings.seed)
        self.keys = KeyRing(settings.folder / "keys")
        self._clock = clock
        self._files = tls.TlsFiles(folder=settings.folder)
        tls.prepare(self._files, clock.now())
        self._tls = tls.server_context(self._files)
        self._refuse_keys(self.keys.refresh())
        session = settings.session or f"paper-{clock.now():x}"
        catalogue = merge(recorded, source.info().products)
        core = MatchingCore(
            products=catalogue.products,
            balances=settings.balances,
            fees=settings.fees,
            model=settings.model,
            latency=settings.latency,
            seed=settings.seed,
            session=session,
            retain=ENDED_KEPT,
            aliases=catalogue.aliases,
        )
        records = Records(session=session)
        authenticator = Authenticator(self.keys, clock)
        self.house = House(
            catalogue=catalogue,
            core=core,
            records=records,
            authenticator=authenticator,
            monitor=tally,
        )
        self.hub = Hub(
            house=self.house,
            clock=clock,
            faults=self.faults,
            limits=settings.sockets,
            seed=settings.seed,
            market_client_id=settings.market_client_id,
            monitor=tally,
        )
        self.desk = Desk(
            source=source,
            core=core,
            clock=clock,
            latency=settings.latency,
            speed=settings.speed,
            loop=settings.loop,
            records=records,
            audience=self.hub,
            monitor=tally,
        )
        self.desk.interference = OrderFaults(self.faults)
        self.desk.floor.warm_up(settings.warmup)
        office = Office(
            house=self.house,
            desk=self.desk,
            past=lambda symbol: self.hub.board(symbol).history,
            clock=clock,
            opened=clock.now(),
        )
        gate = Gate(
            office=office,
            authenticator=authenticator,
            monitor=tally,
            private=RateLimiter(rate=settings.rates.private, clock=clock),
            public=RateLimiter(rate=settings.rates.public, clock=clock),
        )
        self._listeners = Listeners(self._application(gate, admin=settings.admin), tls=self._tls)

    async def open(self, *, host: str, port: int, tls_port: int) -> Addresses:
        """Listen.

        Raises:
            QuietmakerError: if an address cannot be used.
        """
        return await self._listeners.open(host=host, port=port, tls_port=tls_port)

    async def run(self) -> None:
        """Play the market and serve, until cancelled; a defect in any part ends all of it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run(), name="desk")
            group.create_task(run_ticks(self.hub), name="hub")
            group.create_task(self._watch_keys(), name="keys")
            group.create_task(self._renew(), name="tls")

    async def close(self) -> None:
        """Stop listening and close every connection."""
        await self._listeners.close()

    def _application(self, gate: Gate, *, admin: bool) -> web.Application:
        app = web.Application(
            middlewares=[in_words, fault_middleware(self.faults)], client_max_size=GREATEST_BODY
        )
        app.router.add_routes(routes(gate))
        verify = self.house.verify
        for path in MARKET_PATHS:
            app.router.add_get(path, socket_handler(self.hub, Endpoint.MARKET, verify))
        app.router.add_get(USER_PATH, socket_handler(self.hub, Endpoint.USER, verify))
        if admin:
            desk = Admin(
                desk=self.desk,
                hub=self.hub,
                house=self.house,
                faults=self.faults,
                tally=self.tally,
            )
            app.router.add_routes(desk.routes())
        return app

    async def _watch_keys(self) -> None:
        while True:
            await asyncio.sleep(KEYS_EVERY)
            self._refuse_keys(await asyncio.to_thread(self.keys.refresh))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            made = await asyncio.to_thread(tls.prepare, self._files, self._clock.now())
            if made:
                self._tls.load_cert_chain(self._files.certificate)
                self.tally.log("certificate_renewed", "the certificate was about to expire")

    def _refuse_keys(self, problems: list[str]) -> None:
        for problem in problems:
            self.tally.log("key_refused", problem)
