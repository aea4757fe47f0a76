"""The round trip under way: begun by an entry, counted part by part, finished when the position is flat."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from quietmaker.core.commands import Command, RoundTrip
from quietmaker.core.exit_desk import ExitDesk
from quietmaker.core.orders import ExitReason, Fill
from quietmaker.core.positions import Closed
from quietmaker.core.rounds import RoundTripBuilder
from quietmaker.core.state import State
from quietmaker.core.units import SECOND, ZERO, Instant, minus

DAY: Final = 86_400 * SECOND


class RoundTrips:
    """Keeps the round trip of one symbol."""

    __slots__ = ("_closer", "_exits", "_round", "_state")

    def __init__(self, state: State, exits: ExitDesk) -> None:
        """Work on these facts, with these exits."""
        self._state = state
        self._exits = exits
        self._round: RoundTripBuilder | None = None
        self._closer: tuple[str, ExitReason] = ("", ExitReason.PAIRED)

    @property
    def open(self) -> bool:
        """Return whether a round trip is under way."""
        return self._round is not None

    def open_result(self) -> Decimal:
        """Return the net result of what was closed of it so far, in quote."""
        return ZERO if self._round is None else self._round.sums.net(self._state.product)

    def count(self, closed: tuple[Closed, ...], fill: Fill) -> None:
        """Count closed units into their round trip; dust of an earlier one that goes is one of its own."""
        if self._round is None:
            first = closed[0].lot
            self._round = RoundTripBuilder(round_trip=first.order, opened_at=first.at)
        self._round.add(closed)
        order = self._state.orders.get(fill.client_id)
        reason = self._exits.reason if order is None else order.intent.exit_reason
        self._closer = (fill.client_id, reason or ExitReason.PAIRED)

    def begin(self, round_trip: str, at: Instant) -> None:
        """Begin a round trip, and its exits with it."""
        self._round = RoundTripBuilder(round_trip=round_trip, opened_at=at)
        self._exits.begin(round_trip, at)

    def close(self, out: list[Command], *, flipped: bool = False) -> None:
        """Finish the round trip once the position is flat, or is dust that nothing will join."""
        builder, state = self._round, self._state
        if builder is None or not builder.lots:
            return
        left = 0 if flipped else state.position.lots
        if left and not self._only_dust():
            return
        closing_order, reason = self._closer
        record = builder.finish(
            state.product,
            reason=reason,
            closing_order=closing_order,
            strategy_tag=state.params.strategy_tag,
            config_sha=state.params.config_sha,
            dust=left,
        )
        self._round = None
        self._book(record)
        out.append(record)
        self._exits.forget()

    def _only_dust(self) -> bool:
        """Return whether what is left is below the exchange's minimum and no order will change it."""
        state = self._state
        if any(order.leaves for order in state.orders.values()):
            return False
        entry = state.position.entry
        return entry is not None and self._exits.is_dust(max(1, state.exit_price_now(entry)))

    def _book(self, record: RoundTrip) -> None:
        """Add a result to its day's loss; a gain lessens it."""
        state = self._state
        if record.closed_at // DAY >= state.day:
            state.lost_today = minus(state.lost_today, record.net)
