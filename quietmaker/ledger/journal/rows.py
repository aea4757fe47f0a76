"""What a record of the journal says: a kind and the row of the database, as JSON that loses nothing.

A decimal is a list with its text, so that it is never taken for a binary number or a string. A fact
that had no row comes as the refusal it is; ``null`` is an intent that was taken back.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Final, TypeAlias

from quietmaker.ledger.facts import KINDS, Entry, Refusal
from quietmaker.ledger.rows import text

Content: TypeAlias = Entry | Refusal | None

_REFUSED: Final = "refused"
_UNREADABLE: Final = "unreadable"


def encode(content: Content) -> bytes:
    """Return the bytes of a record."""
    match content:
        case Entry(kind=kind, row=row):
            said: object = [kind, *row]
        case Refusal():
            said = [_REFUSED, content.kind, content.fact, content.error]
        case None:
            said = None
    return json.dumps(said, default=_decimal, separators=(",", ":")).encode()


def decode(payload: bytes) -> Content:
    """Return what `encode` was given.

    What this version does not understand is a refusal: it is kept as evidence, and stops nothing.
    """
    try:
        said: Any = json.loads(payload)
        if said is None:
            return None
        kind, *values = said
        if kind == _REFUSED:
            name, fact, error = values
            return Refusal(kind=name, fact=fact, error=error)
        if kind not in KINDS:
            raise ValueError(f"this version knows no facts of kind {kind}")
        return Entry(kind=kind, row=tuple(_value(value) for value in values))
    except (ValueError, TypeError, ArithmeticError) as error:
        fact = text(payload.decode("utf-8", "replace"))
        return Refusal(kind=_UNREADABLE, fact=fact, error=text(str(error)))


def _decimal(value: object) -> list[str]:
    if isinstance(value, Decimal):
        return [str(value)]
    raise TypeError(f"{value!r} is nothing that a row holds")


def _value(value: Any) -> Any:
    return Decimal(value[0]) if isinstance(value, list) else value
