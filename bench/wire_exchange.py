"""The exchange of `bench.wire`: frames at command, orders taken, all in the one thread that keeps the time.

It speaks what a run needs of Coinbase's protocol over plain loopback sockets: both WebSockets with
acknowledgements, snapshots and heartbeats, orders and cancellations with their answers and what the user
channel tells of them, and fixed answers to the questions that a start asks.
"""

from __future__ import annotations

import base64
import hashlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from bench.wire_traffic import (
    SYMBOLS,
    Frame,
    frame,
    heartbeat,
    message,
    numbered,
    price_text,
    snapshot,
)

PREFIX: Final = "/api/v3/brokerage"
_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BEAT: Final = 1_000_000_000
_BUCKET: Final = 300


class Stuck(RuntimeError):  # noqa: N818 - a state, not only an error
    """What was waited for did not happen."""


@dataclass(eq=False, slots=True)
class Peer:
    """One connection.

    Attributes:
        path: what a WebSocket asked for; empty while it is none.
        number: of the next frame.
    """

    sock: socket.socket
    incoming: bytearray = field(default_factory=bytearray)
    path: str = ""
    number: int = 0
    beats: bool = False
    channels: dict[str, list[str]] = field(default_factory=dict)

    def send(self, told: Frame) -> None:
        """Send a frame with the next number."""
        self.sock.sendall(message(numbered(told, self.number)))
        self.number += 1


class Exchange:
    """Listens on a port of its own.

    Attributes:
        gap: whether books in snapshots have one behind their touch.
        late: seconds after which a cancellation is answered; an exchange far away takes its time.
        order_at: when the first byte of the latest order was there.
        order: the latest order request, as it came.
        orders, cancels: how many were answered.
        cancel_at: when each cancel request was there, and the orders in it.
        resting: the orders that no cancel request named yet.
    """

    def __init__(self, *, gap: bool) -> None:
        """Listen."""
        self.gap = gap
        self.late = 0.0
        self._due: deque[tuple[int, Peer, list[str]]] = deque()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._peers: dict[int, Peer] = {}
        self._beat_at = time.monotonic_ns() + _BEAT
        self._beat = 0
        self.order_at = 0
        self.order = b""
        self.orders = self.cancels = 0
        self._resting: dict[str, tuple[str, str]] = {}
        self.cancel_at: list[tuple[int, int]] = []
        self.resting: set[str] = set()

    @property
    def url(self) -> str:
        """Return the address of its REST interface."""
        return f"http://127.0.0.1:{self.port}"

    def socket(self, path: str) -> Peer | None:
        """Return the WebSocket that asked for a path, once it has what it subscribed to."""
        return next((peer for peer in self._peers.values() if peer.path == path), None)

    def close(self) -> None:
        """Close everything."""
        for peer in self._peers.values():
            peer.sock.close()
        self._listener.close()

    # --- time -----------------------------------------------------------------------------------

    def serve(self, seconds: float) -> None:
        """Serve for so long."""
        until = time.monotonic_ns() + int(seconds * 1e9)
        while (left := until - time.monotonic_ns()) > 0:
            self._once(left)

    def until(self, wanted: Callable[[], bool], *, within: float, what: str) -> None:
        """Serve until something is so.

        Raises:
            Stuck: if it takes too long.
        """
        deadline = time.monotonic_ns() + int(within * 1e9)
        while not wanted():
            left = deadline - time.monotonic_ns()
            if left <= 0:
                raise Stuck(f"never within {within:g} s: {what}")
            self._once(min(left, 100_000_000))

    def _once(self, patience: int) -> None:
        now = time.monotonic_ns()
        if now >= self._beat_at:
            self._beats(now)
        while self._due and now >= self._due[0][0]:
            _, peer, order_ids = self._due.popleft()
            self._cancelled(peer, order_ids)
        first = self._due[0][0] if self._due else self._beat_at
        ready = self._poll.poll(max(0.0, min(patience, self._beat_at - now, first - now) / 1e6))
        at = time.monotonic_ns()
        for number, _ in ready:
            if number == self._listener.fileno():
                self._accept()
            else:
                self._read(self._peers[number], at)

    def _beats(self, now: int) -> None:
        self._beat_at = now + _BEAT
        self._beat += 1
        told = heartbeat(self._beat)
        for peer in self._peers.values():
            if peer.beats:
                peer.send(told)

    # --- connections ----------------------------------------------------------------------------

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[sock.fileno()] = Peer(sock)
        self._poll.register(sock, select.POLLIN)

    def _read(self, peer: Peer, at: int) -> None:
        try:
            chunk = peer.sock.recv(1 << 16)
        except OSError:
            chunk = b""
        if not chunk:
            self._poll.unregister(peer.sock)
            del self._peers[peer.sock.fileno()]
            peer.sock.close()
            return
        if (
            not peer.path
            and not peer.incoming
            and chunk.startswith(b"POST")
            and b"/orders " in chunk
        ):
            self.order_at = at
        peer.incoming += chunk
        while self._take(peer):
            pass

    def _take(self, peer: Peer) -> bool:
        return self._message(peer) if peer.path else self._request(peer)

    def _request(self, peer: Peer) -> bool:
        head, found, rest = bytes(peer.incoming).partition(b"\r\n\r\n")
        if not found:
            return False
        line, *rows = head.decode().split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (row.partition(":") for row in rows)}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return False
        raw = bytes(peer.incoming[: len(head) + 4 + size])
        del peer.incoming[: len(raw)]
        _, target, _ = line.split(" ")
        if "upgrade" in headers:
            self._shake_hands(peer, target, headers["sec-websocket-key"])
            return True
        path = urlsplit(target).path.removeprefix(PREFIX)
        if path == "/orders":
            self.order = raw
            self._order(peer, orjson.loads(rest[:size]))
        elif path == "/orders/batch_cancel":
            order_ids = orjson.loads(rest[:size])["order_ids"]
            now = time.monotonic_ns()
            self.cancel_at.append((now, len(order_ids)))
            self.resting.difference_update(order_ids)
            if self.late:
                self._due.append((now + int(self.late * 1e9), peer, order_ids))
            else:
                self._cancelled(peer, order_ids)
        else:
            self._answer(peer, _fixed(path))
        return True

    def _answer(self, peer: Peer, body: Mapping[str, Any]) -> None:
        text = orjson.dumps(body)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        peer.sock.sendall(head.encode() + text)

    # --- orders ---------------------------------------------------------------------------------

    def _order(self, peer: Peer, body: Mapping[str, Any]) -> None:
        order_id = f"00000000-0000-4000-8000-{self.orders:012d}"
        client_id, symbol = body["client_order_id"], body["product_id"]
        done = {
            "order_id": order_id,
            "product_id": symbol,
            "side": body["side"],
            "client_order_id": client_id,
        }
        answer = {
            "success": True,
            "success_response": done,
            "order_configuration": body["order_configuration"],
        }
        self._answer(peer, answer)
        self.orders += 1
        self._resting[order_id] = (client_id, symbol)
        self.resting.add(order_id)
        self._tell(order_id, "OPEN")

    def _cancelled(self, peer: Peer, order_ids: list[str]) -> None:
        results = [
            {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": each}
            for each in order_ids
        ]
        self._answer(peer, {"results": results})
        for order_id in order_ids:
            self._tell(order_id, "CANCELLED")
        self.cancels += len(order_ids)

    def _tell(self, order_id: str, status: str) -> None:
        client_id, symbol = self._resting[order_id]
        user = self.socket("/user")
        if user is None or not client_id.startswith("qm"):
            return
        order = {
            "order_id": order_id,
            "client_order_id": client_id,
            "product_id": symbol,
            "status": status,
            "cumulative_quantity": "0",
            "leaves_quantity": "0.25",
            "order_side": "BUY",
            "order_type": "Limit",
        }
        user.send(frame("user", {"type": "update", "orders": [order]}))

    # --- WebSockets -----------------------------------------------------------------------------

    def _shake_hands(self, peer: Peer, target: str, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()
        peer.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        peer.path = target
        if target == "/floor":  # it subscribes to nothing
            for symbol in SYMBOLS:
                peer.send(snapshot(symbol, gap=self.gap))

    def _message(self, peer: Peer) -> bool:
        """Take a message of a client: masked, and never in parts."""
        data = peer.incoming
        if len(data) < 2:
            return False
        size, start = data[1] & 0x7F, 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size, start = int.from_bytes(data[2 : 2 + wide], "big"), 2 + wide
        end = start + 4 + size
        if len(data) < end:
            return False
        mask = data[start : start + 4]
        body = bytes(each ^ mask[place & 3] for place, each in enumerate(data[start + 4 : end]))
        code = data[0] & 0x0F
        del data[:end]
        if code == 9:
            peer.sock.sendall(bytes((0x8A, len(body))) + body)
        elif code == 1:
            self._subscribe(peer, orjson.loads(body))
        return True

    def _subscribe(self, peer: Peer, body: Mapping[str, Any]) -> None:
        channel, names = body["channel"], body["product_ids"]
        if body["type"] != "subscribe":
            return
        peer.channels[channel] = names
        peer.beats = peer.beats or channel == "heartbeats"
        if channel == "level2":
            for symbol in names:
                peer.send(snapshot(symbol, gap=self.gap))
        elif channel == "user":
            peer.send(frame("user", {"type": "snapshot", "orders": []}))
        peer.send(frame("subscriptions", {"subscriptions": peer.channels}))


def _fixed(path: str) -> Mapping[str, Any]:
    """Return the answer to a question that no order changes."""
    now = int(time.time())
    if path == "/time":
        return {
            "iso": "",
            "epochSeconds": str(now),
            "epochMillis": str(time.time_ns() // 1_000_000),
        }
    if path == "/key_permissions":
        return {"can_view": True, "can_trade": True, "can_transfer": False}
    if path.endswith("/candles"):
        begins = now - now % _BUCKET
        row = {"low": price_text(9_800), "high": price_text(10_200), "open": "100", "close": "100"}
        starts = range(begins, begins - 10 * _BUCKET, -_BUCKET)
        return {"candles": [{"start": str(start), "volume": "1", **row} for start in starts]}
    if path == "/transaction_summary":
        return {"fee_tier": {"maker_fee_rate": "0.001", "taker_fee_rate": "0.002"}}
    if path == "/accounts":
        return {"accounts": [_account("USD", "100000")], "has_next": False, "cursor": "", "size": 1}
    if path in {"/products", "/market/products"}:
        return {"products": [_product(symbol) for symbol in SYMBOLS]}
    return {"orders": [], "fills": [], "has_next": False, "cursor": ""}


def _account(currency: str, amount: str) -> Mapping[str, Any]:
    return {
        "uuid": currency,
        "currency": currency,
        "available_balance": {"value": amount, "currency": currency},
        "hold": {"value": "0", "currency": currency},
        "type": "ACCOUNT_TYPE_FIAT",
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
        "active": True,
        "ready": True,
    }


def _product(symbol: str) -> Mapping[str, Any]:
    return {
        "product_id": symbol,
        "price_increment": "0.01",
        "base_increment": "0.00000001",
        "base_min_size": "0.00000001",
        "base_max_size": "100000",
        "quote_min_size": "1",
        "status": "online",
        "product_type": "SPOT",
        "base_currency_id": symbol.removesuffix("-USD"),
        "quote_currency_id": "USD",
    }
