"""Frames of the user endpoint as values: each order in its cumulative state, or named as unreadable.

Rules of the wire that hold here:

* A status that is not known is taken for live: an order too many on our list is asked about, one too few
  is lost money.
* There is no status for partly filled; there are no executions, only totals that never shrink.
* Words come in any case, fields may be missing or empty, and `0001-01-01` stands for no time.
* An order that cannot be read is counted and hides no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from quietmaker.coinbase.fields import (
    Found,
    RefusedError,
    gateway_time,
    is_snapshot,
    load,
    read_heartbeat,
    read_subscriptions,
    rows_of,
)
from quietmaker.coinbase.frames import IssueKind, Notice, ServerError
from quietmaker.coinbase.streams.watch import StreamIssue
from quietmaker.core.grid import Grid, NumberError
from quietmaker.core.orders import Move
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.units import Instant, Lots

_LIVE: Final = frozenset({"PENDING", "QUEUED", "OPEN", "CANCEL_QUEUED", "EDIT_QUEUED"})
_ENDS: Final = {
    "FILLED": Move.FILLED,
    "CANCELLED": Move.CANCELLED,
    "CANCELED": Move.CANCELLED,
    "EXPIRED": Move.EXPIRED,
    "FAILED": Move.FAILED,
    "REJECTED": Move.FAILED,
}
_ENVELOPE: Final = frozenset({"channel", "client_id", "timestamp", "sequence_num", "events"})
_EVENT: Final = frozenset({"type", "orders", "positions"})
_ORDER: Final = frozenset(
    [
        "avg_price",
        "cancel_reason",
        "client_order_id",
        "completion_percentage",
        "contract_expiry_type",
        "creation_time",
        "cumulative_quantity",
        "end_time",
        "filled_value",
        "leaves_quantity",
        "limit_price",
        "number_of_fills",
        "order_id",
        "order_side",
        "order_type",
        "outstanding_hold_amount",
        "post_only",
        "product_id",
        "product_type",
        "reject_Reason",
        "reject_reason",
        "retail_portfolio_id",
        "risk_managed_by",
        "start_time",
        "status",
        "stop_price",
        "time_in_force",
        "total_fees",
        "total_value_after_fees",
        "trigger_status",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStanding:
    """One order as the exchange has it now.

    Attributes:
        move: what that amounts to: ACCEPTED while it is live.
        filled: executed in all.
        reason: why it ended, in the exchange's word; empty when it did not say.
    """

    order_id: str
    client_id: str
    symbol: str
    move: Move
    filled: Lots
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFrame:
    """One decoded frame of the user endpoint.

    Attributes:
        sequence: the connection's running number; None on error messages and unreadable frames.
        at: the gateway's send time, else the time of reception.
        orders: in the order of the frame.
        snapshots: how many orders each snapshot event of it listed, readable or not.
        notices: what concerns the connection.
        issues: everything odd: the word it is counted under, and the detail.
    """

    sequence: int | None
    at: Instant
    orders: tuple[OrderStanding, ...]
    snapshots: tuple[int, ...]
    notices: tuple[Notice, ...]
    issues: tuple[tuple[str, str], ...]


class UserDecoder:
    """Decodes frames of the user endpoint. Holds no state between frames."""

    def __init__(self, products: Mapping[str, Product]) -> None:
        """Decode for these products, as they come; an order in another one is counted and left out."""
        self._products = products
        self._grids: dict[str, Grid] = {}

    def decode(self, text: str | bytes, *, received: Instant) -> UserFrame:
        """Decode one frame; never raises for anything that the text may hold."""
        found = _UserFound(received)
        sequence: int | None = None
        try:
            body = load(text)
            if body.get("type") == "error":
                found.notices.append(ServerError(message=str(body.get("message", ""))))
            else:
                sequence = _sequence(body)
                self._decode(body, found, received)
        except RefusedError as refusal:
            found.issues.append(refusal.issue)
        words = ((i.kind.value, i.detail) for i in found.issues)
        return UserFrame(
            sequence=sequence,
            at=found.at,
            orders=tuple(found.orders),
            snapshots=tuple(found.snapshots),
            notices=tuple(found.notices),
            issues=(*words, *found.odd),
        )

    def _decode(self, body: Mapping[str, Any], found: _UserFound, received: Instant) -> None:
        found.at = gateway_time(body, found, received)
        found.fields(body, _ENVELOPE, "envelope")
        channel, events = body["channel"], body.get("events")
        if not isinstance(events, list):
            raise RefusedError(IssueKind.MISSING_FIELD, f"{channel}: events")
        for event in events:
            try:
                self._event(channel, event, found)
            except (KeyError, TypeError, AttributeError, NumberError) as error:
                raise RefusedError(IssueKind.MISSING_FIELD, f"{channel}: {error}") from error

    def _event(self, channel: str, event: Mapping[str, Any], found: _UserFound) -> None:
        if channel == "user":
            found.fields(event, _EVENT, "user event")
            rows = rows_of(event, "orders")
            if is_snapshot(event):
                found.snapshots.append(len(rows))
            for row in rows:
                self._order(row, found)
        elif channel == "heartbeats":
            read_heartbeat(event, found)
        elif channel == "subscriptions":
            read_subscriptions(event, found)
        else:
            found.note(IssueKind.UNKNOWN_CHANNEL, channel[:64])

    def _order(self, row: Mapping[str, Any], found: _UserFound) -> None:
        found.fields(row, _ORDER, "order")
        name = f"order {str(row.get('client_order_id') or row.get('order_id'))[:64]}"
        symbol = row.get("product_id")
        lots = self._lots(symbol) if isinstance(symbol, str) else None
        if not isinstance(symbol, str) or lots is None:
            found.note(IssueKind.UNKNOWN_PRODUCT, f"{name}: product {str(symbol)[:64]}")
            return
        try:
            found.orders.append(_standing(row, symbol, lots, found, name))
        except (KeyError, TypeError, AttributeError, OffGridError, NumberError) as error:
            found.odd.append((StreamIssue.ORDER_UNREADABLE.value, f"{name}: {error}"))

    def _lots(self, symbol: str) -> Grid | None:
        grid, product = self._grids.get(symbol), self._products.get(symbol)
        if grid is None and product is not None:
            grid = self._grids[symbol] = Grid(product.lot)
        return grid


class _UserFound(Found):
    __slots__ = ("odd", "orders", "snapshots")

    def __init__(self, at: Instant) -> None:
        super().__init__(at)
        self.orders: list[OrderStanding] = []
        self.snapshots: list[int] = []
        self.odd: list[tuple[str, str]] = []


def _sequence(body: Mapping[str, Any]) -> int:
    sequence = body.get("sequence_num")
    if type(sequence) is not int or sequence < 0 or not isinstance(body.get("channel"), str):
        raise RefusedError(IssueKind.NOT_A_FRAME, "no channel and sequence_num")
    return sequence


def _standing(
    row: Mapping[str, Any], symbol: str, lots: Grid, found: _UserFound, name: str
) -> OrderStanding:
    order_id, client_id = row["order_id"], row["client_order_id"]
    if not (isinstance(order_id, str) and order_id and isinstance(client_id, str)):
        raise KeyError("order_id or client_order_id")
    status = row["status"].upper()
    move = _ENDS.get(status, Move.ACCEPTED)
    if move is Move.ACCEPTED and status not in _LIVE:
        found.odd.append((StreamIssue.UNKNOWN_STATUS.value, f"{name}: {status[:64]}"))
    return OrderStanding(
        order_id=order_id,
        client_id=client_id,
        symbol=symbol,
        move=move,
        filled=Lots(lots.units(row["cumulative_quantity"] or "0")),
        reason=_reason(row) if move is not Move.ACCEPTED else "",
    )


def _reason(row: Mapping[str, Any]) -> str:
    """Return the first reason that says something."""
    for key in ("reject_reason", "reject_Reason", "cancel_reason"):
        word = row.get(key)
        if isinstance(word, str) and word and not word.upper().startswith("REJECT_REASON_UNSPEC"):
            return word[:200]
    return ""
