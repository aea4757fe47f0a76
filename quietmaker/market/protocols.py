"""What the market sources need from outside: the meaning of an exchange's raw frames.

The composition root passes it in; this package reads files and knows no exchange's wire but the
third-party recordings it documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

from quietmaker.core.market import MarketEvent
from quietmaker.core.product import Product
from quietmaker.core.units import Instant


class Oddity(Protocol):
    """Something odd about a frame."""

    @property
    def kind(self) -> Enum:
        """Return what kind of oddity; its value is the word that is counted."""

    @property
    def detail(self) -> str:
        """Return the place and the value."""


class DecodedFrame(Protocol):
    """One frame of an exchange's market-data connection."""

    @property
    def sequence(self) -> int | None:
        """Return the connection's running number, None where the frame has none."""

    @property
    def events(self) -> Sequence[MarketEvent]:
        """Return the market events, in order."""

    @property
    def history(self) -> Sequence[MarketEvent]:
        """Return trades from before the subscription."""

    @property
    def issues(self) -> Sequence[Oddity]:
        """Return everything odd."""


class FrameDecoder(Protocol):
    """Decodes frames for a fixed set of products."""

    def decode(self, text: str | bytes, *, received: Instant | None = None) -> DecodedFrame:
        """Decode a frame; never raises for what it may hold."""


class SeenInFrame(Protocol):
    """What one frame shows of one product."""

    @property
    def symbol(self) -> str:
        """Return the product id."""

    @property
    def snapshot(self) -> bool:
        """Return whether the whole book is in it."""

    @property
    def prices(self) -> Sequence[str]:
        """Return every price in it, as text."""

    @property
    def sizes(self) -> Sequence[str]:
        """Return every size in it, as text."""


class Frames(Protocol):
    """An exchange's frames: how to read its products, what is in them, what they mean."""

    def products(self, answer: bytes | str) -> Mapping[str, Product]:
        """Read a recorded answer about products; raises a QuietmakerError if it is none."""

    def decoder(self, products: Mapping[str, Product]) -> FrameDecoder:
        """Return a decoder for these products."""

    def survey(self, text: str | bytes) -> Sequence[SeenInFrame]:
        """Say which products a frame is about, without judging it."""
