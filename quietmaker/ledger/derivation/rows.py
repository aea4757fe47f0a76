"""Between rows and what is derived: decimals go onto one grid that is finer than any increment ever was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from quietmaker.core.orders import Fill
from quietmaker.core.positions import Closed, Lot
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import EXACT, Instant, Liquidity, Lots, Side, Ticks, minus
from quietmaker.ledger.database import Row
from quietmaker.ledger.derivation.derive import (
    ADVERSE_HORIZON,
    Allocation,
    Background,
    Booked,
    Earlier,
    OpenTrip,
    Trip,
)
from quietmaker.ledger.rows import exit_reason

_DIGITS: Final = 18
_UNIT: Final = Decimal(1).scaleb(-_DIGITS)


def lot_from(row: Row) -> tuple[Lot, Background]:
    """Return a held lot, on the grid, and what is known of its fill."""
    trade, order, side, price, left, fee, at, liquidity, bid, ask, tag, config, mid, later = row
    lot = Lot(
        trade_id=trade,
        order=order,
        entry=Side(side),
        price=Ticks(units(price)),
        lots=units(left),
        fee=fee,
        twice_mid=_twice_mid(mid, bid, ask),
        at=Instant(at),
        maker=Liquidity(liquidity) is Liquidity.MAKER,
    )
    return lot, _background(order, None, tag, config, mid, later)


def on_product(lot: Lot, product: Product) -> Lot:
    """Return a lot of the grid in the ticks and lots of a product.

    Raises:
        OffGridError: if the product's increments cannot express it.
    """
    return replace(
        lot,
        price=product.ticks(amount(lot.price)),
        lots=product.lots(amount(lot.lots)),
        twice_mid=product.ticks(amount(lot.twice_mid)),
    )


def grid(symbol: str) -> Product:
    """Return a product whose increments are finer than those of any exchange."""
    base, _, quote = symbol.partition("-")
    return Product(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=_UNIT,
        lot=_UNIT,
        min_size=_UNIT,
        max_size=Decimal(1),
        min_notional=_UNIT,
        untradable="",
    )


def lot_row(symbol: str, lot: Lot, left: Lot | None, version: int) -> Row:
    """Return the columns of a lot as it was opened, with what is left of it."""
    return (
        lot.trade_id,
        lot.order,
        symbol,
        lot.entry.value,
        amount(lot.lots),
        amount(left.lots if left is not None else 0),
        amount(lot.price),
        lot.fee,
        left.fee if left is not None else Decimal(0),
        lot.at,
        version,
    )


def allocation_row(product: Product, allocation: Allocation, version: int) -> Row:
    """Return the columns of units that were closed."""
    part = allocation.closed
    lot = part.lot
    gross = lot.entry.sign * (part.exit_price - lot.price) * lot.lots
    net = minus(minus(product.notional(gross, 1), lot.fee), part.exit_fee)
    return (
        lot.trade_id,
        part.exit_trade,
        product.symbol,
        lot.entry.value,
        amount(lot.lots),
        amount(lot.price),
        amount(part.exit_price),
        lot.fee,
        part.exit_fee,
        EXACT.normalize(net),
        allocation.trip_id,
        lot.at,
        part.at,
        version,
    )


def trip_row(trip: Trip, version: int) -> Row:
    """Return the columns of a round trip."""
    record = trip.record
    return (
        trip.trip_id,
        record.id,
        record.symbol,
        record.entry.value,
        amount(record.lots),
        record.opened_at,
        record.closed_at,
        record.exit_reason.value,
        EXACT.normalize(record.entry_value),
        EXACT.normalize(record.exit_value),
        EXACT.normalize(record.fees),
        *split_of(trip),
        ADVERSE_HORIZON,
        EXACT.normalize(record.net),
        record.net_return,
        record.maker_fills,
        record.taker_fills,
        amount(record.dust),
        record.closing_order,
        record.strategy_tag,
        record.config_sha,
        version,
    )


def units(value: Decimal) -> int:
    """Return a price or size on the common grid.

    Raises:
        OffGridError: if it has more digits than any exchange has.
    """
    scaled = EXACT.scaleb(value, _DIGITS)
    whole = int(scaled)
    if whole != scaled:
        raise OffGridError(f"{value} has more than {_DIGITS} decimals")
    return whole


def amount(count: int) -> Decimal:
    """Return the price or size of a whole number of grid units."""
    return EXACT.normalize(EXACT.scaleb(Decimal(count), -_DIGITS))


def _twice_mid(mid: Decimal | None, bid: Decimal, ask: Decimal) -> int:
    return units(bid) + units(ask) if mid is None else 2 * units(mid)


def _background(
    order: str,
    reason: str | None,
    tag: str,
    config: str,
    mid: Decimal | None,
    later: Decimal | None,
) -> Background:
    return Background(
        order=order,
        reason=exit_reason(reason),
        strategy_tag=tag,
        config_sha=config,
        marked=mid is not None,
        later=None if later is None else 2 * units(later),
    )


def booked_from(symbol: str, row: Row) -> Booked:
    trade, order, side, price, size, fee, liquidity, at, bid, ask, reason, tag, config = row[:13]
    mid, later, ends = row[13:]
    fill = Fill(
        trade_id=trade,
        client_id=order,
        symbol=symbol,
        side=Side(side),
        price=Ticks(units(price)),
        size=Lots(units(size)),
        fee=fee,
        liquidity=Liquidity(liquidity),
        at=Instant(at),
    )
    return Booked(
        fill=fill,
        twice_mid=_twice_mid(mid, bid, ask),
        background=_background(order, reason, tag, config, mid, later),
        ends=ends,
    )


def parts_from(found: Sequence[Row]) -> Earlier:
    """Return closed units from their rows: what was allocated, then both fills in the same columns."""
    parts: list[Closed] = []
    backgrounds: dict[str, Background] = {}
    for _, side, size, open_fee, close_fee, *fills in found:
        opened = _fill_side(tuple(fills[:12]), backgrounds)
        closed = _fill_side(tuple(fills[12:]), backgrounds)
        lot = Lot(
            trade_id=opened.trade_id,
            order=opened.order,
            entry=Side(side),
            price=opened.price,
            lots=units(size),
            fee=open_fee,
            twice_mid=opened.twice_mid,
            at=opened.at,
            maker=opened.maker,
        )
        parts.append(
            Closed(
                lot=lot,
                exit_trade=closed.trade_id,
                exit_price=closed.price,
                exit_fee=close_fee,
                exit_twice_mid=closed.twice_mid,
                exit_maker=closed.maker,
                at=closed.at,
            )
        )
    return Earlier(parts=parts, backgrounds=backgrounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _FillSide:
    trade_id: str
    order: str
    price: Ticks
    maker: bool
    twice_mid: int
    at: Instant


def _fill_side(columns: Row, backgrounds: dict[str, Background]) -> _FillSide:
    trade, order, price, liquidity, at, bid, ask, tag, config, reason, mid, later = columns
    known = backgrounds.get(trade)
    if known is None or known.later is None:  # as an exit it was read without what came later
        backgrounds[trade] = _background(order, reason, tag, config, mid, later)
    return _FillSide(
        trade_id=trade,
        order=order,
        price=Ticks(units(price)),
        maker=Liquidity(liquidity) is Liquidity.MAKER,
        twice_mid=_twice_mid(mid, bid, ask),
        at=Instant(at),
    )


def left_row(trade_id: str, left: Lot | None) -> Row:
    if left is None:
        return (trade_id, Decimal(0), Decimal(0))
    return (trade_id, amount(left.lots), left.fee)


def split_of(trip: Trip) -> Row:
    record, adverse = trip.record, trip.adverse_selection
    return (
        EXACT.normalize(record.spread_captured),
        EXACT.normalize(record.price_move),
        EXACT.normalize(adverse) if adverse is not None else None,
    )


def open_trip(order: str | None, since: int | None, tag: str | None) -> OpenTrip | None:
    if order is None or since is None or tag is None:
        return None
    return OpenTrip(id=order, opened_at=Instant(since), strategy_tag=tag)
