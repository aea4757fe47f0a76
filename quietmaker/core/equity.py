"""Equity that a deposit cannot move: the money that was put in, and what trading made of it.

`capital` is moved by money that came or went, `result` by trading alone. The peak is kept on the scale of
the capital of now: money that comes at an equity E moves the peak by the same factor (E + d) / E, so that
the drawdown, a share of the peak, is the same before and after. A loss stays as large as it was, whatever is
put in or taken out beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from quietmaker.core.units import ROUNDED, ZERO, plus

_QUANTUM: Final = Decimal("1e-12")
"""To what a peak is rounded when it is scaled, up: a drawdown is never understated."""
ONE: Final = Decimal(1)
DOLLARS: Final = frozenset({"USD", "USDC", "USDT"})
"""Currencies that count one to one as money of one kind, ``USD``."""


def money_of(currency: str) -> str:
    """Return the kind of money that a currency is; each but the dollars is a kind of its own."""
    return "USD" if currency in DOLLARS else currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    """What the account is worth in one kind of money, as far as it trades.

    Attributes:
        capital: what was put in less what was taken out.
        result: what trading made of it: closed results and those of open positions, after fees.
        peak: the greatest equity so far, on the scale of this capital; 0 before there was any.
    """

    capital: Decimal
    result: Decimal
    peak: Decimal

    @property
    def value(self) -> Decimal:
        """Return capital and result together."""
        return plus(self.capital, self.result)

    @property
    def drawdown(self) -> Decimal | None:
        """Return how far the equity is below its peak, from 0 to 1; None without any equity so far."""
        if self.peak <= 0:
            return None
        value = self.value
        if value <= 0:
            return ONE
        lost = ROUNDED.subtract(ONE, ROUNDED.divide(value, self.peak))
        return max(ZERO, lost)

    def funded(self, capital: Decimal) -> Equity:
        """Return it with another capital: money came or went, and nothing was won or lost by that."""
        if capital == self.capital:
            return self
        before, after = self.value, plus(capital, self.result)
        if before > 0 and after > 0:
            scaled = ROUNDED.divide(ROUNDED.multiply(self.peak, after), before)
            peak = max(after, ROUNDED.add(ROUNDED.quantize(scaled, _QUANTUM), _QUANTUM))
            peak = after if self.peak == before else peak
        else:
            peak = max(
                after, ZERO
            )  # there was nothing, or nothing is left: the history begins anew
        return replace(self, capital=capital, peak=peak)

    def earned(self, result: Decimal) -> Equity:
        """Return it with another result."""
        return replace(self, result=result, peak=max(self.peak, plus(self.capital, result)))

    def rebased(self) -> Equity:
        """Return it with today's equity for its peak: whoever resumes after a drawdown begins anew."""
        return replace(self, peak=max(self.value, ZERO))


def opened(capital: Decimal, result: Decimal) -> Equity:
    """Return the equity of an account that was never looked at before."""
    return Equity(capital=capital, result=result, peak=max(plus(capital, result), ZERO))
