"""The exchange's answer about products, as domain products.

Source of the rules: reference of the Advanced Trade API, `GET /products` and `/market/products`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson

from quietmaker.core.grid import NumberError, number
from quietmaker.core.product import Product
from quietmaker.errors import WireError

_FLAGS: Final = ("trading_disabled", "is_disabled", "cancel_only", "auction_mode", "view_only")
"""Each of these alone stops a maker's orders. `limit_only` and `post_only` do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductsAnswer:
    """What an answer about products said.

    Attributes:
        products: the spot products by symbol, in the order of the answer.
        aliases: symbols that share another product's book, such as BTC-USDC that of BTC-USD. The
            market-data channels label their data with the latter; orders settle in the former.
        refused: products that could not be read, with the reason.
    """

    products: Mapping[str, Product]
    aliases: Mapping[str, str]
    refused: Mapping[str, str]


def products_from_answer(answer: bytes | str) -> ProductsAnswer:
    """Read a list of products, or a single one, as the exchange answers it.

    Raises:
        WireError: if the answer is not JSON or has no products; a product that alone is
            unreadable is named in `refused` instead.
    """
    try:
        body = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise WireError(
            f"the products answer is not JSON ({error}); ask the exchange again"
        ) from error
    rows = body.get("products", [body]) if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows:
        raise WireError("the products answer has no list 'products'; is it another answer?")
    return _read(rows)


def _read(rows: list[Any]) -> ProductsAnswer:
    products: dict[str, Product] = {}
    aliases: dict[str, str] = {}
    refused: dict[str, str] = {}
    for place, row in enumerate(rows):
        symbol = row.get("product_id") if isinstance(row, dict) else None
        if not isinstance(symbol, str) or not symbol:
            refused[f"#{place}"] = "has no product_id"
            continue
        if row.get("product_type", "SPOT") != "SPOT":
            refused[symbol] = f"is of type {row['product_type']}, only SPOT is traded"
            continue
        try:
            products[symbol] = _product(symbol, row)
        except (KeyError, ValueError) as error:
            refused[symbol] = f"cannot be read: {error}"
            continue
        alias = row.get("alias")
        if isinstance(alias, str) and alias:
            aliases[symbol] = alias
    if not products:
        raise WireError(f"no product of the answer can be used: {next(iter(refused.items()))}")
    return ProductsAnswer(products=products, aliases=aliases, refused=refused)


def _product(symbol: str, row: Mapping[str, Any]) -> Product:
    base, _, quote = symbol.partition("-")
    return Product(
        symbol=symbol,
        base=str(row.get("base_currency_id") or base),
        quote=str(row.get("quote_currency_id") or quote),
        tick=_decimal(row, "price_increment" if row.get("price_increment") else "quote_increment"),
        lot=_decimal(row, "base_increment"),
        min_size=_decimal(row, "base_min_size"),
        max_size=_decimal(row, "base_max_size"),
        min_notional=_decimal(row, "quote_min_size"),
        untradable=_untradable(row),
    )


def _untradable(row: Mapping[str, Any]) -> str:
    """Return why a maker may not order; an absent flag is not set, an absent status is a reason."""
    status = row.get("status")
    if status != "online":
        return str(status or "status_unknown")
    return next((flag for flag in _FLAGS if row.get(flag)), "")


def _decimal(row: Mapping[str, Any], key: str) -> Decimal:
    raw = row[key]
    if not isinstance(raw, str):
        raise NumberError(f"{key} {raw!r} is not decimal text")
    return number(raw)
