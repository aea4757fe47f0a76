"""The exchange's timestamps: RFC 3339, UTC, with nought to nine (seen: more) fractional digits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from quietmaker.core.units import SECOND, Instant

_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_REST = re.compile(r"(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 64


class TimeError(ValueError):
    """Text that is not an RFC 3339 timestamp."""


def instant(text: str) -> Instant:
    """Convert a timestamp to nanoseconds since 1970; digits after the ninth are cut off.

    Raises:
        TimeError: if it is not a timestamp.
    """
    rest = _REST.fullmatch(text, 19) if len(text) <= _LONGEST else None
    if rest is None:
        raise TimeError(f"{text[:_LONGEST]!r} is not an RFC 3339 timestamp")
    fraction, sign, hours, minutes = rest.groups()
    seconds = _whole_seconds(text[:19])
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds -= offset if sign == "+" else -offset
    return Instant(seconds * SECOND + int((fraction or "0")[:9].ljust(9, "0")))


@lru_cache(maxsize=256)
def _whole_seconds(text: str) -> int:
    if not _SECONDS.fullmatch(text):
        raise TimeError(f"{text!r} is not an RFC 3339 timestamp")
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise TimeError(f"{text!r} is not a date and time") from None
    passed = moment - _EPOCH
    return passed.days * 86_400 + passed.seconds
