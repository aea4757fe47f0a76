"""What one side should show: a quote per level, or the gate that forbids it and its numbers."""

from __future__ import annotations

from typing import Final

from quietmaker.core import gates
from quietmaker.core.commands import Gate
from quietmaker.core.orders import Working
from quietmaker.core.quoting import in_band, skew_ticks, wanted_price
from quietmaker.core.risk import OrderRate, Refused, approve, describe
from quietmaker.core.state import State
from quietmaker.core.units import NEVER, PPB, SECOND, Side

REFUSALS_BEFORE_PAUSE: Final = 3
PAUSE_LIMIT: Final = 60 * SECOND
FURTHEST_BACK: Final = 50
"""Ticks behind the wanted price to which refusals for crossing drive an entry."""

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_POSITION_OPEN: Final = Gate.POSITION_OPEN
_PRICE_BAND: Final = Gate.PRICE_BAND
_RISK_REFUSED: Final = Gate.RISK_REFUSED
_SIDE_OFF: Final = Gate.SIDE_OFF
_COOLDOWN: Final = Gate.COOLDOWN


class Plan:
    """The outcome for one side; each decision begins it anew, sooner done than a new one.

    Attributes:
        gate: why nothing new is quoted; a side may still keep what rests.
        detail: the numbers of a limit, else empty.
        prices: wanted price by level, 0 for none.
        quotes: whether any level is wanted.
        lots: size of a new order by level.
        new, value, cost: how many new orders these are, their value in tick-lots, what they reserve.
        bid, ask: the quotes that the market gates judged, for the explanation.
    """

    __slots__ = ("ask", "bid", "cost", "detail", "gate", "lots", "new", "prices", "quotes", "value")

    def __init__(self) -> None:
        """Want nothing at no level."""
        self.gate: Gate | None = None
        self.detail = ""
        self.prices: list[int] = []
        self.lots: list[int] = []
        self.new = self.value = self.cost = 0
        self.quotes = False
        self.bid = self.ask = 0

    def begin(self, gate: Gate | None, levels: int, bid: int, ask: int) -> None:
        """Want nothing at so many levels."""
        self.gate = gate
        self.detail = ""
        if len(self.prices) != levels:
            self.prices, self.lots = [0] * levels, [0] * levels
        else:
            for level in range(levels):
                self.prices[level] = self.lots[level] = 0
        self.new = self.value = self.cost = 0
        self.quotes = False
        self.bid = bid
        self.ask = ask


class Ladder:
    """One side: its orders by level, and what it last said.

    Attributes:
        slots: the order of each level that has not settled, nearest the touch first.
        gate: the reason for not quoting that was last told; None while quoting.
        told: whether anything was told yet.
        refused: refusals in a row; after a few the side pauses, ever longer.
        crossed: entries in a row that were refused for crossing, taken first or not.
        back: ticks behind the wanted price at which entries rest until one stays.
        pause_until: no new entry on this side before.
        plan: what the latest decision wants.
    """

    __slots__ = (
        "back",
        "crossed",
        "gate",
        "pause_until",
        "plan",
        "refused",
        "side",
        "slots",
        "told",
    )

    def __init__(self, side: Side) -> None:
        """Start with nothing resting."""
        self.side = side
        self.slots: list[Working | None] = []
        self.gate: Gate | None = Gate.WARMING_UP
        self.told = False
        self.refused = 0
        self.crossed = 0
        self.back = 0
        self.pause_until = 0
        self.plan = Plan()

    @property
    def idle(self) -> bool:
        """Return whether no order is in the market or under way."""
        for order in self.slots:  # noqa: SIM110 - asked in every decision; a generator costs more
            if order is not None:
                return False
        return True

    def best(self) -> int | None:
        """Return the price of our live order nearest the touch."""
        best: int | None = None
        for order in self.slots:
            if order is None or order.done:
                continue
            price = order.intent.price
            if best is None or (price > best if self.side is _BUY else price < best):
                best = price
        return best

    def reserved(self) -> int:
        """Return the value of what may still execute, in tick-lots."""
        value = 0
        for order in self.slots:
            if order is not None:
                value += order.leaves * order.intent.price
        return value

    def on_refused(self, now: int) -> None:
        """Count a refusal; a side that is refused again and again pauses, ever longer."""
        self.refused += 1
        if self.refused >= REFUSALS_BEFORE_PAUSE:
            self._pause(now, self.refused - REFUSALS_BEFORE_PAUSE)

    def on_crossed(self, now: int, limit: int) -> bool:
        """Count an entry that would have crossed; return whether the book is to be doubted.

        From the limit on the side pauses, ever longer, and rests one tick further away each time.
        """
        self.crossed += 1
        if self.crossed < limit:
            return False
        self._pause(now, self.crossed - limit)
        self.back = min(self.crossed - limit + 1, FURTHEST_BACK)
        return True

    def on_rested(self) -> None:
        """Hear that an entry stood in the book: it filled, or ended otherwise than by crossing."""
        self.crossed = self.back = 0

    def _pause(self, now: int, times: int) -> None:
        self.pause_until = now + min(SECOND << min(times, 6), PAUSE_LIMIT)


class EntryPlanner:
    """Plans both sides of one symbol.

    Attributes:
        ladders: the sides that are or were configured.
        rate: entries sent lately.
    """

    __slots__ = (
        "_judged",
        "_judged_ask",
        "_judged_bid",
        "_own_ask",
        "_own_bid",
        "_verdict",
        "ladders",
        "rate",
        "state",
    )

    def __init__(self, state: State) -> None:
        """Work on these facts."""
        self.state = state
        self.rate = OrderRate()
        self.ladders: list[Ladder] = []
        self._judged = -1
        self._judged_bid = self._judged_ask = 0
        self._own_bid = self._own_ask = 0
        self._verdict: Gate | None = None

    def ladder(self, side: Side) -> Ladder | None:
        """Return a side's ladder, None if it was never configured."""
        return next((ladder for ladder in self.ladders if ladder.side is side), None)

    def configured(self, side: Side) -> bool:
        """Return whether a side is to be quoted."""
        quote = self.state.params.quote
        return quote.bid if side is _BUY else quote.ask

    def in_place(self, bid: int, ask: int) -> tuple[int, int]:
        """Return the best bid and ask as they would be with our own quotes."""
        own_bid, own_ask = bid, ask
        quote = self.state.params.quote
        if quote.improve_ticks <= 0:
            return own_bid, own_ask
        for ladder in self.ladders:
            if ladder.side is _BUY:
                if quote.bid and (price := self.wanted(ladder, 0, bid, ask)) > own_bid:
                    own_bid = price
            elif quote.ask and (price := self.wanted(ladder, 0, bid, ask)) < own_ask:
                own_ask = price
        return own_bid, own_ask

    def closed(self, ladder: Ladder, standing: Gate | None) -> Gate | None:
        """Return the gate that closes a side whatever the price; None when prices decide."""
        if standing is not None:
            return standing
        return self.occupied(ladder) if self.configured(ladder.side) else _SIDE_OFF

    def plan(self, ladder: Ladder, closed: Gate | None, bid: int, ask: int) -> Plan:
        """Return what a side should show at this touch."""
        plan = ladder.plan
        plan.begin(closed, len(ladder.slots), bid, ask)
        if closed is not None:
            if closed is not ladder.gate or not ladder.told:
                plan.detail = self._closed_detail(ladder, closed)
            return plan
        self._judge_market(bid, ask)
        plan.bid, plan.ask, plan.gate = self._own_bid, self._own_ask, self._verdict
        if plan.gate is None:
            self._fill_levels(ladder, plan, bid, ask)
        return plan

    def _judge_market(self, bid: int, ask: int) -> None:
        """Work out the quotes in place and the market gate, once a decision for both sides."""
        decision = self.state.decisions
        if decision == self._judged and bid == self._judged_bid and ask == self._judged_ask:
            return
        self._own_bid, self._own_ask = self.in_place(bid, ask)
        self._verdict = gates.market(self.state, self._own_bid, self._own_ask)
        self._judged, self._judged_bid, self._judged_ask = decision, bid, ask

    def wanted(self, ladder: Ladder, level: int, bid: int, ask: int) -> int:
        """Return the price at which a level would rest."""
        quote, side = self.state.params.quote, ladder.side
        skew = self._skew(bid, ask) if quote.inventory_skew else 0
        own = ladder.best() if quote.improve_ticks > 0 else None
        price = wanted_price(quote, side, level, bid=bid, ask=ask, skew=skew, own=own)
        if ladder.back:
            price = max(1, price - ladder.back) if side is _BUY else price + ladder.back
        if quote.improve_ticks <= 0:
            return price
        return self._beside_own(side, price, bid, ask)

    def _beside_own(self, side: Side, price: int, bid: int, ask: int) -> int:
        """Return the price, moved back where it would meet a live order of ours on the other side.

        Only a quote inside the touch can: one that the market has reached already is as good as filled.
        """
        for order in self.state.orders.values():
            other = order.intent.price
            if order.done or order.intent.side is side:
                continue
            if side is _BUY and bid < other <= price:
                price = other - 1
            elif side is Side.SELL and price <= other < ask:
                price = other + 1
        return price

    def _skew(self, bid: int, ask: int) -> int:
        state = self.state
        quote, position = state.params.quote, state.position
        entry = position.entry
        if entry is None:
            return 0
        held = entry.sign * position.cost
        return skew_ticks(quote, inventory=held, cap=state.limits.position, mid=(bid + ask) // 2)

    def occupied(self, ladder: Ladder) -> Gate | None:
        """Return the gate that closes a side whatever the price: its position, or a fill just now."""
        state = self.state
        position = state.position
        if position.lots and _POSITION_OPEN not in state.off:
            if position.entry is not ladder.side:
                return _POSITION_OPEN
            room = state.limits.position - position.cost
            if room < state.limits.least_level and ladder.idle:
                return _POSITION_OPEN
        if self.cooling() and ladder.idle:
            return _COOLDOWN
        return None

    def _closed_detail(self, ladder: Ladder, gate: Gate) -> str:
        position = self.state.position
        if gate is _SIDE_OFF:
            return "the side is not configured (quote.sides)"
        if gate is not _POSITION_OPEN:
            return ""
        if position.entry is not ladder.side:
            return "the exit owns this side"
        return self._room_detail(self.state.limits.position - position.cost)

    def _room(self) -> int:
        state = self.state
        if _POSITION_OPEN in state.off:
            return NEVER
        return state.limits.position - state.position.cost

    def cooling(self) -> bool:
        """Return whether an entry filled too lately for a new one."""
        state, last = self.state, self.state.last_fill
        if last is None or state.now - last >= state.params.quote.cooldown:
            return False
        return _COOLDOWN not in state.off

    def _fill_levels(self, ladder: Ladder, plan: Plan, bid: int, ask: int) -> None:
        """Put a price into every level that no limit forbids; the first limit met is the gate."""
        room = self._room()
        for level in range(len(self.state.limits.level_sizes)):
            price = self.wanted(ladder, level, bid, ask)
            order = ladder.slots[level]
            if order is None:
                gate, detail = self._judge_new(ladder, plan, level, price, room)
                need = plan.lots[level] * price
            else:
                gate, detail = None, ""
                need = order.leaves * order.intent.price
                if need > room:
                    gate, detail = _POSITION_OPEN, self._room_detail(room)
            if gate is None:
                plan.prices[level] = price
                plan.quotes = True
                room -= need
            elif plan.gate is None:
                plan.gate, plan.detail = gate, detail

    def _judge_new(
        self, ladder: Ladder, plan: Plan, level: int, price: int, room: int
    ) -> tuple[Gate | None, str]:
        """Size an order for an empty level into the plan, or return the gate and its numbers."""
        state, product = self.state, self.state.product
        quote, size = state.params.quote, state.limits.level_sizes[level]
        if not in_band(quote, price) and _PRICE_BAND not in state.off:
            band = f"{quote.price_floor} to {quote.price_ceiling}"
            return _PRICE_BAND, f"{price} ticks is not within {band} (quote.price_*)"
        lots = min(size // price, product.max_lots)
        least = product.least_lots(price)
        if lots < least:
            detail = f"level {level} is {product.size(lots)}, least is {product.size(least)}"
            return Gate.BELOW_MINIMUM, f"{detail} (quote.level_sizes)"
        if size > room:
            known = ladder.told and ladder.gate is _POSITION_OPEN
            return _POSITION_OPEN, "" if known else self._room_detail(room)
        if self.cooling():
            return Gate.COOLDOWN, ""
        if state.now < ladder.pause_until:
            return self._paused(ladder)
        funds, cost = self._funds(ladder, plan), self._cost(ladder.side, price, lots)
        if cost > funds:
            return Gate.INSUFFICIENT_FUNDS, self._funds_detail(ladder.side, cost, funds)
        if _RISK_REFUSED not in state.off:
            exposure = state.position.cost + plan.value
            for each in self.ladders:
                exposure += each.reserved()
            verdict = approve(
                state, notional=lots * price, exposure=exposure, planned=plan.new, rate=self.rate
            )
            if isinstance(verdict, Refused):
                return _RISK_REFUSED, describe(verdict)
        plan.lots[level] = lots
        plan.new += 1
        plan.value += lots * price
        plan.cost += cost
        return None, ""

    def _paused(self, ladder: Ladder) -> tuple[Gate, str]:
        """Return the gate of a side that is refused again and again, and its numbers."""
        if ladder.crossed < self.state.params.quote.post_only_rejects:
            return Gate.COOLDOWN, f"{ladder.refused} refusals in a row"
        return Gate.POST_ONLY_REFUSED, (
            f"{ladder.crossed} entries in a row would have crossed; the next rests {ladder.back} ticks "
            "further away (quote.post_only_rejects)"
        )

    def _funds(self, ladder: Ladder, plan: Plan) -> int:
        """Return what a new entry of a side may use: tick-lots for bids, lots for asks."""
        state, side = self.state, ladder.side
        free = (state.funds if side is _BUY else state.inventory) or 0
        for order in ladder.slots:
            if order is not None:
                free -= self._cost(side, order.intent.price, order.leaves)
        return free - plan.cost

    def _cost(self, side: Side, price: int, lots: int) -> int:
        """Return what a quote reserves: a bid with the taker fee that the exchange may hold."""
        if side is _SELL:
            return lots
        taker = self.state.fees.taker if self.state.fees is not None else 0
        return price * lots + (price * lots * taker + PPB - 1) // PPB

    def _room_detail(self, room: int) -> str:
        cap = self.state.params.quote.max_position
        return f"{self.state.product.notional(max(room, 0), 1)} left of {cap} (quote.max_position)"

    def _funds_detail(self, side: Side, need: int, funds: int) -> str:
        product, funds = self.state.product, max(funds, 0)
        if side is Side.SELL:
            return f"sells {product.size(need)} {product.base}, {product.size(funds)} free"
        return (
            f"needs {product.notional(need, 1)} {product.quote}, {product.notional(funds, 1)} free"
        )
