"""What a recording of raw frames needs from us: decoders, products, and a look at what is inside.

`quietmaker.market` reads recordings and knows no exchange's frames; the composition root hands it
one `CoinbaseFrames`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from quietmaker.coinbase.fields import RefusedError, load
from quietmaker.coinbase.products import products_from_answer
from quietmaker.coinbase.wire import MarketDecoder
from quietmaker.core.product import Product

_LISTS: Final = {
    "l2_data": ("updates", ("price_level",), ("new_quantity",)),
    "level2": ("updates", ("price_level",), ("new_quantity",)),
    "market_trades": ("trades", ("price",), ("size",)),
    "ticker": (
        "tickers",
        ("best_bid", "best_ask"),
        ("best_bid_quantity", "best_ask_quantity"),
    ),
    "candles": ("candles", ("low", "high"), ()),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one frame shows of one product.

    Attributes:
        symbol: the product id.
        snapshot: whether the frame holds the product's whole book.
        prices: every price in it, as text.
        sizes: every size in it, as text.
    """

    symbol: str
    snapshot: bool
    prices: Sequence[str]
    sizes: Sequence[str]


class CoinbaseFrames:
    """Knows the frames of Coinbase Advanced Trade."""

    def products(self, answer: bytes | str) -> Mapping[str, Product]:
        """Read a recorded answer about products.

        Raises:
            WireError: if it is no such answer.
        """
        return products_from_answer(answer).products

    def decoder(self, products: Mapping[str, Product]) -> MarketDecoder:
        """Return a decoder for these products."""
        return MarketDecoder(products)

    def survey(self, text: str | bytes) -> Sequence[Sighting]:
        """Say which products a frame is about. Whatever cannot be read is left for `decode`."""
        try:
            body = load(text)
        except RefusedError:
            return ()
        channel, events = body.get("channel"), body.get("events")
        shape = _LISTS.get(channel) if isinstance(channel, str) else None
        if shape is None or not isinstance(events, list):
            return ()
        found: dict[str, tuple[bool, list[str], list[str]]] = {}
        for event in events:
            if isinstance(event, dict):
                _look(event, shape, found)
        return [
            Sighting(symbol=symbol, snapshot=snapshot, prices=prices, sizes=sizes)
            for symbol, (snapshot, prices, sizes) in found.items()
        ]


def _look(
    event: Mapping[str, Any],
    shape: tuple[str, tuple[str, ...], tuple[str, ...]],
    found: dict[str, tuple[bool, list[str], list[str]]],
) -> None:
    key, price_keys, size_keys = shape
    rows = event.get(key)
    snapshot = key == "updates" and event.get("type") == "snapshot"
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        symbol = event.get("product_id") if key == "updates" else row.get("product_id")
        if not isinstance(symbol, str) or not symbol:
            continue
        entry = found.get(symbol)
        if entry is None:
            entry = found[symbol] = (snapshot, [], [])
        for name in price_keys:
            if isinstance(price := row.get(name), str) and price:
                entry[1].append(price)
        for name in size_keys:
            if isinstance(size := row.get(name), str) and size:
                entry[2].append(size)
