"""Decisions as JSON lines: what was decided, in the order and at the time it was decided.

Keys and number formats are fixed, so that equal decisions are equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TextIO, assert_never

from quietmaker.core.commands import (
    Alert,
    CancelOrder,
    Command,
    DustLeft,
    HoldChanged,
    RefreshBook,
    RoundTrip,
    SubmitOrder,
)
from quietmaker.core.product import Product


class DecisionWriter:
    """Writes each command as one line."""

    def __init__(self, out: TextIO, products: Mapping[str, Product]) -> None:
        """Write to a text stream; prices and sizes as the exchange knows them."""
        self._out = out
        self._products = products

    def __call__(self, command: Command) -> None:
        """Write one decision."""
        self._out.write(json.dumps(self._row(command), separators=(",", ":")))
        self._out.write("\n")

    def _row(self, command: Command) -> dict[str, Any]:
        match command:
            case SubmitOrder():
                return self._submit(command)
            case CancelOrder(client_id=client_id, symbol=symbol, reason=reason, now=now):
                return _row("cancel", now, symbol, client_id=client_id, reason=reason.value)
            case RefreshBook(symbol=symbol, now=now):
                return _row("refresh", now, symbol)
            case HoldChanged(symbol=symbol, now=now, side=side, gate=gate, detail=detail):
                held = None if gate is None else gate.value
                return _row("hold", now, symbol, side=side.value, gate=held, detail=detail)
            case RoundTrip():
                return _trip(command)
            case DustLeft(symbol=symbol, now=now, trade_id=trade_id, lots=lots):
                return _row("dust_left", now, symbol, trade_id=trade_id, lots=lots)
            case Alert(symbol=symbol, now=now, kind=kind, detail=detail):
                return _row("alert", now, symbol, kind=kind.value, detail=detail)
            case _:
                assert_never(command)

    def _submit(self, command: SubmitOrder) -> dict[str, Any]:
        intent = command.intent
        product = self._products[intent.symbol]
        return _row(
            "submit",
            intent.decided_at,
            intent.symbol,
            client_id=intent.client_id,
            side=intent.side.value,
            price=str(product.price(intent.price)),
            size=str(product.size(intent.size)),
            post_only=intent.post_only,
            time_in_force=intent.time_in_force.value,
            expire_at=intent.expire_at,
            purpose=intent.purpose.value,
            exit_reason=None if intent.exit_reason is None else intent.exit_reason.value,
            passive_order_id=intent.passive_order_id,
            strategy_tag=intent.strategy_tag,
            bid=str(product.price(intent.bid)),
            ask=str(product.price(intent.ask)),
            inputs=dict(intent.inputs),
        )


def _row(what: str, at: int, symbol: str, **rest: object) -> dict[str, Any]:
    return {"at": at, "symbol": symbol, "decision": what, **rest}


def _trip(trip: RoundTrip) -> dict[str, Any]:
    return _row(
        "round_trip",
        trip.closed_at,
        trip.symbol,
        id=trip.id,
        entry=trip.entry.value,
        exit_reason=trip.exit_reason.value,
        opened_at=trip.opened_at,
        entry_value=str(trip.entry_value),
        exit_value=str(trip.exit_value),
        fees=str(trip.fees),
        spread_captured=str(trip.spread_captured),
        price_move=str(trip.price_move),
        net=str(trip.net),
        dust=trip.dust,
        closing_order=trip.closing_order,
    )
