"""Rate limits: a token bucket per key for private requests, per address for public ones.

Coinbase's limits of 2026 are not documented; thirty private and ten public requests per second are
those of its last published page, and of most clients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quietmaker.core.units import SECOND
from quietmaker.ports import Clock

_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Requests per second; 0 for no limit."""

    private: int = 30
    public: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a request may pass, and what its answer says of the limit.

    Attributes:
        passed: whether it may.
        limit: requests per second.
        remaining: requests that may follow at once.
        reset: seconds of UNIX time at which the bucket is full again.
        wait: seconds until the next request may pass.
    """

    passed: bool
    limit: int
    remaining: int
    reset: int
    wait: int

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of the answer."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }


class RateLimiter:
    """The buckets of everybody who asks. A bucket holds one second's requests."""

    def __init__(self, *, rate: int, clock: Clock) -> None:
        """Limit everybody to `rate` requests per second; 0 limits nobody."""
        self._rate = rate
        self._clock = clock
        self._buckets: dict[str, tuple[int, int]] = {}
        """By who asks: nanosecond tokens (a request costs a second's worth), and as of when."""

    def take(self, who: str) -> Verdict | None:
        """Count a request; None without a limit."""
        rate = self._rate
        if not rate:
            return None
        now = self._clock.monotonic()
        full = rate * SECOND
        level, since = self._buckets.get(who, (full, now))
        level = min(full, level + (now - since) * rate)
        passed = level >= SECOND
        if passed:
            level -= SECOND
        self._buckets[who] = (level, now)
        if len(self._buckets) > _KEPT:
            self._forget(now)
        missing = full - level
        return Verdict(
            passed=passed,
            limit=rate,
            remaining=level // SECOND,
            reset=-(-(self._clock.now() + missing // rate) // SECOND),
            wait=max(1, -(-(SECOND - level) // (rate * SECOND))) if level < SECOND else 0,
        )

    def _forget(self, now: int) -> None:
        """Forget who has a full bucket anyway."""
        self._buckets = {
            who: (level, since)
            for who, (level, since) in self._buckets.items()
            if level + (now - since) * self._rate < self._rate * SECOND
        }
