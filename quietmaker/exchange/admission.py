"""What the matching core takes: orders, changes of orders, and what it asks of them; or why it does not.

Forms and limits are stated in `refusals`; here they meet the market of the moment and the account.
"""

from __future__ import annotations

from collections.abc import Mapping

from quietmaker.core.fees import FeeRates
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import Lots, Ticks
from quietmaker.exchange.account import Account, hold_factor
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.exchange.orders import Order
from quietmaker.exchange.refusals import (
    MAX_OPEN_ORDERS,
    Refusal,
    check_amounts,
    check_edit,
    check_form,
)
from quietmaker.exchange.venue import Venue


class Admission:
    """Judges by the state of the exchange, and reserves what an order holds.

    Attributes:
        products: what can be traded, by symbol.
        fees: the account's rates for orders placed from now on.
    """

    __slots__ = ("_account", "_hold_factor", "_venues", "fees", "products")

    def __init__(
        self,
        products: Mapping[str, Product],
        venues: Mapping[str, Venue],
        account: Account,
        fees: FeeRates,
    ) -> None:
        """Judge orders on these markets, by what this account can pay."""
        self.products = dict(products)
        self._venues = venues
        self._account = account
        self.set_fees(fees)

    def set_fees(self, fees: FeeRates) -> None:
        """Change the rates for orders placed from now on."""
        self.fees = fees
        self._hold_factor = hold_factor(fees)

    def order(self, intent: Intent, order_id: str) -> Order:
        """Return an order at the rates of now, holding nothing."""
        return Order(intent, order_id, self.fees, self._hold_factor)

    def priced(self, order: MarketOrder) -> Intent | Refusal:
        """Return a market order as it arrives in its market, which must exist."""
        symbol = order.intent.symbol
        return order.priced(self.products[symbol], self._venues[symbol], self._hold_factor)

    def refuse(self, order: Order, now: int) -> Refusal | None:
        """Return why an order is not taken; when it is, its hold is reserved."""
        intent = order.intent
        venue = self._venues.get(intent.symbol)
        if venue is None:
            return Refusal.INVALID_PRODUCT_ID
        product = self.products[intent.symbol]
        refusal = check_form(product, intent, now)
        if refusal is not None:
            return refusal
        if not venue.seen:
            return Refusal.NO_BOOK
        if venue.open_count >= MAX_OPEN_ORDERS:
            return Refusal.TOO_MANY
        if intent.post_only and venue.meets(intent.side, intent.price):
            return Refusal.POST_ONLY
        return None if self._account.reserve(product, order) else Refusal.FUNDS

    def check(self, order: Intent | MarketOrder, now: int) -> Intent | Refusal:
        """Return an order as it would be taken now, or why not; nothing happens to it."""
        intent = order.intent if isinstance(order, MarketOrder) else order
        if self._venues.get(intent.symbol) is None:
            return Refusal.INVALID_PRODUCT_ID
        if isinstance(order, MarketOrder):
            priced = self.priced(order)
            if isinstance(priced, Refusal):
                return priced
            intent = priced
        probe = self.order(intent, "")
        refusal = self.refuse(probe, now)
        if refusal is not None:
            return refusal
        self._account.release(self.products[intent.symbol], probe)
        return intent

    def check_amend(self, order: Order | None, price: int, size: int) -> str | None:
        """Return why a change of an order is refused now, or None; nothing changes."""
        refusal = check_edit(order, price, size)
        if order is None or refusal is not None:
            return refusal
        product, venue = self.products[order.intent.symbol], self._venues[order.intent.symbol]
        wrong = check_amounts(product, price, size)
        if wrong is None and order.intent.post_only and venue.meets(order.side, price):
            wrong = Refusal.POST_ONLY
        if wrong is not None:
            return wrong
        changed = order.changed(Ticks(price), Lots(size))
        self._account.release(product, order)
        afforded = self._account.reserve(product, changed)
        if afforded:
            self._account.release(product, changed)
        self._account.reserve(product, order)
        return None if afforded else Refusal.FUNDS
