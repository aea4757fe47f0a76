"""The quiet box: the touches at which no decision can change, so that most events cost almost nothing.

After a decision the trader works out a box of bids and asks around the touch. As long as the touch
stays inside and no deadline passes, a new decision would be the same, so none is made. The box is an
optimisation only: a trader without it must decide exactly the same (property-tested).

Why corners are enough: wanted prices are monotone in the touch, and each gate compares linear forms
of bid and ask, so that over a box the worst case of every comparison lies in a corner.
"""

from __future__ import annotations

from typing import Final

from quietmaker.core import gates
from quietmaker.core.commands import Gate
from quietmaker.core.entry_desk import EntryDesk
from quietmaker.core.entry_plan import Ladder
from quietmaker.core.events import Mode
from quietmaker.core.exit_desk import ExitDesk
from quietmaker.core.exits import Urgency, View, break_even_plus
from quietmaker.core.orders import OrderState, Working
from quietmaker.core.units import NEVER, PPB, Side

_OPEN: Final = OrderState.OPEN
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_PATIENT: Final = Urgency.PATIENT
_RUN: Final = Mode.RUN


class Box:
    """Touches, inclusive on both ends; a plain class because building it is on the hot path."""

    __slots__ = ("ask_high", "ask_low", "bid_high", "bid_low")

    def __init__(self, bid_low: int, bid_high: int, ask_low: int, ask_high: int) -> None:
        """Hold these."""
        self.bid_low = bid_low
        self.bid_high = bid_high
        self.ask_low = ask_low
        self.ask_high = ask_high


NOWHERE: Final = Box(1, 0, 1, 0)


def quiet_box(entries: EntryDesk, exits: ExitDesk) -> Box:
    """Return touches at which the next decision equals the last one.

    The smallest answer is the touch itself: the sizes at the touch are never looked at.
    """
    state = entries.state
    if not state.seen or state.stale is not None:
        return NOWHERE
    bid, ask = state.bid, state.ask
    here = Box(bid, bid, ask, ask)
    for order in state.orders.values():
        if order.state is not _OPEN or not order.leaves:
            return here
    if state.position.lots == 0 and gates.standing(state) is not None:
        # Split in the middle: a crossed or locked touch is never inside a box.
        return Box(1, (bid + ask) // 2, (bid + ask) // 2 + 1, NEVER) if not state.orders else here
    quoting = [ladder for ladder in entries.ladders if not _closed(entries, ladder)]
    for ladder in quoting:
        if ladder.gate is not None:
            return _while_too_tight(entries, here) if state.position.lots == 0 else here
    box = _around_orders(entries, exits, quoting, here)
    if box is here or not _quotes_stay(entries, quoting, box) or not _exit_stays(exits, box):
        return here
    return box


def _closed(entries: EntryDesk, ladder: Ladder) -> bool:
    """Return whether a side is closed for a reason that no price changes."""
    if ladder.gate is None or not ladder.idle:
        return False
    return entries.planner.occupied(ladder) is ladder.gate


def _while_too_tight(entries: EntryDesk, here: Box) -> Box:
    """Return touches at which the spread still is below the requirement on every side."""
    state = entries.state
    tight = all(
        ladder.gate is Gate.SPREAD_BELOW_REQUIRED and ladder.idle for ladder in entries.ladders
    )
    if not tight:
        return here
    bid, ask = here.bid_low, here.ask_low
    required = gates.required_rate(state)
    slack = (required * (bid + ask) // (2 * PPB) - (ask - bid)) // 4
    if slack <= 0 or bid <= slack:
        return here
    # Our own quotes only narrow the spread, so the widest touch of the box decides.
    if gates.spread_suffices(required, bid - slack, ask + slack):
        return here
    return Box(bid - slack, bid + slack, max(ask - slack, bid + slack + 1), ask + slack)


def _around_orders(entries: EntryDesk, exits: ExitDesk, quoting: list[Ladder], here: Box) -> Box:
    """Return touches within the refresh tolerance of what rests, to be checked."""
    quote = entries.state.params.quote
    reach = quote.refresh_ticks - 1
    bid, ask = here.bid_low, here.ask_low
    if reach <= 0 or ask - bid <= 2 * reach:
        return here
    low, high, far_low, far_high = bid - reach, bid + reach, ask - reach, ask + reach
    for ladder in quoting:
        order = ladder.slots[0] if ladder.slots else None
        if order is None:
            return here
        price = order.intent.price
        if ladder.side is _BUY:
            low, high = _centred(price - quote.improve_ticks + ladder.back, bid, reach)
            if quote.improve_ticks > 0:  # at our own quote the wanted price is not monotone
                low, high = (
                    (low, min(high, price - 1)) if bid <= price else (max(low, price + 1), high)
                )
        else:
            far_low, far_high = _centred(price + quote.improve_ticks - ladder.back, ask, reach)
            if quote.improve_ticks > 0 and ask >= price:
                far_low = max(far_low, price + 1)
            elif quote.improve_ticks > 0:
                far_high = min(far_high, price - 1)
    leaving = exits.order
    if leaving is not None and leaving.intent.side is _SELL:
        far_low, far_high = _towards(leaving.intent.price, ask, reach)
    elif leaving is not None:
        low, high = _towards(leaving.intent.price, bid, reach)
    if high < bid or far_low > ask:
        return here
    return Box(max(1, low), high, max(far_low, high + 1), far_high)


def _towards(price: int, touch: int, reach: int) -> tuple[int, int]:
    """Return the touches around an exit: about its price when it joined, about the touch when not."""
    return (
        _centred(price, touch, reach)
        if abs(price - touch) <= reach
        else (touch - reach, touch + reach)
    )


def _centred(centre: int, touch: int, reach: int) -> tuple[int, int]:
    """Return the span around the touch that wants exactly the resting price, the touch included."""
    return min(touch, centre - reach), max(touch, centre + reach)


def _quotes_stay(entries: EntryDesk, quoting: list[Ladder], box: Box) -> bool:
    """Return whether every resting quote would be kept at every touch of the box."""
    if not quoting:
        return True
    planner, state = entries.planner, entries.state
    lowest_bid, lowest_ask = planner.in_place(box.bid_low, box.ask_low)
    highest_bid, highest_ask = planner.in_place(box.bid_high, box.ask_high)
    if lowest_bid >= lowest_ask or highest_bid >= lowest_ask:
        return False
    if gates.market(state, highest_bid, lowest_ask) is not None:
        return False
    if gates.market(state, highest_bid, highest_ask) is not None:
        return False
    for ladder in quoting:  # noqa: SIM110 - on the hot path; a generator costs more
        if not _ladder_stays(entries, ladder, box):
            return False
    return True


def _ladder_stays(entries: EntryDesk, ladder: Ladder, box: Box) -> bool:
    planner = entries.planner
    for level, order in enumerate(ladder.slots):
        if order is None:
            return False
        low = planner.wanted(ladder, level, box.bid_low, box.ask_low)
        if entries.cancel_reason(order, low) is not None:
            return False
        high = planner.wanted(ladder, level, box.bid_high, box.ask_high)
        if entries.cancel_reason(order, high) is not None:
            return False
    return True


def _exit_stays(exits: ExitDesk, box: Box) -> bool:
    """Return whether the exit order would be kept at every touch of the box, no rule waking up."""
    state = exits.state
    entry = state.position.entry
    if entry is None:
        return exits.order is None
    levels, timers, order, wanted = exits.levels, exits.timers, exits.order, exits.wanted
    if levels is None or timers is None or order is None or wanted is None:
        return False
    patient = wanted.urgency is _PATIENT and state.mode is _RUN and not timers.stopped
    if not patient or levels.trail_from is not None:
        return False
    if entry is _BUY:
        low, high = exits.view(box.bid_low, box.ask_low), exits.view(box.bid_high, box.ask_high)
    else:
        low, high = exits.view(box.ask_low, box.bid_low), exits.view(box.ask_high, box.bid_high)
    return _stays_at(exits, order, low) and _stays_at(exits, order, high)


def _stays_at(exits: ExitDesk, order: Working, view: View | None) -> bool:
    """Return whether at this corner no rule but break-even+ speaks, and it keeps its order."""
    if view is None or view.stale:
        return False
    near, levels = view.near, view.levels
    if not view.at_least(near, levels.stop + levels.sign):
        return False
    if levels.profit is not None and view.at_least(near, levels.profit):
        return False
    return exits.keeps(order, break_even_plus(view))
