"""Derive lots, allocations and round trips of one symbol from its fills: pure, for every kind of ledger.

The arithmetic is the core's (`positions`, `rounds`), and so are the rules of where a round trip begins and
ends, so that what a trader said of a round trip and what the books say of it is the same. Fills are taken in
the order of (time, trade id). Where a round trip ends on dust, the trader's word is needed (`DustLeft`):
that depends on prices and on working orders, which no fill tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from quietmaker.core.commands import RoundTrip
from quietmaker.core.orders import ExitReason, Fill
from quietmaker.core.positions import Closed, Lot, Position
from quietmaker.core.product import Product
from quietmaker.core.rounds import RoundTripBuilder
from quietmaker.core.units import SECOND, Instant, Nanos, times

METHOD: Final = 1
"""Goes up when the same fills would be derived to other numbers: the books are then derived anew."""

ADVERSE_HORIZON: Final = Nanos(60 * SECOND)
"""The part of a price move within this time of the entry is called adverse selection."""

_HALF: Final = Decimal("0.5")

Key: TypeAlias = tuple[int, str]
"""Where a fill stands: its time and its trade id."""

START: Final[Key] = (-1, "")
"""Before every fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What is known of a fill beside itself.

    Attributes:
        order: client id of its order.
        reason: the exit rule of its order, None for an entry.
        marked: whether the mid at the fill was seen; else that of the order's decision stands for it.
        later: bid plus ask `ADVERSE_HORIZON` after it, None where nobody saw it.
    """

    order: str
    reason: ExitReason | None
    strategy_tag: str
    config_sha: str
    marked: bool
    later: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """A fill to derive from.

    Attributes:
        twice_mid: bid plus ask at the fill, in ticks.
        ends: whether a round trip was over after it although dust was left.
    """

    fill: Fill
    twice_mid: int
    background: Background
    ends: bool

    @property
    def key(self) -> Key:
        """Return where it stands."""
        return self.fill.at, self.fill.trade_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrip:
    """A round trip under way: the client id of the entry that opened it, and since when."""

    id: str
    opened_at: Instant
    strategy_tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Units that one fill closed of a lot; `trip_id` None while the round trip is open."""

    closed: Closed
    trip_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A finished round trip.

    Attributes:
        trip_id: the trade id of the fill that closed it.
        adverse_selection: what of its price move happened within `ADVERSE_HORIZON` of the entries, in
            quote; None while that is unknown.
    """

    trip_id: str
    record: RoundTrip
    adverse_selection: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What was closed of an open round trip before this derivation began, oldest first."""

    parts: Sequence[Closed]
    backgrounds: Mapping[str, Background]


class Deriver:
    """Takes fills in order and collects what they make.

    Attributes:
        position: what is held now.
        trip: the open round trip.
        opened: lots that were opened, as they were opened.
        allocations, trips: what was closed, and what was finished.
    """

    def __init__(
        self,
        product: Product,
        *,
        lots: Iterable[Lot] = (),
        trip: OpenTrip | None = None,
        backgrounds: Mapping[str, Background] | None = None,
        earlier: Callable[[], Earlier] | None = None,
    ) -> None:
        """Go on from here.

        Args:
            product: the grid of prices and sizes.
            lots: what is held, oldest first.
            trip: the round trip that is open.
            backgrounds: of the held lots, by trade id.
            earlier: tells what was closed of that round trip already; asked once, and only if it ends.
        """
        self.position = Position(lots)
        self.trip = trip
        self.opened: list[Lot] = []
        self.trips: list[Trip] = []
        self._product = product
        self._backgrounds = dict(backgrounds or {})
        self._earlier = earlier
        self._closed: list[tuple[Closed, str | None]] = []
        self._parts: list[Closed] = []
        self._first_part = 0

    @property
    def allocations(self) -> list[Allocation]:
        """Return what was closed, in order."""
        return [Allocation(closed=closed, trip_id=trip) for closed, trip in self._closed]

    def take(self, booked: Booked) -> None:
        """Take the next fill."""
        fill, background = booked.fill, booked.background
        self._backgrounds[fill.trade_id] = background
        before = self.position.entry
        closed = self.position.apply(fill, booked.twice_mid)
        self._count(closed)
        after = self.position.entry
        if after is fill.side:
            if closed:
                self._finish(dust=0)
            if before is not after or self.trip is None:
                tag = background.strategy_tag
                self.trip = OpenTrip(id=fill.client_id, opened_at=fill.at, strategy_tag=tag)
            self._note_lot()
        elif after is None:
            self._finish(dust=0)
        if booked.ends:
            self.end_on_dust()

    def end_on_dust(self) -> None:
        """End the open round trip here: what is held is dust that it left."""
        self._finish(dust=self.position.lots)

    def _count(self, closed: tuple[Closed, ...]) -> None:
        if not closed:
            return
        if self.trip is None:  # dust of an earlier round trip that goes is one of its own
            first = closed[0].lot
            tag = self._backgrounds[first.trade_id].strategy_tag
            self.trip = OpenTrip(id=first.order, opened_at=first.at, strategy_tag=tag)
        self._parts.extend(closed)
        self._closed.extend((part, None) for part in closed)

    def _note_lot(self) -> None:
        self.opened.append(self.position.newest())

    def _finish(self, *, dust: int) -> None:
        """Finish the open round trip; one of which nothing was closed leaves no record."""
        trip, parts = self.trip, self._parts
        if trip is not None and self._earlier is not None:
            earlier = self._earlier()
            self._backgrounds |= earlier.backgrounds
            parts = [*earlier.parts, *parts]
        if trip is not None and parts:
            made = make_trip(self._product, trip, parts, backgrounds=self._backgrounds, dust=dust)
            self.trips.append(made)
            for index in range(self._first_part, len(self._closed)):
                self._closed[index] = (self._closed[index][0], made.trip_id)
        self.trip, self._earlier, self._parts = None, None, []
        self._first_part = len(self._closed)


def make_trip(
    product: Product,
    trip: OpenTrip,
    parts: Sequence[Closed],
    *,
    backgrounds: Mapping[str, Background],
    dust: int,
) -> Trip:
    """Return a round trip made of everything that was closed in it, oldest first."""
    builder = RoundTripBuilder(round_trip=trip.id, opened_at=trip.opened_at)
    builder.add(parts)
    last = parts[-1].exit_trade
    closer = backgrounds[last]
    record = builder.finish(
        product,
        reason=closer.reason or ExitReason.PAIRED,
        closing_order=closer.order,
        strategy_tag=trip.strategy_tag,
        config_sha=closer.config_sha,
        dust=dust,
    )
    twice = _twice_adverse(parts, backgrounds)
    adverse = None if twice is None else times(product.notional(twice, 1), _HALF)
    return Trip(trip_id=last, record=record, adverse_selection=adverse)


def _twice_adverse(parts: Iterable[Closed], backgrounds: Mapping[str, Background]) -> int | None:
    """Return twice the part of the price move near the entries, in tick-lots; None if a mid is missing."""
    total = 0
    for part in parts:
        lot = part.lot
        opened, closed = backgrounds[lot.trade_id], backgrounds[part.exit_trade]
        left_within = part.at - lot.at <= ADVERSE_HORIZON
        then = part.exit_twice_mid if left_within else opened.later
        if then is None or not opened.marked or (left_within and not closed.marked):
            return None
        total += lot.entry.sign * (then - lot.twice_mid) * lot.lots
    return total


def derive(product: Product, fills: Iterable[Booked]) -> Deriver:
    """Derive everything from nothing; fills may be told in any order, and repeatedly."""
    known = {booked.fill.trade_id: booked for booked in fills}
    deriver = Deriver(product)
    for booked in sorted(known.values(), key=lambda each: each.key):
        deriver.take(booked)
    return deriver
