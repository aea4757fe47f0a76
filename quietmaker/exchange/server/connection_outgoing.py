"""What can be waiting to be sent on a connection: messages, and things that no good server does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from quietmaker.core.units import Nanos


@dataclass(frozen=True, slots=True)
class Text:
    """A text message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Half:
    """A text message that breaks off in the middle, and the connection with it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Wire:
    """Bytes below WebSocket."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for a while."""

    span: Nanos


@dataclass(frozen=True, slots=True)
class Close:
    """A clean end."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """An end without a word."""


Outgoing: TypeAlias = Text | Half | Wire | Pause | Close | Abort
