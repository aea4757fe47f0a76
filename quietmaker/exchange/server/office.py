"""What the handlers work with: the exchange as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from quietmaker.core.units import Instant, Lots, Side, Ticks
from quietmaker.exchange.server.desk import Desk
from quietmaker.exchange.server.house import House
from quietmaker.ports import Clock


class Trade(Protocol):
    """A trade as the public hears of it."""

    @property
    def trade_id(self) -> int:
        """Return its number: contiguous within a product."""

    @property
    def at(self) -> Instant:
        """Return when it happened."""

    @property
    def price(self) -> Ticks:
        """Return its price."""

    @property
    def size(self) -> Lots:
        """Return its size."""

    @property
    def maker(self) -> Side:
        """Return the side of the resting order."""


class Day(Protocol):
    """Twenty-four hours of a product."""

    @property
    def volume(self) -> int:
        """Return what was traded, in lots."""

    @property
    def low(self) -> int:
        """Return the lowest price."""

    @property
    def high(self) -> int:
        """Return the highest price."""

    @property
    def open(self) -> int:
        """Return the first price."""


class Past(Protocol):
    """What the public can look back on, of one product."""

    @property
    def last(self) -> Ticks | None:
        """Return the price of the last trade."""

    def trades(self, limit: int) -> Sequence[Trade]:
        """Return the latest trades, newest first."""

    def day(self) -> Day | None:
        """Return the last twenty-four hours; None before the first trade."""


class Archive(Protocol):
    """Finds the past of a product: the same that the sockets tell, with the same trade ids."""

    def __call__(self, symbol: str) -> Past:
        """Return the past of a product that has a book of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The exchange, for who answers its clients.

    Attributes:
        house: who the account is, and what is listed.
        desk: orders, and the floor that they meet the market on.
        past: what the public can look back on.
        clock: the time of the exchange.
        opened: when it opened: the accounts are as old.
    """

    house: House
    desk: Desk
    past: Archive
    clock: Clock
    opened: Instant
