"""The thread of a stream: connects, hands frames to a session, and connects again. Never gives up.

Every way in which a connection can end is the same here: the session is told the reason, and after a
pause the next one begins. The pause is reset only by a session that became ready.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol

from quietmaker.coinbase.streams.backoff import Backoff, Pace
from quietmaker.coinbase.streams.socket import Socket, SocketClosed
from quietmaker.coinbase.streams.watch import ConnectionState, LostBecause, StreamWatch
from quietmaker.core.units import SECOND, Nanos
from quietmaker.ports import Clock

STOP_WITHIN: Final = 3.0
"""Seconds that `stop` waits for the thread: only a name lookup that hangs takes longer, and then
nothing is told any more all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketTimes:
    """The times of a connection.

    Attributes:
        open_within: to connect, TLS and handshake included.
        ready_within: to have every subscription acknowledged and its data.
        ping_every: between protocol pings.
        pong_within: for the answer to a ping.
        stale_after: without a heartbeat; what the stream told is then not to be relied on.
        reconnect_after: without a heartbeat; the connection is given up.
        resync_within: for the snapshot that was asked for.
        patience: the longest wait for bytes, after which the times above are looked at.
    """

    open_within: Nanos
    ready_within: Nanos
    ping_every: Nanos
    pong_within: Nanos
    stale_after: Nanos
    reconnect_after: Nanos
    resync_within: Nanos
    patience: Nanos


TIMES: Final = SocketTimes(
    open_within=Nanos(10 * SECOND),
    ready_within=Nanos(20 * SECOND),
    ping_every=Nanos(20 * SECOND),
    pong_within=Nanos(60 * SECOND),
    stale_after=Nanos(5 * SECOND),
    reconnect_after=Nanos(12 * SECOND),
    resync_within=Nanos(10 * SECOND),
    patience=Nanos(SECOND // 10),
)
"""The usual times."""


class Session(Protocol):
    """What is done with one connection, in the stream's thread."""

    @property
    def ready(self) -> bool:
        """Return whether it has become ready."""

    def begin(self) -> None:
        """Subscribe."""

    def take(self, message: bytes) -> None:
        """Take a message.

        Raises:
            SocketClosed: if the connection is of no use any more.
        """

    def check(self, now: Nanos) -> None:
        """Look at the times; called between messages, a few times a second at least.

        Raises:
            SocketClosed: if the connection is of no use any more.
        """

    def end(self, reason: str) -> None:
        """Hear that the connection ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialling:
    """How a stream connects, whatever it carries.

    Attributes:
        url: where to.
        times: of each connection.
        clock: the clock.
        watch: hears of connections and of what is odd about them.
        random: for the jitter of the pauses between connections.
        ca_file: certificates to trust instead of the system's.
        backoff: makes the pauses; the usual ones when None.
    """

    url: str
    times: SocketTimes
    clock: Clock
    watch: StreamWatch
    random: Random
    ca_file: Path | None
    backoff: Callable[[Random], Backoff] | None


class SocketThread:
    """Owns the thread and the connection of the moment."""

    def __init__(self, name: str, dialling: Dialling, session: Callable[[Socket], Session]) -> None:
        """Prepare; nothing runs yet.

        Args:
            name: of the stream, for the watch and the thread.
            dialling: how to connect.
            session: makes the session of a connection that was opened.
        """
        self.name = name
        self._url = dialling.url
        self._session = session
        self._times = dialling.times
        make = dialling.backoff
        self._backoff = Backoff(random=dialling.random) if make is None else make(dialling.random)
        self._pace = Pace()
        self._monotonic = dialling.clock.monotonic
        self._watch = dialling.watch
        self._tls = tls_context(dialling.ca_file) if self._url.startswith("wss:") else None
        self._stopping = threading.Event()
        self._socket: Socket | None = None
        self._runner = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin. Once."""
        self._runner.start()

    def stop(self) -> None:
        """End: close the connection and wait for the thread, unless it is the caller."""
        self._stopping.set()
        socket = self._socket
        if socket is not None:
            socket.abort()
        if self._runner is not threading.current_thread():
            self._runner.join(STOP_WITHIN)

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._runner.is_alive()

    def _run(self) -> None:
        while not self._stopping.wait(self._pace.wait(self._monotonic()) / SECOND):
            self._pace.take(self._monotonic())
            self._connect()
            if self._stopping.wait(self._backoff.pause() / SECOND):
                return

    def _connect(self) -> None:
        self._watch.connection(self.name, ConnectionState.CONNECTING, self._url)
        socket = Socket(
            self._url,
            tls=self._tls,
            monotonic=self._monotonic,
            patience=self._times.patience / SECOND,
        )
        self._socket = socket
        if self._stopping.is_set():
            return
        try:
            socket.open(self._times.open_within)
        except SocketClosed as error:
            self._watch.connection(self.name, ConnectionState.LOST, str(error), error.why)
            return
        self._watch.connection(self.name, ConnectionState.OPEN, self._url)
        session = self._session(socket)
        state, reason = ConnectionState.LOST, "an error in the stream itself"
        why: LostBecause | None = LostBecause.FAULT
        try:
            self._listen(socket, session)
            state, reason, why = ConnectionState.STOPPED, "the stream was stopped", None
        except SocketClosed as error:
            if self._stopping.is_set():
                state, reason, why = ConnectionState.STOPPED, "the stream was stopped", None
            else:
                reason, why = str(error), error.why
        finally:
            socket.close()
            session.end(reason)
        self._watch.connection(self.name, state, reason, why)

    def _listen(self, socket: Socket, session: Session) -> None:
        session.begin()
        receive, take, monotonic = socket.receive, session.take, self._monotonic
        patience: int = self._times.patience
        was_ready = False
        look_at = frames = 0
        while not self._stopping.is_set():
            message = receive()
            if message is not None:
                frames += 1
                take(message)
            now = monotonic()
            if message is None or now >= look_at:
                look_at = now + patience
                session.check(now)
                if frames:
                    self._watch.frames(self.name, frames)
                    frames = 0
            if not was_ready and session.ready:
                was_ready = True
                self._backoff.reset()
                self._watch.connection(self.name, ConnectionState.READY, self._url)


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that verifies host and certificate, against one file if that is given.

    Raises:
        OSError: if the file cannot be read.
        ssl.SSLError: if it holds no certificate.
    """
    return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
