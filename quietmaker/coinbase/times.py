"""The exchange's timestamps: RFC 3339, UTC, with nought to nine (seen: more) fractional digits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from quietmaker.core.units import MILLISECOND, NEVER, SECOND, Instant
from quietmaker.errors import WireError

_SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_REST = re.compile(r"(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 64
_LONGEST_COUNT = 19


class TimeError(ValueError):
    """Text that is not an RFC 3339 timestamp."""


def instant(text: str) -> Instant:
    """Convert a timestamp to nanoseconds since 1970; digits after the ninth are cut off.

    Raises:
        TimeError: if it is not a timestamp.
    """
    if len(text) == 30 and text[19] == "." and text[29] == "Z" and text.isascii():
        fraction = text[20:29]  # the common form, nine digits of Zulu time
        if fraction.isdigit():
            return Instant(_whole_seconds(text[:19]) * SECOND + int(fraction))
    rest = _REST.fullmatch(text, 19) if len(text) <= _LONGEST else None
    if rest is None:
        raise TimeError(f"{text[:_LONGEST]!r} is not an RFC 3339 timestamp")
    digits, sign, hours, minutes = rest.groups()
    seconds = _whole_seconds(text[:19])
    if sign:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds -= offset if sign == "+" else -offset
    return Instant(seconds * SECOND + int((digits or "0")[:9].ljust(9, "0")))


def stamp(moment: Instant) -> str:
    """Return a moment as the exchange takes it, cut down to microseconds."""
    seconds, rest = divmod(moment, SECOND)
    try:
        whole = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise TimeError(f"{moment} is no moment that can be written") from None
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{rest // 1_000:06d}Z"


def read_time(body: Mapping[str, Any]) -> Instant:
    """Read the answer of the exchange's clock, from the most exact of its three forms.

    Raises:
        WireError: if none can be read.
    """
    for key, unit in (("epochMillis", MILLISECOND), ("epochSeconds", SECOND)):
        text = str(body.get(key, ""))
        plain = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_COUNT
        if plain and int(text) * unit < NEVER:
            return Instant(int(text) * unit)
    try:
        moment = instant(str(body.get("iso", "")))
    except TimeError as error:
        raise WireError(f"time: the answer states no time ({error})") from error
    if not 0 <= moment < NEVER:
        raise WireError("time: the answer states no time of this age")
    return moment


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
