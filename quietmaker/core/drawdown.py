"""Drawdown: how far equity fell from its highest, as a share of that.

``drawdown = max over time of (peak - equity) / peak``, with ``peak`` the greatest equity so far, and equity
the capital at the start plus all results since. It lies within 0 and 1: a spot account cannot lose more
than it holds. Without a known capital there is no drawdown, not one of a hundred percent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.units import ROUNDED, ZERO, minus, plus

ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of an account. Amounts in quote.

    Attributes:
        peak: the greatest equity before it.
        low: the least equity after that peak.
        share: (peak - low) / peak, 0 to 1.
    """

    peak: Decimal
    low: Decimal
    share: Decimal


def deepest(capital: Decimal, results: Iterable[Decimal]) -> Drawdown:
    """Return the deepest fall over results in the order of their time.

    Args:
        capital: equity before the first result.
        results: net results, in quote.

    Raises:
        ValueError: if the capital is not positive: no share of it can be stated.
    """
    if capital <= 0:
        raise ValueError(f"a drawdown needs a capital to fall from, not {capital}")
    equity = peak = capital
    worst = Drawdown(peak=peak, low=equity, share=ZERO)
    for result in results:
        equity = plus(equity, result)
        peak = max(peak, equity)
        share = min(ONE, ROUNDED.divide(minus(peak, equity), peak))
        if share > worst.share:
            worst = Drawdown(peak=peak, low=equity, share=share)
    return worst
