"""Recorded WebSocket sessions of Coinbase Advanced Trade, as JSON lines.

Three shapes of line are read, one a file or mixed:

* session rows: ``{"t": "header" | "http" | "connect" | "send" | "recv" | "close", ...}``, where
  ``recv`` has ``conn``, ``ts`` (unix seconds) and ``data``, the exact text of the frame;
* sample rows: ``{"recv_ts": <unix seconds>, "msg": {frame}}``;
* bare frames: ``{"channel": ..., "sequence_num": ..., "events": [...]}``.

An event's time is the gateway's send time in its frame, or the time of reception where that is
missing: it is the exchange's own statement, has nanoseconds, and does not depend on how busy the
recorder was (in the recording of 2026-08-09 frames were received 3 to 400 ms later).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from quietmaker.core.book import SequenceCheck, SequenceOutcome
from quietmaker.core.market import BookDelta, BookSnapshot, MarketEvent, StaleReason
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import QuietmakerError
from quietmaker.market.files import lines
from quietmaker.market.gate import Gate
from quietmaker.market.increments import Decimals
from quietmaker.market.protocols import DecodedFrame, Frames
from quietmaker.market.recording import Survey
from quietmaker.market.report import Report

_ENDINGS: Final = frozenset({"close", "closed", "disconnect", "error"})
_SILENT: Final = frozenset({"header", "send", *_ENDINGS, "connect", "http"})
_LATEST_SECONDS: Final = 2**33


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    kind: str
    conn: str
    received: Instant | None
    text: bytes | str
    url: str
    where: str


def looks_like_session(row: object) -> bool:
    """Return whether a JSON value is a line of such a recording."""
    if not isinstance(row, dict):
        return False
    if isinstance(row.get("t"), str):
        return True
    if "recv_ts" in row and isinstance(row.get("msg"), dict):
        return True
    return isinstance(row.get("channel"), str) and "events" in row


class SessionRecording:
    """A recorded session; the meaning of its frames is passed in."""

    kind: Final = "coinbase-ws"

    def __init__(self, path: Path, frames: Frames) -> None:
        """Prepare to read a file."""
        self._path = path
        self._frames = frames

    @property
    def path(self) -> Path:
        """Return the file."""
        return self._path

    def survey(self) -> Survey:
        """Read the file once to learn what is in it."""
        found = Survey()
        for row in self._rows(Report()):
            if row.kind == "http":
                found.stated.update(self._products(row, None))
            elif row.kind == "recv":
                for seen in self._frames.survey(row.text):
                    entry = found.seen.setdefault(seen.symbol, Decimals())
                    if seen.symbol not in found.stated:
                        entry.see(seen.prices, seen.sizes)
                    if seen.snapshot:
                        found.deep.add(seen.symbol)
        return found

    def events(
        self, products: Mapping[str, Product], deep: set[str], report: Report
    ) -> Iterator[MarketEvent]:
        """Yield the events of these products in order of time."""
        gate = Gate(
            deep=[symbol for symbol in products if symbol in deep],
            shallow=[symbol for symbol in products if symbol not in deep],
            report=report,
        )
        wires = _Wires(gate, report)
        decoder = self._frames.decoder(products)
        for row in self._rows(report):
            if row.kind == "recv":
                frame = decoder.decode(row.text, received=row.received)
                _count(frame, products, row.where, report)
                yield from wires.frame(row.conn, frame, row.where)
            elif row.kind == "connect" or row.kind in _ENDINGS:
                yield from wires.restart(row.conn, row.where)
            elif row.kind == "http":
                self._products(row, report)

    def _products(self, row: _Row, report: Report | None) -> Mapping[str, Product]:
        if not row.url.split("?")[0].rstrip("/").endswith("/products"):
            return {}
        try:
            return self._frames.products(row.text)
        except QuietmakerError as error:
            if report is not None:
                report.issue("unreadable_products", row.where, str(error))
            return {}

    def _rows(self, report: Report) -> Iterator[_Row]:
        for number, line, whole in lines(self._path, report):
            where = f"{self._path}:{number}"
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                kind = "corrupt_line" if whole else "truncated_last_line"
                report.issue(kind, where, str(error))
                continue
            parsed = _parse(row, line, where)
            if parsed is None:
                report.issue("unknown_row", where, line[:80].decode("utf-8", "replace"))
            else:
                yield parsed


def _parse(row: Any, line: bytes, where: str) -> _Row | None:
    if not looks_like_session(row):
        return None
    kind, text, received = row.get("t"), row.get("data"), row.get("ts")
    if kind is None:
        kind, received = "recv", row.get("recv_ts")
        text = orjson.dumps(row["msg"]) if "msg" in row else line
    elif kind != "recv" and kind not in _SILENT:
        return None
    if kind in {"recv", "http"} and not isinstance(text, str | bytes):
        return None
    return _Row(
        kind=kind,
        conn=str(row.get("conn", "")),
        received=_instant(received),
        text=text if isinstance(text, str | bytes) else "",
        url=str(row.get("url", "")),
        where=where,
    )


def _instant(seconds: Any) -> Instant | None:
    if not isinstance(seconds, int | float) or not 0 < seconds < _LATEST_SECONDS:
        return None
    return Instant(int(seconds * SECOND))


def _count(
    frame: DecodedFrame, products: Mapping[str, Product], where: str, report: Report
) -> None:
    report.note("frames")
    if frame.history:
        report.note("trades_before_subscription", len(frame.history))
    for issue in frame.issues:
        kind = str(issue.kind.value)
        if kind == "unknown_product" and issue.detail not in products:
            report.note("left_out_symbol")  # filtered, or named in no other frame
        else:
            report.issue(kind, where, issue.detail)


class _Wires:
    """The connections of a recording: sequence numbers, and which one feeds which book."""

    def __init__(self, gate: Gate, report: Report) -> None:
        self._gate = gate
        self._report = report
        self._checks: dict[str, SequenceCheck] = {}
        self._feeds: dict[str, str] = {}

    def restart(self, conn: str, where: str) -> Iterator[MarketEvent]:
        """Begin a connection anew: what it fed is lost until snapshots come."""
        known = self._checks.pop(conn, None)
        if known is not None:
            self._report.note("reconnects")
        yield from self._lose(conn, StaleReason.DISCONNECTED, where)

    def frame(self, conn: str, frame: DecodedFrame, where: str) -> Iterator[MarketEvent]:
        """Let a frame's events through, unless it repeats the past."""
        if frame.sequence is not None:
            yield from self._begin(conn, frame.sequence, where)
            outcome = self._checks[conn].see(frame.sequence)
            if outcome is SequenceOutcome.GAP:
                self._report.issue("sequence_gap", where, f"number {frame.sequence}")
                yield from self._lose(conn, StaleReason.GAP, where)
            elif outcome is not SequenceOutcome.NEXT:
                self._report.issue(f"sequence_{outcome.value}", where, f"number {frame.sequence}")
                return
        yield from self._gate.admit((e for e in frame.events if self._owns(conn, e)), where)

    def _begin(self, conn: str, number: int, where: str) -> Iterator[MarketEvent]:
        """Notice a connection that starts here: every one counts from 0."""
        known = self._checks.get(conn)
        if known is not None and number == 0 and known.expected > 1:
            yield from self.restart(conn, where)
        if conn not in self._checks:
            check = self._checks[conn] = SequenceCheck()
            if number:
                self._report.note("starts_midway")
                check.expected = number

    def _owns(self, conn: str, event: MarketEvent) -> bool:
        if isinstance(event, BookSnapshot):
            self._feeds[event.symbol] = conn
        elif isinstance(event, BookDelta) and self._feeds.get(event.symbol, conn) != conn:
            self._report.note("delta_of_another_connection")
            return False
        else:
            self._feeds.setdefault(event.symbol, conn)
        return True

    def _lose(self, conn: str, reason: StaleReason, where: str) -> Iterator[MarketEvent]:
        fed = [symbol for symbol, feeder in self._feeds.items() if feeder == conn]
        yield from self._gate.lose(fed, reason, self._gate.last, where)
