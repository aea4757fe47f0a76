"""What reconciling makes of an order and of the exchange's lists: functions of values, no actor in sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from actors.news import MOVE_TO
from quietmaker.core.differences import OPEN, SOMEBODY_ELSES, Difference, DifferenceKind
from quietmaker.core.orders import TERMINAL, Fill, Move, OrderState, Working
from quietmaker.core.units import SECOND, Instant, Lots, Nanos
from quietmaker.ports import OrderReport, SymbolBooks, UserFill

ARRIVED_AFTER: Final = Nanos(3 * SECOND)
"""A request that was sent longer ago has arrived, or never will."""
LATE_AFTER: Final = Nanos(5 * SECOND)
"""An execution that nobody has told of so much later was missed: the stream is faster."""
OVERLAP: Final = Nanos(60 * SECOND)
"""Executions are asked for from this long before the oldest order they can belong to."""
LISTED_LATE: Final = Nanos(600 * SECOND)
"""An execution that is listed later than this is found where its order states more than was listed."""
BELIEVED: Final = "executions are believed, not the stated size"
NOT_FOUND: Final = "not found at recovery"
_ACCEPTED: Final = frozenset({OrderState.OPEN, OrderState.CANCEL_PENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the exchange's word on an order comes to.

    Attributes:
        moves: what the books must hear of it, in this order.
        report: the word itself; None where it does not have the order.
        stated: lots that count as executed; they may be listed later.
        young: how long its request may still be on its way; nothing can be said until then.
        open_end: whether the exchange itself does not know what became of it.
        difference: what the books have otherwise.
    """

    moves: tuple[Move, ...]
    report: OrderReport | None
    stated: int
    young: int
    open_end: bool
    difference: Difference | None

    @property
    def filled(self) -> Lots | None:
        """Return the total executed size that is stated with an end."""
        report = self.report
        return report.filled if report is not None and report.state in TERMINAL else None

    @property
    def gone(self) -> bool:
        """Return whether the exchange does not have it, and would if its request had arrived."""
        return self.report is None and Move.NOT_FOUND in self.moves


def judge(order: Working, report: OrderReport | None, now: Instant) -> Finding:
    """Compare an order that the books wait for with the exchange's word.

    Args:
        order: as the books have it, not over.
        report: the exchange's word, None when it does not have it.
        now: the time.
    """
    if report is not None:
        move = MOVE_TO[report.state]
        return Finding(
            moves=(move,),
            report=report,
            stated=report.filled,
            young=0,
            open_end=move is Move.OUTCOME_UNKNOWN,
            difference=_sizes(order, report),
        )
    young = max(max(order.sent_at, order.intent.decided_at) + ARRIVED_AFTER - now, 0)
    # Nobody listened when it ended. A request without a stored answer is told as unknown but stored as
    # pending, an open order first becomes unknown; then both are found to have failed.
    first = Move.OUTCOME_UNKNOWN if order.state is OrderState.UNKNOWN else Move.NOT_FOUND
    return Finding(
        moves=() if young else (first, Move.NOT_FOUND),
        report=None,
        stated=0,
        young=young,
        open_end=False,
        difference=None if young else _unknown_there(order),
    )


def _unknown_there(order: Working) -> Difference | None:
    """Return the difference where the exchange had taken the order, and does not have it any more."""
    if order.state not in _ACCEPTED:
        return None
    return Difference(
        kind=DifferenceKind.ORDER_UNKNOWN_THERE,
        subject=order.intent.client_id,
        ours=order.state.value,
        theirs="",
        detail=f"{order.intent.symbol}: the exchange took it and does not have it any more",
    )


def _sizes(order: Working, report: OrderReport) -> Difference | None:
    """Return the difference where the stated size cannot be: beyond the order, or short of its executions."""
    short = report.state in TERMINAL and report.filled < order.filled
    if not short and report.filled <= order.intent.size:
        return None
    return Difference(
        kind=DifferenceKind.ORDER_FILLED,
        subject=order.intent.client_id,
        ours=f"{order.filled} of {order.intent.size} lots executed",
        theirs=f"{report.filled} lots executed, {report.state.value}",
        detail=f"{order.intent.symbol}: the size that is stated does not fit",
    )


def listed_since(orders: Iterable[Working], now: Instant, seen_upto: int) -> Instant:
    """Return from when executions are asked for.

    Args:
        orders: those that the books wait for.
        now: the time.
        seen_upto: when everything was last looked through; 0 to look through everything.
    """
    oldest = min((order.intent.decided_at for order in orders), default=now)
    return Instant(min(max(oldest, seen_upto - LISTED_LATE), now) - OVERLAP)


def owed(stated: Mapping[str, int], orders: Iterable[Working], fills: Iterable[UserFill]) -> bool:
    """Return whether executions are still to be listed: nobody protects them meanwhile.

    Args:
        stated: lots that count as executed, by client id.
        orders: what the books wait for, with what they have of it.
        fills: what was listed; the books may have some of it.
    """
    listed = Counter({order.intent.client_id: order.filled for order in orders})
    known = {order.intent.client_id: order.trade_ids for order in orders}
    for told in fills:
        fill = told.fill
        if fill.trade_id not in known.get(fill.client_id, ()):
            listed[fill.client_id] += fill.size
    return any(lots > listed[client_id] for client_id, lots in stated.items())


def missed(fill: Fill) -> Difference:
    """Return the difference that an execution is which the books lacked."""
    return Difference(
        kind=DifferenceKind.EXECUTION_MISSING,
        subject=fill.trade_id,
        ours="",
        theirs=f"{fill.symbol} {fill.side.value} {fill.size} lots at {fill.price} ticks, fee {fill.fee:f}, "
        f"order {fill.client_id}",
        detail=f"execution {fill.trade_id} was missing in the books",
    )


def foreign(open_now: Sequence[OrderReport], ours: Collection[str], mark: str) -> list[Difference]:
    """Return the open orders of others: neither in the books nor named as ours are."""
    return [
        Difference(
            kind=DifferenceKind.FOREIGN_ORDER,
            subject=report.client_id or report.order_id,
            ours="",
            theirs=OPEN,
            detail=f"{report.symbol}: {SOMEBODY_ELSES}",
        )
        for report in open_now
        if report.client_id not in ours and not report.client_id.startswith(mark)
    ]


def held(books: SymbolBooks) -> int:
    """Return the lots of the position, negative for a short."""
    return sum(lot.entry.sign * lot.lots for lot in books.lots)
