"""The outermost layer of the wire: times and numbers as text, and the envelope of a frame.

What a channel says (`channels`) is written once as an event and shared by every connection that
listens; the envelope is the connection's own, because it carries the connection's sequence number.

The text follows Go's formatting, which is what the exchange sends: no trailing zeros in numbers or in
fractions of seconds, nine digits at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import orjson

from quietmaker.core.grid import Grid
from quietmaker.core.units import SECOND, Instant

UNSET_TIME: Final = "0001-01-01T00:00:00Z"
"""What the exchange sends for a time that is not set."""

_CLIENT_ID: Final = ',"client_id":""'


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEvent:
    """One event of one channel, ready to be wrapped.

    Attributes:
        channel: as the frame names it: ``l2_data`` for the subscription ``level2``.
        product: what it is about; empty for events of no single product.
        kind: ``snapshot``, ``update`` or empty.
        body: the event as JSON.
        marks: what fault rules may match beside these: side, status and client id of an order.
    """

    channel: str
    product: str
    kind: str
    body: bytes
    marks: tuple[tuple[str, str], ...] = ()


def envelope(event: ChannelEvent, *, timestamp: str, sequence: int, client_id: bool) -> bytes:
    """Wrap an event into the frame of one connection."""
    head = (
        f'{{"channel":"{event.channel}"{_CLIENT_ID if client_id else ""},'
        f'"timestamp":"{timestamp}","sequence_num":{sequence},"events":['
    )
    return b"%b%b]}" % (head.encode(), event.body)


def error_frame(message: str) -> bytes:
    """Return a frame that refuses: it has no channel and no sequence number."""
    return orjson.dumps({"type": "error", "message": message})


def json_bytes(value: Any) -> bytes:
    """Return a value as compact JSON."""
    return orjson.dumps(value)


def rfc3339(at: int) -> str:
    """Return a time as the exchange writes it: UTC, up to nine digits, none of them a trailing zero."""
    second, nanos = divmod(at, SECOND)
    return f"{_second(second)}{_fraction(nanos)}Z"


def heartbeat_time(at: Instant, running: int) -> str:
    """Return a time as heartbeats write it: Go's text of a time with its monotonic reading."""
    second, nanos = divmod(at, SECOND)
    day, _, clock = _second(second).partition("T")
    whole, part = divmod(running, SECOND)
    return f"{day} {clock}{_fraction(nanos)} +0000 UTC m=+{whole}.{part:09d}"


class NumberText:
    """The text of multiples of one increment, exactly and without `Decimal`: books are long."""

    __slots__ = ("_decimals", "_scale", "_step")

    def __init__(self, increment: Decimal) -> None:
        """Prepare for a tick or a lot."""
        grid = Grid(increment)
        self._decimals = grid.decimals
        self._step = grid.step
        self._scale = 10**grid.decimals

    def text(self, units: int) -> str:
        """Return what so many increments are."""
        whole, part = divmod(units * self._step, self._scale)
        if not part:
            return str(whole)
        return f"{whole}.{part:0{self._decimals}d}".rstrip("0")


def _fraction(nanos: int) -> str:
    return f".{nanos:09d}".rstrip("0") if nanos else ""


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
