"""Rows of a predecessor's ``trade_records``: which can be trusted, and why the others cannot.

Nothing is repaired and nothing is guessed. A row that does not say when, what, how much, at which price and
for which fee is refused with the reason, and so are rows that cannot all be true.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final

from quietmaker.core.units import Instant, Side

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "order_id": ("order_id", "id", "exchange_order_id"),
        "symbol": ("symbol", "product_id", "pair"),
        "side": ("side", "order_side"),
        "order_time": ("order_time", "time", "filled_at", "executed_at", "created_at", "timestamp"),
        "price": ("price", "average_filled_price", "avg_price", "filled_price"),
        "size": ("size", "filled_size", "quantity", "qty"),
        "fees": ("fees", "total_fees_usd", "fees_usd", "total_fees", "fee", "commission"),
        "status": ("status", "order_status", "state"),
        "source": ("source",),
    }
)
"""Our name of each column, and the names under which it is looked for, in this order."""

REQUIRED: Final = tuple(name for name in COLUMNS if name != "source")
NO_SOURCE: Final = "unknown"
_DONE: Final = frozenset({"filled", "done", "completed", "complete", "settled", "closed"})
_SYNTHETIC: Final = re.compile(r"-FILL-\d+$", re.IGNORECASE)
_PRODUCT: Final = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,10}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = datetime(2012, 1, 1, tzinfo=UTC)
"""Before Coinbase existed: a time that a program made up."""
_MOST_DECIMALS: Final = 20
_MOST: Final = Decimal(10) ** 15


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """A row as it was read: our column names, and its text."""

    line: int
    values: Mapping[str, str]

    def content(self) -> str:
        """Return it as it is kept."""
        return json.dumps(dict(self.values), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedOrder:
    """An executed order that can be trusted. Price in quote, size in base, fees in quote."""

    line: int
    source: str
    order_id: str
    symbol: str
    side: Side
    at: Instant
    price: Decimal
    size: Decimal
    fees: Decimal
    status: str

    def same_as(self, other: ImportedOrder) -> bool:
        """Return whether both say the same of the same order."""
        return self._facts() == other._facts()

    def _facts(self) -> tuple[object, ...]:
        return (self.source, self.order_id, self.symbol, self.side, self.at, *self._amounts())

    def _amounts(self) -> tuple[Decimal, Decimal, Decimal]:
        return (self.price, self.size, self.fees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distrusted:
    """A row that is not imported. `reason` begins with a fixed word or two; what was found follows."""

    line: int
    order_id: str
    reason: str
    content: str


class _Doubt(Exception):  # noqa: N818 - never leaves this module
    pass


def read(row: RawRow, *, now: datetime, zone: tzinfo | None) -> ImportedOrder | Distrusted:
    """Return the order that a row describes, or why it is not trusted.

    Args:
        row: as it was read.
        now: later times are refused.
        zone: of times that name none; None refuses them.
    """
    try:
        return _order(row, now=now, zone=zone)
    except _Doubt as doubt:
        return distrust(row, str(doubt))


def distrust(row: RawRow, reason: str) -> Distrusted:
    """Return the refusal of a row."""
    order_id = row.values.get("order_id", "")
    return Distrusted(line=row.line, order_id=order_id, reason=reason, content=row.content())


def _order(row: RawRow, *, now: datetime, zone: tzinfo | None) -> ImportedOrder:
    values = {name: text.strip() for name, text in row.values.items()}
    order_id = values["order_id"]
    if not order_id:
        raise _Doubt("no order id")
    if _SYNTHETIC.search(order_id):
        raise _Doubt("synthetic id: a part of an order that has a row of its own")
    status = values["status"]
    if status.lower() not in _DONE:
        raise _Doubt(f"status not final: {status or 'none'}")
    fees = _number("fee", values["fees"])
    if fees < 0:
        raise _Doubt(f"fee negative: {values['fees']}")
    return ImportedOrder(
        line=row.line,
        source=values["source"] or NO_SOURCE,
        order_id=order_id,
        symbol=_symbol(values["symbol"]),
        side=_side(values["side"]),
        at=_instant(values["order_time"], now=now, zone=zone),
        price=_positive("price", values["price"]),
        size=_positive("size", values["size"]),
        fees=fees,
        status=status,
    )


def _symbol(text: str) -> str:
    symbol = text.upper().replace("/", "-").replace("_", "-")
    if not _PRODUCT.fullmatch(symbol):
        raise _Doubt(f"symbol unknown: {text or 'none'}")
    return symbol


def _side(text: str) -> Side:
    try:
        return Side(text.upper())
    except ValueError:
        raise _Doubt(f"side unknown: {text or 'none'}") from None


def _positive(what: str, text: str) -> Decimal:
    value = _number(what, text)
    if value <= 0:
        raise _Doubt(f"{what} not positive: {text}")
    return value


def _number(what: str, text: str) -> Decimal:
    if not text:
        raise _Doubt(f"{what} missing")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _Doubt(f"{what} no number: {text}") from None
    if not value.is_finite():
        raise _Doubt(f"{what} no number: {text}")
    value = value.normalize()
    exponent = value.as_tuple().exponent
    if abs(value) >= _MOST or (isinstance(exponent, int) and -exponent > _MOST_DECIMALS):
        raise _Doubt(f"{what} beyond belief: {text}")
    return value + 0 if value else Decimal(0)


def _instant(text: str, *, now: datetime, zone: tzinfo | None) -> Instant:
    if not text:
        raise _Doubt("time missing")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _Doubt(f"time unreadable: {text}") from None
    if moment.tzinfo is None:
        moment = _placed(moment, zone, text)
    if moment > now:
        raise _Doubt(f"time in the future: {text}")
    if moment < _FIRST:
        raise _Doubt(f"time before there was an exchange: {text}")
    return Instant((moment - _EPOCH) // timedelta(microseconds=1) * 1_000)


def _placed(moment: datetime, zone: tzinfo | None, text: str) -> datetime:
    if zone is None:
        raise _Doubt(f"time without a zone: {text} (say which with --timezone)")
    early, late = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        raise _Doubt(f"time twice or never on the clock of its zone: {text}")
    return early
