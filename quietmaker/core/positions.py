"""A position as lots: units with their price, fee and the mid they were filled at.

Lots close first in, first out. A fee is split over the parts of a fill so that the parts always sum
to what was paid: whatever a part takes (rounded to `FEE_QUANTUM`), the rest keeps the remainder.
A fill against the position closes it; what is left of the fill opens the other direction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from quietmaker.core.orders import Fill
from quietmaker.core.units import (
    ROUNDED,
    ZERO,
    Instant,
    Liquidity,
    Side,
    Ticks,
    minus,
    plus,
)

FEE_QUANTUM: Final = Decimal("1e-20")
REMEMBERED_TRADES: Final = 4_096
"""Trade ids that are surely kept to recognise repeats; the exchange repeats recent ones only."""

_MAKER: Final = Liquidity.MAKER


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Units that one fill opened and that are still held.

    Attributes:
        trade_id: the fill.
        order: client id of the entry order.
        lots: units left, positive; `entry` tells the direction.
        fee: the part of the fill's fee that belongs to the units left, in quote.
        twice_mid: bid plus ask at the fill, in ticks (the mid doubled stays an integer).
        maker: whether the fill added liquidity.
    """

    trade_id: str
    order: str
    entry: Side
    price: Ticks
    lots: int
    fee: Decimal
    twice_mid: int
    at: Instant
    maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Units of a lot that an exit fill closed, with both fees' parts."""

    lot: Lot
    exit_trade: str
    exit_price: Ticks
    exit_fee: Decimal
    exit_twice_mid: int
    exit_maker: bool
    at: Instant


class Position:
    """The open lots of one symbol, all of one direction.

    Attributes:
        entry: the side that opened the position, None when flat.
        lots: held units, positive; 0 is flat.
        cost: sum of price times lots, in ticks times lots.
        fees: entry fees that belong to the held units, in quote.
    """

    __slots__ = ("_open", "cost", "entry", "fees", "lots")

    def __init__(self, lots: Iterable[Lot] = ()) -> None:
        """Hold these lots, oldest first."""
        self._open: deque[Lot] = deque()
        self.entry: Side | None = None
        self.lots = 0
        self.cost = 0
        self.fees = ZERO
        for lot in lots:
            self._add(lot)

    @property
    def opened_at(self) -> Instant | None:
        """Return the time of the oldest held lot's fill."""
        return self._open[0].at if self._open else None

    def open_lots(self) -> tuple[Lot, ...]:
        """Return the held lots, oldest first."""
        return tuple(self._open)

    def newest(self) -> Lot:
        """Return the lot that was opened last.

        Raises:
            IndexError: if nothing is held.
        """
        return self._open[-1]

    def apply(self, fill: Fill, twice_mid: int) -> tuple[Closed, ...]:
        """Take a fill and return what it closed; the rest of it opens or adds."""
        maker = fill.liquidity is _MAKER
        closed: list[Closed] = []
        left, fee_left = int(fill.size), fill.fee
        while left and self.entry is not None and self.entry is not fill.side:
            part = min(left, self._open[0].lots)
            taken = self._take(part)
            fee = fee_left if part == left else _share(fee_left, part, left)
            fee_left = minus(fee_left, fee)
            left -= part
            closed.append(
                Closed(
                    lot=taken,
                    exit_trade=fill.trade_id,
                    exit_price=fill.price,
                    exit_fee=fee,
                    exit_twice_mid=twice_mid,
                    exit_maker=maker,
                    at=fill.at,
                )
            )
        if left:
            self._add(
                Lot(
                    trade_id=fill.trade_id,
                    order=fill.client_id,
                    entry=fill.side,
                    price=fill.price,
                    lots=left,
                    fee=fee_left,
                    twice_mid=twice_mid,
                    at=fill.at,
                    maker=maker,
                )
            )
        return tuple(closed)

    def _add(self, lot: Lot) -> None:
        self._open.append(lot)
        self.entry = lot.entry
        self.lots += lot.lots
        self.cost += lot.price * lot.lots
        self.fees = plus(self.fees, lot.fee)

    def _take(self, lots: int) -> Lot:
        lot = self._open[0]
        fee = lot.fee if lots == lot.lots else _share(lot.fee, lots, lot.lots)
        if lots == lot.lots:
            self._open.popleft()
            if not self._open:
                self.entry = None
        else:
            rest = minus(lot.fee, fee)
            self._open[0] = replace(lot, lots=lot.lots - lots, fee=rest)
            lot = replace(lot, lots=lots, fee=fee)
        self.lots -= lots
        self.cost -= lot.price * lots
        self.fees = minus(self.fees, fee)
        return lot


class TradeMemory:
    """The trade ids of the latest fills, at least `REMEMBERED_TRADES` and at most twice as many.

    Two sets in turn: dropping the oldest key of one dict would search past all that were dropped before.
    """

    __slots__ = ("_earlier", "_latest")

    def __init__(self) -> None:
        """Remember nothing."""
        self._latest: set[str] = set()
        self._earlier: set[str] = set()

    def note(self, trade_id: str) -> bool:
        """Remember a trade; return whether it is new."""
        if trade_id in self._latest or trade_id in self._earlier:
            return False
        if len(self._latest) >= REMEMBERED_TRADES:
            self._earlier, self._latest = self._latest, set()
        self._latest.add(trade_id)
        return True


def replay(fills: Iterable[tuple[Fill, int]]) -> tuple[Position, tuple[Closed, ...]]:
    """Rebuild a position from fills (each with its twice_mid) told in any order.

    Fills are taken in the order of (time, trade id) and each trade id once, so that shuffled or
    repeated input gives the same lots and the same money to the last digit.
    """
    known = {fill.trade_id: (fill, mid) for fill, mid in fills}
    position = Position()
    closed: list[Closed] = []
    for fill, mid in sorted(known.values(), key=lambda pair: (pair[0].at, pair[0].trade_id)):
        closed.extend(position.apply(fill, mid))
    return position, tuple(closed)


def _share(amount: Decimal, part: int, whole: int) -> Decimal:
    """Return the part's share of an amount, to the quantum; the caller keeps the remainder."""
    exact = ROUNDED.divide(ROUNDED.multiply(amount, Decimal(part)), Decimal(whole))
    return exact.quantize(FEE_QUANTUM, context=ROUNDED)
