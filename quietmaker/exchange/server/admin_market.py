"""The market by hand: what ``POST /admin/market`` says, as market events."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from quietmaker.core.grid import NumberError, number
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import Instant, Lots, Side, Ticks

KINDS: Final = ("book", "levels", "touch", "trade", "lost")
_SIDES: Final = {"bid": Side.BUY, "offer": Side.SELL}
_TRADERS: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


class MarketError(ValueError):
    """A market event that cannot happen; the message says what is wrong with it."""


def parse_market(body: Any, products: Mapping[str, Product], at: Instant) -> MarketEvent:
    """Read one market event that happens at `at`.

    Raises:
        MarketError: if it cannot happen.
    """
    if not isinstance(body, dict):
        raise MarketError("a market event is a JSON object with product and one of its kinds")
    symbol = body.get("product")
    product = products.get(symbol) if isinstance(symbol, str) else None
    if product is None:
        raise MarketError(f"the market has no product {symbol!r}; it has {', '.join(products)}")
    kinds = [kind for kind in KINDS if kind in body]
    if len(kinds) != 1 or body.keys() - {"product", kinds[0]}:
        raise MarketError(f"{symbol}: say product and exactly one of {', '.join(KINDS)}")
    try:
        return _event(kinds[0], body[kinds[0]], product, at)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, OffGridError | NumberError | MarketError):
            raise MarketError(str(error)) from error
        raise MarketError(f"{symbol}: cannot read {kinds[0]}: {error!r}") from error


def _event(kind: str, said: Any, product: Product, at: Instant) -> MarketEvent:
    symbol = product.symbol
    match kind:
        case "book":
            bids = tuple(_level(product, *row) for row in said["bids"])
            asks = tuple(_level(product, *row) for row in said["asks"])
            return BookSnapshot(symbol=symbol, at=at, bids=bids, asks=asks)
        case "levels":
            changes = tuple((_SIDES[side], *_level(product, *row)) for side, *row in said)
            return BookDelta(symbol=symbol, at=at, changes=changes)
        case "touch":
            bid, bid_size = _level(product, said["bid"], said["bid_size"])
            ask, ask_size = _level(product, said["ask"], said["ask_size"])
            return TouchQuote(
                symbol=symbol, at=at, bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size
            )
        case "trade":
            price, size = _level(product, said["price"], said["size"])
            if not size or not price:
                raise MarketError(f"{symbol}: a trade has a price and a size")
            taker = _TRADERS[said["aggressor"]]
            return TradePrint(symbol=symbol, at=at, price=price, size=size, aggressor=taker)
        case _:
            return FeedLost(symbol=symbol, at=at, reason=StaleReason.DISCONNECTED)


def _level(product: Product, price: str, size: str) -> tuple[Ticks, Lots]:
    return product.ticks(_decimal(price)), product.lots(_decimal(size))


def _decimal(text: Any) -> Decimal:
    if not isinstance(text, str):
        raise MarketError(f"{text!r}: prices and sizes are decimal text")
    return number(text)
