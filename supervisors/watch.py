"""What the wire tells of itself, into metrics and the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from quietmaker.coinbase.streams.watch import ConnectionState, LostBecause, StreamIssue
from quietmaker.core.units import Instant
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

_GAP: Final = StreamIssue.SEQUENCE_GAP.value
_USUAL: Final = frozenset({StreamIssue.ORDER_REPEATED.value, StreamIssue.SEQUENCE_REPEAT.value})
"""Coinbase repeats itself; that is counted and no news."""


class RequestsWatch:
    """Hears of requests. Implements `RestWatch`; thread-safe."""

    def __init__(self, metrics: Metrics) -> None:
        """Count in these metrics."""
        self._wire = metrics.wire

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request by what came of it."""
        self._wire.request(endpoint, code, seconds)

    def tokens(self, bucket: str, left: float) -> None:
        """Show what a limit still allows."""
        self._wire.tokens(bucket, left)

    def issue(self, kind: str) -> None:
        """Count something odd that was survived."""
        self._wire.issue(kind, 1)


class StreamsWatch:
    """Hears of the streams' connections. Implements `StreamWatch`; thread-safe."""

    def __init__(self, metrics: Metrics, *, now: Callable[[], Instant]) -> None:
        """Count in these metrics, at the times of a clock."""
        self._wire = metrics.wire
        self._wire.reconnect_reasons(each.value for each in LostBecause)
        self._now = now
        self._log = Log("wire")

    def connection(
        self, stream: str, state: ConnectionState, detail: str, why: LostBecause | None = None
    ) -> None:
        """Show whether a stream delivers, and say when that changes."""
        self._wire.connected(stream, state is ConnectionState.READY)
        match state:
            case ConnectionState.LOST:
                reason = (why or LostBecause.FAULT).value
                self._wire.reconnect(stream, reason)
                self._log.warning(
                    Event.STREAM_LOST, f"{stream}: {detail}", stream=stream, reason=reason
                )
            case ConnectionState.READY:
                self._log.info(Event.STREAM_READY, f"{stream}: subscribed", stream=stream)
            case ConnectionState.CONNECTING | ConnectionState.OPEN | ConnectionState.STOPPED:
                self._log.debug(Event.STREAM_READY, f"{stream}: {state.value}", stream=stream)

    def frames(self, stream: str, count: int) -> None:
        """Count frames that were received."""
        self._wire.messages(stream, count, self._now())

    def issue(self, stream: str, issue: str, detail: str, times: int) -> None:
        """Count something odd that was survived, and say it."""
        self._wire.issue(issue, times)
        if issue == _GAP:
            self._wire.gap(stream, times)
        say = self._log.debug if issue in _USUAL else self._log.warning
        say(
            Event.WIRE_ISSUE,
            f"{stream}: {issue}: {detail}",
            stream=stream,
            issue=issue,
            times=times,
        )
