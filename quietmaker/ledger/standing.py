"""Where an order stands: the fold of its stored events over the core's transition table."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.orders import IllegalMove, Move, OrderState, next_state
from quietmaker.core.units import Instant

SENT: Final = "sent"
"""The word of the event that says that the request was told to go."""

_MOVES: Final = {move.value: move for move in Move}
_ENDS: Final = {
    Move.FILLED: OrderState.FILLED,
    Move.CANCELLED: OrderState.CANCELLED,
    Move.EXPIRED: OrderState.EXPIRED,
}
_SENDS: Final = frozenset({SENT, Move.CANCEL_SENT.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One order as its events tell it.

    Attributes:
        order_id: the exchange's id, once it was told.
        sent_at: when the request, or the last cancel request, was told to go.
        final: total executed size that the exchange stated with the end, None before.
    """

    state: OrderState
    order_id: str | None
    sent_at: Instant
    final: Decimal | None


def fold(
    client_id: str,
    standing: Standing,
    *,
    what: str,
    at: Instant,
    order_id: str | None,
    filled: Decimal | None,
) -> Standing:
    """Return the standing after an event.

    A word that is no move changes no state, and neither does a move that the table does not allow: the
    event stays stored, and the trader, which sees the same move, reports it. An order that failed may
    have been given up while its request was under way: the end that the exchange states is the truer one.
    """
    state = standing.state
    if (move := _MOVES.get(what)) is not None:
        try:
            state = next_state(client_id, state, move)
        except IllegalMove as illegal:
            given_up = illegal.state is OrderState.FAILED
            state = _ENDS.get(illegal.move, illegal.state) if given_up else illegal.state
    return Standing(
        state=state,
        order_id=standing.order_id or order_id,
        sent_at=at if what in _SENDS else standing.sent_at,
        final=max((f for f in (standing.final, filled) if f is not None), default=None),
    )


def at_recovery(state: OrderState) -> OrderState:
    """Return the state to recover with: a request without a stored answer may have been sent."""
    return OrderState.UNKNOWN if state is OrderState.PENDING else state
