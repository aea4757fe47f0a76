"""The prices that the exits of a position turn on, worked out from its cost and its fees."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from quietmaker.core.exits import Levels
from quietmaker.core.fees import FeeRates, break_even
from quietmaker.core.state import State
from quietmaker.core.units import PPB, ROUNDED, Rate, Side, times

_BUY: Final = Side.BUY


def compute_levels(state: State, entry: Side) -> Levels:
    """Return the prices that the exits of the held position turn on."""
    position, exits = state.position, state.params.exits
    rates = state.exit_fees or _paid(state)
    distance = max(exits.stop_loss, 2 * rates.taker)
    if entry is _BUY:
        stop = position.cost * (PPB - distance) // (position.lots * PPB)
    else:
        stop = -(-position.cost * (PPB + distance) // (position.lots * PPB))
    take, trail = exits.take_profit, exits.trailing_activation
    return Levels(
        entry=entry,
        sign=entry.sign,
        break_even=_leave_with(state, entry, rates, Rate(0)),
        target=_leave_with(state, entry, rates, exits.min_profit),
        stop=stop,
        profit=None if take is None else _leave_with(state, entry, rates, take),
        trail_from=None if trail is None else _leave_with(state, entry, rates, trail),
    )


def _leave_with(state: State, entry: Side, rates: FeeRates, profit: Rate) -> int:
    position = state.position
    return break_even(
        state.product,
        entry=entry,
        cost=position.cost,
        fees=position.fees,
        lots=position.lots,
        exit_fee=rates.maker,
        profit=profit,
    )


def _paid(state: State) -> FeeRates:
    """Return the rate that the entry paid, rounded up, for both sides: the only one that is known."""
    cost = state.product.notional(state.position.cost, 1)
    paid = ROUNDED.divide(times(state.position.fees, Decimal(PPB)), cost)
    rate = Rate(int(paid) + 1)
    return FeeRates(maker=rate, taker=rate)
