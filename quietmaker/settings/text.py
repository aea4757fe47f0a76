"""What the settings mean, said in words and numbers for the start-up plan."""

from __future__ import annotations

from quietmaker.core.fees import FeeRates
from quietmaker.core.params import GateParams
from quietmaker.core.units import Rate


def percent_text(value: Rate | int) -> str:
    """Return a rate in percent: 2,500,000 parts per billion is ``0.25 %``."""
    whole, rest = divmod(abs(value), 10_000_000)
    digits = f"{whole}.{rest:07d}".rstrip("0").rstrip(".")
    return f"{'-' if value < 0 else ''}{digits} %"


def effective_spread_formula(gates: GateParams, fees: FeeRates | None) -> str:
    """Return the spread that an entry needs, with its numbers.

    Whether fees are part of it is said in words, because the old flag for it says the opposite of what
    it does.

    Args:
        gates: of one symbol.
        fees: the account's rates; None where nobody knows them yet.
    """
    floor = f"min_spread {percent_text(gates.min_spread)}"
    if not gates.include_fees:
        cost = (
            "whatever the fees are"
            if fees is None
            else f"a round trip of two maker fills costs {percent_text(2 * fees.maker)}"
        )
        return (
            f"required spread = max({floor}, 2 ticks / mid). WARNING: FEES ARE NOT PART OF IT "
            f"(include_fees is false); {cost}"
        )
    buffer = f"edge buffer {percent_text(gates.edge_buffer)}"
    if fees is None:
        return (
            f"required spread = max({floor}, 2 × maker fee + {buffer}, 2 ticks / mid); the fees are not "
            f"known yet, and nothing is entered before they are"
        )
    total = percent_text(2 * fees.maker + gates.edge_buffer)
    return (
        f"required spread = max({floor}, 2 × maker fee {percent_text(fees.maker)} + {buffer} = {total}, "
        f"2 ticks / mid)"
    )
