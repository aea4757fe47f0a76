"""The exit desk: owns every filled unit, from the first partial fill until it is sold or is dust.

One exit order per position, sized from the position. To change it: cancel, await the end, place the
next. A refused exit is tried again, later and further, and never given up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from quietmaker.core.commands import (
    Alert,
    AlertKind,
    CancelReason,
    Command,
    SubmitOrder,
)
from quietmaker.core.entry_desk import CANCEL_RETRY, cancel
from quietmaker.core.exit_levels import compute_levels
from quietmaker.core.exits import (
    Exit,
    Levels,
    Timers,
    Urgency,
    View,
    decide,
    in_force,
    reach,
    remember,
)
from quietmaker.core.orders import (
    POST_ONLY_REFUSED,
    ExitReason,
    Intent,
    OrderState,
    Purpose,
    TimeInForce,
    Working,
)
from quietmaker.core.state import State
from quietmaker.core.units import (
    NEVER,
    SECOND,
    Instant,
    Lots,
    Rate,
    Side,
    Ticks,
)

ASKS_BEFORE_ALERT: Final = 3
RETRY_LIMIT: Final = 60 * SECOND

_IOC: Final = TimeInForce.IOC
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_TAKE: Final = Urgency.TAKE
_PATIENT: Final = Urgency.PATIENT
_OPEN: Final = OrderState.OPEN
_CANCEL_PENDING: Final = OrderState.CANCEL_PENDING
_PENDING: Final = OrderState.PENDING
_GTC: Final = TimeInForce.GTC
_EXIT: Final = Purpose.EXIT


class Owner(Enum):
    """Who is responsible for held units right now."""

    NOBODY = "nobody"
    EXIT_ORDER = "exit_order"
    CHANGING = "changing"
    PLACING = "placing"
    DUST = "dust"


@dataclass(frozen=True, slots=True)
class Ownership:
    """The units held, each with its one owner."""

    owner: Owner
    lots: int


class ExitDesk:
    """Leaves the position of one symbol.

    Attributes:
        order: the exit order that has not settled, None when there is none.
        wanted: the rule's latest word, None when flat.
        round_trip: client id of the entry that opened the position; empty when flat, or for dust.
        tries: taking exits that did not fill in a row; each doubles the reach.
        refusals: exits refused in a row; each doubles the pause before the next.
    """

    __slots__ = (
        "_rules",
        "levels",
        "order",
        "reason",
        "refusals",
        "retry_at",
        "round_trip",
        "state",
        "timers",
        "tries",
        "wanted",
    )

    def __init__(self, state: State) -> None:
        """Work on these facts."""
        self.state = state
        self.order: Working | None = None
        self.levels: Levels | None = None
        self.timers: Timers | None = None
        self.wanted: Exit | None = None
        self.reason: ExitReason | None = None
        self.round_trip = ""
        self.tries = 0
        self.refusals = 0
        self.retry_at: int = 0
        self._rules = in_force(state.params.without)

    def configure(self) -> None:
        """Take a new configuration."""
        self._rules = in_force(self.state.params.without)
        self.on_position()

    # --- facts --------------------------------------------------------------------------------

    def on_position(self) -> None:
        """Recompute the levels after a fill, a fee change or a new configuration."""
        state = self.state
        entry = state.position.entry
        if entry is None:
            self.levels, self.timers, self.wanted = None, None, None
            self.tries = self.refusals = 0
            self.retry_at = 0
            return
        if self.timers is None:
            near = state.exit_price_now(entry)
            self.timers = Timers(first_fill=state.now, best=near)
        self.levels = compute_levels(state, entry)

    def begin(self, round_trip: str, at: Instant) -> None:
        """Start the exits of a round trip, named by its entry; the lifetime counts from the first fill.

        `on_position` must follow.
        """
        self.forget()
        self.round_trip = round_trip
        entry = self.state.position.entry
        if entry is not None:
            self.timers = Timers(first_fill=at, best=self.state.exit_price_now(entry))

    def forget(self) -> None:
        """Begin anew: the round trip is over. What may be left is dust."""
        self.round_trip = ""
        self.reason = None
        self.timers = None
        self.tries = self.refusals = 0
        self.retry_at = 0

    def on_refused(self, order: Working, reason: str, out: list[Command]) -> None:
        """Note that the exchange refused an exit; the next try waits, and is never given up."""
        state = self.state
        self.refusals += 1
        delay = state.params.exits.retry_delay << min(self.refusals - 1, 10)
        if reason == POST_ONLY_REFUSED and self.refusals == 1:
            delay = state.params.exits.retry_delay
        else:
            detail = (
                f"exit {order.intent.client_id} was refused: {reason} ({self.refusals} in a row)"
            )
            out.append(
                Alert(
                    symbol=state.product.symbol,
                    now=state.now,
                    kind=AlertKind.EXIT_REFUSED,
                    detail=detail,
                )
            )
        self.retry_at = state.now + min(delay, RETRY_LIMIT)

    def on_ended(self, order: Working) -> None:
        """Note the end of an exit order; a taking exit that took too little reaches further."""
        if order.intent.time_in_force is not _IOC or order.state is OrderState.FAILED:
            return
        if order.filled == 0:
            self.retry_at = self.state.now + self.state.params.exits.retry_delay
        if order.filled < order.intent.size:
            self.tries += 1
        else:
            self.tries = 0

    def on_accepted(self) -> None:
        """Forget earlier refusals."""
        self.refusals = 0

    # --- deciding -----------------------------------------------------------------------------

    def view(self, near: int, far: int) -> View | None:
        """Return what the rules would look at with this touch; None when flat."""
        if self.levels is None or self.timers is None:
            return None
        state = self.state
        return View(
            state.now,
            near,
            far,
            state.seen and state.stale is None,
            state.mode,
            self.levels,
            self.timers,
            state.params.exits,
        )

    def manage(self, out: list[Command]) -> None:
        """Bring the exit order to what the rules want now."""
        if self.order is not None and self.order.settled:
            self.order = None
        state = self.state
        entry = state.position.entry
        if entry is None:
            self._drop(out)
            return
        if self.timers is None or self.levels is None:
            self.on_position()
        near, far = (state.bid, state.ask) if entry is _BUY else (state.ask, state.bid)
        view = self.view(near, far)
        if view is None:
            return
        remember(view)
        self.wanted = decide(view, self._rules)
        if self.wanted is not None:
            self.reason = self.wanted.reason
        if self.order is not None:
            self._tend(self.order, out)
        elif self.wanted is not None and state.now >= self.retry_at:
            self._place(entry, self.wanted, out)

    def keeps(self, order: Working, wanted: Exit | None) -> bool:
        """Return whether the working exit order already is what is wanted."""
        if wanted is None or order.intent.time_in_force is _IOC:
            return True
        if wanted.urgency is _TAKE:
            return False
        if order.leaves != self._size():
            return False
        distance = wanted.price - order.intent.price
        if not distance:
            return True
        # Never below the target: one that rests worse than it always moves.
        below = (
            self.levels is not None
            and (order.intent.price - self.levels.target) * self.levels.sign < 0
        )
        if wanted.urgency is _PATIENT and below:
            return False
        return abs(distance) < self.state.params.quote.refresh_ticks

    def _size(self) -> int:
        return min(self.state.position.lots, self.state.product.max_lots)

    def _drop(self, out: list[Command]) -> None:
        self.wanted = None
        order = self.order
        if order is not None and order.state is _OPEN and order.leaves:
            cancel(order, CancelReason.EXIT_CHANGED, self.state.now, out)

    def _tend(self, order: Working, out: list[Command]) -> None:
        now = self.state.now
        if (order.state is _OPEN and not self.keeps(order, self.wanted)) or (
            order.state is _CANCEL_PENDING and now - order.sent_at >= CANCEL_RETRY
        ):
            cancel(order, CancelReason.EXIT_CHANGED, now, out)
            if order.asked == ASKS_BEFORE_ALERT:
                self._alert_stuck(order, out)

    def _alert_stuck(self, order: Working, out: list[Command]) -> None:
        state = self.state
        name = order.intent.client_id
        detail = f"exit {name} does not end: its cancellation was asked for {order.asked} times"
        out.append(
            Alert(
                symbol=state.product.symbol, now=state.now, kind=AlertKind.EXIT_STUCK, detail=detail
            )
        )

    def is_dust(self, price: int) -> bool:
        """Return whether what is held is too little for the exchange to take at this price."""
        return self.state.position.lots < self.state.product.least_lots(price)

    def _place(self, entry: Side, wanted: Exit, out: list[Command]) -> None:
        price = self._limit(entry, wanted)
        if self.is_dust(price):
            price = (
                wanted.price
            )  # at the limit it would be worth too little to be taken; here it may not
        if price <= 0 or self.is_dust(price):
            return
        taking = wanted.urgency is _TAKE
        intent = self._intent(entry, wanted, price, taking=taking)
        self.order = Working(
            intent=intent,
            state=_PENDING,
            sent_at=self.state.now,
            decision=self.state.decisions,
        )
        self.state.orders[intent.client_id] = self.order
        out.append(SubmitOrder(intent=intent))

    def _limit(self, entry: Side, wanted: Exit) -> int:
        if wanted.urgency is not _TAKE:
            return wanted.price
        exits = self.state.params.exits
        slippage = min(exits.taker_slippage << min(self.tries, 20), exits.taker_slippage_max)
        return reach(wanted.price, entry, Rate(slippage))

    def _intent(self, entry: Side, wanted: Exit, price: int, *, taking: bool) -> Intent:
        state = self.state
        levels, priced = self.levels, state.product.price
        side = _SELL if entry is _BUY else _BUY
        return Intent(
            client_id=state.client_id(side, "X"),
            symbol=state.product.symbol,
            side=side,
            price=Ticks(price),
            size=Lots(self._size()),
            post_only=not taking,
            time_in_force=_IOC if taking else _GTC,
            expire_at=None,
            purpose=_EXIT,
            exit_reason=wanted.reason,
            strategy_tag=state.params.strategy_tag,
            passive_order_id=self.round_trip or state.position.open_lots()[0].order,
            decided_at=state.now,
            bid=Ticks(state.bid),
            ask=Ticks(state.ask),
            inputs=(
                ("break_even", str(priced(levels.break_even)) if levels else ""),
                ("target", str(priced(levels.target)) if levels else ""),
                ("stop", str(priced(levels.stop)) if levels else ""),
                ("tries", str(self.tries)),
            ),
            config_sha=state.params.config_sha,
        )

    # --- what an observer may ask ---------------------------------------------------------------

    def ownership(self) -> tuple[Ownership, ...]:
        """Return the held units with their owner; the units sum to the position."""
        held = self.state.position.lots
        if not held:
            return ()
        if self.order is None:
            price = self.wanted.price if self.wanted is not None else 0
            if price and self.is_dust(price):
                return (Ownership(Owner.DUST, held),)
            return (Ownership(Owner.PLACING if self.wanted is not None else Owner.NOBODY, held),)
        if self.order.leaves == held and self.order.state is _OPEN:
            return (Ownership(Owner.EXIT_ORDER, held),)
        return (Ownership(Owner.CHANGING, held),)

    def wake_at(self) -> int:
        """Return the next time at which a decision may change with no event."""
        timers, exits, order = self.timers, self.state.params.exits, self.order
        if timers is None:
            return NEVER
        now: int = self.state.now
        due = _sooner(timers.first_fill + exits.max_lifetime, now, NEVER)
        due = _sooner(self.retry_at, now, due)
        if timers.stale_since is not None:
            due = _sooner(timers.stale_since + exits.stale_patience, now, due)
        if timers.touch_since is not None:
            due = _sooner(timers.touch_since + exits.touch_patience, now, due)
        if order is not None and order.state is _CANCEL_PENDING:
            due = _sooner(order.sent_at + CANCEL_RETRY, now, due)
        return due


def _sooner(moment: int, now: int, due: int) -> int:
    return moment if now < moment < due else due
