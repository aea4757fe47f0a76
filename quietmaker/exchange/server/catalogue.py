"""What the exchange lists: the products that its market plays, and those of a recorded answer.

A product that is played is listed with the increments that it is played with. An alias of a played
product (BTC-USDC of BTC-USD) shares its book and increments and settles in its own currency. Every
other product is listed as recorded, and refuses orders because it has no book.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol

import orjson

from quietmaker.core.product import Product
from quietmaker.core.units import plain
from quietmaker.errors import QuietmakerError, SourceError

FUNDED: Final = frozenset({"USD", "EUR", "GBP", "SGD", "INR", "CAD", "AUD", "JPY", "CHF", "BRL"})
"""Quote currencies that are money of a state: their accounts are of another type."""


class Understood(Protocol):
    """An answer about products, as domain values."""

    @property
    def products(self) -> Mapping[str, Product]:
        """Return the products by symbol."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Return symbols that share another product's book."""


ReadProducts = Callable[[bytes], Understood]
"""Understands an answer about products; raises a QuietmakerError if it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A recorded answer about products.

    Attributes:
        rows: as they came, by symbol.
        products: those that can be traded in principle.
        aliases: symbols that share another product's book.
    """

    rows: Mapping[str, Mapping[str, Any]]
    products: Mapping[str, Product]
    aliases: Mapping[str, str]


NOTHING: Final = Recorded(
    rows=MappingProxyType({}), products=MappingProxyType({}), aliases=MappingProxyType({})
)


FLAGS: Final = ("trading_disabled", "is_disabled", "cancel_only", "auction_mode", "view_only")
"""Market states that are told by a flag of their own while the status stays online."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that is listed. Products stay; their market state may change.

    Attributes:
        products: by symbol, in the order of listing; a played one with the increments it is played with.
        aliases: symbols that share the book of a played product.
        played: symbols that the market source plays.
    """

    products: dict[str, Product]
    aliases: Mapping[str, str]
    played: frozenset[str]
    _rows: dict[str, Mapping[str, Any]]
    _names: Mapping[str, str]

    def canonical(self, symbol: str) -> str | None:
        """Return the product whose book a symbol shares, itself without an alias; None if not listed."""
        return self._names.get(symbol)

    def row(self, symbol: str) -> Mapping[str, Any]:
        """Return a product as it is answered, without what the market says of it now."""
        return self._rows[symbol]

    def change_state(self, symbol: str, state: str) -> Product:
        """List a product in another market state: empty for tradable, one of `FLAGS`, or a status."""
        product = replace(self.products[symbol], untradable=state)
        self.products[symbol] = product
        self._rows[symbol] = {**self._rows[symbol], **_state(state)}
        return product


def read_catalogue(path: Path, read: ReadProducts) -> Recorded:
    """Read a recorded answer of ``/market/products``, plain or compressed with gzip.

    Raises:
        SourceError: if it is none; names the file.
    """
    remedy = "name a recorded answer of GET /market/products with --catalogue"
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
        body = orjson.loads(data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"{path} cannot be read ({reason}); {remedy}") from error
    except (EOFError, zlib.error) as error:
        raise SourceError(f"{path} is cut off or damaged ({error}); {remedy}") from error
    except orjson.JSONDecodeError as error:
        raise SourceError(f"{path} is not JSON ({error}); {remedy}") from error
    try:
        understood = read(data)
    except QuietmakerError as error:
        raise SourceError(f"{path}: {error}; {remedy}") from error
    listed = body.get("products", [body]) if isinstance(body, dict) else []
    rows = {row["product_id"]: row for row in listed if _usable(row, understood.products)}
    return Recorded(rows=rows, products=understood.products, aliases=understood.aliases)


def merge(recorded: Recorded, played: Mapping[str, Product]) -> Catalogue:
    """Return the catalogue of a market beside a recorded answer."""
    aliases = {
        alias: target
        for alias, target in recorded.aliases.items()
        if target in played and alias not in played
    }
    products: dict[str, Product] = {}
    for symbol, product in recorded.products.items():
        products[symbol] = played.get(symbol, product)
        if symbol in aliases:
            grid = played[aliases[symbol]]
            products[symbol] = replace(grid, symbol=symbol, base=product.base, quote=product.quote)
    for symbol, product in played.items():
        products.setdefault(symbol, product)
    return Catalogue(
        products=products,
        aliases=aliases,
        played=frozenset(played),
        _rows={
            symbol: _row(product, recorded.rows.get(symbol, {}), played, aliases, products)
            for symbol, product in products.items()
        },
        _names={symbol: _canonical(symbol, recorded, played, products) for symbol in products},
    )


def _canonical(
    symbol: str, recorded: Recorded, played: Mapping[str, Product], listed: Mapping[str, Product]
) -> str:
    target = recorded.aliases.get(symbol)
    return symbol if target is None or symbol in played or target not in listed else target


def _row(
    product: Product,
    recorded: Mapping[str, Any],
    played: Mapping[str, Product],
    aliases: Mapping[str, str],
    listed: Mapping[str, Product],
) -> Mapping[str, Any]:
    symbol = product.symbol
    row = {**_template(product), **recorded}
    if symbol in played or symbol in aliases:
        row |= _increments(product)
        row["alias"] = aliases.get(symbol, "")
        row["volume_percentage_change_24h"] = "0"
    row["alias_to"] = [alias for alias in row["alias_to"] or () if alias in listed]
    return row


def _usable(row: object, products: Mapping[str, Product]) -> bool:
    return isinstance(row, dict) and row.get("product_id") in products


def _increments(product: Product) -> dict[str, Any]:
    return {
        "base_increment": plain(product.lot),
        "quote_increment": plain(product.tick),
        "price_increment": plain(product.tick),
        "base_min_size": plain(product.min_size),
        "base_max_size": plain(product.max_size),
        "quote_min_size": plain(product.min_notional),
    }


def _template(product: Product) -> dict[str, Any]:
    """Return a product that nobody recorded, with every field that Coinbase sends."""
    symbol, base, quote = product.symbol, product.base, product.quote
    return {
        "product_id": symbol,
        "price": "",
        "price_percentage_change_24h": "0",
        "volume_24h": "0",
        "volume_percentage_change_24h": "0",
        **_increments(product),
        "quote_max_size": plain(Decimal(150_000_000)),
        "base_name": base,
        "quote_name": quote,
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "product_type": "SPOT",
        "quote_currency_id": quote,
        "base_currency_id": base,
        "fcm_trading_session_details": None,
        "mid_market_price": "",
        "alias": "",
        "alias_to": [],
        "base_display_symbol": base,
        "quote_display_symbol": quote,
        "view_only": False,
        "display_name": symbol,
        "product_venue": "CBE",
        "approximate_quote_24h_volume": "0",
        "new_at": "2023-01-01T00:00:00Z",
        "market_cap": "",
        "base_cbrn": "",
        "quote_cbrn": "",
        "product_cbrn": "",
        "icon_color": "",
        "icon_url": "",
        "display_name_overwrite": "",
        "is_alpha_testing": False,
        "about_description": "",
        "best_bid_price": "",
        "best_ask_price": "",
        "high_24h": "",
        "low_24h": "",
        "hidden_from_discovery": False,
        **_state(product.untradable),
    }


def _state(state: str) -> dict[str, Any]:
    """Return the fields that tell a market state."""
    flags: dict[str, Any] = {flag: flag == state for flag in FLAGS}
    if state and state not in FLAGS:
        return {**flags, "status": state, "trading_disabled": True}
    return {**flags, "status": "online"}
