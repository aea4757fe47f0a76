"""What fault rules do to the frames of one connection.

All rules that fire for a frame act on it, in the order of `deliver`: first what becomes of its number,
then of its content, then of its way. A frame that is put behind later ones keeps its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol

import orjson

from quietmaker.core.units import MILLISECOND, Nanos, plain
from quietmaker.exchange.server.connection_outgoing import (
    Abort,
    Close,
    Half,
    Outgoing,
    Pause,
    Text,
    Wire,
)
from quietmaker.exchange.server.connection_requests import Endpoint
from quietmaker.exchange.server.faults import Faults, Rule
from quietmaker.exchange.server.faults_json import changed, truncated
from quietmaker.exchange.server.frames import ChannelEvent, error_frame

_MEGABYTE: Final = 1024 * 1024
_GARBAGE: Final[Mapping[str, Outgoing]] = {
    "text": Text(b"\x00<html>not a frame</html>{"),
    "utf8": Text(b'{"channel":"\xff\xfe\xfd"}'),
    "wire": Wire(b"\xf3\x07garbage"),  # reserved bits and a reserved opcode
}


class Line(Protocol):
    """A connection as faults see it."""

    number: int
    endpoint: Endpoint

    def next_sequence(self) -> int:
        """Use up a sequence number."""

    def frame(self, event: ChannelEvent, sequence: int, *, client_id: bool | None = None) -> bytes:
        """Wrap an event."""

    def put(self, outgoing: Outgoing) -> None:
        """Let something wait to be sent."""


class FrameFaults:
    """The faulty way to the outbox of one connection."""

    def __init__(self, line: Line, faults: Faults) -> None:
        """Stand before a connection."""
        self._line = line
        self._faults = faults
        self._held: list[tuple[int, Outgoing]] = []
        """Frames that wait for so many later ones."""

    @property
    def holding(self) -> bool:
        """Return whether a frame waits for later ones."""
        return bool(self._held)

    def deliver(self, event: ChannelEvent) -> None:
        """Send an event as the rules have it that fire for it now."""
        rules = tuple(self._faults.fire("ws", self._subject(event)))
        by_point = {rule.point.name: rule for rule in rules}
        if "ws.mute" in by_point:
            return
        if (rule := by_point.get("ws.gap")) is not None:
            for _ in range(rule.parameters["skip"]):
                self._line.next_sequence()
        sequence = self._line.next_sequence()
        if "ws.drop" in by_point:
            return
        if (rule := by_point.get("ws.pad")) is not None:
            event = padded(event, rule.parameters["megabytes"] * _MEGABYTE)
        first = self._written(event, sequence, rules)
        if (rule := by_point.get("ws.error")) is not None:
            self._line.put(Text(error_frame(rule.parameters["message"])))
        if (rule := by_point.get("ws.delay")) is not None:
            self._line.put(Pause(Nanos(rule.parameters["ms"] * MILLISECOND)))
        self._send(first, by_point)
        if (rule := by_point.get("ws.duplicate")) is not None:
            for _ in range(rule.parameters["copies"]):
                if rule.parameters["sequence"] == "next":
                    first = self._written(event, self._line.next_sequence(), rules)
                self._put(Text(first))

    def _written(self, event: ChannelEvent, sequence: int, rules: Sequence[Rule]) -> bytes:
        present = None
        for rule in rules:
            if rule.point.name == "ws.client_id":
                present = bool(rule.parameters["present"])
        data = self._line.frame(event, sequence, client_id=present)
        for rule in rules:
            data = changed(data, rule)
        for rule in rules:
            if rule.point.name == "ws.truncate":
                data = truncated(data, rule)
        return data

    def _send(self, data: bytes, by_point: dict[str, Rule]) -> None:
        if (rule := by_point.get("ws.close")) is not None:
            self._put(Close(rule.parameters["code"], rule.parameters["reason"]))
        elif "ws.abort" in by_point:
            self._put(Abort())
        elif "ws.half" in by_point:
            self._put(Half(data))
        elif (rule := by_point.get("ws.garbage")) is not None:
            self._put(_GARBAGE[rule.parameters["kind"]])
        elif (rule := by_point.get("ws.reorder")) is not None:
            self._held.append((rule.parameters["by"], Text(data)))
        else:
            self._put(Text(data))

    def _put(self, outgoing: Outgoing) -> None:
        self._line.put(outgoing)
        waiting = [(later - 1, held) for later, held in self._held]
        self._held = [(later, held) for later, held in waiting if later > 0]
        for later, held in waiting:
            if later <= 0:
                self._line.put(held)

    def _subject(self, event: ChannelEvent) -> dict[str, str]:
        return {
            "endpoint": self._line.endpoint.value,
            "channel": event.channel,
            "product": event.product,
            "kind": event.kind,
            "connection": str(self._line.number),
            **dict(event.marks),
        }


def padded(event: ChannelEvent, size: int) -> ChannelEvent:
    """Return a book snapshot grown to a size by offers far above the worst; others as they are.

    The prices are multiples of the worst offer, and so of the tick.
    """
    if event.channel != "l2_data" or event.kind != "snapshot":
        return event
    body = orjson.loads(event.body)
    rows = body["updates"]
    if not rows or rows[-1]["side"] != "offer":
        return event
    worst = rows[-1]
    price = Decimal(worst["price_level"])
    row = len(orjson.dumps(worst)) + 1
    for times in range(2, 2 + max(size - len(event.body), 0) // row + 1):
        rows.append({**worst, "price_level": plain(price * times)})
    return ChannelEvent(
        channel=event.channel,
        product=event.product,
        kind=event.kind,
        body=orjson.dumps(body),
        marks=event.marks,
    )
