"""The account: balances, what the key may do, and what trading costs it."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from quietmaker.core.units import plain, ratio
from quietmaker.exchange.server.catalogue import FUNDED
from quietmaker.exchange.server.frames import rfc3339
from quietmaker.exchange.server.house import named
from quietmaker.exchange.server.keys import Key
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.rest_market import PRODUCT_TYPES
from quietmaker.exchange.server.rest_wire import (
    answer,
    choices,
    invalid,
    not_found,
    text,
    whole,
)
from quietmaker.ports import Balance

PAGE: Final = 49
MOST: Final = 250


async def accounts(office: Office, request: web.Request, key: Key) -> web.Response:
    """List the balances, one row for each currency that was ever funded."""
    del key
    limit = whole(request, "limit", default=PAGE, most=MOST)
    office.desk.now()
    rows = [_row(office, balance) for balance in office.desk.floor.core.account.balances().values()]
    begin = 0
    if cursor := text(request, "cursor"):
        begin = next((n + 1 for n, row in enumerate(rows) if row["uuid"] == cursor), -1)
        if begin < 0:
            raise invalid("cursor", cursor)
    page = rows[begin : begin + limit]
    more = begin + len(page) < len(rows)
    return answer(
        {
            "accounts": page,
            "has_next": more,
            "cursor": page[-1]["uuid"] if more else "",
            "size": len(page),
        }
    )


async def account(office: Office, request: web.Request, key: Key) -> web.Response:
    """Answer one balance."""
    del key
    office.desk.now()
    for balance in office.desk.floor.core.account.balances().values():
        if named(f"account:{balance.currency}") == request.match_info["account_id"]:
            return answer({"account": _row(office, balance)})
    raise not_found("account not found")


async def key_permissions(office: Office, request: web.Request, key: Key) -> web.Response:
    """Answer what the key may do."""
    del request
    return answer(
        {
            "can_view": key.permissions.can_view,
            "can_trade": key.permissions.can_trade,
            "can_transfer": key.permissions.can_transfer,
            "portfolio_uuid": office.house.portfolio_id,
            "portfolio_type": "DEFAULT",
        }
    )


async def portfolios(office: Office, request: web.Request, key: Key) -> web.Response:
    """List the only portfolio."""
    del request, key
    row = {
        "name": "Default",
        "uuid": office.house.portfolio_id,
        "type": "DEFAULT",
        "deleted": False,
    }
    return answer({"portfolios": [row]})


async def transaction_summary(office: Office, request: web.Request, key: Key) -> web.Response:
    """Answer the fee tier; totals are JSON numbers, rates are text."""
    del key
    choices(request, PRODUCT_TYPES, "product_type")
    office.desk.now()
    rates, records = office.desk.floor.core.fees, office.desk.records
    volume, fees = float(records.volume), float(records.fees)
    return answer(
        {
            "total_volume": volume,
            "total_fees": fees,
            "fee_tier": {
                "pricing_tier": "Paper",
                "usd_from": "0",
                "usd_to": "",
                "taker_fee_rate": plain(ratio(rates.taker)),
                "maker_fee_rate": plain(ratio(rates.maker)),
                "aop_from": "",
                "aop_to": "",
                "volume_types_and_range": [],
            },
            "margin_rate": None,
            "goods_and_services_tax": None,
            "advanced_trade_only_volume": volume,
            "advanced_trade_only_fees": fees,
            "coinbase_pro_volume": 0,
            "coinbase_pro_fees": 0,
            "total_balance": "",
            "volume_breakdown": [],
            "has_cost_plus_commission": False,
            "has_promo_fee": False,
        }
    )


def _row(office: Office, balance: Balance) -> dict[str, Any]:
    currency = balance.currency
    fiat = currency in FUNDED
    opened = rfc3339(office.opened // 1_000_000 * 1_000_000)
    return {
        "uuid": named(f"account:{currency}"),
        "name": f"Cash ({currency})" if currency == "USD" else f"{currency} Wallet",
        "currency": currency,
        "available_balance": {"value": plain(balance.available), "currency": currency},
        "default": False,
        "active": True,
        "created_at": opened,
        "updated_at": opened,
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT" if fiat else "ACCOUNT_TYPE_CRYPTO",
        "ready": True,
        "hold": {"value": plain(balance.hold), "currency": currency},
        "retail_portfolio_id": office.house.portfolio_id,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }
