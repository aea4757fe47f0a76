"""One symbol's trader: `on(event) -> commands`. The same object runs live, on paper and in replay.

It applies the event to the facts (`State`), lets the exit desk and then the entry desk bring the
orders to what is wanted, and returns what is to be done and known. It holds no clock, calls nobody,
and returns a shared empty tuple when nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from quietmaker.core import quiet
from quietmaker.core.candles import next_boundary
from quietmaker.core.commands import Alert, AlertKind, CancelReason, Command
from quietmaker.core.entry_desk import EntryDesk, cancel, kept_until
from quietmaker.core.events import (
    OrderFilled,
    OrderMoved,
    Recovered,
    Tick,
    TouchChanged,
    TradePrinted,
    TraderEvent,
)
from quietmaker.core.exit_desk import ExitDesk
from quietmaker.core.learning import learn
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import (
    POST_ONLY_REFUSED,
    TERMINAL,
    Fill,
    IllegalMove,
    Move,
    OrderState,
    Purpose,
    TimeInForce,
    Working,
)
from quietmaker.core.params import TraderParams
from quietmaker.core.positions import Position, TradeMemory
from quietmaker.core.product import Product
from quietmaker.core.state import State, tick_lots
from quietmaker.core.trips import DAY, RoundTrips
from quietmaker.core.units import (
    ZERO,
    Instant,
    Liquidity,
    Lots,
    Side,
)

NOTHING: Final[tuple[Command, ...]] = ()
Quiet: TypeAlias = tuple[int, int, int, int, int, int]
"""Lowest and highest bid, lowest and highest ask, inclusive; from when, inclusive; until when."""

_OPEN: Final = OrderState.OPEN
_EXIT: Final = Purpose.EXIT
_FILLED: Final = Move.FILLED
_AFTER_THE_END: Final = frozenset(
    {Move.CANCELLED, Move.FILLED, Move.EXPIRED, Move.FAILED, Move.CANCEL_REFUSED}
)
"""What may be told, late or again, of an order that is forgotten already."""
_TAKEN: Final = frozenset({Move.ACCEPTED, Move.FILLED, Move.CANCELLED, Move.EXPIRED})
"""What only happens to an order that the exchange took; the end may be told before the acceptance."""
_STOOD: Final = frozenset({Move.FILLED, Move.EXPIRED})
_CANCELLED: Final = Move.CANCELLED
_FAILED: Final = OrderState.FAILED
_IOC: Final = TimeInForce.IOC
_TAKER: Final = Liquidity.TAKER
_BUY: Final = Side.BUY
_ENTRY: Final = Purpose.ENTRY
_SELL: Final = Side.SELL


class Trader:
    """The state machine of one symbol.

    Args:
        product: what the exchange says of it.
        params: what the operator chose.
        id_prefix: begins every client id; unique to the run.

    Attributes:
        boxed: whether touches inside the quiet box are passed over; off only to test the box.
        wake_at: when a decision is due although nothing happens.
    """

    __slots__ = (
        "_ask_high",
        "_ask_low",
        "_bid_high",
        "_bid_low",
        "_candles",
        "_stopping",
        "_trades",
        "_trips",
        "_unboxed",
        "boxed",
        "entries",
        "exits",
        "state",
        "wake_at",
    )

    def __init__(self, product: Product, params: TraderParams, *, id_prefix: str) -> None:
        """Start knowing nothing: warming up until recovered, eligible and fed."""
        self.state = State(product, params, id_prefix=id_prefix)
        self.entries = EntryDesk(self.state)
        self.exits = ExitDesk(self.state)
        self.boxed = True
        self._candles = self.state.candles
        self._trips = RoundTrips(self.state, self.exits)
        self._trades = TradeMemory()
        self._stopping = False
        self._bid_low, self._bid_high, self._ask_low, self._ask_high = 1, 0, 1, 0
        self._unboxed = False
        self.wake_at: int = 0

    # --- the hot path ---------------------------------------------------------------------------

    def on_touch(self, now: int, bid: int, ask: int) -> Sequence[Command]:
        """Take a new touch; a price of 0 is an empty side."""
        state = self.state
        if (
            self._bid_low <= bid <= self._bid_high
            and self._ask_low <= ask <= self._ask_high
            and state.now <= now < self.wake_at
        ):
            state.now = now  # type: ignore[assignment]
            state.bid = bid
            state.ask = ask
            return NOTHING
        return self._on_new_touch(now, bid, ask)

    def note_trade(self, now: int, price: int) -> None:
        """Take a trade without deciding: for a caller that has the next event at hand."""
        self._candles.on_trade(now, price)  # type: ignore[arg-type]

    def on_trade(self, now: int, price: int) -> Sequence[Command]:
        """Take a trade from the public tape."""
        self._candles.on_trade(now, price)  # type: ignore[arg-type]
        if now < self.wake_at:
            return NOTHING
        return self.on_time(now)

    def on_time(self, now: int) -> Sequence[Command]:
        """Let time pass."""
        if now < self.wake_at:
            return NOTHING
        self._advance(now)
        return self._decide()

    def quiet(self) -> Quiet | None:
        """Return the touches and times at which nothing is decided; None before the next touch asks.

        For a caller that would wake somebody for a touch or a trade. It holds until the next event.
        """
        if not self._bid_high:
            return None
        return (
            self._bid_low,
            self._bid_high,
            self._ask_low,
            self._ask_high,
            self.state.now,
            self.wake_at,
        )

    # --- events ---------------------------------------------------------------------------------

    def on(self, event: TraderEvent) -> Sequence[Command]:
        """Take one event and return what is to be done, in order."""
        match event:
            case TouchChanged(now=now, bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size):
                return self.on_touch(now, bid if bid_size else 0, ask if ask_size else 0)
            case TradePrinted(now=now, price=price):
                return self.on_trade(now, price)
            case Tick(now=now):
                return self.on_time(now)
            case OrderFilled(now=now, fill=fill):
                return self.on_fill(now, fill)
            case OrderMoved():
                return self.on_moved(
                    event.now, event.client_id, event.move, event.reason, event.filled
                )
            case Recovered():
                self._advance(event.now)
                return self._recover(event)
            case _:
                self._advance(event.now)
                learn(event, self.state, self.entries, self.exits)
        return self._decide()

    def stop(self, now: Instant) -> Sequence[Command]:
        """Cancel everything for a shutdown; no order is sent any more."""
        self._advance(now)
        self._stopping = True
        out: list[Command] = []
        for order in self.state.orders.values():
            if order.state is _OPEN:
                cancel(order, CancelReason.SHUTDOWN, now, out)
        return out

    def share(self, others: Decimal, funds: Decimal | None) -> None:
        """Learn what the other symbols use and leave, as from `ExposureChanged` and `FundsChanged`.

        The next event decides with it. For a caller that has the next event at hand: one decision instead
        of two.
        """
        product = self.state.product
        self.state.others = tick_lots(product, others)
        self.state.funds = None if funds is None else tick_lots(product, funds)
        self._bid_low, self._bid_high, self._ask_low, self._ask_high = 1, 0, 1, 0
        self.wake_at = 0

    def open_result(self) -> Decimal:
        """Return the net result of what was closed of the round trip that is still open, in quote."""
        return self._trips.open_result()

    def _recover(self, event: Recovered) -> Sequence[Command]:
        """Adopt the orders and lots that the ledger and the exchange agree on."""
        state = self.state
        state.position = Position(event.lots)
        state.next_sequence = max(state.next_sequence, event.next_sequence)
        for lot in event.lots:
            self._trades.note(lot.trade_id)
        for order in event.orders:
            state.orders[order.intent.client_id] = order
            for trade_id in order.trade_ids:
                self._trades.note(trade_id)
            if order.intent.purpose is _EXIT and self.exits.order is None:
                self.exits.order = order
            else:
                self.entries.adopt(order)
        if event.newest is not None:
            self._trips.note(*event.newest)
        if event.latest is not None and event.latest[0] == state.day:
            state.lost_today = -event.latest[1]
        if event.lots and event.round_trip is not None:
            first = next(
                (lot for lot in event.lots if lot.order == event.round_trip), event.lots[0]
            )
            self._trips.resume(event.round_trip, first.at)
            self.exits.reason = event.reason
        state.recovered = True
        out: list[Command] = []
        if state.seen:
            self._trips.close(
                out
            )  # an earlier life may have ended before it could say what is dust
        return self._decide(out)

    # --- orders ---------------------------------------------------------------------------------

    def on_moved(
        self, now: int, client_id: str, move: Move, reason: str, filled: int | None
    ) -> Sequence[Command]:
        """Take what became of an order; the arguments are those of `OrderMoved`."""
        self._advance(now)
        out: list[Command] = []
        order = self.state.orders.get(client_id)
        if order is None:
            if move not in _AFTER_THE_END:
                self._alert(AlertKind.UNKNOWN_ORDER, f"{client_id} {move.value}", out)
            return out or NOTHING
        was = order.state
        try:
            order.move(move)
        except IllegalMove as illegal:
            self._alert(AlertKind.ILLEGAL_MOVE, str(illegal), out)
            return out
        self._note(order, move, filled, reason, was, out)
        if order.settled:
            self._settle(order, out)
        decided = order.state is _OPEN and order.decision == self.state.decisions
        ends = kept_until(order.intent, self.state.params.quote.max_age)
        if decided and self.state.now < min(self.wake_at, ends):
            self._rest()  # nothing was decided since it was sent: it is what is wanted
            return out or NOTHING
        return self._decide(out)

    def _note(
        self,
        order: Working,
        move: Move,
        filled: int | None,
        reason: str,
        was: OrderState,
        out: list[Command],
    ) -> None:
        """Tell the desk that owns the order what became of it."""
        if order.done:
            # A cancellation that is refused after the end states nothing, and takes nothing back.
            stated = order.intent.size if move is _FILLED else filled
            if stated is not None:
                order.final = max(order.final or 0, stated)
        if order.intent.purpose is not _EXIT:
            self._note_entry(order, move, reason, was, out)
        elif move in _TAKEN and was is not _OPEN:
            self.exits.on_accepted()
        elif order.state is _FAILED and was is not _FAILED:
            self.exits.on_refused(order, reason, out)

    def _note_entry(
        self, order: Working, move: Move, reason: str, was: OrderState, out: list[Command]
    ) -> None:
        ended = order.done and was not in TERMINAL
        if ended and not order.filled and POST_ONLY_REFUSED in reason:
            self.entries.on_crossed(order, out)
            return
        if move in _TAKEN and was is not _OPEN:
            self.entries.on_accepted(order)
        elif order.state is _FAILED and was is not _FAILED:
            self.entries.on_refused(order)
        if ended and (move in _STOOD or (order.asked and move is _CANCELLED)):
            self.entries.on_rested(order)

    def _settle(self, order: Working, out: list[Command]) -> None:
        """Let go of an order that has ended with all its fills told."""
        self.state.orders.pop(order.intent.client_id, None)
        if order is self.exits.order:
            self.exits.on_ended(order)
            self.exits.order = None
        self._trips.close(out)

    # --- fills ----------------------------------------------------------------------------------

    def on_fill(self, now: int, fill: Fill) -> Sequence[Command]:
        """Take an execution; one that was told before is passed over."""
        if not self._trades.note(fill.trade_id):
            return NOTHING
        self._advance(now)
        out: list[Command] = []
        order = self.state.orders.get(fill.client_id)
        if order is not None:
            order.filled += fill.size
            order.trade_ids.add(fill.trade_id)
            if order.intent.purpose is _ENTRY:
                self.entries.on_rested(order)
            if order.filled > order.intent.size:
                self._alert(AlertKind.OVERFILL, f"{fill.client_id} filled {order.filled}", out)
        self._check_liquidity(order, fill, out)
        self._apply(fill, out)
        if order is not None and order.settled:
            self._settle(order, out)
        return self._decide(out)

    def _check_liquidity(self, order: Working | None, fill: Fill, out: list[Command]) -> None:
        taking = order is not None and order.intent.time_in_force is _IOC
        if fill.liquidity is _TAKER and not taking:
            self._alert(AlertKind.TAKER_FILL, f"{fill.client_id} paid {fill.fee} as taker", out)

    def _apply(self, fill: Fill, out: list[Command]) -> None:
        """Move the position, the funds and the round trip by one fill."""
        state = self.state
        position = state.position
        before = position.entry
        closed = position.apply(fill, state.bid + state.ask)
        self._trips.note(fill.at, fill.trade_id)
        self._spend(fill)
        if closed:
            self._trips.count(closed, fill)
        after = position.entry
        if after is fill.side:
            state.last_fill = state.now
            if closed:
                self._trips.close(out, flipped=True)
            if before is not after or not self._trips.open:
                self._trips.begin(fill.client_id, fill.at)
        self.exits.on_position()
        self._trips.close(out)

    def _spend(self, fill: Fill) -> None:
        """Move what entries may use by what a fill took or gave."""
        state, product = self.state, self.state.product
        if state.funds is not None:
            value = fill.price * fill.size
            # The fee is rounded up: what is left is never overstated.
            paid = product.value_up(fill.fee) if fill.fee else 0
            state.funds += -value - paid if fill.side is _BUY else value - paid
        order = state.orders.get(fill.client_id)
        own = order is None or order.intent.purpose is _ENTRY
        if state.inventory is not None and fill.side is _SELL and own:
            state.inventory = Lots(state.inventory - fill.size)
        elif state.inventory is not None and fill.side is _BUY and not own:
            state.inventory = Lots(state.inventory + fill.size)

    # --- deciding -------------------------------------------------------------------------------

    def _on_new_touch(self, now: int, bid: int, ask: int) -> Sequence[Command]:
        if self._unboxed:
            self._unboxed = False
            box = quiet.quiet_box(self.entries, self.exits)
            self._bid_low, self._bid_high = box.bid_low, box.bid_high
            self._ask_low, self._ask_high = box.ask_low, box.ask_high
            return self.on_touch(now, bid, ask)
        self._advance(now)
        state = self.state
        if bid <= 0 or ask <= 0 or bid >= ask:
            state.stale = StaleReason.CROSSED if bid > 0 and ask > 0 else StaleReason.ONE_SIDED
            return self._decide()
        first = not state.seen
        changed = state.bid != bid or state.ask != ask or state.stale is not None or first
        state.bid, state.ask, state.stale, state.seen = bid, ask, None, True
        if not changed and now < self.wake_at:
            return NOTHING
        out: list[Command] = []
        if first:
            self._trips.close(out)  # recovered before any price was known
        return self._decide(out)

    def _advance(self, now: int) -> None:
        state = self.state
        if now > state.now:
            state.now = Instant(now)
            if now // DAY != state.day:
                state.day, state.lost_today = now // DAY, ZERO

    def _decide(self, out: list[Command] | None = None) -> Sequence[Command]:
        out = [] if out is None else out
        if self._stopping:
            return out or NOTHING
        self.state.decisions += 1
        self.exits.manage(out)
        self.entries.manage(out)
        self._rest()
        return out or NOTHING

    def _rest(self) -> None:
        """Work out how long the decision stands; over which touches, the next touch will ask.

        Half of all decisions are followed by another one before any touch comes.
        """
        self._bid_high = 0  # no touch is inside
        self._unboxed = self.boxed
        due: int = next_boundary(self.state.now)
        due = min(due, self.entries.wake_at())
        self.wake_at = min(due, self.exits.wake_at())

    def _alert(self, kind: AlertKind, detail: str, out: list[Command]) -> None:
        out.append(
            Alert(symbol=self.state.product.symbol, now=self.state.now, kind=kind, detail=detail)
        )
