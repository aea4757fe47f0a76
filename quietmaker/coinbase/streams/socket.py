"""One WebSocket connection on websocket-client: opened within a time, read in bulk, abortable.

The library shakes hands, frames what is sent and closes. Frames are taken apart here, out of chunks of
64 KiB: the library asks the operating system three times and builds five objects for each frame. A
message may have any size and come in any number of frames and pieces; nothing read is lost when a
wait ends in the middle of it.

Whatever goes wrong on the way ends as `SocketClosed` with the reason in words.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import websocket

from quietmaker.coinbase.streams.watch import LostBecause
from quietmaker.core.units import SECOND, Nanos

CHUNK: Final = 65_536
SEND_WITHIN: Final = 5.0
"""Our messages are short; a peer that does not take one for so long is gone."""
_CONNECT_SLICE: Final = 100
_CONTINUED, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_LONGEST_CONTROL: Final = 125
_GAVE_UP: Final = 1011
"""What servers close with when pings of theirs were not answered, though it means any failure of theirs."""


class SocketClosed(Exception):  # noqa: N818 - a state, not only an error
    """The connection is gone or of no use; the text says why.

    Attributes:
        why: the same in a word.
    """

    def __init__(self, text: str, why: LostBecause) -> None:
        """Say why."""
        super().__init__(text)
        self.why = why


class Socket:
    """A connection. Used by one thread; `abort` may be called from any.

    Attributes:
        heard: monotonic time at which bytes last came.
        ponged: how many pongs came.
    """

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None,
        monotonic: Callable[[], Nanos],
        patience: float,
    ) -> None:
        """Prepare; `open` connects.

        Args:
            url: ``ws://`` or ``wss://``.
            tls: how to verify the exchange; needed for ``wss://``.
            monotonic: the clock for time-outs.
            patience: seconds that `receive` waits for bytes.
        """
        self._url = url
        self._tls = tls
        self._monotonic = monotonic
        self._patience = patience
        self._raw: socket.socket | None = None
        self._ws: Any = None
        self._aborted = False
        self._buffer = b""
        self._at = 0
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 2
        self._message: list[bytes] = []
        self._continues = False
        self.heard = monotonic()
        self.ponged = 0

    # --- opening --------------------------------------------------------------------------------

    def open(self, within: Nanos) -> None:
        """Connect and shake hands.

        Raises:
            SocketClosed: if that fails or takes longer.
        """
        deadline = self._monotonic() + within
        try:
            raw = self._connect(deadline)
            self._shake_hands(raw, deadline)
            raw.settimeout(self._patience)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            self.close()
            raise SocketClosed(f"{self._url}: {_words(error)}", LostBecause.UNREACHABLE) from error
        self.heard = self._monotonic()

    def _connect(self, deadline: int) -> socket.socket:
        parts = urlsplit(self._url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise ValueError("is no ws:// or wss:// address; correct it in the configuration")
        secure = parts.scheme == "wss"
        port = parts.port or (443 if secure else 80)
        raw = self._reach(parts.hostname, port, deadline)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not secure:
            return raw
        if self._tls is None:
            raise ValueError("wss:// needs a TLS context")
        raw.settimeout(self._left(deadline))
        wrapped = self._tls.wrap_socket(
            raw, server_hostname=parts.hostname, do_handshake_on_connect=False
        )
        self._hold(wrapped)
        wrapped.do_handshake()
        return wrapped

    def _reach(self, host: str, port: int, deadline: int) -> socket.socket:
        failure: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            raw = socket.socket(family, kind, protocol)
            self._hold(raw)
            try:
                self._dial(raw, address, deadline)
            except OSError as error:
                raw.close()
                failure = error
            else:
                return raw
        raise failure

    def _dial(self, raw: socket.socket, address: Any, deadline: int) -> None:
        """Connect in slices: nothing else wakes a thread that waits for a silent host."""
        raw.setblocking(False)
        code = raw.connect_ex(address)
        poller = select.poll()
        poller.register(raw, select.POLLOUT)
        if code and code != errno.EINPROGRESS:
            raise OSError(code, f"cannot connect to {address[0]} port {address[1]}")
        while not poller.poll(_CONNECT_SLICE):
            self._left(deadline)
        code = raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, f"cannot connect to {address[0]} port {address[1]}")

    def _shake_hands(self, raw: socket.socket, deadline: int) -> None:
        self._ws = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
        self._ws.connect(
            self._url,
            socket=_Patient(raw, lambda: self._left(deadline)),
            redirect_limit=0,
            suppress_origin=True,
        )
        self._ws.sock = raw

    def _hold(self, raw: socket.socket) -> None:
        self._raw = raw
        if self._aborted:
            raise OSError("aborted")

    def _left(self, deadline: int) -> float:
        if self._aborted:
            raise OSError("aborted")
        left = deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("no connection in time")
        return left / SECOND

    # --- talking --------------------------------------------------------------------------------

    @property
    def within_message(self) -> bool:
        """Return whether a part of a message is there and the rest is still to come."""
        return self._continues or bool(self._parts) or self._at < len(self._buffer)

    def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            SocketClosed: if it cannot be sent.
        """
        self._send(lambda: self._ws.send(text))

    def ping(self) -> None:
        """Send a ping.

        Raises:
            SocketClosed: if it cannot be sent.
        """
        self._send(lambda: self._ws.ping(b"quietmaker"))

    def receive(self) -> bytes | None:
        """Return the next message; None when nothing came within the patience.

        Raises:
            SocketClosed: if the connection ended or broke the protocol.
        """
        while True:
            frame = self._frame()
            if frame is None:
                if not self._pull():
                    return None
                continue
            first, payload = frame
            if first in {0x81, 0x82} and not self._continues:
                return payload
            message = self._special(first, payload)
            if message is not None:
                return message

    def _frame(self) -> tuple[int, bytes] | None:
        """Return the first byte and the payload of the next whole frame, if one is there."""
        if self._parts:
            return None
        buffer, at = self._buffer, self._at
        there = len(buffer) - at
        if there < self._need:
            return None
        length = buffer[at + 1]
        start = at + 2
        if length >= 126:
            if length > 127:
                raise SocketClosed(
                    "the exchange masks its frames, which the protocol forbids",
                    LostBecause.PROTOCOL,
                )
            start += 2 if length == 126 else 8
            if there < start - at:
                self._need = start - at
                return None
            length = int.from_bytes(buffer[at + 2 : start], "big")
        end = start + length
        if end > len(buffer):
            self._need = end - at
            return None
        self._at, self._need = end, 2
        return buffer[at], buffer[start:end]

    def _pull(self) -> bool:
        """Read what the system has; return False when nothing came."""
        assert self._raw is not None
        try:
            chunk = self._raw.recv(CHUNK)
        except TimeoutError:
            return False
        except (OSError, ValueError) as error:
            raise SocketClosed(_words(error), LostBecause.BROKEN) from error
        if not chunk:
            raise SocketClosed("the connection ended without a closing frame", LostBecause.BROKEN)
        self.heard = self._monotonic()
        if not self._parts:
            if self._at == len(self._buffer):
                self._buffer, self._at = chunk, 0
                return True
            rest = self._buffer[self._at :]
            self._parts, self._have = [rest], len(rest)
        self._parts.append(chunk)
        self._have += len(chunk)
        if self._have >= self._need:
            self._buffer, self._at = b"".join(self._parts), 0
            self._parts = []
        return True

    def _special(self, first: int, payload: bytes) -> bytes | None:
        """Take a control frame or a part of a message; return the message that it completes."""
        final, code = first & 0x80, first & 0x0F
        if first & 0x70:
            raise SocketClosed(
                "a frame uses an extension that was not agreed on", LostBecause.PROTOCOL
            )
        if code >= _CLOSE:
            if not final or len(payload) > _LONGEST_CONTROL:
                raise SocketClosed("a control frame is too long or in parts", LostBecause.PROTOCOL)
            self._control(code, payload)
            return None
        if code not in {_CONTINUED, _TEXT, _BINARY}:
            raise SocketClosed(f"a frame of unknown kind {code}", LostBecause.PROTOCOL)
        if (code == _CONTINUED) is not self._continues:
            raise SocketClosed("the parts of a message are out of order", LostBecause.PROTOCOL)
        self._message.append(payload)
        self._continues = not final
        if not final:
            return None
        message = b"".join(self._message)
        self._message = []
        return message

    def _control(self, code: int, payload: bytes) -> None:
        if code == _PING:
            self._send(lambda: self._ws.pong(payload))
        elif code == _PONG:
            self.ponged += 1
        elif code == _CLOSE:
            status = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            reason = payload[2:].decode("utf-8", "replace")
            why = LostBecause.KEEPALIVE if status == _GAVE_UP else LostBecause.CLOSED
            raise SocketClosed(f"closed by the exchange with {status} {reason}".rstrip(), why)
        else:
            raise SocketClosed(f"a control frame of unknown kind {code}", LostBecause.PROTOCOL)

    def _send(self, action: Callable[[], object]) -> None:
        raw = self._raw
        if raw is None or self._ws is None:
            raise SocketClosed("not open", LostBecause.BROKEN)
        try:
            raw.settimeout(SEND_WITHIN)
            action()
            raw.settimeout(self._patience)
        except (OSError, ValueError, websocket.WebSocketException) as error:
            raise SocketClosed(f"cannot send: {_words(error)}", LostBecause.BROKEN) from error

    # --- ending ---------------------------------------------------------------------------------

    def abort(self) -> None:
        """Wake whoever waits in this connection, from any thread; it then ends there."""
        self._aborted = True
        raw = self._raw
        if raw is not None:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # not connected yet, or not any more

    def close(self) -> None:
        """Say goodbye if that is possible at once, and release the connection. Idempotent."""
        raw, self._raw = self._raw, None
        if raw is None:
            return
        try:
            if self._ws is not None and self._ws.connected:
                raw.settimeout(0.2)
                self._ws.send_close()
            raw.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError, websocket.WebSocketException):
            return  # it was gone already
        finally:
            raw.close()


class _Patient:
    """A socket whose every step may take only what is left of a time. For the handshake."""

    def __init__(self, raw: socket.socket, left: Callable[[], float]) -> None:
        self._raw = raw
        self._left = left

    def recv(self, size: int) -> bytes:
        self._raw.settimeout(self._left())
        return self._raw.recv(size)

    def send(self, data: bytes) -> int:
        self._raw.settimeout(self._left())
        return self._raw.send(data)

    def gettimeout(self) -> float | None:
        return self._left()

    def settimeout(self, timeout: float | None) -> None:
        self._raw.settimeout(timeout)

    def fileno(self) -> int:
        return self._raw.fileno()

    def close(self) -> None:
        self._raw.close()


def _words(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:200]
