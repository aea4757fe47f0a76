"""How a closed round trip ended: one definition of won, lost and break-even, for filter and reports alike.

Won is a net result above zero, lost one below it, and exactly zero is neither. The win rate is the share
of won among all that closed: a break-even counts there, and not as won.
"""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.units import ROUNDED, ZERO, Name


class Outcome(Name):
    """How a round trip ended, after all fees."""

    WON = "won"
    LOST = "lost"
    BREAK_EVEN = "break_even"


def outcome_of(net: Decimal) -> Outcome:
    """Return how a round trip with this net result ended."""
    if net > 0:
        return Outcome.WON
    return Outcome.LOST if net < 0 else Outcome.BREAK_EVEN


def win_rate(*, wins: int, trips: int) -> Decimal:
    """Return the share of won round trips for showing, rounded to nine digits; 0 where there are none."""
    return ratio_of(Decimal(wins), Decimal(trips))


def ratio_of(part: Decimal, whole: Decimal) -> Decimal:
    """Return a quotient for showing, rounded to nine digits; 0 where the whole is 0."""
    if not whole:
        return ZERO
    return ROUNDED.normalize(ROUNDED.divide(part, whole).quantize(Decimal("1e-9"), context=ROUNDED))
