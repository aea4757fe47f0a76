"""The entry desk: keeps the wanted entry quotes resting, or says which gate forbids it.

A quote is never replaced in place: it is cancelled, its end is awaited, and only then is the next one
sent, so that one hold is enough and a lost answer can never leave two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quietmaker.core import gates
from quietmaker.core.commands import (
    CancelOrder,
    CancelReason,
    Command,
    Gate,
    HoldChanged,
    SubmitOrder,
)
from quietmaker.core.orders import Intent, Move, OrderState, Purpose, TimeInForce, Working
from quietmaker.core.quoting import in_band, skew_ticks, wanted_price
from quietmaker.core.risk import OrderRate, Refused, approve, describe
from quietmaker.core.state import State
from quietmaker.core.units import NEVER, PPB, SECOND, Instant, Lots, Side, Ticks

CANCEL_RETRY: Final = 5 * SECOND
"""A cancellation that was not confirmed after this long is asked for again."""

REFUSALS_BEFORE_PAUSE: Final = 3
PAUSE_LIMIT: Final = 60 * SECOND


@dataclass(frozen=True, slots=True)
class Quote:
    """One level that should rest."""

    price: int
    lots: int


@dataclass(slots=True)
class Plan:
    """What one side should show: a quote per level, or the gate that forbids it.

    Attributes:
        bid, ask: the quotes that the market gates judged, for the explanation.
    """

    gate: Gate | None
    detail: str
    quotes: list[Quote | None]
    bid: int
    ask: int


@dataclass(slots=True)
class Ladder:
    """One side: its working orders by level, and what it last said.

    Attributes:
        refused: post-only or other refusals in a row; after a few the side pauses, ever longer.
        pause_until: no new entry on this side before.
    """

    side: Side
    slots: list[Working | None]
    gate: Gate | None = Gate.WARMING_UP
    told: bool = False
    refused: int = 0
    pause_until: int = 0

    def working(self) -> list[Working]:
        """Return the orders of this side that have not settled."""
        return [order for order in self.slots if order is not None]

    def best(self) -> int | None:
        """Return the price of the order nearest the touch."""
        prices = [
            order.intent.price for order in self.slots if order is not None and not order.done
        ]
        if not prices:
            return None
        return max(prices) if self.side is Side.BUY else min(prices)


class EntryDesk:
    """Quotes both configured sides of one symbol."""

    __slots__ = ("ladders", "rate", "state")

    def __init__(self, state: State) -> None:
        """Work on these facts."""
        self.state = state
        self.rate = OrderRate()
        self.ladders: dict[Side, Ladder] = {}
        self.configure()

    def configure(self) -> None:
        """Take the configured sides and levels; orders beyond them are cancelled by the next decision."""
        quote = self.state.params.quote
        for side, on in ((Side.BUY, quote.bid), (Side.SELL, quote.ask)):
            ladder = self.ladders.get(side)
            if ladder is None:
                if not on:
                    continue
                ladder = self.ladders[side] = Ladder(side, [])
            missing = len(quote.level_sizes) - len(ladder.slots)
            ladder.slots.extend([None] * missing)

    def adopt(self, order: Working) -> None:
        """Take over an entry order of an earlier run."""
        side = order.intent.side
        slots = self.ladders.setdefault(side, Ladder(side, [])).slots
        if None in slots:
            slots[slots.index(None)] = order
        else:
            slots.append(order)

    def on_refused(self, order: Working) -> None:
        """Count a refused entry; a side that is refused again and again pauses, ever longer."""
        ladder = self.ladders[order.intent.side]
        ladder.refused += 1
        if ladder.refused >= REFUSALS_BEFORE_PAUSE:
            pause = SECOND << min(ladder.refused - REFUSALS_BEFORE_PAUSE, 6)
            ladder.pause_until = self.state.now + min(pause, PAUSE_LIMIT)

    def on_accepted(self, order: Working) -> None:
        """Forget earlier refusals."""
        self.ladders[order.intent.side].refused = 0

    def manage(self, out: list[Command]) -> None:
        """Bring the resting entries to what is wanted now."""
        standing = gates.standing(self.state)
        for ladder in self.ladders.values():
            for level, order in enumerate(ladder.slots):
                if order is not None and order.settled:
                    ladder.slots[level] = None
            plan = self.plan(ladder, standing, self.state.bid, self.state.ask)
            self._apply(ladder, plan, out)
            self._tell(ladder, plan, out)

    # --- deciding -----------------------------------------------------------------------------

    def plan(self, ladder: Ladder, standing: Gate | None, bid: int, ask: int) -> Plan:
        """Return what a side should show at this touch."""
        plan = Plan(standing, "", [None] * len(ladder.slots), bid, ask)
        if plan.gate is not None:
            return plan
        if not self._configured(ladder.side):
            plan.gate, plan.detail = Gate.SIDE_OFF, "the side is not configured (quote.sides)"
            return plan
        if bid >= ask:
            plan.gate = Gate.BOOK_CROSSED
            return plan
        best = {
            side: self._wanted(side, 0, bid, ask) for side in self.ladders if self._configured(side)
        }
        plan.bid = max(bid, best.get(Side.BUY, bid))
        plan.ask = min(ask, best.get(Side.SELL, ask))
        plan.gate = gates.market(self.state, plan.bid, plan.ask)
        if plan.gate is None:
            self._fill_levels(ladder, plan, bid, ask)
        return plan

    def _configured(self, side: Side) -> bool:
        quote = self.state.params.quote
        return quote.bid if side is Side.BUY else quote.ask

    def _wanted(self, side: Side, level: int, bid: int, ask: int) -> int:
        state = self.state
        skew = 0
        if state.position.lots and state.params.quote.inventory_skew:
            sign = state.position.entry.sign if state.position.entry is not None else 0
            skew = skew_ticks(
                state.params.quote,
                inventory=sign * state.position.cost,
                cap=state.limits.position,
                mid=(bid + ask) // 2,
            )
        own = self.ladders[side].best()
        return wanted_price(state.params.quote, side, level, bid=bid, ask=ask, skew=skew, own=own)

    def _occupied(self, ladder: Ladder) -> tuple[Gate | None, str]:
        """Return the gate that closes a side whatever the price: its position, or a fill just now."""
        state = self.state
        held = state.position.entry
        if held is not None and state.is_on(Gate.POSITION_OPEN.value):
            if held is not ladder.side:
                return Gate.POSITION_OPEN, "the exit owns this side"
            room = self._room()
            if not ladder.working() and room < min(state.limits.level_sizes):
                return Gate.POSITION_OPEN, self._room_detail(room)
        if not ladder.working() and self._cooling():
            return Gate.COOLDOWN, ""
        return None, ""

    def _room(self) -> int:
        state = self.state
        if not state.is_on(Gate.POSITION_OPEN.value):
            return NEVER
        return state.limits.position - state.position.cost

    def _cooling(self) -> bool:
        state, last = self.state, self.state.last_fill
        cooling = last is not None and state.now - last < state.params.quote.cooldown
        return cooling and state.is_on(Gate.COOLDOWN.value)

    def _fill_levels(self, ladder: Ladder, plan: Plan, bid: int, ask: int) -> None:
        """Put a quote into every level that no limit forbids; the first limit met is the gate."""
        state, side = self.state, ladder.side
        room = self._room()
        exposure = state.position.cost + self.reserved()
        funds = self._funds(side)
        for level in range(len(state.limits.level_sizes)):
            order = ladder.slots[level]
            price = self._wanted(side, level, bid, ask)
            if order is not None:
                need = order.leaves * order.intent.price
                quote: Quote | None = Quote(price, order.leaves)
                gate, detail = (Gate.POSITION_OPEN, "") if need > room else (None, "")
            else:
                quote, gate, detail = self._new_quote(side, level, price, room, funds, exposure)
                need = quote.lots * quote.price if quote is not None else 0
                funds -= self._cost(side, quote) if quote is not None else 0
                exposure += need
            if gate is not None:
                plan.gate = plan.gate or gate
                plan.detail = plan.detail or detail or self._room_detail(room)
                continue
            plan.quotes[level] = quote
            room -= need

    def _new_quote(
        self, side: Side, level: int, price: int, room: int, funds: int, exposure: int
    ) -> tuple[Quote | None, Gate | None, str]:
        """Judge one level that does not rest yet: the quote, or the gate and its numbers."""
        state, product = self.state, self.state.product
        quote_params = state.params.quote
        if not in_band(quote_params, price) and state.is_on(Gate.PRICE_BAND.value):
            low, high = quote_params.price_floor, quote_params.price_ceiling
            return (
                None,
                Gate.PRICE_BAND,
                f"{price} ticks is not within {low} to {high} (quote.price_*)",
            )
        lots = min(state.limits.level_sizes[level] // price, product.max_lots)
        least = product.least_lots(price)
        if lots < least:
            detail = (
                f"level {level} buys {product.size(lots)}, least is {product.size(least)} "
                f"(quote.level_sizes)"
            )
            return None, Gate.BELOW_MINIMUM, detail
        quote = Quote(price, lots)
        if state.limits.level_sizes[level] > room:
            return None, Gate.POSITION_OPEN, self._room_detail(room)
        if self._cost(side, quote) > funds:
            return None, Gate.INSUFFICIENT_FUNDS, self._funds_detail(side, quote, funds)
        ladder = self.ladders[side]
        if self._cooling():
            return None, Gate.COOLDOWN, ""
        if state.now < ladder.pause_until:
            return None, Gate.COOLDOWN, f"{ladder.refused} refusals in a row"
        if state.is_on(Gate.RISK_REFUSED.value):
            verdict = approve(state, notional=lots * price, exposure=exposure, rate=self.rate)
            if isinstance(verdict, Refused):
                return None, Gate.RISK_REFUSED, describe(verdict)
        return quote, None, ""

    def reserved(self) -> int:
        """Return the value of entry orders that may still execute, in tick-lots."""
        return sum(
            order.leaves * order.intent.price
            for ladder in self.ladders.values()
            for order in ladder.working()
        )

    def _funds(self, side: Side) -> int:
        """Return what new entries of a side may use: tick-lots for bids, lots for asks."""
        state = self.state
        held = [order for order in self.ladders[side].working() if not order.done]
        if side is Side.BUY:
            spent = sum(self._cost(side, Quote(order.intent.price, order.leaves)) for order in held)
            return (state.funds or 0) - spent
        return (state.inventory or 0) - sum(order.leaves for order in held)

    def _cost(self, side: Side, quote: Quote) -> int:
        """Return what a quote reserves: a bid with the taker fee that the exchange may hold."""
        if side is Side.SELL:
            return quote.lots
        taker = self.state.fees.taker if self.state.fees is not None else 0
        return -(-quote.price * quote.lots * (PPB + taker) // PPB)

    def _room_detail(self, room: int) -> str:
        product = self.state.product
        cap = self.state.params.quote.max_position
        return f"{product.notional(max(room, 0), 1)} left of {cap} (quote.max_position)"

    def _funds_detail(self, side: Side, quote: Quote, funds: int) -> str:
        product = self.state.product
        if side is Side.SELL:
            return f"sells {product.size(quote.lots)} {product.base}, {product.size(max(funds, 0))} free"
        need = product.notional(self._cost(side, quote), 1)
        return f"needs {need} {product.quote}, {product.notional(max(funds, 0), 1)} free"

    # --- acting -------------------------------------------------------------------------------

    def _apply(self, ladder: Ladder, plan: Plan, out: list[Command]) -> None:
        for level, order in enumerate(ladder.slots):
            quote = plan.quotes[level]
            if order is None:
                if quote is not None:
                    ladder.slots[level] = self._submit(ladder.side, level, quote, out)
                continue
            self._tend(order, self.cancel_reason(order, quote), out)
        size = len(self.state.limits.level_sizes)
        while len(ladder.slots) > size and ladder.slots[-1] is None:
            ladder.slots.pop()

    def cancel_reason(self, order: Working, quote: Quote | None) -> CancelReason | None:
        """Return why a resting entry must go, None to keep its place in the queue."""
        if quote is None:
            return CancelReason.GATE
        params = self.state.params.quote
        if abs(quote.price - order.intent.price) >= params.refresh_ticks:
            return CancelReason.REPRICE
        if self.state.now - order.intent.decided_at >= params.max_age:
            return CancelReason.MAX_AGE
        return None

    def _tend(self, order: Working, reason: CancelReason | None, out: list[Command]) -> None:
        state = self.state
        if reason is not None and order.state is OrderState.OPEN:
            cancel(order, reason, state.now, out)
        elif order.state is OrderState.CANCEL_PENDING and state.now - order.sent_at >= CANCEL_RETRY:
            cancel(order, reason or CancelReason.REPRICE, state.now, out)

    def _submit(self, side: Side, level: int, quote: Quote, out: list[Command]) -> Working:
        state = self.state
        ttl = state.params.quote.time_to_live
        client_id = state.client_id(side, "E")
        intent = Intent(
            client_id=client_id,
            symbol=state.product.symbol,
            side=side,
            price=Ticks(quote.price),
            size=Lots(quote.lots),
            post_only=True,
            time_in_force=TimeInForce.GTC if ttl is None else TimeInForce.GTD,
            expire_at=None if ttl is None else Instant(state.now + ttl),
            purpose=Purpose.ENTRY,
            exit_reason=None,
            strategy_tag=state.params.strategy_tag,
            passive_order_id=client_id,
            decided_at=state.now,
            bid=Ticks(state.bid),
            ask=Ticks(state.ask),
            inputs=self._inputs(level),
        )
        order = Working(intent=intent, state=OrderState.PENDING, sent_at=state.now)
        state.orders[client_id] = order
        self.rate.add(state.now)
        out.append(SubmitOrder(intent=intent))
        return order

    def _inputs(self, level: int) -> tuple[tuple[str, str], ...]:
        state = self.state
        count, low, high = state.candles.window(state.now)
        return (
            ("level", str(level)),
            ("required_ppb", str(gates.required_rate(state))),
            ("candles", str(count)),
            ("range_low", str(low)),
            ("range_high", str(high)),
        )

    def _tell(self, ladder: Ladder, plan: Plan, out: list[Command]) -> None:
        """Say the reason for not quoting when it changes."""
        gate = plan.gate
        if gate is not None and any(quote is not None for quote in plan.quotes):
            gate = None  # a side with one level resting is quoted
        if gate is ladder.gate and ladder.told:
            return
        ladder.gate, ladder.told = gate, True
        detail = ""
        if gate is not None:
            detail = gates.explain(self.state, gate, bid=plan.bid, ask=plan.ask, limit=plan.detail)
        out.append(
            HoldChanged(
                symbol=self.state.product.symbol,
                now=self.state.now,
                side=ladder.side,
                gate=gate,
                detail=detail,
            )
        )

    def wake_at(self) -> int:
        """Return the next time at which a decision may change with no event."""
        state, params = self.state, self.state.params.quote
        due: int = NEVER
        for ladder in self.ladders.values():
            if state.now < ladder.pause_until:
                due = min(due, ladder.pause_until)
            for order in ladder.working():
                if order.state is OrderState.OPEN:
                    due = min(due, order.intent.decided_at + params.max_age)
                elif order.state is OrderState.CANCEL_PENDING:
                    due = min(due, order.sent_at + CANCEL_RETRY)
        if state.last_fill is not None and state.now - state.last_fill < params.cooldown:
            due = min(due, state.last_fill + params.cooldown)
        if self.rate.count(state.now) >= state.params.risk.max_orders_per_minute:
            due = min(due, self.rate.free_at(state.now))
        return due


def cancel(order: Working, reason: CancelReason, now: Instant, out: list[Command]) -> None:
    """Ask for the cancellation of an order, again if it was asked for before."""
    if order.state is OrderState.OPEN:
        order.move(Move.CANCEL_SENT)
    order.sent_at = now
    out.append(
        CancelOrder(
            client_id=order.intent.client_id, symbol=order.intent.symbol, reason=reason, now=now
        )
    )
