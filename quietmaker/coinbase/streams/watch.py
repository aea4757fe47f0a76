"""What the streams tell of themselves: for metrics and the log, never for a decision."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from quietmaker.core.units import SECOND, Nanos

TOLD_EVERY: Final = Nanos(10 * SECOND)


class ConnectionState(Enum):
    """Where a stream's connection stands."""

    CONNECTING = "connecting"
    OPEN = "open"
    """Connected and subscribing; nothing may be relied on yet."""
    READY = "ready"
    """Every subscription is acknowledged and has its data."""
    LOST = "lost"
    STOPPED = "stopped"
    """Its owner stopped it."""


class LostBecause(Enum):
    """Why a connection was lost or could not be made, in few words for a metric."""

    UNREACHABLE = "unreachable"
    """It could not be made."""
    BROKEN = "broken"
    """The network ended it, or it ended without a word."""
    CLOSED = "closed"
    """The exchange closed it in order."""
    KEEPALIVE = "keepalive"
    """A ping was not answered in time, or the exchange said so (1011)."""
    NO_HEARTBEAT = "no_heartbeat"
    INCOMPLETE = "incomplete"
    """What was asked for did not come."""
    FRAMES_LOST = "frames_lost"
    PROTOCOL = "protocol"
    """The other side broke the protocol."""
    FAULT = "fault"
    """An error in the stream itself."""


class StreamIssue(Enum):
    """What can be odd about a connection, beside the issues of single frames (`IssueKind`)."""

    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_REPEAT = "sequence_repeat"
    SEQUENCE_REGRESS = "sequence_regress"
    ERROR_FRAME = "error_frame"
    SILENT = "silent"
    PRODUCT_REFUSED = "product_refused"
    UNASKED_SNAPSHOT = "unasked_snapshot"
    PRODUCT_NOT_ONLINE = "product_not_online"
    UNKNOWN_STATUS = "unknown_status"
    ORDER_UNREADABLE = "order_unreadable"
    ORDER_REGRESSED = "order_regressed"
    ORDER_REPEATED = "order_repeated"
    FILLS_LATE = "fills_late"
    FILLS_UNREACHABLE = "fills_unreachable"


class StreamWatch(Protocol):
    """Hears of a stream's connection. Called from the stream's threads; must not block."""

    def connection(
        self, stream: str, state: ConnectionState, detail: str, why: LostBecause | None = None
    ) -> None:
        """Hear of a change; `why` is told of a connection that was lost."""

    def frames(self, stream: str, count: int) -> None:
        """Hear that so many frames came since this was last told."""

    def issue(self, stream: str, issue: str, detail: str, times: int) -> None:
        """Hear of something odd: `times` since it was last told. The detail is of the latest."""


class Tally:
    """Counts issues and tells each kind at once, then at most every ten seconds. One thread."""

    def __init__(self, stream: str, watch: StreamWatch) -> None:
        """Tell this watch."""
        self._stream = stream
        self._watch = watch
        self._waiting: dict[str, tuple[int, str]] = {}
        self._told: dict[str, Nanos] = {}

    def count(self, issue: str, detail: str, now: Nanos) -> None:
        """Count one."""
        times, _ = self._waiting.get(issue, (0, ""))
        self._waiting[issue] = (times + 1, detail)
        self._tell(issue, now)

    def flush(self, now: Nanos, *, all_of_it: bool = False) -> None:
        """Tell what waited long enough, or everything."""
        for issue in list(self._waiting):
            self._tell(issue, now, at_once=all_of_it)

    def _tell(self, issue: str, now: Nanos, *, at_once: bool = False) -> None:
        told = self._told.get(issue)
        if at_once or told is None or now - told >= TOLD_EVERY:
            times, detail = self._waiting.pop(issue)
            self._told[issue] = now
            self._watch.issue(self._stream, issue, detail, times)
