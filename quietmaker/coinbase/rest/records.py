"""What the exchange's answers about orders, executions and the account say.

A reader returns a value or raises `WireError` with the field's name; what is missing never becomes 0.
Unknown states of an order are live: an order that may still execute must not be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

from quietmaker.coinbase.rest.failures import tidy
from quietmaker.coinbase.rest.row_fields import grid, loose, moment, signed, text
from quietmaker.core.candles import BUCKET
from quietmaker.core.evidence import Execution
from quietmaker.core.fees import FeeRates
from quietmaker.core.grid import NumberError, number
from quietmaker.core.market import CandleBar
from quietmaker.core.orders import Fill, OrderState
from quietmaker.core.product import Product
from quietmaker.core.units import (
    PPB,
    ROUNDED,
    SECOND,
    Instant,
    Liquidity,
    Lots,
    Rate,
    Side,
    Ticks,
)
from quietmaker.errors import WireError
from quietmaker.ports import Balance, OrderReport

STATES: Final[Mapping[str, OrderState]] = {
    "PENDING": OrderState.PENDING,
    "QUEUED": OrderState.PENDING,
    "OPEN": OrderState.OPEN,
    "EDIT_QUEUED": OrderState.OPEN,
    "CANCEL_QUEUED": OrderState.CANCEL_PENDING,
    "FILLED": OrderState.FILLED,
    "CANCELLED": OrderState.CANCELLED,
    "EXPIRED": OrderState.EXPIRED,
    "FAILED": OrderState.FAILED,
}
LIVE_STATUSES: Final = ("PENDING", "QUEUED", "OPEN", "EDIT_QUEUED", "CANCEL_QUEUED")
"""In the order in which an order moves through them, so that none slips by between two queries."""
_ENDED_BADLY: Final = frozenset({OrderState.CANCELLED, OrderState.EXPIRED, OrderState.FAILED})
_NO_REASON: Final = frozenset({"", "REJECT_REASON_UNSPECIFIED"})
_ACCOUNT_TYPES: Final = frozenset({"FIAT", "CRYPTO"})
_PLATFORMS: Final = frozenset({"", "ACCOUNT_PLATFORM_CONSUMER"})
_HIGHEST_RATE: Final = Decimal("0.1")
_LOWEST_RATE: Final = Decimal("-0.01")
_NANO: Final = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What the API key may do."""

    view: bool
    trade: bool
    transfer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order of the exchange, of whatever product and by whomever.

    Attributes:
        status: the exchange's word; unknown words are survived.
        post_only: None where the order does not say.
        row: everything as it was answered.
    """

    order_id: str
    client_id: str
    symbol: str
    status: str
    post_only: bool | None
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRow:
    """An execution of the exchange. `kind` is ``FILL`` for what changes a position."""

    entry_id: str
    order_id: str
    symbol: str
    kind: str
    row: Mapping[str, Any]


def read_order(row: Any) -> OrderRow:
    """Read what identifies an order.

    Raises:
        WireError: if it has no id or no product.
    """
    if not isinstance(row, dict):
        raise WireError("order: not an object")
    return OrderRow(
        order_id=text(row, "order_id", "order"),
        client_id=loose(row, "client_order_id"),
        symbol=text(row, "product_id", "order"),
        status=loose(row, "status").upper(),
        post_only=_post_only(row.get("order_configuration")),
        row=row,
    )


def read_report(order: OrderRow, product: Product) -> OrderReport:
    """Read where an order stands.

    Raises:
        WireError: if what was executed of it cannot be read.
    """
    state = STATES.get(order.status, OrderState.OPEN)
    where = f"order {order.order_id}"
    filled = text(order.row, "filled_size", where)
    try:
        lots = Lots(grid(product.lot).units(filled))
    except ValueError as error:
        raise WireError(f"{where}: filled_size {tidy(filled)!r}: {error}") from error
    return OrderReport(
        order_id=order.order_id,
        client_id=order.client_id,
        symbol=order.symbol,
        state=state,
        filled=lots,
        reason=_end_reason(order.row) if state in _ENDED_BADLY else "",
    )


def read_fill_row(row: Any) -> FillRow:
    """Read what identifies an execution.

    Raises:
        WireError: if it has neither id, or no order.
    """
    if not isinstance(row, dict):
        raise WireError("fill: not an object")
    trade_id = loose(row, "trade_id")
    entry_id = loose(row, "entry_id") or trade_id
    if not entry_id:
        raise WireError("fill: has neither entry_id nor trade_id")
    return FillRow(
        entry_id=entry_id,
        order_id=text(row, "order_id", f"fill {entry_id}"),
        symbol=text(row, "product_id", f"fill {entry_id}"),
        kind=loose(row, "trade_type") or "FILL",
        row=row,
    )


def read_liquidity(fill: FillRow) -> Liquidity | None:
    """Return whether it made or took, or None when the exchange does not say."""
    return _LIQUIDITY.get(loose(fill.row, "liquidity_indicator"))


_LIQUIDITY: Final = {"MAKER": Liquidity.MAKER, "TAKER": Liquidity.TAKER}
_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


def fill_time(fill: FillRow) -> Instant:
    """Return when it was executed.

    Raises:
        WireError: if that cannot be read.
    """
    for key in ("trade_time", "sequence_timestamp"):
        if fill.row.get(key):
            return moment(fill.row, key, f"fill {fill.entry_id}")
    raise WireError(f"fill {fill.entry_id}: has no trade_time")


def read_fill(fill: FillRow, product: Product, client_id: str, liquidity: Liquidity) -> Fill:
    """Read an execution.

    Raises:
        WireError: if a field of it cannot be read.
    """
    row, where = fill.row, f"fill {fill.entry_id}"
    side = _SIDES.get(text(row, "side", where))
    if side is None:
        raise WireError(f"{where}: side {tidy(str(row['side']))!r} is unknown")
    try:
        price, size = text(row, "price", where), text(row, "size", where)
        ticks = Ticks(grid(product.tick).units(price))
        in_quote = str(row.get("size_in_quote")).lower() == "true"
        lots = (
            _lots_of_quote(number(size), number(price), product)
            if in_quote
            else Lots(grid(product.lot).units(size))
        )
    except (ValueError, ArithmeticError) as error:
        raise WireError(f"{where}: {tidy(str(error))}") from error
    if not lots or not ticks:
        raise WireError(f"{where}: price and size must be positive")
    return Fill(
        trade_id=loose(row, "trade_id") or fill.entry_id,
        client_id=client_id,
        symbol=fill.symbol,
        side=side,
        price=ticks,
        size=lots,
        fee=signed(row, "commission", where),
        liquidity=liquidity,
        at=fill_time(fill),
    )


def read_execution(
    fill: FillRow, product: Product | None, client_id: str, *, undoes: str
) -> Execution:
    """Read an execution in decimals, of whatever product.

    Args:
        fill: the row.
        product: whose increments a size in quote currency is turned into base with; None when nobody
            knows them.
        client_id: of its order.
        undoes: the row's kind, when it is not an execution.

    Raises:
        WireError: if a field of it cannot be read.
    """
    row, where = fill.row, f"fill {fill.entry_id}"
    side = _SIDES.get(text(row, "side", where))
    if side is None:
        raise WireError(f"{where}: side {tidy(str(row['side']))!r} is unknown")
    price, size = signed(row, "price", where), signed(row, "size", where)
    if str(row.get("size_in_quote")).lower() == "true":
        try:
            size = (
                ROUNDED.divide(size, price)
                if product is None
                else product.size(_lots_of_quote(size, price, product))
            )
        except (ValueError, ArithmeticError) as error:
            raise WireError(f"{where}: {tidy(str(error))}") from error
    if price <= 0 or size <= 0:
        raise WireError(f"{where}: price and size must be positive")
    return Execution(
        trade_id=loose(row, "trade_id") or fill.entry_id,
        client_id=client_id,
        symbol=fill.symbol,
        side=side,
        price=price,
        size=size,
        fee=signed(row, "commission", where),
        liquidity=read_liquidity(fill),
        at=fill_time(fill),
        undoes=undoes,
    )


def _lots_of_quote(size: Decimal, price: Decimal, product: Product) -> Lots:
    """Return the base size of an execution stated in quote, which was rounded to some digits."""
    if not price:
        raise NumberError("a size in quote needs a price")
    lots = int(ROUNDED.divide(size, ROUNDED.multiply(price, product.lot)).to_integral_value())
    if abs(ROUNDED.multiply(product.size(lots), price) - size) > price * product.lot:
        raise NumberError(f"{size} in quote is no size at {price}")
    return Lots(lots)


def read_balance(row: Any) -> Balance | None:
    """Read an account; None when it is not one that spot orders are settled in.

    Raises:
        WireError: if it is one, and an amount of it cannot be read.
    """
    if not isinstance(row, dict):
        raise WireError("account: not an object")
    kind = loose(row, "type").removeprefix("ACCOUNT_TYPE_")
    if kind not in _ACCOUNT_TYPES or loose(row, "platform") not in _PLATFORMS:
        return None
    if row.get("deleted_at"):
        return None
    currency = text(row, "currency", "account")
    return Balance(
        currency=currency,
        available=_amount(row, "available_balance", currency),
        hold=_amount(row, "hold", currency),
    )


def _amount(row: Mapping[str, Any], key: str, currency: str) -> Decimal:
    money = row.get(key)
    where = f"account of {currency}: {key}"
    if not isinstance(money, dict) or money.get("currency", currency) != currency:
        raise WireError(f"{where} is missing or of another currency")
    return signed(money, "value", where)


def read_fees(body: Mapping[str, Any]) -> FeeRates:
    """Read the account's rates.

    Raises:
        WireError: if one is missing or cannot be a rate.
    """
    tier = body.get("fee_tier")
    if not isinstance(tier, dict):
        raise WireError("transaction_summary: the answer has no fee_tier")
    return FeeRates(maker=_rate(tier, "maker_fee_rate"), taker=_rate(tier, "taker_fee_rate"))


def _rate(tier: Mapping[str, Any], key: str) -> Rate:
    ratio = signed(tier, key, "transaction_summary")
    lowest = _LOWEST_RATE if key == "maker_fee_rate" else Decimal(0)
    if not lowest <= ratio <= _HIGHEST_RATE:
        raise WireError(f"transaction_summary: {key} {ratio} is no rate of a fee")
    return Rate(int(ratio.quantize(_NANO, rounding=ROUND_CEILING) * PPB))


def read_permissions(body: Mapping[str, Any]) -> Permissions:
    """Read what the key may do.

    Raises:
        WireError: if the answer leaves a permission open.
    """
    flags = [body.get(key) for key in ("can_view", "can_trade", "can_transfer")]
    if not all(isinstance(flag, bool) for flag in flags):
        raise WireError("key_permissions: the answer does not say what the key may do")
    view, trade, transfer = flags
    return Permissions(view=bool(view), trade=bool(trade), transfer=bool(transfer))


def read_candle(row: Any, product: Product, at: Instant) -> CandleBar:
    """Read a five-minute bucket.

    Raises:
        WireError: if a field of it cannot be read.
    """
    where = f"candle of {product.symbol}"
    if not isinstance(row, dict):
        raise WireError(f"{where}: not an object")
    start = str(row.get("start"))
    if not (start.isascii() and start.isdecimal() and len(start) <= 12):
        raise WireError(f"{where}: start {tidy(start)!r} is no time")
    begins = Instant(int(start) * SECOND)
    try:
        low = Ticks(grid(product.tick).units(text(row, "low", where)))
        high = Ticks(grid(product.tick).units(text(row, "high", where)))
    except ValueError as error:
        raise WireError(f"{where}: {error}") from error
    if begins % BUCKET or begins > at or not Ticks(0) < low <= high:
        raise WireError(f"{where}: {start} from {low} to {high} is no five minutes of a market")
    return CandleBar(symbol=product.symbol, at=at, start=begins, low=low, high=high)


def _post_only(stated: Any) -> bool | None:
    if not isinstance(stated, dict):
        return None
    for fields in stated.values():
        if isinstance(fields, dict) and "post_only" in fields:
            return str(fields["post_only"]).lower() == "true"
    return None


def _end_reason(row: Mapping[str, Any]) -> str:
    for key in ("reject_reason", "reject_message", "cancel_message"):
        text = loose(row, key)
        if text not in _NO_REASON:
            return tidy(text)
    return ""
