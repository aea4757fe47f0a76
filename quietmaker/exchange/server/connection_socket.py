"""The socket of a connection: aiohttp's WebSocket around a `Connection` and the hub.

Two tasks per client: this handler reads, `_write` sends what waits. A client that stops reading
blocks its own writer only; when the connection is given up its transport is aborted, which ends both.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, assert_never

from aiohttp import ClientConnectionResetError, WSMsgType, web

from quietmaker.core.units import SECOND
from quietmaker.exchange.server.connection import Connection
from quietmaker.exchange.server.connection_outgoing import (
    Abort,
    Close,
    Half,
    Outgoing,
    Pause,
    Text,
    Wire,
)
from quietmaker.exchange.server.connection_requests import Endpoint, token_in
from quietmaker.exchange.server.hub import TICK, Hub

_CLOSING: Final = 2.0
"""Seconds that a client has to answer a close before its transport is dropped."""


Verify = Callable[[str], Awaitable[bool]]


def socket_handler(
    hub: Hub, endpoint: Endpoint, verify: Verify
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the handler of an endpoint's path; `verify` says whether a token is good now."""

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            compress=True, max_msg_size=hub.limits.message, timeout=_CLOSING, autoping=False
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=426, text="a WebSocket is here; send an upgrade request\n")
        if not hub.admits(request.remote or ""):
            return web.Response(status=429, text="Too Many Requests")
        await socket.prepare(request)
        await _converse(hub, endpoint, verify, request, socket)
        return socket

    return handle


async def run_ticks(hub: Hub) -> None:
    """Let the hub's time pass, until cancelled."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + TICK / SECOND, loop.time())
        await asyncio.sleep(due - loop.time())
        hub.tick()


async def _converse(
    hub: Hub,
    endpoint: Endpoint,
    verify: Verify,
    request: web.Request,
    socket: web.WebSocketResponse,
) -> None:
    waiting = asyncio.Event()

    def wake() -> None:
        waiting.set()
        if connection.broken and request.transport is not None:
            request.transport.abort()

    connection = hub.open(endpoint, request.remote or "", wake)
    writer = asyncio.create_task(_write(connection, waiting, request, socket))
    try:
        async for message in socket:
            if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                token = token_in(message.data)
                good = token is not None and await verify(token)
                hub.receive(connection, message.data, good=good)
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            await asyncio.sleep(0)  # what was received already would be read without a pause
    finally:
        hub.leave(connection)
        writer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await writer


async def _write(
    connection: Connection,
    waiting: asyncio.Event,
    request: web.Request,
    socket: web.WebSocketResponse,
) -> None:
    """Send what waits, in order, until the connection is gone or its end was sent."""
    with contextlib.suppress(ClientConnectionResetError, ConnectionError):
        while True:
            waiting.clear()
            while (outgoing := connection.take()) is not None:
                if await _send(outgoing, request, socket):
                    return
            await waiting.wait()


async def _send(outgoing: Outgoing, request: web.Request, socket: web.WebSocketResponse) -> bool:
    """Send one thing. Return whether it was the end."""
    transport = request.transport
    if transport is None:
        return True
    match outgoing:
        case Text(data):
            await socket.send_frame(data, WSMsgType.TEXT)
        case Wire(data):
            transport.write(data)
        case Pause(span):
            await asyncio.sleep(span / SECOND)
        case Half(data):
            transport.write(_half(data))
            transport.close()
            return True
        case Close(code, reason):
            await socket.close(code=code, message=reason.encode())
            return True
        case Abort():
            transport.abort()
            return True
        case _:
            assert_never(outgoing)
    return False


def _half(data: bytes) -> bytes:
    """Return the header of a text message and the first half of what it announces."""
    size = len(data)
    if size < 126:
        head = bytes((0x81, size))
    elif size < 65_536:
        head = b"\x81\x7e" + size.to_bytes(2, "big")
    else:
        head = b"\x81\x7f" + size.to_bytes(8, "big")
    return head + data[: size // 2]
