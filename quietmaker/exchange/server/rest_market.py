"""What the public may ask: products, books, candles, trades, the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, DivisionByZero, InvalidOperation
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web

from quietmaker.core.grid import NumberError, number
from quietmaker.core.product import Product
from quietmaker.core.units import ROUNDED, SECOND, Instant, Lots, Nanos, Ticks, plain
from quietmaker.exchange.candles import KEPT
from quietmaker.exchange.server.frames import NumberText, rfc3339
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.rest_wire import (
    Refused,
    answer,
    choices,
    flag,
    invalid,
    missing,
    not_found,
    text,
    texts,
    unix,
    whole,
)
from quietmaker.exchange.venue import Venue

Levels = Sequence[tuple[Ticks, Lots]]

GRANULARITIES: Final[Mapping[str, Nanos]] = MappingProxyType(
    {
        name: Nanos(minutes * 60 * SECOND)
        for name, minutes in (
            ("ONE_MINUTE", 1),
            ("FIVE_MINUTE", 5),
            ("FIFTEEN_MINUTE", 15),
            ("THIRTY_MINUTE", 30),
            ("ONE_HOUR", 60),
            ("TWO_HOUR", 120),
            ("FOUR_HOUR", 240),
            ("SIX_HOUR", 360),
            ("ONE_DAY", 1440),
        )
    }
)
PRODUCT_TYPES: Final = frozenset({"UNKNOWN_PRODUCT_TYPE", "SPOT", "FUTURE"})
LEVELS: Final = 500
"""Levels of a book when the client does not say how many."""
MOST_LEVELS: Final = 5_000
TRADES: Final = 100
MOST_TRADES: Final = 1_000
_EVER: Final = Instant(2**62)
_NO_PRODUCT: Final = "valid product_id is required"


async def time(office: Office, request: web.Request) -> web.Response:
    """Answer the exchange's time."""
    del request
    now = office.clock.now()
    second = now // SECOND
    return answer(
        {
            "iso": rfc3339(second * SECOND),
            "epochSeconds": str(second),
            "epochMillis": str(now // 1_000_000),
        }
    )


# --- products -----------------------------------------------------------------------------------


async def products(office: Office, request: web.Request) -> web.Response:
    """List products."""
    kinds = choices(request, PRODUCT_TYPES, "product_type")
    flag(request, "get_tradability_status")
    flag(request, "get_all_products")
    wanted = texts(request, "product_ids")
    futures = "FUTURE" in kinds or any(
        text(request, name).strip("_").upper() not in {"", *_NO_EXPIRY}
        for name in ("contract_expiry_type", "expiring_contract_status")
    )
    offset = whole(request, "offset", default=0)
    limit = whole(request, "limit", default=0)
    listed = office.house.catalogue.products
    symbols = [] if futures else [s for s in wanted or listed if s in listed]
    page = symbols[offset : offset + limit if limit else None]
    office.desk.now()
    return answer(
        {
            "products": [product_row(office, symbol) for symbol in page],
            "num_products": len(symbols),
            "pagination": {
                "prev_cursor": "",
                "next_cursor": "",
                "has_next": offset + len(page) < len(symbols),
                "has_prev": offset > 0,
            },
        }
    )


async def product(office: Office, request: web.Request) -> web.Response:
    """Answer one product, bare."""
    flag(request, "get_tradability_status")
    symbol = listed_symbol(office, request.match_info["product_id"])
    office.desk.now()
    return answer(product_row(office, symbol))


def product_row(office: Office, symbol: str) -> Mapping[str, Any]:
    """Return a product as it is now."""
    catalogue = office.house.catalogue
    if symbol not in catalogue.played and symbol not in catalogue.aliases:
        return office.house.row(symbol)
    row = dict(office.house.row(symbol))
    listed = catalogue.products[symbol]
    past = office.past(_book_symbol(office, symbol))
    price = past.last if past.last is not None else _middle(office.house.venue(symbol))
    if price is not None:
        row["price"] = plain(listed.price(price))
    day = past.day()
    if day is None or past.last is None:
        return row
    volume = listed.size(day.volume)
    worth = ROUNDED.multiply(volume, listed.price(past.last)).quantize(Decimal("0.01"))
    row |= {
        "price_percentage_change_24h": plain(_percent(past.last - day.open, day.open)),
        "volume_24h": plain(volume),
        "approximate_quote_24h_volume": plain(worth),
        "high_24h": plain(listed.price(day.high)),
        "low_24h": plain(listed.price(day.low)),
    }
    return row


def listed_symbol(office: Office, symbol: str) -> str:
    """Return a product id that is listed.

    Raises:
        Refused: if it is not.
    """
    if symbol not in office.house.catalogue.products:
        raise not_found(_NO_PRODUCT)
    return symbol


# --- candles and trades -------------------------------------------------------------------------


async def candles(office: Office, request: web.Request) -> web.Response:
    """Answer buckets, newest first; those without a trade are absent."""
    symbol = listed_symbol(office, request.match_info["product_id"])
    name = text(request, "granularity")
    if not name:
        raise missing("granularity")
    span = GRANULARITIES.get(name)
    if span is None:
        raise invalid("granularity", name)
    limit = whole(request, "limit", default=KEPT, most=KEPT)
    now = office.desk.now()
    end = unix(request, "end")
    last = now if end is None else end * SECOND
    start = unix(request, "start")
    first = last - KEPT * span if start is None else start * SECOND
    if start is not None and (last - first) // span > KEPT:
        raise Refused(
            400,
            "INVALID_ARGUMENT",
            f"number of candles requested should be less than {KEPT}",
        )
    found = office.desk.floor.candles.series(
        _book_symbol(office, symbol), span, start=max(first, 0), end=last, most=limit
    )
    price, size = _texts(office.house.product(symbol))
    rows = [
        {
            "start": str(candle.start // SECOND),
            "low": price(candle.low),
            "high": price(candle.high),
            "open": price(candle.open),
            "close": price(candle.close),
            "volume": size(candle.volume),
        }
        for candle in reversed(found)
    ]
    return answer({"candles": rows})


async def trades(office: Office, request: web.Request) -> web.Response:
    """Answer the latest trades, newest first, with the side of the maker, and the touch."""
    symbol = listed_symbol(office, request.match_info["product_id"])
    limit = whole(request, "limit", default=TRADES, most=MOST_TRADES)
    start, end = unix(request, "start"), unix(request, "end")
    office.desk.now()
    since = 0 if start is None else start * SECOND
    until = _EVER if end is None else (end + 1) * SECOND
    price, size = _texts(office.house.product(symbol))
    past = office.past(_book_symbol(office, symbol)).trades(MOST_TRADES)
    rows = [
        {
            "trade_id": str(trade.trade_id),
            "product_id": symbol,
            "price": price(trade.price),
            "size": size(trade.size),
            "time": rfc3339(trade.at // 1_000 * 1_000),
            "side": trade.maker.value,
            "bid": "",
            "ask": "",
            "exchange": "coinbase",
        }
        for trade in past
        if since <= trade.at < until
    ]
    venue = office.house.venue(symbol)
    bid, ask = touch(venue)
    return answer(
        {
            "trades": rows[:limit],
            "best_bid": "" if bid is None else price(bid),
            "best_ask": "" if ask is None else price(ask),
        }
    )


# --- books --------------------------------------------------------------------------------------


async def product_book(office: Office, request: web.Request) -> web.Response:
    """Answer a book, best levels first."""
    asked = text(request, "product_id")
    if not asked:
        raise missing("product_id")
    symbol = listed_symbol(office, asked)
    limit = whole(request, "limit", default=LEVELS, most=MOST_LEVELS)
    step = _step(request, office.house.product(symbol))
    now = office.desk.now()
    venue = office.house.venue(symbol)
    bids: Levels = ()
    asks: Levels = ()
    if venue is not None:
        if step is None:
            bids, asks = venue.top(limit)
        else:
            bids, asks = (_grouped(side, step, limit, up) for side, up in _sides(venue))
    listed = office.house.product(symbol)
    bid, ask = touch(venue)
    middle, absolute, relative = _spread(listed, bid, ask)
    return answer(
        {
            "pricebook": _pricebook(symbol, listed, bids, asks, now),
            "last": middle,
            "mid_market": middle,
            "spread_bps": relative,
            "spread_absolute": absolute,
        }
    )


async def best_bid_ask(office: Office, request: web.Request) -> web.Response:
    """Answer the touch of products; of all that are played when none is named."""
    house = office.house
    wanted = texts(request, "product_ids") or tuple(house.catalogue.played)
    symbols = [listed_symbol(office, symbol) for symbol in wanted]
    now = office.desk.now()
    books = []
    for symbol in symbols:
        venue = house.venue(symbol)
        bids, asks = ([], []) if venue is None else venue.top(1)
        books.append(_pricebook(symbol, house.product(symbol), bids, asks, now))
    return answer({"pricebooks": books})


def touch(venue: Venue | None) -> tuple[int | None, int | None]:
    """Return the best bid and ask, None for a side that is empty."""
    if venue is None:
        return None, None
    return (
        venue.bid if venue.bid_size > 0 else None,
        venue.ask if venue.ask_size > 0 else None,
    )


# --- inside -------------------------------------------------------------------------------------

_NO_EXPIRY: Final = frozenset(
    {"UNKNOWN_CONTRACT_EXPIRY_TYPE", "UNKNOWN_EXPIRING_CONTRACT_STATUS", "FALSE"}
)


def _book_symbol(office: Office, symbol: str) -> str:
    canonical = office.house.canonical(symbol)
    assert canonical is not None, "the symbol is listed"
    return canonical


def _texts(product: Product) -> tuple[Any, Any]:
    return NumberText(product.tick).text, NumberText(product.lot).text


def _pricebook(
    symbol: str, product: Product, bids: Levels, asks: Levels, now: Instant
) -> dict[str, Any]:
    price, size = _texts(product)
    return {
        "product_id": symbol,
        "bids": [{"price": price(at), "size": size(lots)} for at, lots in bids],
        "asks": [{"price": price(at), "size": size(lots)} for at, lots in asks],
        "time": rfc3339(now // 1_000 * 1_000),
    }


def _sides(venue: Venue) -> Iterable[tuple[Levels, bool]]:
    bids, asks = venue.book()
    return ((bids, False), (asks, True))


def _step(request: web.Request, product: Product) -> int | None:
    """Return the increment that levels are summed up to, in ticks."""
    name = "aggregation_price_increment"
    value = text(request, name)
    if not value:
        return None
    try:
        step = number(value)
        ticks = step / product.tick
    except (NumberError, InvalidOperation, DivisionByZero):
        raise invalid(name, value) from None
    if ticks != ticks.to_integral_value() or not 1 <= ticks <= 10**12:
        raise invalid(name, value)
    return int(ticks)


def _grouped(levels: Levels, step: int, limit: int, up: bool) -> list[tuple[Ticks, Lots]]:
    """Sum levels up to multiples of a step: bids to the one below, asks to the one above."""
    sums: dict[int, int] = {}
    for price, size in levels:
        at = (-(-price // step) if up else price // step) * step
        if at not in sums and len(sums) == limit:
            break
        sums[at] = sums.get(at, 0) + size
    return [(Ticks(price), Lots(size)) for price, size in sums.items()]


def _spread(product: Product, bid: int | None, ask: int | None) -> tuple[str, str, str]:
    """Return middle, absolute spread, and spread in hundredths of a percent."""
    if bid is None or ask is None:
        return "", "", ""
    middle = ROUNDED.divide(product.price(bid + ask), Decimal(2))
    absolute = product.price(ask - bid)
    relative = ROUNDED.divide(absolute * 10_000, middle).quantize(Decimal("1e-12"))
    return plain(middle), plain(absolute), plain(relative)


def _middle(venue: Venue | None) -> int | None:
    bid, ask = touch(venue)
    return None if bid is None or ask is None else (bid + ask) // 2


def _percent(change: int, base: int) -> Decimal:
    scaled = ROUNDED.divide(Decimal(change) * 100, Decimal(base))
    return scaled.quantize(Decimal("1e-14"), context=ROUNDED)
