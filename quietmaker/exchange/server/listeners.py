"""Listening: one socket for plain HTTP and one for TLS, the same application behind both."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from quietmaker.errors import QuietmakerError

BACKLOG: Final = 256
CONNECTIONS: Final = 65_536
"""Open files beyond this are of no use."""
GRACE: Final = 1.0
"""Seconds that requests under way get at the end."""
_TURNS: Final = 3
"""Turns of the loop that a broken connection takes to be gone, through TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the exchange listens.

    Attributes:
        host: as clients address it.
        port: plain HTTP.
        tls_port: TLS.
    """

    host: str
    port: int
    tls_port: int

    @property
    def http_url(self) -> str:
        """Return REST over plain HTTP, without the API's path."""
        return f"http://{self._host}:{self.port}"

    @property
    def rest_url(self) -> str:
        """Return REST over TLS, without the API's path."""
        return f"https://{self._host}:{self.tls_port}"

    def socket_url(self, path: str, *, tls: bool) -> str:
        """Return where a WebSocket endpoint is."""
        return (
            f"wss://{self._host}:{self.tls_port}{path}"
            if tls
            else f"ws://{self._host}:{self.port}{path}"
        )

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


class Listeners:
    """The two sockets and what answers on them."""

    def __init__(self, app: web.Application, *, tls: ssl.SSLContext) -> None:
        """Prepare; nothing listens before `open`."""
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE)
        self._tls = tls

    async def open(self, *, host: str, port: int, tls_port: int) -> Addresses:
        """Listen on both ports; 0 takes any free one.

        Raises:
            QuietmakerError: if an address cannot be used; names it and the option.
        """
        plain = _listen(host, port, "--port")
        try:
            secure = _listen(host, tls_port, "--tls-port")
        except QuietmakerError:
            plain.close()
            raise
        await self._runner.setup()
        await web.SockSite(self._runner, plain, backlog=BACKLOG).start()
        await web.SockSite(self._runner, secure, ssl_context=self._tls, backlog=BACKLOG).start()
        return Addresses(host=host, port=plain.getsockname()[1], tls_port=secure.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and close every connection; none outlives the loop.

        A connection is closed politely first. TLS then waits for the client's farewell, which nobody
        can wait for here: what is not gone by then is broken off.
        """
        server = self._runner.server
        held = () if server is None else tuple(each.transport for each in server.connections)
        await self._runner.cleanup()
        for transport in held:
            if transport is not None:
                transport.abort()
        for _ in range(_TURNS):
            await asyncio.sleep(0)


def allow_connections() -> None:
    """Let this process hold as many connections as it may, not as few as shells begin with."""
    enough, (_, most) = CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        enough = min(enough, most)
    with contextlib.suppress(ValueError, OSError):  # then it goes on with what it has
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, most))


def _listen(host: str, port: int, option: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        # `create_server` appends the address to the system's words; the message has it already.
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number and number > 0 else str(error)
        raise QuietmakerError(
            f"cannot listen on {host}:{port} ({reason}); choose another port with {option}"
        ) from error
