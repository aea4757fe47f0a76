"""Where faults can be injected: every point, what its rules may match, and what they may say.

This table is what ``POST /admin/faults`` is checked against and what ``docs/paper-exchange.md`` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FRAME_KEYS: Final = frozenset(
    {
        "endpoint",
        "channel",
        "product",
        "kind",
        "connection",
        "side",
        "status",
        "client_order_id",
    }
)
REQUEST_KEYS: Final = frozenset(
    {"method", "path", "product", "side", "post_only", "client_order_id"}
)
ORDER_KEYS: Final = frozenset({"product", "side", "post_only", "client_order_id"})
FILL_KEYS: Final = frozenset({"product", "side", "client_order_id"})
CLOCK_KEYS: Final = frozenset({"where"})
SUBSCRIBE_KEYS: Final = frozenset({"endpoint", "channel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place where something can go wrong.

    Attributes:
        name: as rules call it; the part before the dot is its family.
        match: the keys that a rule may match on.
        parameters: what a rule may say, with the value when it does not; the type is checked too.
        meaning: one line for people.
    """

    name: str
    match: frozenset[str]
    parameters: Mapping[str, Any]
    meaning: str

    @property
    def family(self) -> str:
        """Return what this point belongs to."""
        return self.name.partition(".")[0]

    @property
    def additive(self) -> bool:
        """Return whether several rules of this point can act at once; otherwise the first one does."""
        return self.name.partition(".")[2] in {"remove", "add", "set", "skew"}


def _points(match: frozenset[str], rows: Mapping[str, tuple[str, dict[str, Any]]]) -> list[Point]:
    return [
        Point(name=name, match=match, parameters=parameters, meaning=meaning)
        for name, (meaning, parameters) in rows.items()
    ]


_FRAME: Final = _points(
    FRAME_KEYS,
    {
        "ws.drop": ("the frame is lost, its sequence number with it: a gap", {}),
        "ws.mute": ("the frame is never sent and no number is missing: a channel falls silent", {}),
        "ws.gap": ("numbers are skipped before the frame, nothing is lost", {"skip": 1}),
        "ws.duplicate": (
            "the frame is sent again: with the next number, or the same (a repeat of the transport)",
            {"copies": 1, "sequence": "next"},
        ),
        "ws.reorder": ("the frame is sent after as many later ones", {"by": 1}),
        "ws.delay": ("the frame and all behind it on its connection wait", {"ms": 500}),
        "ws.remove": ("a field is missing wherever it occurs in the frame", {"field": ""}),
        "ws.add": ("a field more in the frame and in each row of it", {"field": "", "value": "1"}),
        "ws.set": (
            "a field has another value wherever it occurs, such as an unknown enumeration value",
            {"field": "", "value": ""},
        ),
        "ws.pad": ("a book snapshot grows by far offers to as many megabytes", {"megabytes": 6}),
        "ws.client_id": ("the envelope has client_id, or has not", {"present": True}),
        "ws.truncate": ("the frame ends in the middle of its JSON", {"percent": 50}),
        "ws.garbage": (
            "bytes that are no frame instead of it: text, invalid utf8, or below WebSocket (wire)",
            {"kind": "text"},
        ),
        "ws.half": ("the connection breaks in the middle of the frame", {}),
        "ws.error": (
            "an error frame comes first",
            {"message": "authentication failure"},
        ),
        "ws.close": (
            "the server closes cleanly instead of sending",
            {"code": 1000, "reason": ""},
        ),
        "ws.abort": ("the connection breaks instead of sending", {}),
    },
)

_REQUEST: Final = _points(
    REQUEST_KEYS,
    {
        "rest.unauthorized": ("401 with the text Unauthorized, before anything is done", {}),
        "rest.rate_limited": (
            "429 before anything is done; headers as said",
            {"retry_after": "", "limit": "", "remaining": "", "reset": ""},
        ),
        "rest.bad_gateway": (
            "an HTML page with 502 (or another status), with the request done (placed) or not",
            {"placed": False, "status": 502},
        ),
        "rest.timeout": (
            "no answer; the connection breaks in the end, with the request done or not",
            {"placed": False, "ms": 60_000},
        ),
        "rest.abort": ("the connection breaks, with the request done or not", {"placed": False}),
        "rest.delay": (
            "the request waits before it is done, or its answer after",
            {"ms": 500, "when": "before"},
        ),
        "rest.remove": ("a field is missing wherever it occurs in the answer", {"field": ""}),
        "rest.add": (
            "a field more in the answer and in each object of it",
            {"field": "", "value": "1"},
        ),
        "rest.set": (
            "a field has another value wherever it occurs in the answer",
            {"field": "", "value": ""},
        ),
        "rest.truncate": ("the answer ends in the middle of its JSON", {"percent": 50}),
    },
)

POINTS: Final[Mapping[str, Point]] = {
    point.name: point
    for point in (
        *_FRAME,
        *_REQUEST,
        Point(
            name="subscribe.refuse",
            match=SUBSCRIBE_KEYS,
            parameters={"message": "authentication failure"},
            meaning="a good subscription is refused with an error frame",
        ),
        Point(
            name="order.die",
            match=ORDER_KEYS,
            parameters={"status": "CANCELLED", "reason": "INVALID_LIMIT_PRICE_POST_ONLY"},
            meaning="the order is created with success and ends at once without resting",
        ),
        Point(
            name="order.unsettled",
            match=ORDER_KEYS,
            parameters={},
            meaning="FILLED is told twice: first with a hold outstanding, then with none",
        ),
        Point(
            name="fills.late",
            match=FILL_KEYS,
            parameters={"ms": 2_000},
            meaning="the execution is listed over REST only later",
        ),
        Point(
            name="clock.skew",
            match=CLOCK_KEYS,
            parameters={"ms": 5_000},
            meaning="/time (where: rest) and the frames' timestamps (where: ws) are wrong",
        ),
    )
}
"""By name."""

CHOICES: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("ws.duplicate", "sequence"): frozenset({"next", "same"}),
    ("ws.garbage", "kind"): frozenset({"text", "utf8", "wire"}),
    ("rest.delay", "when"): frozenset({"before", "after"}),
    ("order.die", "status"): frozenset({"CANCELLED", "FAILED", "EXPIRED"}),
}
"""Parameters that take one of a few words."""

FREE: Final = frozenset({("ws.set", "value"), ("ws.add", "value")}) | frozenset(
    {("rest.set", "value"), ("rest.add", "value")}
)
"""Parameters that take any JSON."""

NEEDED: Final = frozenset({"field"})
"""Parameters without which a rule means nothing."""
