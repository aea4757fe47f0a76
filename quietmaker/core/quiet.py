"""The quiet box: the touches at which no decision can change, so that most events cost almost nothing.

After a decision the trader works out a box of bids and asks around the touch. As long as the touch
stays inside and no deadline passes, a new decision would be the same, so none is made. The box is an
optimisation only: a trader without it must decide exactly the same (property-tested).

Why corners are enough: wanted prices are monotone in the touch, and each gate compares linear forms
of bid and ask, so that over a box the worst case of every comparison lies in a corner.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from quietmaker.core import gates
from quietmaker.core.commands import Gate
from quietmaker.core.entry_desk import EntryDesk, Ladder
from quietmaker.core.exit_desk import ExitDesk
from quietmaker.core.exits import Urgency, View, decide
from quietmaker.core.orders import OrderState
from quietmaker.core.units import NEVER, PPB, Side


class Box(NamedTuple):
    """Touches, inclusive on both ends."""

    bid_low: int
    bid_high: int
    ask_low: int
    ask_high: int


ANYWHERE: Final = Box(1, NEVER, 1, NEVER)
NOWHERE: Final = Box(1, 0, 1, 0)


def quiet_box(entries: EntryDesk, exits: ExitDesk) -> Box:
    """Return touches at which the next decision equals the last one.

    The smallest answer is the touch itself: the sizes at the touch are never looked at.
    """
    state = entries.state
    here = Box(state.bid, state.bid, state.ask, state.ask)
    if not state.seen or state.stale is not None:
        return NOWHERE
    for order in state.orders.values():
        if order.state is not OrderState.OPEN:
            return here
    box = _propose(entries, here)
    if box is here or not _exits_agree(exits, box):
        return here
    return (
        box
        if all(_entries_agree(entries, ladder, box) for ladder in entries.ladders.values())
        else here
    )


def _propose(entries: EntryDesk, here: Box) -> Box:
    """Return a box that is worth checking."""
    state = entries.state
    bid, ask = here.bid_low, here.ask_low
    ladders = entries.ladders.values()
    if gates.standing(state) is not None:
        return ANYWHERE if state.position.entry is None else here
    blocked = [ladder.gate for ladder in ladders if ladder.gate is not None]
    if blocked and all(gate is Gate.SPREAD_BELOW_REQUIRED for gate in blocked):
        required = gates.required_rate(state)
        slack = (required * (bid + ask) // (2 * PPB) - (ask - bid)) // 4
        return Box(max(1, bid - slack), bid + slack, max(1, ask - slack), ask + slack)
    reach = state.params.quote.refresh_ticks - 1
    if reach <= 0 or (ask - bid) <= 2 * reach:
        return here
    low, high = bid - reach, bid + reach
    far_low, far_high = ask - reach, ask + reach
    for ladder in ladders:
        order = ladder.slots[0] if ladder.slots else None
        if order is None:
            continue
        # Centre on the touch that wants exactly the resting price.
        if ladder.side is Side.BUY:
            low, high = _around(order.intent.price, bid, reach, state.params.quote.improve_ticks)
        else:
            far_low, far_high = _around(
                order.intent.price, ask, reach, -state.params.quote.improve_ticks
            )
    return Box(max(1, low), high, max(far_low, high + 1), far_high)


def _around(price: int, touch: int, reach: int, improve: int) -> tuple[int, int]:
    centre = price - improve
    return min(touch, centre - reach), max(touch, centre + reach)


def _entries_agree(entries: EntryDesk, ladder: Ladder, box: Box) -> bool:
    """Return whether a side would do the same at every touch of the box."""
    state = entries.state
    gate = gates.standing(state)
    if gate is not None:
        return ladder.gate is gate and not ladder.working()
    if ladder.gate is Gate.SPREAD_BELOW_REQUIRED:
        widest = gates.spread_suffices(gates.required_rate(state), box.bid_low, box.ask_high)
        return not widest and not ladder.working()
    if ladder.gate is not None or any(slot is None for slot in ladder.slots):
        return False
    for bid, ask in (
        (box.bid_high, box.ask_low),
        (box.bid_high, box.ask_high),
        (box.bid_low, box.ask_low),
    ):
        plan = entries.plan(ladder, None, bid, ask)
        if plan.gate is not None:
            return False
        for order, quote in zip(ladder.slots, plan.quotes, strict=True):
            if order is None or entries.cancel_reason(order, quote) is not None:
                return False
    return True


def _exits_agree(exits: ExitDesk, box: Box) -> bool:
    """Return whether the exit order would be kept at every touch of the box."""
    state = exits.state
    entry = state.position.entry
    if entry is None:
        return exits.order is None
    if exits.order is None or exits.timers is None or exits.wanted is None:
        return False
    if exits.wanted.urgency is not Urgency.PATIENT or exits.levels is None:
        return False
    if exits.levels.trail_from is not None:
        return False
    corners = ((box.bid_low, box.ask_low), (box.bid_high, box.ask_high))
    for bid, ask in corners:
        near, far = (bid, ask) if entry is Side.BUY else (ask, bid)
        view = exits.view(near, far)
        if view is None or not _same(exits, view):
            return False
    return True


def _same(exits: ExitDesk, view: View) -> bool:
    wanted = decide(view, exits.state.params.without)
    if wanted is None or exits.order is None or exits.wanted is None:
        return False
    stop = view.levels.stop + view.sign
    if not view.at_least(view.near, stop):
        return False
    return wanted.reason is exits.wanted.reason and exits.keeps(exits.order, wanted)
