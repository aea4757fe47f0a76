"""The other end of a WebSocket on 127.0.0.1, spoken by hand: the test is the exchange.

Nothing here knows our client's code. Frames are made byte by byte, so that they can be halved, reordered
or wrong; every wait ends after `PATIENCE`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

PATIENCE = 20.0
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
WHEN = "2026-11-25T15:00:00.123456789Z"


def frame(payload: bytes, code: int = TEXT, *, final: bool = True) -> bytes:
    """Return an unmasked frame, as a server sends it."""
    first = (0x80 if final else 0) | code
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", first, 126, size) + payload
    return struct.pack("!BBQ", first, 127, size) + payload


class Line:
    """One accepted connection."""

    def __init__(self, raw: socket.socket) -> None:
        """Take an accepted socket."""
        raw.settimeout(PATIENCE)
        self.raw = raw
        self.request = b""
        self.sequence = 0
        self.pings = 0
        self._texts: deque[bytes] = deque()

    # --- handshake ---

    def shake_hands(self) -> Line:
        """Answer the client's upgrade."""
        self.read_request()
        self.raw.sendall(self.answer())
        return self

    def read_request(self) -> None:
        """Read the client's upgrade."""
        while b"\r\n\r\n" not in self.request:
            chunk = self.raw.recv(4096)
            assert chunk, "the client went away in its handshake"
            self.request += chunk

    def answer(self) -> bytes:
        """Return the answer that the upgrade deserves."""
        [key] = [
            line.split(b":", 1)[1].strip()
            for line in self.request.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        ]
        accept = base64.b64encode(hashlib.sha1(key + GUID.encode()).digest())
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )

    # --- sending ---

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.raw.sendall(data)

    def text(self, text: str | bytes) -> None:
        """Send one text message."""
        self.send(frame(text.encode() if isinstance(text, str) else text))

    def message(self, channel: str, *events: Any, number: int | None = None, **more: Any) -> None:
        """Send a message of a channel, with the next number of the connection."""
        if number is None:
            number = self.sequence
            self.sequence += 1
        body = {"channel": channel, "timestamp": WHEN, "sequence_num": number, **more}
        self.text(json.dumps({**body, "events": list(events)}))

    def beat(self, number: int | None = None) -> None:
        """Send a heartbeat."""
        event = {"current_time": "2026-11-25 15:00:00 +0000 UTC m=+1.5", "heartbeat_counter": 7}
        self.message("heartbeats", event, number=number)

    def acknowledge(self, **channels: list[str]) -> None:
        """Acknowledge the complete state."""
        self.message("subscriptions", {"subscriptions": channels})

    def book(self, symbol: str, bids: dict[str, str], asks: dict[str, str]) -> None:
        """Send the snapshot of a book."""
        self.message("l2_data", l2(symbol, bids, asks, kind="snapshot"))

    def change(
        self, symbol: str, bids: dict[str, str], asks: dict[str, str], number: int | None = None
    ) -> None:
        """Send an update of a book."""
        self.message("l2_data", l2(symbol, bids, asks), number=number)

    def error(self, message: str) -> None:
        """Send an error frame."""
        self.text(json.dumps({"type": "error", "message": message}))

    def goodbye(self, code: int = 1000) -> None:
        """Close in good order."""
        self.send(frame(struct.pack("!H", code), CLOSE))

    def cut(self) -> None:
        """End without a word, by a reset."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    # --- receiving ---

    def receive(self) -> tuple[int, bytes]:
        """Return kind and payload of the client's next frame."""
        first, second = self._exactly(2)
        assert second & 0x80, "a client must mask its frames"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self._exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(self._exactly(8), "big")
        mask = self._exactly(4)
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(self._exactly(size)))
        return first & 0x0F, payload

    def asked(self) -> dict[str, Any]:
        """Return the client's next text message; pings are counted and answered on the way."""
        while not self._texts:
            code, payload = self.receive()
            if code == TEXT:
                self._texts.append(payload)
                continue
            assert code == PING, f"a frame of kind {code} instead of a request"
            self.pings += 1
            self.send(frame(payload, PONG))
        body: dict[str, Any] = json.loads(self._texts.popleft())
        return body

    def settle(self, *, answers: bool = True) -> None:
        """Return once the client has taken everything so far; its pings are answered if wanted."""
        self.send(frame(b"settled", PING))
        while True:
            code, payload = self.receive()
            if (code, payload) == (PONG, b"settled"):
                return
            if code == TEXT:
                self._texts.append(payload)
            elif code == PING:
                self.pings += 1
                if answers:
                    self.send(frame(payload, PONG))

    def requests(self, *channels: str) -> dict[str, dict[str, Any]]:
        """Return the client's requests for these channels, in whatever order they come."""
        found: dict[str, dict[str, Any]] = {}
        while set(found) != set(channels):
            request = self.asked()
            assert request["channel"] in channels, request
            assert request["channel"] not in found
            found[request["channel"]] = request
        return found

    def gone(self) -> bool:
        """Wait until the client ended the connection."""
        try:
            while self.raw.recv(65_536):
                pass
        except ConnectionError:
            return True
        return True

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self.raw.recv(size - len(data))
            assert chunk, "the client ended the connection"
            data += chunk
        return data


class Peer:
    """Listens; the test accepts."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(PATIENCE)
        self._lines: list[Line] = []
        self.clients: list[Callable[[], None]] = []

    @property
    def port(self) -> int:
        """Return the port."""
        port: int = self._server.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Return where the client is to connect."""
        return f"ws://127.0.0.1:{self.port}/"

    def accept(self) -> Line:
        """Wait for a connection, before its handshake."""
        raw, _ = self._server.accept()
        line = Line(raw)
        self._lines.append(line)
        return line

    def take(self) -> Line:
        """Wait for a connection and shake hands."""
        return self.accept().shake_hands()

    def refuse(self) -> None:
        """Listen no more: connections are refused by the system."""
        self._server.close()

    def __enter__(self) -> Peer:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        for stop in self.clients:
            stop()
        self._server.close()
        for line in self._lines:
            line.raw.close()


def l2(
    symbol: str, bids: dict[str, str], asks: dict[str, str], *, kind: str = "update"
) -> dict[str, Any]:
    """Return an event of the level2 channel."""
    rows = [("bid", bids), ("offer", asks)]
    return {
        "type": kind,
        "product_id": symbol,
        "updates": [
            {"side": side, "event_time": WHEN, "price_level": price, "new_quantity": size}
            for side, levels in rows
            for price, size in levels.items()
        ],
    }


def order(client_id: str, status: str, filled: str = "0", **more: Any) -> dict[str, Any]:
    """Return an order of the user channel, as documented."""
    return {
        "avg_price": "0",
        "cancel_reason": "",
        "client_order_id": client_id,
        "completion_percentage": "0",
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": filled,
        "filled_value": "0",
        "leaves_quantity": "1",
        "limit_price": "10",
        "number_of_fills": "0",
        "order_id": f"id-{client_id}",
        "order_side": "BUY",
        "order_type": "Limit",
        "outstanding_hold_amount": "0",
        "post_only": "true",
        "product_id": "A-USD",
        "product_type": "SPOT",
        "reject_reason": "",
        "retail_portfolio_id": "p",
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": status,
        "stop_price": "",
        "time_in_force": "GOOD_UNTIL_CANCELLED",
        "total_fees": "0",
        "total_value_after_fees": "0",
        "trigger_status": "INVALID_ORDER_TYPE",
        "creation_time": WHEN,
        "end_time": "0001-01-01T00:00:00Z",
        "start_time": "0001-01-01T00:00:00Z",
        **more,
    }
