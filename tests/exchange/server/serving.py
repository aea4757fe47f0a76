"""The sockets, the faults and the admin endpoint as a server of their own, for real clients.

REST is stood in for by two handlers: what is tested here is what happens around them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson
import urllib3
import websocket
from aiohttp import web

from quietmaker.exchange.latency import INSTANT
from quietmaker.exchange.server.admin import Admin
from quietmaker.exchange.server.admin_market import ManualMarket
from quietmaker.exchange.server.connection import Limits
from quietmaker.exchange.server.connection_requests import Endpoint
from quietmaker.exchange.server.connection_socket import run_ticks, socket_handler
from quietmaker.exchange.server.desk import Desk
from quietmaker.exchange.server.faults import Faults
from quietmaker.exchange.server.faults_orders import OrderFaults
from quietmaker.exchange.server.faults_rest import fault_middleware
from quietmaker.exchange.server.hub import Hub
from quietmaker.exchange.server.monitor import Tally
from supervisors.clock import SystemClock
from tests.exchange.server.hubs import GOOD, House
from tests.exchange.support import PRODUCT, SYMBOL, make_core

TIMEOUT = 10.0
BASE = "/api/v3/brokerage"
BOOK = {
    "product": SYMBOL,
    "book": {"bids": [["0.1", "10"], ["0.099", "20"]], "asks": [["0.102", "30"]]},
}


@dataclass
class Served:
    """A running server."""

    hub: Hub
    desk: Desk
    faults: Faults
    tally: Tally
    loop: asyncio.AbstractEventLoop
    port: int = 0
    placed: list[dict[str, Any]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False, timeout=TIMEOUT)
    )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Ask over HTTP; return status and JSON, or the bytes of what is none."""
        answer = self.answer(method, path, body, headers=headers)
        try:
            return answer.status, orjson.loads(answer.data)
        except orjson.JSONDecodeError:
            return answer.status, answer.data

    def answer(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout: float = TIMEOUT,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Ask over HTTP; return the answer itself."""
        data = None if body is None else orjson.dumps(body)
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.http.request(method, url, body=data, headers=headers, timeout=timeout)

    def fault(self, point: str, **rule: Any) -> None:
        """Install a rule as a client would."""
        status, body = self.ask("POST", "/admin/faults", {"point": point, **rule})
        assert status == 200, body

    def market(self, *events: dict[str, Any]) -> None:
        """Let something happen in the market."""
        status, body = self.ask("POST", "/admin/market", list(events))
        assert status == 200, body

    def trade(self, price: str = "0.101", size: str = "1", aggressor: str = "BUY") -> None:
        """Let a trade happen."""
        said = {"price": price, "size": size, "aggressor": aggressor}
        self.market({"product": SYMBOL, "trade": said})

    def on_loop(self, call: Callable[[], Any]) -> Any:
        """Run a call on the server's loop and return what it returns."""

        async def run() -> Any:
            return call()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(TIMEOUT)

    def connect(self, path: str = "/", **options: Any) -> Peer:
        """Connect with websocket-client."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        peer = Peer(websocket.create_connection(url, timeout=TIMEOUT, **options))
        self.peers.append(peer)
        return peer

    def hang_up(self) -> None:
        """Drop all connections of clients."""
        while self.peers:
            self.peers.pop().socket.shutdown()


class Peer:
    """A client's end of a connection."""

    def __init__(self, socket: Any) -> None:
        """Wrap a connection of websocket-client."""
        self.socket = socket

    def send(self, **message: Any) -> None:
        """Send a message."""
        self.socket.send(orjson.dumps(message))

    def subscribe(self, channel: str, *products: str, jwt: str = "") -> list[dict[str, Any]]:
        """Subscribe; return the frames up to the acknowledgement, or the error."""
        token = {"jwt": jwt} if jwt else {}
        self.send(type="subscribe", channel=channel, product_ids=list(products), **token)
        frames = [self.receive()]
        while frames[-1].get("channel") != "subscriptions" and "message" not in frames[-1]:
            frames.append(self.receive())
        return frames

    def receive(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = orjson.loads(self.socket.recv())
        return frame

    def drain(self) -> list[Any]:
        """Return the raw frames up to the end of the connection, whichever kind of end that is."""
        frames = []
        try:
            while True:
                frames.append(self.socket.recv_frame())
        except (ConnectionError, websocket.WebSocketConnectionClosedException):
            return frames

    def until(self, channel: str) -> dict[str, Any]:
        """Return the next frame of a channel."""
        while (frame := self.receive()).get("channel") != channel:
            pass
        return frame


@contextmanager
def serve(limits: Limits | None = None) -> Iterator[Served]:
    """Run a server in a thread of its own, on a free port, with a market by hand."""
    ready: threading.Event = threading.Event()
    stop = asyncio.Event()
    holder: list[Served] = []

    async def main() -> None:
        served, app = _build(limits or Limits(connections=0, messages=0))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served.port = runner.addresses[0][1]
        tasks = [asyncio.create_task(run_ticks(served.hub)), asyncio.create_task(served.desk.run())]
        holder.append(served)
        ready.set()
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="exchange-under-test")
    thread.start()
    assert ready.wait(TIMEOUT)
    served = holder[0]
    try:
        served.market(BOOK)
        yield served
    finally:
        served.hang_up()
        served.http.clear()
        served.loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def _build(limits: Limits) -> tuple[Served, web.Application]:
    clock, faults, tally = SystemClock(), Faults(seed=1), Tally()
    core = make_core(latency=INSTANT)
    house = House(core=core)
    hub = Hub(
        house=house,
        clock=clock,
        faults=faults,
        limits=limits,
        seed=1,
        market_client_id=False,
        monitor=tally,
    )
    desk = Desk(
        source=ManualMarket({SYMBOL: PRODUCT}),
        core=core,
        clock=clock,
        latency=INSTANT,
        speed=Decimal(1),
        loop=False,
        records=house.records,
        audience=hub,
    )
    desk.interference = OrderFaults(faults)
    served = Served(hub=hub, desk=desk, faults=faults, tally=tally, loop=asyncio.get_running_loop())
    app = web.Application(middlewares=[fault_middleware(faults)])
    for path, endpoint in (
        ("/", Endpoint.MARKET),
        ("/ws", Endpoint.MARKET),
        ("/user", Endpoint.USER),
    ):
        app.router.add_get(path, socket_handler(hub, endpoint, _verify))
    app.router.add_get(f"{BASE}/time", _time)
    app.router.add_post(f"{BASE}/orders", _orders(served))
    app.router.add_routes(Admin(desk=desk, hub=hub, faults=faults, tally=tally).routes())
    return served, app


async def _verify(token: str) -> bool:
    return token == GOOD


async def _time(request: web.Request) -> web.Response:
    body = {"iso": "2026-09-30T02:37:29Z", "epochSeconds": "1790735849"}
    return web.json_response(body | {"epochMillis": "1790735849298"})


def _orders(served: Served) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.Response:
        body = await request.json()
        served.placed.append(body)
        return web.json_response(
            {"success": True, "success_response": {"client_order_id": body["client_order_id"]}}
        )

    return handle
