"""The round trip under way: begun by an entry, counted part by part, finished when the position is flat."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from quietmaker.core.commands import Command, DustLeft, RoundTrip
from quietmaker.core.exit_desk import ExitDesk
from quietmaker.core.orders import ExitReason, Fill
from quietmaker.core.positions import Closed
from quietmaker.core.rounds import RoundTripBuilder
from quietmaker.core.state import State
from quietmaker.core.units import SECOND, ZERO, Instant, Lots, minus

DAY: Final = 86_400 * SECOND


class RoundTrips:
    """Keeps the round trip of one symbol."""

    __slots__ = ("_closer", "_exits", "_newest_at", "_newest_trade", "_resumed", "_round", "_state")

    def __init__(self, state: State, exits: ExitDesk) -> None:
        """Work on these facts, with these exits."""
        self._state = state
        self._exits = exits
        self._round: RoundTripBuilder | None = None
        self._closer: tuple[str, ExitReason] = ("", ExitReason.PAIRED)
        self._resumed = False
        self._newest_at = 0
        self._newest_trade = ""

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
        self._resumed = False
        self._exits.begin(round_trip, at)

    def resume(self, round_trip: str, at: Instant) -> None:
        """Go on with a round trip of an earlier life, of which units may have been closed already."""
        self.begin(round_trip, at)
        self._resumed = True

    def note(self, at: int, trade_id: str) -> None:
        """Know the newest execution; they may be told in any order."""
        self._newest_at, self._newest_trade = max(
            (self._newest_at, self._newest_trade), (at, trade_id)
        )

    def close(self, out: list[Command], *, flipped: bool = False) -> None:
        """Finish the round trip once the position is flat, or is dust that nothing will join."""
        builder, state = self._round, self._state
        if builder is None or not (builder.lots or self._resumed):
            return
        left = 0 if flipped else state.position.lots
        if left and not self._only_dust():
            return
        if builder.lots:
            out.append(self._finish(builder, left))
        if left:
            out.append(
                DustLeft(
                    symbol=state.product.symbol,
                    now=state.now,
                    trade_id=self._newest_trade,
                    lots=Lots(left),
                )
            )
        self._round = None
        self._exits.forget()

    def _finish(self, builder: RoundTripBuilder, left: int) -> RoundTrip:
        """Return the record, and add its result to the day's."""
        state = self._state
        closing_order, reason = self._closer
        record = builder.finish(
            state.product,
            reason=reason,
            closing_order=closing_order,
            strategy_tag=state.params.strategy_tag,
            config_sha=state.params.config_sha,
            dust=left,
        )
        if record.closed_at // DAY >= state.day:
            state.lost_today = minus(state.lost_today, record.net)  # a gain lessens it
        return record

    def _only_dust(self) -> bool:
        """Return whether what is left is below the exchange's minimum and no order will change it."""
        state = self._state
        if any(order.leaves for order in state.orders.values()):
            return False
        entry = state.position.entry
        return entry is not None and self._exits.is_dust(max(1, state.exit_price_now(entry)))
