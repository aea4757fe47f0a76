"""The entry gates: every reason not to quote, as a value with a name and its numbers.

Ratios are compared by cross-multiplication, exactly: with S = ask - bid in ticks and mid = (bid+ask)/2,
``S/mid >= r``  is  ``2*S*PPB >= r*(bid+ask)``  for a rate r in parts per billion.

Spread required: ``max(min_spread, 2*maker + edge_buffer [when include_fees], 2 ticks / mid)``.
Expected edge: the spread less two maker fees (when they are counted); one tick may not cost more than
`max_tick_share` of it.
Volatility: the range of the last five closed five-minute candles must reach the same requirement.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from quietmaker.core.candles import WINDOW
from quietmaker.core.commands import Gate
from quietmaker.core.events import Mode
from quietmaker.core.market import StaleReason
from quietmaker.core.orders import OrderState
from quietmaker.core.state import State
from quietmaker.core.units import PPB, SECOND, Rate, ratio

SWITCHABLE: Final = frozenset(
    {
        Gate.EXCLUDED,
        Gate.COOLDOWN,
        Gate.POSITION_OPEN,
        Gate.RISK_REFUSED,
        Gate.SPREAD_BELOW_REQUIRED,
        Gate.TICK_TOO_COARSE,
        Gate.INSUFFICIENT_DATA,
        Gate.INSUFFICIENT_VOLATILITY,
        Gate.PRICE_BAND,
    }
)
"""The gates that `--without` may switch off: opinions about a trade. The others are facts."""

_EXCLUDED: Final = Gate.EXCLUDED
_SPREAD_BELOW_REQUIRED: Final = Gate.SPREAD_BELOW_REQUIRED
_TICK_TOO_COARSE: Final = Gate.TICK_TOO_COARSE
_INSUFFICIENT_DATA: Final = Gate.INSUFFICIENT_DATA
_INSUFFICIENT_VOLATILITY: Final = Gate.INSUFFICIENT_VOLATILITY
_RUN: Final = Mode.RUN
_OF_MODE: Final = {
    Mode.PAUSE: Gate.PAUSED,
    Mode.DRAIN: Gate.DRAINING,
    Mode.FLATTEN: Gate.FLATTENING,
    Mode.HALT: Gate.HALTED,
}
_UNKNOWN: Final = OrderState.UNKNOWN


def required_rate(state: State) -> Rate:
    """Return the price-independent part of the spread requirement.

    Raises:
        ValueError: if the fee rates are needed and not known; the gate FEES_UNKNOWN comes first.
    """
    gates = state.params.gates
    if not gates.include_fees:
        return gates.min_spread
    if state.fees is None:
        raise ValueError("the spread requirement needs the fee rates")
    return Rate(max(gates.min_spread, 2 * state.fees.maker + gates.edge_buffer))


def spread_suffices(required: int, bid: int, ask: int) -> bool:
    """Return whether the spread between these quotes meets the requirement (at least two ticks)."""
    spread = ask - bid
    return spread >= 2 and 2 * spread * PPB >= required * (bid + ask)


def tick_is_fine(state: State, bid: int, ask: int) -> bool:
    """Return whether one tick costs at most the allowed share of the expected edge."""
    gates = state.params.gates
    edge = 2 * (ask - bid) * PPB
    if gates.include_fees and state.fees is not None:
        edge -= 2 * state.fees.maker * (bid + ask)
    return edge >= state.limits.least_edge


def range_suffices(required: int, low: int, high: int, bid: int, ask: int) -> bool:
    """Return whether the candles' range reaches the spread requirement at this mid."""
    span = high - low
    return span >= 2 and 2 * span * PPB >= required * (bid + ask)


def standing(state: State) -> Gate | None:
    """Return the first gate that refuses both sides, whatever the price; None if none does."""
    if state.mode is not _RUN:
        return _OF_MODE[state.mode]
    if not state.recovered or not state.verdict_known or not (state.seen or state.stale):
        return Gate.WARMING_UP
    if state.ledger:
        return Gate.LEDGER_UNAVAILABLE
    if state.product.untradable:
        return Gate.PRODUCT_NOT_TRADABLE
    if state.excluded is not None and _EXCLUDED not in state.off:
        return _EXCLUDED
    if state.stale is not None:
        return Gate.BOOK_CROSSED if state.stale is StaleReason.CROSSED else Gate.STALE_DATA
    for order in state.orders.values():
        if order.state is _UNKNOWN:
            return Gate.ORDER_UNRESOLVED
    if state.fees is None:
        return Gate.FEES_UNKNOWN
    if state.funds is None or state.inventory is None:
        return Gate.FUNDS_UNKNOWN
    return None


def market(state: State, bid: int, ask: int) -> Gate | None:
    """Return the first gate that refuses these quotes for what the market is like.

    Args:
        state: the facts; `standing` must have passed.
        bid, ask: the best bid and ask with our own quotes in place.
    """
    required = required_rate(state)
    if _SPREAD_BELOW_REQUIRED not in state.off and not spread_suffices(required, bid, ask):
        return _SPREAD_BELOW_REQUIRED
    if _TICK_TOO_COARSE not in state.off and not tick_is_fine(state, bid, ask):
        return _TICK_TOO_COARSE
    if _INSUFFICIENT_VOLATILITY in state.off:
        return None
    count, low, high = state.candles.window(state.now)
    if count < state.params.gates.min_candles:
        return _INSUFFICIENT_DATA if _INSUFFICIENT_DATA not in state.off else None
    return None if range_suffices(required, low, high, bid, ask) else _INSUFFICIENT_VOLATILITY


def explain(state: State, gate: Gate, *, bid: int, ask: int, limit: str) -> str:
    """Say a refusal in numbers, with the setting that the limit comes from.

    Args:
        state: the facts it was decided on.
        gate: the refusal.
        bid, ask: the quotes that were judged.
        limit: the numbers of a limit that the entry desk ran into, else empty.
    """
    if limit:
        return limit
    match gate:
        case Gate.SPREAD_BELOW_REQUIRED:
            return (
                f"spread {_share(2 * (ask - bid), bid + ask)} ({ask - bid} ticks) < required "
                f"{_required(state, bid, ask)} (gates.min_spread_pct, fees, edge_buffer_pct)"
            )
        case Gate.TICK_TOO_COARSE:
            share = _percent(ratio(state.params.gates.max_tick_share) * 100)
            return (
                f"one tick is {_share(2, bid + ask)} of the price, more than {share} of the expected "
                f"edge (gates.max_tick_share_pct)"
            )
        case Gate.INSUFFICIENT_VOLATILITY:
            _, low, high = state.candles.window(state.now)
            return (
                f"insufficient_volatility: 25 min range {_share(2 * (high - low), bid + ask)} < "
                f"required {_required(state, bid, ask)}"
            )
        case Gate.INSUFFICIENT_DATA:
            count, _, _ = state.candles.window(state.now)
            need = state.params.gates.min_candles
            return f"{count} of {WINDOW} closed candles, {need} needed (gates.min_candles)"
        case Gate.HALTED | Gate.FLATTENING | Gate.DRAINING | Gate.PAUSED:
            return state.mode_reason
        case Gate.LEDGER_UNAVAILABLE:
            return state.ledger
        case Gate.EXCLUDED:
            return f"rule {state.excluded}"
        case Gate.PRODUCT_NOT_TRADABLE:
            return state.product.untradable
        case Gate.STALE_DATA | Gate.BOOK_CROSSED:
            return state.stale.value if state.stale is not None else ""
        case Gate.COOLDOWN:
            pause = state.params.quote.cooldown / SECOND
            return f"within {pause:g} s of a fill (quote.cooldown_seconds)"
        case _:
            return ""


def _required(state: State, bid: int, ask: int) -> str:
    by_rate = required_rate(state)
    if by_rate * (bid + ask) < 4 * PPB:
        return f"{_share(4, bid + ask)} (2 ticks)"
    return _percent(ratio(by_rate) * 100)


def _share(ticks: int, twice_mid: int) -> str:
    return f"{100 * ticks / twice_mid:.3f} %" if twice_mid else "unknown"


def _percent(value: Decimal) -> str:
    text = f"{value:f}".rstrip("0").rstrip(".")
    return f"{text} %"
