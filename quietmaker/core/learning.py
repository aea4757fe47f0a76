"""What a trader is told of its surroundings, taken into the facts: candles, fees, funds, rules, modes."""

from __future__ import annotations

from typing import assert_never

from quietmaker.core.entry_desk import EntryDesk
from quietmaker.core.events import (
    CandlesLoaded,
    DataLost,
    EligibilityChanged,
    ExposureChanged,
    FeesChanged,
    FundsChanged,
    LedgerChanged,
    ModeChanged,
    ParamsChanged,
    ProductChanged,
)
from quietmaker.core.exit_desk import ExitDesk
from quietmaker.core.state import State, tick_lots


def learn(
    event: CandlesLoaded
    | DataLost
    | FeesChanged
    | ProductChanged
    | FundsChanged
    | ParamsChanged
    | EligibilityChanged
    | LedgerChanged
    | ModeChanged
    | ExposureChanged,
    state: State,
    entries: EntryDesk,
    exits: ExitDesk,
) -> None:
    """Take a fact; a decision should follow."""
    match event:
        case CandlesLoaded(candles=candles):
            for bar in candles:
                state.candles.load(bar)
        case DataLost(reason=reason):
            state.stale = reason
        case FeesChanged(fees=fees):
            state.fees = fees
            state.exit_fees = fees or state.exit_fees
            exits.on_position()
        case ProductChanged(product=product):
            state.configure(product, state.params)
        case FundsChanged(quote=quote, base=base):
            state.funds = None if quote is None else tick_lots(state.product, quote)
            state.inventory = base
        case ParamsChanged(params=params):
            before = state.params
            state.configure(state.product, params)
            entries.configure(before)
            exits.configure()
        case EligibilityChanged(rule=rule, size_share=share):
            state.verdict_known, state.excluded = True, rule
            state.resize(share)
        case LedgerChanged(trouble=trouble):
            state.ledger = trouble
        case ModeChanged(mode=mode, reason=reason):
            state.mode, state.mode_reason = mode, reason
        case ExposureChanged(others=others):
            state.others = tick_lots(state.product, others)
        case _:
            assert_never(event)
