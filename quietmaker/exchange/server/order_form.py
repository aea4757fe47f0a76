"""An order as clients send it, read into what the desk can submit, or refused with Coinbase's reason.

Two kinds of refusal. What is no value of its JSON type is a bad request (HTTP 400, `rest_wire`). What is
a value that the exchange does not take is an order that was rejected (HTTP 200, ``success: false``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from quietmaker.core.grid import NumberError, number
from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, ROUNDED, ZERO, Instant, Lots, Side, Ticks
from quietmaker.exchange.refusals import Refusal, to_grid
from quietmaker.exchange.server.records import Draft, Kind
from quietmaker.exchange.server.rest_wire import Refused, boolean, invalid, parse_time, string

LONGEST_ID: Final = 128
GREATEST: Final = Decimal(10) ** 15
"""Prices and amounts beyond this are refused before anything is computed with them."""
TAG: Final = "client"
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


class OrderRefused(Exception):  # noqa: N818 - an answer, not a defect
    """An order that is rejected before the exchange looks at market and balances."""

    def __init__(self, reason: str, details: str) -> None:
        """Take Coinbase's word and a sentence."""
        super().__init__(details)
        self.reason = reason
        self.details = details


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A kind of `order_configuration`.

    Attributes:
        kind: limit or market.
        time_in_force: how long it rests.
    """

    kind: Kind
    time_in_force: TimeInForce


VARIANTS: Final[Mapping[str, Variant]] = MappingProxyType(
    {
        "limit_limit_gtc": Variant(kind=Kind.LIMIT, time_in_force=TimeInForce.GTC),
        "limit_limit_gtd": Variant(kind=Kind.LIMIT, time_in_force=TimeInForce.GTD),
        "limit_limit_fok": Variant(kind=Kind.LIMIT, time_in_force=TimeInForce.FOK),
        "sor_limit_ioc": Variant(kind=Kind.LIMIT, time_in_force=TimeInForce.IOC),
        "market_market_ioc": Variant(kind=Kind.MARKET, time_in_force=TimeInForce.IOC),
    }
)
"""What this exchange trades; every other variant is UNSUPPORTED_ORDER_CONFIGURATION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an order is read with: the product, the time, and the touch that it is noted on."""

    products: Mapping[str, Product]
    now: Instant
    bid: int
    ask: int


def client_id_of(body: dict[str, Any]) -> str:
    """Return the client's id of an order.

    Raises:
        Refused: if there is none, or it is too long.
    """
    client_id = string(body, "client_order_id")
    if not client_id:
        raise Refused(400, "INVALID_ARGUMENT", "client_order_id is required")
    if len(client_id) > LONGEST_ID:
        raise Refused(
            400, "INVALID_ARGUMENT", f"client_order_id must have at most {LONGEST_ID} characters"
        )
    return client_id


def configuration_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return the order configuration, empty when there is none.

    Raises:
        Refused: if it is no object of objects.
    """
    configuration = body.get("order_configuration")
    if configuration is None:
        return {}
    if not isinstance(configuration, dict):
        raise invalid("order_configuration", configuration)
    for name, variant in configuration.items():
        if not isinstance(variant, dict):
            raise invalid(name, variant)
    return configuration


def read_order(body: dict[str, Any], client_id: str, around: Surroundings) -> Draft:
    """Return the order that a request describes.

    Raises:
        OrderRefused: if the exchange does not take such an order.
        Refused: if a field is not of its JSON type.
    """
    configuration = configuration_of(body)
    name, fields = _variant(body, configuration)
    variant = VARIANTS[name]
    symbol = string(body, "product_id")
    product = around.products.get(symbol)
    if product is None:
        raise OrderRefused(Refusal.INVALID_PRODUCT_ID, f"no product {symbol!r}")
    side = _SIDES.get(string(body, "side"))
    if side is None:
        raise OrderRefused("INVALID_SIDE", "side must be BUY or SELL")
    if variant.kind is Kind.MARKET:
        price, size, quote = _market_amounts(fields, product, side)
    else:
        price, size, quote = *_limit_amounts(fields, product), None
    intent = Intent(
        client_id=client_id,
        symbol=symbol,
        side=side,
        price=price,
        size=size,
        post_only=boolean(fields, "post_only"),
        time_in_force=variant.time_in_force,
        expire_at=_end_time(fields, variant),
        purpose=Purpose.ENTRY,
        exit_reason=None,
        strategy_tag=TAG,
        passive_order_id=client_id,
        decided_at=around.now,
        bid=Ticks(around.bid),
        ask=Ticks(around.ask),
        inputs=(),
        config_sha="",
    )
    return Draft(
        intent=intent,
        product=product,
        kind=variant.kind,
        configuration=configuration,
        quote_size=quote,
    )


def amount(fields: dict[str, Any], name: str, refusal: str) -> Decimal | None:
    """Return a decimal number of a body; None when it is absent or empty.

    Raises:
        OrderRefused: with `refusal`, if it is no number that an order can have.
        Refused: if it is not text.
    """
    value = string(fields, name)
    if not value:
        return None
    try:
        found = number(value)
    except NumberError as error:
        raise OrderRefused(refusal, f"{name}: {error}") from error
    if found >= GREATEST:
        raise OrderRefused(refusal, f"{name} {value} is too great")
    return found


def on_grid(product: Product, price: Decimal, size: Decimal) -> tuple[Ticks, Lots]:
    """Return price and size as ticks and lots.

    Raises:
        OrderRefused: if one of them has too many digits.
    """
    found = to_grid(product, price, size)
    if isinstance(found, Refusal):
        what = "price" if found is Refusal.PRICE_PRECISION else "size"
        step = product.tick if what == "price" else product.lot
        raise OrderRefused(found, f"{what} is not a multiple of {step:f}")
    return found


def _variant(
    body: dict[str, Any], configuration: dict[str, dict[str, Any]]
) -> tuple[str, dict[str, Any]]:
    unsupported = Refusal.CONFIGURATION
    if len(configuration) != 1:
        raise OrderRefused(unsupported, "order_configuration must have exactly one variant")
    if body.get("attached_order_configuration"):
        raise OrderRefused(unsupported, "attached orders are not supported")
    [(name, fields)] = configuration.items()
    if name not in VARIANTS:
        raise OrderRefused(unsupported, f"{name[:64]} is not supported")
    return name, fields


def _limit_amounts(fields: dict[str, Any], product: Product) -> tuple[Ticks, Lots]:
    price = amount(fields, "limit_price", Refusal.LIMIT_PRICE)
    if not price:
        raise OrderRefused(Refusal.LIMIT_PRICE, "limit_price must be greater than zero")
    size = amount(fields, "base_size", Refusal.SIZE_TOO_LARGE)
    quote = _quote_amount(fields, product)
    if (size is None) == (quote is None):
        raise OrderRefused("INVALID_REQUEST", "give either base_size or quote_size")
    if size is None:
        assert quote is not None
        lots = int(ROUNDED.divide(quote, EXACT.multiply(price, product.lot)))
        size = product.size(lots)
    return on_grid(product, price, size)


def _market_amounts(
    fields: dict[str, Any], product: Product, side: Side
) -> tuple[Ticks, Lots, Decimal | None]:
    size = amount(fields, "base_size", Refusal.SIZE_TOO_LARGE)
    quote = _quote_amount(fields, product)
    if (size is None) == (quote is None):
        raise OrderRefused("INVALID_REQUEST", "give either base_size or quote_size")
    if quote is not None:
        if side is Side.SELL:
            raise OrderRefused("INVALID_REQUEST", "a market sell needs base_size")
        if quote < product.min_notional or not quote:
            raise OrderRefused(Refusal.NOTIONAL_TOO_SMALL, f"quote_size {quote:f} is too small")
        return Ticks(0), Lots(0), quote
    assert size is not None
    _, lots = on_grid(product, ZERO, size)
    if lots < max(product.min_lots, 1):
        raise OrderRefused(Refusal.SIZE_TOO_SMALL, f"base_size {size:f} is too small")
    return Ticks(0), lots, None


def _quote_amount(fields: dict[str, Any], product: Product) -> Decimal | None:
    quote = amount(fields, "quote_size", "PREVIEW_INVALID_QUOTE_SIZE_TOO_LARGE")
    if quote is not None and EXACT.remainder(quote, product.tick):
        raise OrderRefused(
            "PREVIEW_INVALID_QUOTE_SIZE_PRECISION",
            f"quote_size is not a multiple of {product.tick:f}",
        )
    return quote


def _end_time(fields: dict[str, Any], variant: Variant) -> Instant | None:
    if variant.time_in_force is not TimeInForce.GTD:
        return None
    value = string(fields, "end_time")
    if not value:
        raise OrderRefused(Refusal.NO_END_TIME, "end_time is required")
    at = parse_time(value)
    if at is None:
        raise invalid("end_time", value)
    return at
