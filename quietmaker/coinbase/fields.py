"""Reading the parts of a frame: every reader either returns a value or refuses the frame by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from quietmaker.coinbase.frames import (
    Frame,
    Heartbeat,
    Issue,
    IssueKind,
    Notice,
    ProductStatus,
    Subscribed,
    UserOrders,
)
from quietmaker.coinbase.times import TimeError, instant
from quietmaker.core.grid import Grid
from quietmaker.core.market import MarketEvent, TradePrint
from quietmaker.core.units import NEVER, Instant, Lots, Ticks

_MOST_COUNTER_DIGITS: Final = 18


class RefusedError(Exception):
    """The frame cannot be taken; never leaves the decoder."""

    def __init__(self, kind: IssueKind, detail: str) -> None:
        super().__init__(detail)
        self.issue = Issue(kind=kind, detail=detail)


class Found:
    """What has been read of a frame so far; discarded whole when the frame is refused.

    The attributes are those of `Frame`.
    """

    __slots__ = (
        "at",
        "channel",
        "events",
        "history",
        "issues",
        "notices",
        "refused",
        "sequence",
    )

    def __init__(self, at: Instant) -> None:
        self.sequence: int | None = None
        self.channel = ""
        self.at = at
        self.refused = False
        self.events: list[MarketEvent] = []
        self.history: list[TradePrint] = []
        self.notices: list[Notice] = []
        self.issues: list[Issue] = []

    def refuse(self, issue: Issue) -> None:
        """Take nothing of the frame, for this reason."""
        self.refused = True
        self.issues.append(issue)
        self.events.clear()
        self.history.clear()
        self.notices.clear()

    def frame(self) -> Frame:
        """Return it as a value."""
        return Frame(
            sequence=self.sequence,
            channel=self.channel,
            at=self.at,
            events=tuple(self.events),
            history=tuple(self.history),
            notices=tuple(self.notices),
            issues=tuple(self.issues),
            refused=self.refused,
        )

    def note(self, kind: IssueKind, detail: str) -> None:
        self.issues.append(Issue(kind=kind, detail=detail))

    def fields(self, row: Mapping[str, Any], known: frozenset[str], where: str) -> None:
        if not row.keys() <= known:
            self.note(IssueKind.UNKNOWN_FIELD, f"{where}: {', '.join(sorted(row.keys() - known))}")


def load(text: str | bytes) -> Mapping[str, Any]:
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedError(IssueKind.NOT_JSON, str(error)[:120]) from error
    if not isinstance(body, dict):
        raise RefusedError(IssueKind.NOT_A_FRAME, f"a JSON {type(body).__name__}, not an object")
    return body


def gateway_time(body: Mapping[str, Any], found: Found, received: Instant | None) -> Instant:
    raw = body.get("timestamp")
    try:
        return time_of(raw)
    except RefusedError as refusal:
        if received is None:
            raise
        found.note(IssueKind.TIME_REPLACED, refusal.issue.detail)
        return received


def time_of(raw: Any) -> Instant:
    if not isinstance(raw, str):
        raise RefusedError(IssueKind.BAD_TIME, f"time {str(raw)[:64]!r} is not text")
    try:
        moment = instant(raw)
    except TimeError as error:
        raise RefusedError(IssueKind.BAD_TIME, str(error)) from error
    if not 0 <= moment < NEVER:
        raise RefusedError(IssueKind.BAD_TIME, f"{raw} is no time of a market")
    return moment


def is_snapshot(event: Mapping[str, Any]) -> bool:
    kind = event.get("type")
    if kind == "snapshot":
        return True
    if kind == "update":
        return False
    raise RefusedError(IssueKind.UNKNOWN_TYPE, str(kind)[:64])


def rows_of(event: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = event[key]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RefusedError(IssueKind.MISSING_FIELD, f"{key} is not a list of objects")
    return rows


def touch_side(ticker: Mapping[str, Any], key: str, grids: tuple[Grid, Grid]) -> tuple[Ticks, Lots]:
    """Return price and size of a ticker's side; an empty side is told by an empty string or 0."""
    if not ticker[key]:
        return Ticks(0), Lots(0)
    price = grids[0].units(ticker[key])
    size = grids[1].units(ticker[f"{key}_quantity"] or "0")
    return (Ticks(price), Lots(size)) if price and size else (Ticks(0), Lots(0))


def read_heartbeat(event: Mapping[str, Any], found: Found) -> None:
    found.fields(event, frozenset({"current_time", "heartbeat_counter"}), "heartbeats event")
    counter = event["heartbeat_counter"]  # an integer on the wire, text in the documentation
    if not (type(counter) is int or (isinstance(counter, str) and counter.isdecimal())):
        raise RefusedError(IssueKind.BAD_NUMBER, f"heartbeat_counter {str(counter)[:64]}")
    if len(str(counter)) > _MOST_COUNTER_DIGITS:
        raise RefusedError(IssueKind.BAD_NUMBER, "heartbeat_counter is too long")
    found.notices.append(Heartbeat(counter=int(counter)))


def read_subscriptions(event: Mapping[str, Any], found: Found) -> None:
    found.fields(event, frozenset({"subscriptions"}), "subscriptions event")
    found.notices.append(
        Subscribed(
            channels={
                channel: tuple(str(name) for name in names)
                for channel, names in event["subscriptions"].items()
            }
        )
    )


def read_status(event: Mapping[str, Any], found: Found) -> None:
    is_snapshot(event)
    for row in rows_of(event, "products"):
        status = ProductStatus(
            symbol=str(row["id"]),
            status=str(row["status"]),
            message=str(row.get("status_message", "")),
        )
        found.notices.append(status)


def read_user(event: Mapping[str, Any], found: Found) -> None:
    snapshot = is_snapshot(event)
    found.notices.append(UserOrders(snapshot=snapshot, orders=len(rows_of(event, "orders"))))
