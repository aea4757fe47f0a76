"""Balances and holds, exact to the last digit.

A buy holds its limit value plus the fee at the dearer of the account's rates (Coinbase: "plus any
applicable fees"; which rate is not documented, so the greater one is reserved); a sell holds its
base. A fill releases the hold of what was filled and books what it really cost, so that
available + hold changes by fills and fees only.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from quietmaker.core.fees import FeeRates, fee_on
from quietmaker.core.product import Product
from quietmaker.core.units import (
    PPB,
    ZERO,
    Liquidity,
    Rate,
    Side,
    minus,
    plus,
    ratio,
    times,
)
from quietmaker.exchange.orders import Order
from quietmaker.ports import Balance

_BUY: Final = Side.BUY
_SELL: Final = Side.SELL


def hold_factor(rates: FeeRates) -> Decimal:
    """Return what a buy holds as a multiple of its limit value: one, and the dearer fee."""
    return ratio(Rate(PPB + max(rates.maker, rates.taker)))


class Account:
    """One account, shared by all symbols."""

    __slots__ = ("_available", "_hold")

    def __init__(self, balances: Mapping[str, Decimal]) -> None:
        """Fund the account.

        Raises:
            ValueError: if a balance is negative.
        """
        for currency, amount in balances.items():
            if amount < 0:
                raise ValueError(
                    f"starting balance of {currency} is {amount}; it must not be negative"
                )
        self._available: dict[str, Decimal] = dict(balances)
        self._hold: dict[str, Decimal] = dict.fromkeys(balances, ZERO)

    def available(self, currency: str) -> Decimal:
        """Return what can be spent; zero for a currency that was never funded."""
        return self._available.get(currency, ZERO)

    def hold(self, currency: str) -> Decimal:
        """Return what open orders reserve."""
        return self._hold.get(currency, ZERO)

    def balances(self) -> dict[str, Balance]:
        """Return every funded currency."""
        return {
            currency: Balance(currency=currency, available=amount, hold=self._hold[currency])
            for currency, amount in self._available.items()
        }

    def move(self, currency: str, amount: Decimal) -> None:
        """Let money come, or go when the amount is negative.

        Raises:
            ValueError: if less is available.
        """
        if self.available(currency) + amount < 0:
            raise ValueError(
                f"{self.available(currency)} {currency} are available, not {-amount}; orders hold the rest"
            )
        self._credit(currency, amount)

    def reserve(self, product: Product, order: Order) -> bool:
        """Hold what the order can cost; return False, and hold nothing, when it is not there."""
        currency = _held_currency(product, order.side)
        amount = _hold_for(product, order)
        available = self.available(currency)
        if amount > available:
            return False
        self._available[currency] = minus(available, amount)
        self._hold[currency] = plus(self.hold(currency), amount)
        order.held = amount
        return True

    def release(self, product: Product, order: Order) -> None:
        """Give back what is still held for an order that ended."""
        if not order.held:
            return  # all of it was spent
        currency = _held_currency(product, order.side)
        self._hold[currency] = minus(self._hold[currency], order.held)
        self._credit(currency, order.held)
        order.held = ZERO

    def book(
        self, product: Product, order: Order, *, price: int, lots: int, liquidity: Liquidity
    ) -> Decimal:
        """Book an execution; `order.left` is already what remains. Return the fee, in quote."""
        value = product.notional(price, lots)
        fee = fee_on(value, order.rates.of(liquidity))
        currency = _held_currency(product, order.side)
        remaining = _hold_for(product, order)
        freed = minus(order.held, remaining)
        order.held = remaining
        order.fees = plus(order.fees, fee)
        self._hold[currency] = minus(self._hold[currency], freed)
        if order.side is _BUY:
            self._credit(currency, minus(freed, plus(value, fee)))
            self._credit(product.base, product.size(lots))
        else:
            self._credit(product.quote, minus(value, fee))
        return fee

    def _credit(self, currency: str, amount: Decimal) -> None:
        self._available[currency] = plus(self.available(currency), amount)
        self._hold.setdefault(currency, ZERO)


def _held_currency(product: Product, side: Side) -> str:
    return product.quote if side is _BUY else product.base


def _hold_for(product: Product, order: Order) -> Decimal:
    if order.side is _SELL:
        return product.size(order.left)
    return times(product.notional(order.price, order.left), order.hold_factor)
