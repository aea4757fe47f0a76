"""Requests in, answers out: what every REST handler shares.

Errors have the shape of a gRPC gateway, as recorded: ``error``, ``error_details``, ``message``. Queries
are read the way clients send them: lists as repeated keys, booleans also as Python writes them.
Parameters that the exchange does not know are ignored, as on Coinbase; values that it does not
understand are refused with their name.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from aiohttp import web

from quietmaker.core.units import SECOND, Instant

_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-]\d\d):?(\d\d))"
)
_WHOLE: Final = re.compile(r"\d{1,15}")
_TRUE: Final = frozenset({"true", "1"})
_FALSE: Final = frozenset({"false", "0", ""})


class Refused(Exception):  # noqa: N818 - an answer, not a defect
    """A request that is answered with an error."""

    def __init__(self, status: int, error: str, message: str) -> None:
        """Take the HTTP status, Coinbase's word, and the sentence."""
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message

    def answer(self) -> web.Response:
        """Return the answer."""
        body = {"error": self.error, "error_details": self.message, "message": self.message}
        return answer(body, status=self.status)


def not_found(message: str) -> Refused:
    """Return the refusal of something that is not there."""
    return Refused(404, "NOT_FOUND", message)


def invalid(field: str, value: object) -> Refused:
    """Return the refusal of a value that means nothing, in the recorded words."""
    shown = orjson.dumps(value, default=str).decode()[:200]
    return Refused(400, "unknown", f'parsing field "{field}": {shown} is not a valid value')


def missing(field: str) -> Refused:
    """Return the refusal of a request without something that it needs."""
    return Refused(400, "INVALID_ARGUMENT", f"{field} is required")


def answer(body: Any, *, status: int = 200) -> web.Response:
    """Return a JSON answer."""
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")


# --- queries ------------------------------------------------------------------------------------


def text(request: web.Request, name: str) -> str:
    """Return a parameter, empty when it is not there."""
    return request.query.get(name, "")


def texts(request: web.Request, *names: str) -> tuple[str, ...]:
    """Return the values of a list, given as repeated keys or separated by commas."""
    values = (value for name in names for value in request.query.getall(name, []))
    return tuple(part for value in values for part in value.split(",") if part)


def flag(request: web.Request, name: str) -> bool:
    """Return a boolean; absent is false."""
    value = text(request, name).lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise invalid(name, value)


def whole(request: web.Request, name: str, *, default: int, most: int | None = None) -> int:
    """Return a count; absent and zero mean the default."""
    value = text(request, name)
    if not value:
        return default
    if not _WHOLE.fullmatch(value):
        raise invalid(name, value)
    number = int(value) or default
    if most is not None and number > most:
        raise Refused(400, "INVALID_ARGUMENT", f"{name} must be at most {most}")
    return number


def choices(request: web.Request, allowed: Collection[str], *names: str) -> frozenset[str]:
    """Return the values of a list of enumeration values."""
    values = texts(request, *names)
    for value in values:
        if value not in allowed:
            raise invalid(names[0], value)
    return frozenset(values)


def moment(request: web.Request, *names: str) -> Instant | None:
    """Return a time in RFC 3339; None when it is absent."""
    for name in names:
        if value := text(request, name):
            at = parse_time(value)
            if at is None:
                raise invalid(name, value)
            return at
    return None


def unix(request: web.Request, name: str) -> int | None:
    """Return a time in seconds of UNIX time; None when it is absent."""
    value = text(request, name)
    if not value:
        return None
    if not _WHOLE.fullmatch(value):
        raise invalid(name, value)
    return int(value)


def parse_time(value: str) -> Instant | None:
    """Return a time in RFC 3339, with any number of decimals; None if it is none."""
    found = _TIME.fullmatch(value.replace(" 00:00", "+00:00") if " 00:00" in value else value)
    if found is None:
        return None
    day, clock, fraction, hours, minutes = found.groups()
    try:
        whole_second = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
    except ValueError:
        return None
    offset = 0 if hours is None else int(hours) * 3600
    if hours is not None:
        offset += int(minutes) * (-60 if hours.startswith("-") else 60)
    nanos = int((fraction or "0")[:9].ljust(9, "0"))
    seconds = int(whole_second.timestamp()) - offset
    return Instant(seconds * SECOND + nanos) if seconds >= 0 else None


# --- bodies -------------------------------------------------------------------------------------


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the body of a request: a JSON object; an empty one counts as empty."""
    data = await request.read()
    if not data:
        return {}
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "INVALID_ARGUMENT", f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "INVALID_ARGUMENT", "the body must be a JSON object")
    return body


def string(body: dict[str, Any], name: str) -> str:
    """Return a string of a body, empty when it is not there."""
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(name, value)
    return value


def boolean(body: dict[str, Any], name: str) -> bool:
    """Return a boolean of a body, false when it is not there."""
    value = body.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise invalid(name, value)
    return value
