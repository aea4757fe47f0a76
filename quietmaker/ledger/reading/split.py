"""What a result was made of: fees, spread captured, price move, and what of that was adverse selection.

net = spread_captured + price_move - fees. The price made ``gross = spread_captured + price_move``; a loss is
the fees' in full where the price alone would have earned something or nothing, else it is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.units import ROUNDED, ZERO, minus, plus

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The parts of a result, in quote, and which share of a loss the fees are.

    Attributes:
        gross: what the price made, before fees.
        from_fees: of a loss, 0 to 1; None where nothing was lost.
    """

    net: Decimal
    gross: Decimal
    fees: Decimal
    spread_captured: Decimal
    price_move: Decimal
    from_fees: Decimal | None

    @property
    def cause(self) -> str:
        """Say in a few words what a loss was made of: ``100 % fees``; empty where nothing was lost."""
        if self.from_fees is None:
            return ""
        share = percent(self.from_fees)
        if share == 0:
            return "100 % price"
        return f"{share} % fees" if share == 100 else f"{share} % fees, {100 - share} % price"


def split(*, fees: Decimal, spread_captured: Decimal, price_move: Decimal) -> Split:
    """Return what a result was made of."""
    gross = plus(spread_captured, price_move)
    net = minus(gross, fees)
    from_fees = None
    if net < 0:
        paid = max(fees, ZERO)
        from_fees = Decimal(1) if gross >= 0 else ROUNDED.divide(paid, minus(paid, gross))
    return Split(
        net=net,
        gross=gross,
        fees=fees,
        spread_captured=spread_captured,
        price_move=price_move,
        from_fees=from_fees,
    )


def percent(share: Decimal) -> int:
    """Return a share in whole percent; 0 and 100 only where it is nothing, or all."""
    rounded = int((share * _HUNDRED).to_integral_value())
    if share in {0, 1}:
        return rounded
    return min(max(rounded, 1), 99)
