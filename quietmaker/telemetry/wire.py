"""The families of metrics about the wire: requests, WebSockets, clocks and fee rates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from quietmaker.core.units import SECOND, Instant, Liquidity, Nanos
from quietmaker.telemetry.snapshot import PREFIX, epoch_seconds, number

STREAMS: Final = ("market", "user")
"""The two WebSockets."""
MAX_WORDS: Final = 60
"""Different label values of one family kept apart; further ones count as ``other``."""
_CALLS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class WireMetrics:
    """What the wire does. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Create the families, with their known label sets at 0."""
        self._lock = threading.Lock()
        self._words: dict[str, set[str]] = {}
        self._requests = Counter(
            PREFIX + "exchange_requests",
            "Requests by endpoint and HTTP status; a word where there was no answer.",
            ["endpoint", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            PREFIX + "exchange_request_duration_seconds",
            "From a request to its answer.",
            ["endpoint"],
            buckets=_CALLS,
            registry=registry,
        )
        self._tokens = Gauge(
            PREFIX + "exchange_rate_limit_tokens",
            "Requests that may be sent at once now.",
            ["bucket"],
            registry=registry,
        )
        self._issues = Counter(
            PREFIX + "wire_issues",
            "Odd things in messages of the exchange, which were survived.",
            ["kind"],
            registry=registry,
        )
        self._skew = Gauge(
            PREFIX + "clock_skew_seconds",
            "The exchange's clock less ours at the last measurement.",
            registry=registry,
        )
        self._rates = Gauge(
            PREFIX + "fee_rate_ratio",
            "The account's fee rates; absent while nobody knows them.",
            ["liquidity"],
            registry=registry,
        )
        self._streams(registry)

    def _streams(self, registry: CollectorRegistry) -> None:
        self._connected = Gauge(
            PREFIX + "websocket_connected",
            "Whether the stream is subscribed and delivers.",
            ["channel"],
            registry=registry,
        )
        self._messages = Counter(
            PREFIX + "websocket_messages", "Frames received.", ["channel"], registry=registry
        )
        self._gaps = Counter(
            PREFIX + "websocket_sequence_gaps",
            "Times that frames were missing.",
            ["channel"],
            registry=registry,
        )
        self._reconnects = Counter(
            PREFIX + "websocket_reconnects",
            "Connections that were lost or could not be made; keepalive is a ping without an answer.",
            ["channel", "reason"],
            registry=registry,
        )
        self._last = Gauge(
            PREFIX + "websocket_last_message_timestamp_seconds",
            "When the last frame was received.",
            ["channel"],
            registry=registry,
        )
        for stream in STREAMS:
            self._connected.labels(stream).set(0)
            self._messages.labels(stream)
            self._gaps.labels(stream)

    # --- requests ---

    def request(self, endpoint: str, code: str, seconds: float) -> None:
        """Count a request by what came of it.

        Args:
            endpoint: a fixed word, never a path with an id.
            code: the HTTP status, or a word when there was no answer.
            seconds: from the request to its end.
        """
        self._requests.labels(self._word("endpoint", endpoint), self._word("code", code)).inc()
        self._seconds.labels(self._word("endpoint", endpoint)).observe(seconds)

    def tokens(self, bucket: str, left: float) -> None:
        """Set what a client-side rate limit still allows at once."""
        self._tokens.labels(bucket).set(left)

    def issue(self, kind: str, times: int) -> None:
        """Count something odd in messages that was survived."""
        self._issues.labels(self._word("kind", kind)).inc(times)

    # --- streams ---

    def connected(self, channel: str, up: bool) -> None:
        """Set whether a stream delivers."""
        self._connected.labels(channel).set(1 if up else 0)

    def messages(self, channel: str, count: int, at: Instant) -> None:
        """Count frames, the last of which came at a time."""
        self._messages.labels(channel).inc(count)
        self._last.labels(channel).set(epoch_seconds(at))

    def gap(self, channel: str, times: int) -> None:
        """Count holes in the sequence."""
        self._gaps.labels(channel).inc(times)

    def reconnect_reasons(self, reasons: Iterable[str]) -> None:
        """Show at 0 what a connection can be lost for."""
        for reason in reasons:
            for stream in STREAMS:
                self._reconnects.labels(stream, reason)

    def reconnect(self, channel: str, reason: str) -> None:
        """Count a connection that was lost, or could not be made, by a fixed word."""
        self._reconnects.labels(channel, reason).inc()

    # --- clocks and rates ---

    def clock_skew(self, skew: Nanos) -> None:
        """Set the exchange's time less ours."""
        self._skew.set(skew / SECOND)

    def fee_rates(self, rate: Callable[[Liquidity], Decimal] | None) -> None:
        """Set the account's rates as ratios, or say that nobody knows them."""
        if rate is None:
            self._rates.clear()
            return
        for liquidity in (Liquidity.MAKER, Liquidity.TAKER):
            self._rates.labels(liquidity.value.lower()).set(number(rate(liquidity)))

    def _word(self, family: str, word: str) -> str:
        """Return the word as a label value; beyond a bound, and for odd ones, ``other``."""
        known = self._words.get(family)
        if known is not None and word in known:
            return word
        with self._lock:
            known = self._words.setdefault(family, set())
            plain = 0 < len(word) <= 64 and word.replace("_", "").replace("-", "").isalnum()
            if plain and len(known) < MAX_WORDS:
                known.add(word)
                return word
        return "other"
