"""The story of a trade as data: every number that is told in words, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any

from quietmaker.core.units import EXACT, Side
from quietmaker.ledger.reading.reports import ClosedTrip
from quietmaker.ledger.reading.split import split
from quietmaker.ledger.reading.stories import FillStory, ImportedStory, NotFound, OrderStory, Story
from supervisors.tables import as_data


def story_data(story: Story) -> dict[str, Any]:
    """Return a story for JSON."""
    return {
        "found_by": story.named.value,
        "symbol": story.symbol,
        "order": story.asked,
        "round_trips": [trip_data(trip) for trip in story.trips],
        "orders": [_order(order) for order in story.orders],
        "orders_left_out": story.left_out,
        "alerts": [
            {"at": as_data(alert.at), "kind": alert.kind, "detail": alert.detail}
            for alert in story.alerts
        ],
    }


def imported_data(order: ImportedStory) -> dict[str, Any]:
    """Return an imported order for JSON."""
    return {field.name: as_data(getattr(order, field.name)) for field in fields(order)}


def not_found_data(id_: str, found: NotFound) -> dict[str, Any]:
    """Return for JSON what was looked at, and what is similar."""
    return {
        "found_by": None,
        "id": id_,
        "looked_at": dict(found.looked_at),
        "near": [{"id": name, "kind": kind} for name, kind in found.near],
        "refused_imports": [
            {"batch": batch, "line": line, "reason": reason}
            for batch, line, reason in found.refused
        ],
    }


def trip_data(trip: ClosedTrip) -> dict[str, Any]:
    """Return a round trip with its split for JSON."""
    parts = split(fees=trip.fees, spread_captured=trip.spread_captured, price_move=trip.price_move)
    return {
        "id": trip.id,
        "trip_id": trip.trip_id,
        "entry": trip.entry.value,
        "size": as_data(trip.size),
        "opened_at": as_data(trip.opened_at),
        "closed_at": as_data(trip.closed_at),
        "hold_seconds": as_data(trip.hold_seconds),
        "exit_reason": trip.exit_reason.value,
        "closing_order": trip.closing_order,
        "entry_value": as_data(trip.entry_value),
        "exit_value": as_data(trip.exit_value),
        "net": as_data(trip.net),
        "split": {
            "gross": as_data(parts.gross),
            "fees": as_data(trip.fees),
            "spread_captured": as_data(trip.spread_captured),
            "price_move": as_data(trip.price_move),
            "adverse_selection": as_data(trip.adverse_selection),
            "adverse_seconds": trip.adverse_seconds,
            "loss_from_fees_ratio": None
            if parts.from_fees is None
            else as_data(round(parts.from_fees, 6)),
            "loss": parts.cause,
        },
        "maker_fills": trip.maker_fills,
        "taker_fills": trip.taker_fills,
        "dust": as_data(trip.dust),
        "strategy_tag": trip.strategy_tag,
        "config_sha": trip.config_sha,
    }


def _order(order: OrderStory) -> dict[str, Any]:
    return {
        "client_id": order.client_id,
        "order_id": order.order_id,
        "run": order.run,
        "side": order.side.value,
        "price": as_data(order.price),
        "size": as_data(order.size),
        "post_only": order.post_only,
        "time_in_force": order.time_in_force.value,
        "expire_at": as_data(order.expire_at),
        "purpose": order.purpose.value,
        "exit_reason": None if order.exit_reason is None else order.exit_reason.value,
        "strategy_tag": order.strategy_tag,
        "passive_order_id": order.passive_order_id,
        "source": order.source,
        "decided_at": as_data(order.decided_at),
        "bid": as_data(order.bid),
        "ask": as_data(order.ask),
        "inputs": dict(order.inputs),
        "config_sha": order.config_sha,
        "state": order.state.value,
        "settled": order.settled,
        "held": as_data(order.held),
        "events": [
            {
                "at": as_data(event.at),
                "what": event.what,
                "order_id": event.order_id,
                "reason": event.reason,
                "cancel_reason": event.cancel_reason,
                "filled": as_data(event.filled),
            }
            for event in order.events
        ],
        "fills": [_fill(fill, order.side) for fill in order.fills],
    }


def _fill(fill: FillStory, side: Side) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "at": as_data(fill.at),
        "price": as_data(fill.price),
        "size": as_data(fill.size),
        "fee": as_data(fill.fee),
        "liquidity": fill.liquidity.value,
        "mid": as_data(fill.mids.get(0)),
        "spread_captured": as_data(captured(fill, side)),
        "markouts": {str(s): as_data(amount) for s, amount in markouts(fill, side).items()},
    }


def captured(fill: FillStory, side: Side) -> Decimal | None:
    """Return the distance of an execution from the mid, in quote: positive is in our favour."""
    mid = fill.mids.get(0)
    if mid is None:
        return None
    return _valued(mid, fill.price, fill.size, side)


def markouts(fill: FillStory, side: Side) -> Mapping[int, Decimal]:
    """Return what the mid's move after an execution was worth, by seconds: negative is against us."""
    mid = fill.mids.get(0)
    if mid is None:
        return {}
    return {
        seconds: _valued(later, mid, fill.size, side)
        for seconds, later in fill.mids.items()
        if seconds
    }


def _valued(high: Decimal, low: Decimal, size: Decimal, side: Side) -> Decimal:
    return EXACT.multiply(EXACT.multiply(EXACT.subtract(high, low), size), Decimal(side.sign))
