"""The exchange's server in a thread, with a market by hand, for real clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import urllib3
import websocket

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.core.fees import FeeRates
from quietmaker.core.units import Nanos
from quietmaker.exchange.latency import INSTANT
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.server.app import ExchangeServer, ServerSettings
from quietmaker.exchange.server.catalogue import Recorded
from quietmaker.exchange.server.connection import Limits
from quietmaker.exchange.server.keys import Permissions, new_key
from quietmaker.exchange.server.limits import Rates
from quietmaker.exchange.server.monitor import Tally
from quietmaker.exchange.server.records import OrderRecord
from quietmaker.market.manual import ManualMarket
from quietmaker.ports import MarketSource
from supervisors.clock import SystemClock
from tests.exchange.support import BALANCES, FEES, PRODUCT, SYMBOL

USDC = "TNSR-USDC"
UNLIMITED = Rates(private=0, public=0)
TIMEOUT = 10.0
BASE = "/api/v3/brokerage"
BOOK = {
    "product": SYMBOL,
    "book": {"bids": [["0.1", "10"], ["0.099", "20"]], "asks": [["0.102", "30"]]},
}


@dataclass
class Served:
    """A running server."""

    server: ExchangeServer
    key: ApiKey
    clock: SystemClock
    loop: asyncio.AbstractEventLoop
    authority: Path
    port: int = 0
    tls_port: int = 0
    peers: list[Peer] = field(default_factory=list)
    http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(retries=False, timeout=TIMEOUT)
    )

    def __post_init__(self) -> None:
        """Sign with the key."""
        self.signer = Signer(self.key, self.clock)

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
        host = f"127.0.0.1:{self.port}"
        token = self.signer.rest(method, host, path.partition("?")[0])
        headers = {"Authorization": f"Bearer {token}", **(headers or {})}
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

    @property
    def orders(self) -> list[OrderRecord]:
        """Return all orders of the exchange, newest first."""
        found: list[OrderRecord] = self.on_loop(
            lambda: list(self.server.desk.records.newest_first())
        )
        return found

    def place(
        self,
        client_id: str,
        *,
        side: str = "BUY",
        price: str = "0.1",
        size: str = "5",
        symbol: str = SYMBOL,
    ) -> str:
        """Place a post-only order and return its id."""
        variant = {"base_size": size, "limit_price": price, "post_only": True}
        body = {
            "client_order_id": client_id,
            "product_id": symbol,
            "side": side,
            "order_configuration": {"limit_limit_gtc": variant},
        }
        status, answer = self.ask("POST", f"{BASE}/orders", body)
        assert status == 200, answer
        assert answer["success"], answer
        order_id: str = answer["success_response"]["order_id"]
        return order_id

    def order(self, order_id: str) -> dict[str, Any]:
        """Return an order as REST tells it."""
        row: dict[str, Any] = self.ask("GET", f"{BASE}/orders/historical/{order_id}")[1]["order"]
        return row

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


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a server is opened with.

    Attributes:
        opening: market events that happen before anybody may ask.
    """

    source: MarketSource
    recorded: Recorded
    balances: Mapping[str, Decimal]
    fees: FeeRates
    warmup: Nanos
    seed: int
    opening: tuple[dict[str, Any], ...]


USUAL = World(
    source=ManualMarket({SYMBOL: PRODUCT}),
    recorded=Recorded(
        rows={},
        products={USDC: replace(PRODUCT, symbol=USDC, quote="USDC")},
        aliases={USDC: SYMBOL},
    ),
    balances={**BALANCES, "USDC": Decimal(500)},
    fees=FEES,
    warmup=Nanos(0),
    seed=1,
    opening=(BOOK,),
)


@contextmanager
def serve(
    limits: Limits | None = None,
    *,
    world: World = USUAL,
    rates: Rates = UNLIMITED,
    admin: bool = True,
) -> Iterator[Served]:
    """Run a server in a thread of its own, on a free port, with a market by hand."""
    ready = threading.Event()
    stop = asyncio.Event()
    holder: list[Served] = []

    async def main(folder: Path) -> None:
        served = _build(
            folder, limits or Limits(connections=0, messages=0), world, rates, admin=admin
        )
        addresses = await served.server.open(host="127.0.0.1", port=0, tls_port=0)
        served.port, served.tls_port = addresses.port, addresses.tls_port
        running = asyncio.create_task(served.server.run())
        holder.append(served)
        ready.set()
        await stop.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await served.server.close()

    with TemporaryDirectory() as folder:
        thread = threading.Thread(
            target=lambda: asyncio.run(main(Path(folder))), name="exchange-under-test"
        )
        thread.start()
        assert ready.wait(TIMEOUT)
        served = holder[0]
        try:
            if admin:
                served.market(*world.opening)
            yield served
        finally:
            served.hang_up()
            served.http.clear()
            served.loop.call_soon_threadsafe(stop.set)
            thread.join(TIMEOUT)
            assert not thread.is_alive()


def _build(folder: Path, limits: Limits, world: World, rates: Rates, *, admin: bool) -> Served:
    clock = SystemClock()
    keys = folder / "keys"
    key = new_key(keys, name="test", ed25519_key=False, permissions=Permissions())
    server = ExchangeServer(
        ServerSettings(
            folder=folder,
            balances=world.balances,
            fees=world.fees,
            model=FILL_MODELS["touch"],
            latency=INSTANT,
            seed=world.seed,
            speed=Decimal(1),
            warmup=world.warmup,
            loop=False,
            session=None,
            rates=rates,
            sockets=limits,
            market_client_id=False,
            admin=admin,
        ),
        source=world.source,
        recorded=world.recorded,
        clock=clock,
        tally=Tally(),
    )
    return Served(
        server=server,
        key=ApiKey.load(key),
        clock=clock,
        loop=asyncio.get_running_loop(),
        authority=folder / "ca.pem",
    )
