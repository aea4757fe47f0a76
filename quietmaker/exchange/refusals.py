"""Why the exchange refuses an order or a cancellation, in Coinbase's words.

The words are those of Coinbase's `new_order_failure_reason`, `preview_failure_reason`, order-level
`reject_reason` and cancel `failure_reason` enums. That limit orders are checked against the minimum
notional (`quote_min_size`) is likely, not documented; the check is on the safe side.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from quietmaker.core.orders import Intent, OrderState, TimeInForce
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import Lots, Ticks
from quietmaker.exchange.orders import Order

MAX_OPEN_ORDERS: Final = 500
"""Open orders per product and profile (Coinbase Exchange documentation)."""

_IOC: Final = TimeInForce.IOC
_GTD: Final = TimeInForce.GTD
_FOK: Final = TimeInForce.FOK


class Refusal(StrEnum):
    """Why an order is not taken."""

    INVALID_PRODUCT_ID = "INVALID_PRODUCT_ID"
    UNTRADABLE_PRODUCT = "UNTRADABLE_PRODUCT"
    TRADING_DISABLED = "TRADING_DISABLED"
    ORDER_ENTRY_DISABLED = "ORDER_ENTRY_DISABLED"
    MARKET_STATE = "PREVIEW_NOT_ALLOWED_BY_MARKET_STATE"
    NO_BOOK = "PREVIEW_MISSING_PRODUCT_PRICE_BOOK"
    CONFIGURATION = "UNSUPPORTED_ORDER_CONFIGURATION"
    FOK_POST_ONLY = "POST_ONLY_NOT_ALLOWED_WITH_FOK"
    NO_LIQUIDITY = "INVALID_NO_LIQUIDITY"
    NO_END_TIME = "GTD_ORDERS_MUST_HAVE_END_TIME"
    PAST_END_TIME = "END_TIME_IS_IN_THE_PAST"
    LIMIT_PRICE = "INVALID_LIMIT_PRICE"
    PRICE_PRECISION = "INVALID_PRICE_PRECISION"
    SIZE_PRECISION = "INVALID_SIZE_PRECISION"
    SIZE_TOO_SMALL = "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"
    SIZE_TOO_LARGE = "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"
    NOTIONAL_TOO_SMALL = "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"
    POST_ONLY = "INVALID_LIMIT_PRICE_POST_ONLY"
    FUNDS = "INSUFFICIENT_FUND"
    TOO_MANY = "TOO_MANY_OPEN_ORDERS"


class CancelRefusal(StrEnum):
    """Why a cancellation is refused."""

    UNKNOWN = "UNKNOWN_CANCEL_ORDER"
    FILLED = "ORDER_IS_FULLY_FILLED"
    DUPLICATE = "DUPLICATE_CANCEL_REQUEST"


class EditRefusal(StrEnum):
    """Why a change of an order is refused."""

    UNKNOWN = "ORDER_NOT_FOUND"
    NOT_LIMIT = "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"
    NOT_OPEN = "ONLY_OPEN_ORDERS_CAN_BE_EDITED"
    EQUAL = "EDIT_REQUEST_EQUAL_TO_ORIGINAL_REQUEST"
    BELOW_FILLED = "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
    PRICE = "INVALID_EDITED_PRICE"
    SIZE = "INVALID_EDITED_SIZE"


SELF_TRADE: Final = "SELF_TRADE_PREVENTION"
"""The reason of an order whose rest was cancelled because it met one of our own."""

_UNTRADABLE: Final[Mapping[str, Refusal]] = {
    "trading_disabled": Refusal.TRADING_DISABLED,
    "cancel_only": Refusal.ORDER_ENTRY_DISABLED,
    "auction_mode": Refusal.MARKET_STATE,
}


def to_grid(product: Product, price: Decimal, size: Decimal) -> tuple[Ticks, Lots] | Refusal:
    """Convert an order's decimal price and size, or say which of them has too many digits."""
    try:
        ticks = product.ticks(price)
    except OffGridError:
        return Refusal.PRICE_PRECISION
    try:
        return ticks, product.lots(size)
    except OffGridError:
        return Refusal.SIZE_PRECISION


def check_form(product: Product, intent: Intent, at: int) -> Refusal | None:
    """Return what is wrong with an order whatever the market and the balances are."""
    return (
        check_product(product)
        or _check_time_in_force(intent, at)
        or check_amounts(product, intent.price, intent.size)
    )


def check_product(product: Product) -> Refusal | None:
    """Return why a product takes no orders now."""
    if product.untradable:
        return _UNTRADABLE.get(product.untradable, Refusal.UNTRADABLE_PRODUCT)
    return None


def check_amounts(product: Product, price: int, size: int) -> Refusal | None:
    """Return what is wrong with a price and a size on the product's grid."""
    if price <= 0:
        return Refusal.LIMIT_PRICE
    if size < max(product.min_lots, 1):
        return Refusal.SIZE_TOO_SMALL
    if size > product.max_lots:
        return Refusal.SIZE_TOO_LARGE
    if price * size < product.min_value:
        return Refusal.NOTIONAL_TOO_SMALL
    return None


def check_edit(order: Order | None, price: int, size: int) -> EditRefusal | None:
    """Return why an order (None: never heard of) cannot get this price and this total size."""
    if order is None:
        return EditRefusal.UNKNOWN
    if order.state is not OrderState.OPEN:
        return EditRefusal.NOT_OPEN
    if order.intent.time_in_force is not TimeInForce.GTC:
        return EditRefusal.NOT_LIMIT
    if (price, size) == (order.price, order.intent.size):
        return EditRefusal.EQUAL
    return EditRefusal.BELOW_FILLED if size <= order.filled else None


def check_cancel(state: OrderState | None) -> CancelRefusal | None:
    """Return why an order in this state (None: never heard of) cannot be cancelled."""
    match state:
        case OrderState.OPEN:
            return None
        case OrderState.FILLED:
            return CancelRefusal.FILLED
        case OrderState.CANCELLED:
            return CancelRefusal.DUPLICATE
        case _:
            return CancelRefusal.UNKNOWN


def _check_time_in_force(intent: Intent, at: int) -> Refusal | None:
    if intent.post_only and intent.time_in_force is _IOC:
        return Refusal.CONFIGURATION
    if intent.post_only and intent.time_in_force is _FOK:
        return Refusal.FOK_POST_ONLY
    if intent.time_in_force is _GTD:
        if intent.expire_at is None:
            return Refusal.NO_END_TIME
        if intent.expire_at <= at:
            return Refusal.PAST_END_TIME
    return None
