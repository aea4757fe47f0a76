"""The entry desk: keeps the planned entry quotes resting, and says why a side is not quoted.

A quote is never replaced in place: it is cancelled, its end is awaited, and only then is the next one
sent, so that one hold is enough and a lost answer can never leave two.
"""

from __future__ import annotations

from typing import Final

from quietmaker.core import gates
from quietmaker.core.commands import (
    CancelOrder,
    CancelReason,
    Command,
    HoldChanged,
    RefreshBook,
    SubmitOrder,
)
from quietmaker.core.entry_plan import EntryPlanner, Ladder, Plan
from quietmaker.core.orders import Intent, Move, OrderState, Purpose, TimeInForce, Working
from quietmaker.core.params import TraderParams, requotes
from quietmaker.core.quoting import in_band
from quietmaker.core.state import State
from quietmaker.core.units import NEVER, SECOND, Instant, Lots, Side, Ticks

CANCEL_RETRY: Final = 5 * SECOND
"""A cancellation that was not confirmed after this long is asked for again."""

_ENTRY: Final = Purpose.ENTRY
_OPEN: Final = OrderState.OPEN
_CANCEL_PENDING: Final = OrderState.CANCEL_PENDING
_GTC: Final = TimeInForce.GTC
_GTD: Final = TimeInForce.GTD
_PENDING: Final = OrderState.PENDING
_CANCEL_SENT: Final = Move.CANCEL_SENT


class EntryDesk:
    """Quotes the configured sides of one symbol."""

    __slots__ = ("_outdated", "planner", "state")

    def __init__(self, state: State) -> None:
        """Work on these facts."""
        self.state = state
        self.planner = EntryPlanner(state)
        self._outdated = -1
        """Entries of this decision and of earlier ones are of another configuration."""
        self.configure(state.params)

    @property
    def ladders(self) -> list[Ladder]:
        """Return the sides that are or were configured."""
        return self.planner.ladders

    def configure(self, before: TraderParams) -> None:
        """Take the configured sides and levels; orders beyond them are cancelled by the next decision.

        So is everything that rests where the parameters before would have quoted otherwise.
        """
        if requotes(before, self.state.params):
            self._outdated = self.state.decisions
        for side in Side:
            ladder = self.planner.ladder(side)
            if ladder is None and self.planner.configured(side):
                ladder = Ladder(side)
                self.ladders.append(ladder)
            if ladder is not None:
                missing = len(self.state.params.quote.level_sizes) - len(ladder.slots)
                ladder.slots.extend([None] * missing)

    def _fits(self, order: Working) -> bool:
        """Return whether an order of an earlier life could be one of this configuration."""
        quote, limits, intent = self.state.params.quote, self.state.limits, order.intent
        value = intent.price * intent.size
        return in_band(quote, intent.price) and value <= min(limits.order, max(limits.level_sizes))

    def adopt(self, order: Working) -> None:
        """Take over an order of an earlier run: into a free level, or to be cancelled."""
        side = order.intent.side
        ladder = self.planner.ladder(side)
        if ladder is None:
            ladder = Ladder(side)
            self.ladders.append(ladder)
        if None in ladder.slots and order.intent.purpose is _ENTRY and self._fits(order):
            ladder.slots[ladder.slots.index(None)] = order
        else:
            ladder.slots.append(order)

    def on_refused(self, order: Working) -> None:
        """Count a refused entry."""
        ladder = self.planner.ladder(order.intent.side)
        if ladder is not None:
            ladder.on_refused(self.state.now)

    def on_crossed(self, order: Working, out: list[Command]) -> None:
        """Count an entry that would have crossed: enough of them speak against the book."""
        ladder = self.planner.ladder(order.intent.side)
        state = self.state
        if ladder is not None and ladder.on_crossed(
            state.now, state.params.quote.post_only_rejects
        ):
            out.append(RefreshBook(symbol=state.product.symbol, now=state.now))

    def on_rested(self, order: Working) -> None:
        """Forget entries that crossed: this one stood in the book."""
        ladder = self.planner.ladder(order.intent.side)
        if ladder is not None:
            ladder.on_rested()

    def on_accepted(self, order: Working) -> None:
        """Forget earlier refusals."""
        ladder = self.planner.ladder(order.intent.side)
        if ladder is not None:
            ladder.refused = 0

    def manage(self, out: list[Command]) -> None:
        """Bring the resting entries to what is wanted now."""
        state, planner = self.state, self.planner
        standing = gates.standing(state)
        for ladder in planner.ladders:
            slots = ladder.slots
            for level, order in enumerate(slots):
                if order is not None and order.done and order.settled:
                    slots[level] = None
            closed = planner.closed(ladder, standing)
            if closed is not None and closed is ladder.gate and ladder.told and ladder.idle:
                continue  # said before, and nothing rests: the common case beside a position
            plan = planner.plan(ladder, closed, state.bid, state.ask)
            self._apply(ladder, plan, out)
            gate = None if plan.gate is None or plan.quotes else plan.gate
            if gate is not ladder.gate or not ladder.told:
                self._tell(ladder, plan, out)

    def _apply(self, ladder: Ladder, plan: Plan, out: list[Command]) -> None:
        for level, price in enumerate(plan.prices):
            order = ladder.slots[level]
            if order is not None:
                self._tend(order, price, out)
            elif price:
                ladder.slots[level] = self._submit(ladder.side, level, price, plan.lots[level], out)
        levels = len(self.state.limits.level_sizes)
        while len(ladder.slots) > levels and ladder.slots[-1] is None:
            ladder.slots.pop()

    def cancel_reason(self, order: Working, price: int) -> CancelReason | None:
        """Return why a resting entry must go, None to keep its place in the queue.

        Args:
            order: the entry.
            price: where its level would rest now, 0 for nowhere.
        """
        if not price:
            return CancelReason.GATE
        if order.decision <= self._outdated:
            return CancelReason.CONFIG
        quote = self.state.params.quote
        if abs(price - order.intent.price) >= quote.refresh_ticks:
            return CancelReason.REPRICE
        if self.state.now - order.intent.decided_at >= quote.max_age:
            return CancelReason.MAX_AGE
        if self.state.now >= kept_until(order.intent, quote.max_age):
            return CancelReason.RENEW
        return None

    def _tend(self, order: Working, price: int, out: list[Command]) -> None:
        now = self.state.now
        if order.state is _OPEN and order.leaves:
            reason = self.cancel_reason(order, price)
            if reason is not None:
                cancel(order, reason, now, out)
        elif order.state is _CANCEL_PENDING and now - order.sent_at >= CANCEL_RETRY:
            cancel(order, CancelReason.RETRY, now, out)

    def _submit(self, side: Side, level: int, price: int, lots: int, out: list[Command]) -> Working:
        state = self.state
        ttl = state.params.quote.time_to_live
        client_id = state.client_id(side, "E")
        intent = Intent(
            client_id=client_id,
            symbol=state.product.symbol,
            side=side,
            price=Ticks(price),
            size=Lots(lots),
            post_only=True,
            time_in_force=_GTC if ttl is None else _GTD,
            expire_at=None if ttl is None else Instant(state.now + ttl),
            purpose=_ENTRY,
            exit_reason=None,
            strategy_tag=state.params.strategy_tag,
            passive_order_id=client_id,
            decided_at=state.now,
            bid=Ticks(state.bid),
            ask=Ticks(state.ask),
            inputs=self._inputs(level),
            config_sha=state.params.config_sha,
        )
        order = Working(intent=intent, state=_PENDING, sent_at=state.now, decision=state.decisions)
        state.orders[client_id] = order
        self.planner.rate.add(state.now)
        out.append(SubmitOrder(intent=intent))
        return order

    def _inputs(self, level: int) -> tuple[tuple[str, str], ...]:
        state = self.state
        count, low, high = state.candles.window(state.now)
        return (
            ("level", str(level)),
            ("required_ppb", str(gates.required_rate(state))),
            ("candles", str(count)),
            ("range_low", str(state.product.price(low))),
            ("range_high", str(state.product.price(high))),
        )

    def _tell(self, ladder: Ladder, plan: Plan, out: list[Command]) -> None:
        """Say the reason for not quoting, which has changed."""
        state = self.state
        ladder.gate = None if plan.quotes else plan.gate
        ladder.told = True
        detail = ""
        if ladder.gate is not None:
            detail = gates.explain(
                state, ladder.gate, bid=plan.bid, ask=plan.ask, limit=plan.detail
            )
        out.append(
            HoldChanged(
                symbol=state.product.symbol,
                now=state.now,
                side=ladder.side,
                gate=ladder.gate,
                detail=detail,
            )
        )

    def wake_at(self) -> int:
        """Return the next time at which a decision may change with no event."""
        state, quote = self.state, self.state.params.quote
        now: int = state.now
        due: int = NEVER
        for ladder in self.ladders:
            if now < ladder.pause_until < due:
                due = ladder.pause_until
            for order in ladder.slots:
                if order is None:
                    continue
                if order.state is _OPEN:
                    end = kept_until(order.intent, quote.max_age)
                elif order.state is _CANCEL_PENDING:
                    end = order.sent_at + CANCEL_RETRY
                else:
                    continue
                if now < end < due:
                    due = end
        if state.last_fill is not None and self.planner.cooling():
            due = min(due, state.last_fill + quote.cooldown)
        rate = self.planner.rate
        if rate.count(state.now) >= state.params.risk.max_orders_per_minute:
            due = min(due, rate.free_at(state.now))
        return due


def kept_until(intent: Intent, max_age: int) -> int:
    """Return when an entry that is still wanted is replaced: for its age, or well before it expires.

    The last quarter of its life is left for that: an order that expires is one that a bot which lives
    did not want to lose.
    """
    end = intent.decided_at + max_age
    if intent.expire_at is not None:
        life = intent.expire_at - intent.decided_at
        end = min(end, intent.expire_at - life // 4)
    return end


def cancel(order: Working, reason: CancelReason, now: Instant, out: list[Command]) -> None:
    """Ask for the cancellation of an order, again if it was asked for before."""
    if order.state is _OPEN:
        order.move(_CANCEL_SENT)
    order.sent_at = now
    order.asked += 1
    out.append(
        CancelOrder(
            client_id=order.intent.client_id, symbol=order.intent.symbol, reason=reason, now=now
        )
    )
