"""One WebSocket connection without its socket: what it listens to, its numbers, and what waits for it.

The rules:

- one sequence over everything that has a channel, from 0, acknowledgements and heartbeats included;
- without a subscription within `SUBSCRIBE_WITHIN`, and without anything to say for `idle`, it is closed;
- what the client does not read waits here, up to `Limits.backlog` bytes and `Limits.stall` without any
  progress; beyond either the connection is broken off, so that one client never costs the others.

The socket (`connection_socket`) takes from the outbox in a task of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from quietmaker.core.units import SECOND, Nanos
from quietmaker.exchange.server.channels import acknowledgement
from quietmaker.exchange.server.connection_outgoing import (
    Abort,
    Close,
    Half,
    Outgoing,
    Text,
    Wire,
)
from quietmaker.exchange.server.connection_requests import BY_PRODUCT, Channel, Endpoint
from quietmaker.exchange.server.faults import Faults
from quietmaker.exchange.server.faults_frames import FrameFaults
from quietmaker.exchange.server.frames import ChannelEvent, envelope, error_frame, rfc3339
from quietmaker.ports import Clock

SUBSCRIBE_WITHIN: Final = Nanos(5 * SECOND)
STALL: Final = Nanos(20 * SECOND)
IDLE_LEAST: Final = Nanos(60 * SECOND)
IDLE_MOST: Final = Nanos(90 * SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a client may ask and cost.

    Attributes:
        connections: new connections per second and address; 0 for no limit.
        messages: messages without a good token per second and address; 0 for no limit.
        backlog: bytes that may wait for a client; a book snapshot of BTC-USD has five million.
        stall: how long nothing may get through to a client for which something waits.
        message: greatest message that a client may send, in bytes.
    """

    connections: int = 8
    messages: int = 8
    backlog: int = 128 * 1024 * 1024
    stall: Nanos = STALL
    message: int = 64 * 1024


class Ending(StrEnum):
    """How a connection came to its end."""

    CLIENT = "client"
    NO_SUBSCRIPTION = "no_subscription"
    IDLE = "idle"
    SLOW = "slow"
    STALLED = "stalled"
    FAULT = "fault"
    ADMIN = "admin"


class Connection:
    """What the server knows of one client.

    Attributes:
        number: of the connection, from 1 in the order of arrival.
        endpoint: the door that it came through.
        peer: its address.
        client_id: whether envelopes carry the field.
        told: frames put so far.
        broken: whether it was broken off; its socket has to go at once.
        ending: how it ended, or would if it did now.
    """

    def __init__(
        self,
        *,
        number: int,
        endpoint: Endpoint,
        peer: str,
        client_id: bool,
        idle: Nanos,
        limits: Limits,
        clock: Clock,
        faults: Faults,
        wake: Callable[[], None],
    ) -> None:
        """Open it.

        Args:
            number: of the connection.
            endpoint: the door that it came through.
            peer: its address.
            client_id: whether envelopes carry the field.
            idle: silence after which it is closed.
            limits: what it may cost.
            clock: the time of the exchange.
            faults: what goes wrong.
            wake: called when something waits to be sent.
        """
        self.number = number
        self.endpoint = endpoint
        self.peer = peer
        self.client_id = client_id
        self.told = 0
        self.broken = False
        self.ending = Ending.CLIENT
        self._idle = idle
        self._limits = limits
        self._clock = clock
        self._faults = faults
        self._wake = wake
        self._frames = FrameFaults(self, faults)
        self._state: dict[Channel, dict[str, None]] = {}
        self._orders_of: frozenset[str] | None = None
        self._sequence = 0
        self._outbox: deque[Outgoing] = deque()
        self._backlog = 0
        self._subscribed = False
        self._ended = False
        self._opened_at = self._told_at = self._progress_at = clock.monotonic()

    # --- subscriptions --------------------------------------------------------------------------

    def subscribe(self, channel: Channel, names: Sequence[str]) -> None:
        """Listen to a channel: to these products, or under this one name."""
        self._subscribed = True
        self._state.setdefault(channel, {}).update(dict.fromkeys(names))

    def narrow(self, products: Sequence[str]) -> None:
        """Hear of the orders of these products only, beside those named before; of all without any."""
        if not products:
            self._orders_of = None
        elif self._orders_of is not None or not self.listens(Channel.USER):
            self._orders_of = (self._orders_of or frozenset()) | set(products)

    def concerns(self, product: str) -> bool:
        """Return whether it hears of orders of a product."""
        return self._orders_of is None or product in self._orders_of

    def unsubscribe(self, channel: Channel, names: Sequence[str]) -> None:
        """Listen no more to these products, or without names to the whole channel."""
        held = self._state.get(channel)
        if held is None:
            return
        for name in names if names and channel in BY_PRODUCT else tuple(held):
            held.pop(name, None)
        if not held:
            del self._state[channel]
            if channel is Channel.USER:
                self._orders_of = None

    def listens(self, channel: Channel, name: str | None = None) -> bool:
        """Return whether it listens to a channel, and there to a product."""
        held = self._state.get(channel)
        return held is not None and (name is None or name in held)

    @property
    def state(self) -> Mapping[str, Sequence[str]]:
        """Return everything it listens to, by channel."""
        return {channel.value: tuple(names) for channel, names in self._state.items()}

    def acknowledge(self) -> None:
        """Tell the complete state."""
        self.tell(acknowledgement(self.state))

    # --- what is said ---------------------------------------------------------------------------

    def tell(self, event: ChannelEvent) -> None:
        """Send an event as the next frame, unless a fault has it otherwise."""
        if self._ended:
            return
        self._told_at = self._clock.monotonic()
        if self._faults.active("ws") or self._frames.holding:
            self._frames.deliver(event)
        else:
            self.put(Text(self.frame(event, self.next_sequence())))

    def refuse(self, message: str) -> None:
        """Send an error."""
        self.put(Text(error_frame(message)))

    def next_sequence(self) -> int:
        """Use up a sequence number."""
        number = self._sequence
        self._sequence += 1
        return number

    def frame(self, event: ChannelEvent, sequence: int, *, client_id: bool | None = None) -> bytes:
        """Wrap an event for this connection."""
        at: int = self._clock.now()
        if self._faults.active("clock"):
            for rule in self._faults.fire("clock", {"where": "ws"}):
                at += rule.parameters["ms"] * 1_000_000
        return envelope(
            event,
            timestamp=rfc3339(at),
            sequence=sequence,
            client_id=self.client_id if client_id is None else client_id,
        )

    def put(self, outgoing: Outgoing) -> None:
        """Let something wait to be sent; too much of it ends the connection."""
        if self._ended:
            return
        if not self._outbox:
            self._progress_at = self._clock.monotonic()
        if isinstance(outgoing, Text | Half | Wire):
            self.told += 1
            self._backlog += len(outgoing.data)
            if self._backlog > self._limits.backlog:
                self.abort(Ending.SLOW)
                return
        self._outbox.append(outgoing)
        if isinstance(outgoing, Close | Abort | Half):
            self._ended = True
            if self.ending is Ending.CLIENT:
                self.ending = Ending.FAULT
        self._wake()

    def abort(self, ending: Ending) -> None:
        """Break it off, whatever waits."""
        self.ending = ending
        self._outbox.clear()
        self._backlog = 0
        self._outbox.append(Abort())
        self._ended = self.broken = True
        self._wake()

    def close(self, ending: Ending, code: int, reason: str) -> None:
        """End it cleanly, behind what waits."""
        self.ending = ending
        self.put(Close(code, reason))

    def take(self) -> Outgoing | None:
        """Return what is to be sent next; what was taken before got through."""
        self._progress_at = self._clock.monotonic()
        if not self._outbox:
            return None
        outgoing = self._outbox.popleft()
        if isinstance(outgoing, Text | Half | Wire):
            self._backlog -= len(outgoing.data)
        return outgoing

    @property
    def backlog(self) -> int:
        """Return the bytes that wait."""
        return self._backlog

    @property
    def ended(self) -> bool:
        """Return whether the end was put: nothing may follow."""
        return self._ended

    # --- time -----------------------------------------------------------------------------------

    def check(self) -> None:
        """End the connection if one of its deadlines passed."""
        now = self._clock.monotonic()
        if self._outbox and now - self._progress_at > self._limits.stall:
            self.abort(Ending.STALLED)
        elif not self._subscribed and now - self._opened_at >= SUBSCRIBE_WITHIN:
            self.close(Ending.NO_SUBSCRIPTION, 1000, "no subscription within 5 s")
        elif now - self._told_at >= self._idle:
            self.close(Ending.IDLE, 1000, "idle")
