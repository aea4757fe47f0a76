"""How many requests may be sent: token buckets on our side, and the exchange's word about its own.

Coinbase documents its limits badly, so that they are settings. Three buckets: signed requests a second,
unsigned requests a second, and all requests an hour. (The older v2 interface has an hourly limit of its own;
a client of it would get buckets of its own, never these.)

Orders and cancellations are urgent: a share of each bucket is kept for them, so that queries cannot starve
them. Waiting is bounded by the caller's patience; what would have to wait longer is not sent.

The exchange's word only ever slows us down: fewer requests left than we thought (`x-ratelimit-*`), or a
refusal (429), after which nothing is sent until it may be. Urgent requests wait for no more than that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

from quietmaker.core.units import SECOND, Nanos
from quietmaker.ports import Clock

HOUR: Final = Nanos(3_600 * SECOND)
LONGEST_PAUSE: Final = Nanos(60 * SECOND)
"""However long the exchange says: a wrong header must not silence us for ever."""
FIRST_PAUSE: Final = Nanos(SECOND // 4)
_HOURLY_FROM: Final = 1_000
"""A stated limit from which on the exchange is taken to speak of the hour."""
_EPOCH: Final = 1_000_000_000
_MOST_DIGITS: Final = 12


class Pool(Enum):
    """What a bucket counts; the values are labels of metrics."""

    PRIVATE = "private_per_second"
    PUBLIC = "public_per_second"
    HOURLY = "per_hour"


class LimitedError(Exception):
    """Sending would take longer than the caller wants to wait; nothing was sent."""

    def __init__(self, pool: Pool, wait: Nanos) -> None:
        """Name the bucket."""
        super().__init__(f"the limit {pool.value} allows the next request in {wait / SECOND:.2f} s")
        self.pool = pool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """The limits that are kept to.

    Attributes:
        private_per_second: signed requests.
        public_per_second: unsigned requests.
        per_hour: all requests.
        urgent_share: of each bucket, for orders and cancellations alone; in parts of a hundred.
    """

    private_per_second: int
    public_per_second: int
    per_hour: int
    urgent_share: int


class _Bucket:
    """Tokens in nanotokens, so that time and tokens are integers."""

    def __init__(self, pool: Pool, size: int, span: Nanos, share: int, now: Nanos) -> None:
        self.pool = pool
        self.size = size * SECOND
        self.span = span
        kept = 0 if pool is Pool.PUBLIC else self.size * share // 100
        self.kept = min(kept, self.size - SECOND)  # a query must be possible at all
        self.tokens = self.size
        self.at = now
        self.closed_until = now
        self.refusals = 0

    def advance(self, now: Nanos) -> None:
        if now > self.at:
            self.tokens = min(self.size, self.tokens + (now - self.at) * self.size // self.span)
            self.at = now

    def wait(self, *, urgent: bool) -> Nanos:
        """Return how long until a token may be taken."""
        short = SECOND + (0 if urgent else self.kept) - self.tokens
        fill = 0 if short <= 0 else -(-short * self.span // self.size)
        return Nanos(max(fill, self.closed_until - self.at))


class Limits:
    """The buckets. Thread-safe."""

    def __init__(
        self,
        limits: RateLimits,
        *,
        clock: Clock,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
        changed: Callable[[str, float], None],
    ) -> None:
        """Start with full buckets.

        Args:
            limits: how much each holds.
            clock: fills them.
            pause: sleeps for some seconds.
            jitter: returns a random number from 0 to 1.
            changed: told the name of a bucket and what is left in it.
        """
        self._clock = clock
        self._pause = pause
        self._jitter = jitter
        self._changed = changed
        self._lock = threading.Lock()
        now = clock.monotonic()
        sizes = (
            (Pool.PRIVATE, limits.private_per_second, SECOND),
            (Pool.PUBLIC, limits.public_per_second, SECOND),
            (Pool.HOURLY, limits.per_hour, HOUR),
        )
        self._buckets = {
            pool: _Bucket(pool, size, Nanos(span), limits.urgent_share, now)
            for pool, size, span in sizes
        }
        self._of = {
            pool: (self._buckets[pool], self._buckets[Pool.HOURLY])
            for pool in (Pool.PRIVATE, Pool.PUBLIC)
        }

    def acquire(self, pool: Pool, *, urgent: bool, patience: Nanos) -> None:
        """Return when a request may be sent, which then counts.

        Raises:
            LimitedError: if that would take longer than `patience`.
        """
        until = self._clock.monotonic() + patience
        while True:
            with self._lock:
                wait, bucket = self._take(self._of[pool], urgent)
                left = until - self._clock.monotonic()
            if wait <= 0:
                return
            if wait > left:
                raise LimitedError(bucket.pool, wait)
            self._pause(wait / SECOND)

    def _take(self, buckets: Sequence[_Bucket], urgent: bool) -> tuple[Nanos, _Bucket]:
        """Take a token of each, or none and say how long which one makes us wait."""
        now = self._clock.monotonic()
        longest, slowest = Nanos(0), buckets[0]
        for bucket in buckets:
            bucket.advance(now)
            wait = bucket.wait(urgent=urgent)
            if wait > longest:
                longest, slowest = wait, bucket
        if longest == 0:
            for bucket in buckets:
                bucket.tokens -= SECOND
        return longest, slowest

    def answered(self, pool: Pool, headers: Mapping[str, str]) -> None:
        """Take note of what an answer says about limits, and tell what is left."""
        with self._lock:
            now = self._clock.monotonic()
            limit, remaining = _count(headers, "limit"), _count(headers, "remaining")
            buckets = self._of[pool]
            buckets[0].refusals = 0
            for bucket in buckets:
                bucket.advance(now)
            if remaining is not None:
                bucket = buckets[limit is not None and limit >= _HOURLY_FROM]
                bucket.tokens = min(bucket.tokens, remaining * SECOND)
                reset = self._reset(headers)
                if remaining == 0 and reset is not None:
                    bucket.closed_until = Nanos(max(bucket.closed_until, now + reset))
            left = [(bucket.pool.value, bucket.tokens / SECOND) for bucket in buckets]
        for name, tokens in left:
            self._changed(name, tokens)

    def refused(self, pool: Pool, headers: Mapping[str, str]) -> Nanos:
        """Send nothing for a while, after a 429; return for how long."""
        with self._lock:
            now = self._clock.monotonic()
            bucket = self._of[pool][0]
            bucket.advance(now)
            stated = self._after(headers)
            doubled = FIRST_PAUSE << min(bucket.refusals, 8)
            bucket.refusals += 1
            pause = doubled if stated is None else stated
            pause = min(pause, LONGEST_PAUSE)
            pause += int(self._jitter() * max(FIRST_PAUSE, pause // 4))
            bucket.tokens = 0
            bucket.closed_until = Nanos(max(bucket.closed_until, now + pause))
            return Nanos(bucket.closed_until - now)

    def _after(self, headers: Mapping[str, str]) -> int | None:
        """Return for how long the exchange wants silence."""
        text = headers.get("retry-after", "").strip()
        if not text:
            return self._reset(headers)
        seconds = _whole(text)
        if seconds is not None:
            return min(seconds * SECOND, LONGEST_PAUSE)
        try:
            moment = parsedate_to_datetime(text)
            return max(0, int(moment.timestamp()) * SECOND - self._clock.now())
        except (ValueError, OverflowError):
            return None

    def _reset(self, headers: Mapping[str, str]) -> int | None:
        """Return when the exchange's own bucket is full again: seconds, or a time since 1970."""
        reset = _count(headers, "reset")
        if reset is None:
            return None
        span = reset * SECOND
        if reset >= _EPOCH:
            span = max(0, span - self._clock.now())
        return min(span, LONGEST_PAUSE)


def _count(headers: Mapping[str, str], what: str) -> int | None:
    return _whole(headers.get(f"x-ratelimit-{what}", "").strip())


def _whole(text: str) -> int | None:
    plain = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if plain else None
