"""The fields of a row: what is missing or cannot be read is an error that names it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from quietmaker.coinbase.times import TimeError, instant
from quietmaker.core.grid import Grid, NumberError, number
from quietmaker.core.units import NEVER, Instant
from quietmaker.errors import WireError


@lru_cache(maxsize=256)
def grid(increment: Decimal) -> Grid:
    """Return the grid of an increment."""
    return Grid(increment)


def text(row: Mapping[str, Any], key: str, where: str) -> str:
    """Return a text that must be there.

    Raises:
        WireError: if it is not.
    """
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise WireError(f"{where}: {key} is missing")
    return value


def loose(row: Mapping[str, Any], key: str) -> str:
    """Return a text, empty when it is not there."""
    value = row.get(key)
    return value if isinstance(value, str) else ""


def moment(row: Mapping[str, Any], key: str, where: str) -> Instant:
    """Return a time.

    Raises:
        WireError: if it is none.
    """
    try:
        moment = instant(text(row, key, where))
    except TimeError as error:
        raise WireError(f"{where}: {key}: {error}") from error
    if not 0 <= moment < NEVER:
        raise WireError(f"{where}: {key} is no time of a market")
    return moment


def signed(row: Mapping[str, Any], key: str, where: str) -> Decimal:
    """Return a number, which may be negative.

    Raises:
        WireError: if it is none.
    """
    stated = text(row, key, where)
    try:
        value = number(stated.removeprefix("-"))
    except NumberError as error:
        raise WireError(f"{where}: {key}: {error}") from error
    return -value if stated.startswith("-") else value
