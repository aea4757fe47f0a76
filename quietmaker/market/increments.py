"""Increments of a product that nobody stated, inferred from the data and always said so.

The inferred tick (lot) is the largest power of ten, at most 1, of which every price (size) seen is a
multiple. Too coarse an inference is impossible for the data at hand; too fine a one is not: a
product whose true tick is 0.05 is read with 0.01.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.grid import NumberError, number
from quietmaker.core.product import Product
from quietmaker.errors import SourceError

MOST_DECIMALS: Final = 12
_NOTIONAL: Final = Decimal(1)
_MOST: Final = Decimal(10) ** 12
_KNOWN_QUOTES: Final = tuple(
    "FDUSD USDT USDC TUSD BUSD USD1 USD DAI EUR GBP TRY BRL JPY BTC ETH BNB".split()  # noqa: SIM905
)


@dataclass(slots=True)
class Decimals:
    """The most decimals seen so far of one product's prices and sizes."""

    price: int = 0
    size: int = 0

    def see(self, prices: Iterable[str], sizes: Iterable[str]) -> None:
        """Learn from decimal text; text that is no number is left for the decoder to report."""
        self.price = _most(prices, self.price)
        self.size = _most(sizes, self.size)

    def merge(self, other: Decimals) -> Decimals:
        """Return what fits both."""
        return Decimals(max(self.price, other.price), max(self.size, other.size))


def _most(texts: Iterable[str], known: int) -> int:
    for text in texts:
        dot = text.find(".")
        if "e" in text or "E" in text:
            known = max(known, _decimals(text))
        elif dot >= 0 and len(text) - dot - 1 > known:
            known = max(known, len(text[dot + 1 :].rstrip("0")))
    return known


def _decimals(text: str) -> int:
    try:
        exponent = number(text).normalize().as_tuple().exponent
    except NumberError:
        return 0
    return max(0, -exponent) if isinstance(exponent, int) else 0


def infer(symbol: str, seen: Decimals) -> Product:
    """Return the product that the data suggests."""
    base, _, quote = symbol.partition("-")
    lot = Decimal(1).scaleb(-seen.size)
    return Product(
        symbol=symbol,
        base=base,
        quote=quote or "USD",
        tick=Decimal(1).scaleb(-seen.price),
        lot=lot,
        min_size=lot,
        max_size=_MOST,
        min_notional=_NOTIONAL,
        untradable="",
    )


def statement(product: Product) -> str:
    """Return the sentence that every reader of an inferred product must see."""
    return (
        f"{product.symbol}: the source states no product; inferred from the data: price increment "
        f"{product.tick:f}, size increment and minimum {product.lot:f}, minimum value "
        f"{product.min_notional:f} {product.quote}. State the product in the configuration to be sure."
    )


def resolve(
    seen: Mapping[str, Decimals],
    stated: Mapping[str, Product],
    given: Mapping[str, Product],
) -> tuple[dict[str, Product], dict[str, str]]:
    """Choose a product per symbol: what the recording states, else what is given, else inferred.

    Returns:
        the products in the order of `seen`, and the statements about the inferred ones.
    """
    products: dict[str, Product] = {}
    inferred: dict[str, str] = {}
    for symbol, decimals in seen.items():
        product = stated.get(symbol) or given.get(symbol)
        if product is None:
            product = infer(symbol, decimals)
            inferred[symbol] = statement(product)
        products[symbol] = product
    return products, inferred


def wanted(found: Iterable[str], symbols: Iterable[str] | None, where: str) -> list[str]:
    """Return the symbols to read, in the order found.

    Raises:
        SourceError: if one that was asked for is not there.
    """
    names = list(found)
    if symbols is None:
        return names
    asked = {dashed(symbol) if symbol not in names else symbol for symbol in symbols}
    if missing := sorted(asked.difference(names)):
        raise SourceError(
            f"{where}: no data of {', '.join(missing)}; it has {', '.join(names) or 'no symbol'}"
        )
    return [name for name in names if name in asked]


def dashed(symbol: str) -> str:
    """Return a symbol in the exchange's form: ``BTCUSDT`` is ``BTC-USDT``; others stay as they are."""
    upper = symbol.upper()
    if "-" in upper:
        return upper
    for quote in _KNOWN_QUOTES:
        if upper.endswith(quote) and len(upper) > len(quote):
            return f"{upper.removesuffix(quote)}-{quote}"
    return upper
