"""What an order would cost if it were placed now: the numbers of a preview."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from quietmaker.core.fees import FeeRates, fee_on
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, ROUNDED, ZERO, Liquidity, plain
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.rest_market import touch
from quietmaker.exchange.venue import Venue

_AVERAGE: Final = Decimal("1e-16")
_SLIPPAGE: Final = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an order costs, fees apart; all zero for one that would be refused."""

    base: Decimal = ZERO
    quote: Decimal = ZERO
    fee: Decimal = ZERO
    total: Decimal = ZERO
    average: Decimal = ZERO
    slippage: Decimal = ZERO


def estimate(office: Office, symbol: str, intent: Intent | None) -> dict[str, Any]:
    """Return the preview of an order; None for one that would be refused."""
    product = office.house.catalogue.products.get(symbol)
    venue = None if product is None else office.house.venue(symbol)
    cost = Cost()
    if product is not None and venue is not None and intent is not None:
        cost = _cost(product, venue, intent, office.desk.floor.core.fees)
    bid, ask = touch(venue)
    return {
        "order_total": plain(cost.total),
        "commission_total": plain(cost.fee),
        "errs": [],
        "warning": [],
        "quote_size": plain(cost.quote),
        "base_size": plain(cost.base),
        "best_bid": "" if product is None or bid is None else plain(product.price(bid)),
        "best_ask": "" if product is None or ask is None else plain(product.price(ask)),
        "is_max": False,
        "order_margin_total": "0",
        "leverage": "0",
        "long_leverage": "0",
        "short_leverage": "0",
        "slippage": plain(cost.slippage),
        "preview_id": str(uuid.uuid4()),
        "current_liquidation_buffer": "0",
        "projected_liquidation_buffer": "0",
        "max_leverage": "",
        "pnl_configuration": None,
        "est_average_filled_price": plain(cost.average),
        "commission_detail_total": None,
    }


def _cost(product: Product, venue: Venue, intent: Intent, rates: FeeRates) -> Cost:
    """Let an order take what is displayed, and rest the remainder at its price."""
    left: int = intent.size
    value = 0
    for price, standing in venue.takeable(intent.side, intent.price):
        lots = min(left, standing)
        value += price * lots
        left -= lots
        if not left:
            break
    taken = product.notional(value, 1)
    rests = product.notional(intent.price, left)
    quote, base = EXACT.add(taken, rests), product.size(intent.size)
    fee = EXACT.add(
        fee_on(taken, rates.of(Liquidity.TAKER)), fee_on(rests, rates.of(Liquidity.MAKER))
    )
    average = ROUNDED.divide(quote, base).quantize(_AVERAGE, context=ROUNDED)
    slippage = ZERO
    if value and venue.bid_size > 0 and venue.ask_size > 0:
        middle = ROUNDED.divide(product.price(venue.bid + venue.ask), Decimal(2))
        slippage = ROUNDED.divide(abs(ROUNDED.subtract(average, middle)), middle)
    return Cost(
        base=base,
        quote=quote,
        fee=fee,
        total=EXACT.add(quote, fee * intent.side.sign),
        average=average,
        slippage=slippage.quantize(_SLIPPAGE, context=ROUNDED),
    )
