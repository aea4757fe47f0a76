"""Match imported orders, first in first out, by the core's own arithmetic: positions and the P&L function.

Each sell that closes what was bought is a result of its own: the predecessor left dust everywhere, and a
position that never becomes flat would never have a result. A sell of more than was bought is not trusted, and
neither is what would be left: it takes everything with it, so that later sells do not meet units long gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.orders import Fill
from quietmaker.core.positions import Closed, Position
from quietmaker.core.product import Product
from quietmaker.core.rounds import Sums
from quietmaker.core.units import SECOND, ZERO, Liquidity, Side
from quietmaker.ledger.imports.rows import ImportedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a sell came to.

    Attributes:
        net: after both sides' fees, in quote.
        entry_value: what the units had cost, without fees.
        hold_seconds: since the first of them was bought.
    """

    net: Decimal
    entry_value: Decimal
    hold_seconds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """An order with its result, None for a buy."""

    order: ImportedOrder
    result: Result | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """A sell of which so much was never bought, as far as the rows tell."""

    order: ImportedOrder
    excess: Decimal


def match(orders: Sequence[ImportedOrder]) -> tuple[list[Matched], list[Unmatched]]:
    """Match the orders of one symbol, told in any order."""
    product = _product(orders)
    position = Position()
    matched: list[Matched] = []
    unmatched: list[Unmatched] = []
    for order in sorted(orders, key=lambda each: (each.at, each.side is Side.SELL, each.order_id)):
        lots = product.lots(order.size)
        if order.side is Side.SELL and lots > position.lots:
            unmatched.append(Unmatched(order=order, excess=product.size(lots - position.lots)))
            position = Position()
            continue
        closed = position.apply(_fill(order, product), 2 * product.ticks(order.price))
        result = _result(closed, product) if closed else None
        matched.append(Matched(order=order, result=result))
    return matched, unmatched


def _result(closed: Sequence[Closed], product: Product) -> Result:
    sums = Sums()
    for part in closed:
        sums.add(part)
    held = max(part.at - part.lot.at for part in closed)
    return Result(
        net=sums.net(product),
        entry_value=product.notional(sums.entry, 1),
        hold_seconds=Decimal(held) / SECOND,
    )


def _fill(order: ImportedOrder, product: Product) -> Fill:
    return Fill(
        trade_id=order.order_id,
        client_id=order.order_id,
        symbol=order.symbol,
        side=order.side,
        price=product.ticks(order.price),
        size=product.lots(order.size),
        fee=order.fees,
        liquidity=Liquidity.MAKER,  # nobody wrote down which; no result depends on it
        at=order.at,
    )


def _product(orders: Sequence[ImportedOrder]) -> Product:
    """Return a product whose increments express every price and size of these orders."""
    symbol = orders[0].symbol
    base, _, quote = symbol.partition("-")
    return Product(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=_increment(order.price for order in orders),
        lot=_increment(order.size for order in orders),
        min_size=ZERO,
        max_size=max(order.size for order in orders),
        min_notional=ZERO,
        untradable="",
    )


def _increment(values: Iterable[Decimal]) -> Decimal:
    exponents = (value.normalize().as_tuple().exponent for value in values)
    return Decimal(1).scaleb(min((e for e in exponents if isinstance(e, int)), default=0))
