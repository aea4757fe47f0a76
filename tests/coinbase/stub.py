"""A scripted HTTP server on 127.0.0.1, of raw sockets: it answers, hangs, breaks off, and talks nonsense."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

LIMIT = 10.0
"""Seconds after which a test that waits has failed."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it arrived. `connection` counts from 0."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        """Return the body."""
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. `then_close` ends the connection without saying so before."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    then_close: bool = False


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Bytes; the connection is closed after them, or stays open in silence."""

    data: bytes
    close: bool = True


class Hang:
    """No answer, ever."""


class Drop:
    """The connection is closed without a word."""


class Reset:
    """The connection is reset without a word."""


Action: TypeAlias = Reply | Raw | Hang | Drop | Reset
Script: TypeAlias = Action | Callable[[Request], Action]


def answer(body: Any, status: int = 200, **headers: str) -> Reply:
    """Return an answer with a JSON body; names of headers with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, body=json.dumps(body).encode(), headers=named)


class Stub:
    """The server. What is scripted comes first, then what the routes say, then 404."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        """Listen."""
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.script: deque[Script] = deque()
        self.routes: dict[tuple[str, str], Script] = {}
        self.requests: list[Request] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Return the address."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    def route(self, method: str, path: str, script: Script) -> None:
        """Answer a method and path behind the prefix."""
        self.routes[method, f"/api/v3/brokerage{path}"] = script

    def asked(self, path: str) -> list[Request]:
        """Return the requests for a path behind the prefix."""
        with self._changed:
            return [r for r in self.requests if r.path == f"/api/v3/brokerage{path}"]

    def close(self) -> None:
        """End everything."""
        self._closing.set()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes who waits for a connection
        self._server.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close all connections from the server's side."""
        with self._changed:
            connections, self._open = self._open, []
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            connection = (
                plain if self._tls is None else self._tls.wrap_socket(plain, server_side=True)
            )
        except OSError:
            plain.close()
            return
        with self._changed:
            number, self.connections = self.connections, self.connections + 1
            self._open.append(connection)
        buffer = b""
        try:
            while True:
                request, buffer = self._read(connection, buffer, number)
                if request is None or not self._act(connection, self._next(request)):
                    break
        except OSError:
            pass
        connection.close()

    def _read(
        self, connection: socket.socket, buffer: bytes, number: int
    ) -> tuple[Request | None, bytes]:
        while b"\r\n\r\n" not in buffer:
            more = connection.recv(65_536)
            if not more:
                return None, b""
            buffer += more
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(buffer) < length:
            more = connection.recv(65_536)
            if not more:
                return None, b""
            buffer += more
        method, target, _ = first.split(" ")
        parts = urlsplit(target)
        request = Request(
            method=method,
            path=parts.path,
            query=parse_qs(parts.query),
            headers=headers,
            body=buffer[:length],
            connection=number,
        )
        return request, buffer[length:]

    def _next(self, request: Request) -> Action:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
            script: Script
            if self.script:
                script = self.script.popleft()
            else:
                missing = answer({"error": "NOT_FOUND", "message": "no route"}, 404)
                script = self.routes.get((request.method, request.path), missing)
        return script(request) if callable(script) else script

    def _act(self, connection: socket.socket, action: Action) -> bool:
        """Do it; return whether the connection lives on."""
        match action:
            case Reply():
                lines = [f"HTTP/1.1 {action.status} Words"]
                lines += [f"{name}: {value}" for name, value in action.headers.items()]
                lines += [f"Content-Length: {len(action.body)}", "", ""]
                connection.sendall("\r\n".join(lines).encode() + action.body)
                return not action.then_close
            case Raw():
                connection.sendall(action.data)
                if not action.close:
                    self._closing.wait(LIMIT)
                return False
            case Hang():
                self._closing.wait(LIMIT)
                return False
            case Drop():
                return False
            case Reset():
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
