"""The older API (``/v2``), as far as trading clients ask it: time, currencies, rates, prices, accounts.

Libraries that serve the whole of Coinbase begin here: ccxt reads currencies and exchange rates before it
lists a market, and balances from these accounts. Rates come from the prices of the products that are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from aiohttp import web

from quietmaker.core.units import ROUNDED, SECOND, plain
from quietmaker.exchange.server.catalogue import FUNDED
from quietmaker.exchange.server.frames import rfc3339
from quietmaker.exchange.server.house import named
from quietmaker.exchange.server.keys import Key
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.records import DOLLARS
from quietmaker.exchange.server.rest_market import product_row, touch
from quietmaker.exchange.server.rest_wire import answer, text, whole
from quietmaker.ports import Balance

PAGE: Final = 25
MOST: Final = 100
_RATE: Final = Decimal("1e-12")
_NO_COLOR: Final = "#0052FF"


async def time(office: Office, request: web.Request) -> web.Response:
    """Answer the exchange's time, in whole seconds."""
    del request
    second = office.clock.now() // SECOND
    return answer({"data": {"iso": rfc3339(second * SECOND), "epoch": second}})


async def currencies(office: Office, request: web.Request) -> web.Response:
    """List the money of states."""
    del request
    rows = [
        {"id": code, "name": name, "min_size": "0.01"}
        for code, name in sorted(_currencies(office).items())
        if code in FUNDED
    ]
    return answer({"data": rows})


async def crypto_currencies(office: Office, request: web.Request) -> web.Response:
    """List the other currencies."""
    del request
    found = sorted(item for item in _currencies(office).items() if item[0] not in FUNDED)
    return answer({"data": [_crypto(code, name, n) for n, (code, name) in enumerate(found)]})


async def exchange_rates(office: Office, request: web.Request) -> web.Response:
    """Answer what one unit of a currency, a dollar by default, is worth in every other."""
    currency = text(request, "currency") or "USD"
    office.desk.now()
    worth = _in_dollars(office)
    if currency not in worth:
        return _error(400, "invalid_request", f"Invalid currency ({currency[:20]})")
    one = worth[currency]
    rates = {
        code: plain(ROUNDED.divide(one, each).quantize(_RATE, context=ROUNDED))
        for code, each in sorted(worth.items())
    }
    return answer({"data": {"currency": currency, "rates": rates}})


async def price(office: Office, request: web.Request) -> web.Response:
    """Answer the price of a product: the last, or what a buyer or a seller gets now."""
    symbol, kind = request.match_info["symbol"], request.match_info["kind"]
    product = office.house.catalogue.products.get(symbol)
    if product is None or kind not in {"spot", "buy", "sell"}:
        return _error(404, "not_found", "Invalid base currency")
    office.desk.now()
    bid, ask = touch(office.house.venue(symbol))
    level = {"buy": ask, "sell": bid}.get(kind)
    amount = product_row(office, symbol)["price"] if level is None else plain(product.price(level))
    if not amount:
        return _error(404, "not_found", "No price is known")
    return answer({"data": {"amount": amount, "base": product.base, "currency": product.quote}})


async def accounts(office: Office, request: web.Request, key: Key) -> web.Response:
    """List the balances, what is held included."""
    del key
    limit = min(whole(request, "limit", default=PAGE), MOST)
    office.desk.now()
    names = _currencies(office)
    rows = [
        _account(office, balance, names.get(balance.currency, balance.currency))
        for balance in office.desk.floor.core.account.balances().values()
    ]
    after = text(request, "starting_after")
    begin = next((n + 1 for n, row in enumerate(rows) if row["id"] == after), 0)
    page = rows[begin : begin + limit]
    following = page[-1]["id"] if page and begin + len(page) < len(rows) else None
    return answer(
        {
            "pagination": {
                "ending_before": None,
                "starting_after": after or None,
                "previous_ending_before": None,
                "next_starting_after": following,
                "limit": limit,
                "order": "desc",
                "previous_uri": None,
                "next_uri": following and f"/v2/accounts?limit={limit}&starting_after={following}",
            },
            "data": page,
        }
    )


def _currencies(office: Office) -> Mapping[str, str]:
    """Return every currency that is traded, with its name."""
    found: dict[str, str] = {}
    for symbol, product in office.house.catalogue.products.items():
        row = office.house.row(symbol)
        found.setdefault(product.base, row["base_name"] or product.base)
        found.setdefault(product.quote, row["quote_name"] or product.quote)
    return found


def _in_dollars(office: Office) -> Mapping[str, Decimal]:
    """Return what each currency with a dollar market is worth."""
    return dict.fromkeys(sorted(DOLLARS), Decimal(1)) | dict(_dollar_prices(office))


def _dollar_prices(office: Office) -> Iterator[tuple[str, Decimal]]:
    for symbol, product in office.house.catalogue.products.items():
        if product.quote == "USD" and product.base not in DOLLARS:
            found = product_row(office, symbol)["price"]
            if found and (value := Decimal(found)) > 0:
                yield product.base, value


def _crypto(code: str, name: str, position: int) -> dict[str, Any]:
    return {
        "asset_id": named(f"asset:{code}"),
        "code": code,
        "name": name,
        "color": _NO_COLOR,
        "sort_index": 100 + position,
        "exponent": 8,
        "type": "crypto",
        "address_regex": "",
    }


def _account(office: Office, balance: Balance, name: str) -> dict[str, Any]:
    code = balance.currency
    fiat = code in FUNDED
    account_id, opened = named(f"account:{code}"), rfc3339(office.opened // SECOND * SECOND)
    currency = _crypto(code, name, 0) | ({"type": "fiat", "exponent": 2} if fiat else {})
    return {
        "id": account_id,
        "name": f"Cash ({code})" if fiat else f"{code} Wallet",
        "primary": False,
        "type": "fiat" if fiat else "wallet",
        "currency": currency,
        "balance": {"amount": plain(balance.available + balance.hold), "currency": code},
        "created_at": opened,
        "updated_at": opened,
        "resource": "account",
        "resource_path": f"/v2/accounts/{account_id}",
        "allow_deposits": True,
        "allow_withdrawals": True,
        "portfolio_id": office.house.portfolio_id,
    }


def _error(status: int, name: str, message: str) -> web.Response:
    return answer({"errors": [{"id": name, "message": message}]}, status=status)
