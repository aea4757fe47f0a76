"""What a connection subscribes to, how it is asked for, and what the exchange acknowledged.

One channel a message, a fresh token each (the exchange looks at it only then), at most eight messages a
second. The exchange acknowledges with its complete state; what it refused is simply missing there, and
an error frame does not say what it is about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import orjson

from quietmaker.coinbase.streams.backoff import Pace
from quietmaker.core.units import Nanos

HEARTBEATS: Final = "heartbeats"
LEVEL2: Final = "level2"
USER: Final = "user"


class Subscriptions:
    """The subscriptions of one connection. Used by one thread.

    Attributes:
        acknowledged: products (or other names) by channel, as last acknowledged.
        since: when each channel was first acknowledged.
    """

    def __init__(
        self,
        channels: Mapping[str, tuple[str, ...]],
        *,
        send: Callable[[str], None],
        token: Callable[[], str] | None,
    ) -> None:
        """Want these.

        Args:
            channels: products by channel; an empty list is all, or none where there is no choice.
            send: sends a message.
            token: makes a token for one message; None where no key is needed.
        """
        self._channels = dict(channels)
        self._send = send
        self._token = token
        self._pace = Pace()
        self._queue: deque[tuple[str, str, tuple[str, ...]]] = deque()
        self.acknowledged: Mapping[str, frozenset[str]] = {}
        self.since: dict[str, Nanos] = {}

    def want_all(self) -> None:
        """Ask for every channel."""
        self._queue.extend(
            ("subscribe", channel, names) for channel, names in self._channels.items()
        )

    def renew(self, channel: str, products: Iterable[str]) -> None:
        """Ask for a channel anew, which brings new snapshots."""
        names = tuple(products)
        self._queue.append(("unsubscribe", channel, names))
        self._queue.append(("subscribe", channel, names))

    def follow(self, channels: Iterable[str], came: Iterable[str], gone: Iterable[str]) -> None:
        """Ask for more products on these channels, and leave others."""
        new, old = tuple(came), frozenset(gone)
        for channel in channels:
            names = self._channels.pop(channel, ())
            left = tuple(name for name in names if name in old)
            if left:
                self._queue.append(("unsubscribe", channel, left))
            if new:
                self._queue.append(("subscribe", channel, new))
            wanted = (*(name for name in names if name not in old), *new)
            if wanted:  # a list without any would mean all there are
                self._channels[channel] = wanted

    def pump(self, now: Nanos) -> None:
        """Send what is due.

        Raises:
            SocketClosed: if it cannot be sent.
        """
        while self._queue and not self._pace.wait(now):
            kind, channel, names = self._queue.popleft()
            body = {"type": kind, "product_ids": list(names), "channel": channel}
            if self._token is not None:
                body["jwt"] = self._token()
            self._pace.take(now)
            self._send(orjson.dumps(body).decode())

    def acknowledge(self, channels: Mapping[str, tuple[str, ...]], now: Nanos) -> None:
        """Take the exchange's statement of its complete state."""
        for channel in channels:
            self.since.setdefault(channel, now)
        self.acknowledged = {channel: frozenset(names) for channel, names in channels.items()}

    def unconfirmed(self) -> tuple[str, ...]:
        """Return the channels that are not acknowledged."""
        return tuple(c for c in self._channels if c not in self.acknowledged)
