"""Orders over REST: place, preview, edit, cancel. What was placed is asked for in `rest_history`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from quietmaker.core.orders import Intent
from quietmaker.core.units import Lots, Ticks
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.exchange.refusals import CancelRefusal, EditRefusal, Refusal
from quietmaker.exchange.server.estimate import estimate
from quietmaker.exchange.server.keys import Key
from quietmaker.exchange.server.office import Office
from quietmaker.exchange.server.order_form import (
    OrderRefused,
    Surroundings,
    amount,
    client_id_of,
    configuration_of,
    on_grid,
    read_order,
)
from quietmaker.exchange.server.records import Draft, Kind, OrderRecord
from quietmaker.exchange.server.rest_market import touch
from quietmaker.exchange.server.rest_wire import Refused, answer, body_of, invalid, string
from quietmaker.ports import Rejected

MOST_CANCELS: Final = 100
_NO_REASON: Final = "UNKNOWN_FAILURE_REASON"
_NO_PREVIEW_REASON: Final = "UNKNOWN_PREVIEW_FAILURE_REASON"
_NO_CANCEL_REASON: Final = "UNKNOWN_CANCEL_FAILURE_REASON"
_NO_EDIT_REASON: Final = "UNKNOWN_EDIT_ORDER_FAILURE_REASON"
_PREVIEW: Final = "PREVIEW_"
_MESSAGES: Final[Mapping[str, str]] = {
    Refusal.FUNDS: "Insufficient balance in source account",
    Refusal.POST_ONLY: "The order would have matched on arrival",
    Refusal.NO_BOOK: "The product has no book now",
    Refusal.CONFIGURATION: "The order configuration was invalid",
}


async def create(office: Office, request: web.Request, key: Key) -> web.Response:
    """Place an order. A repeated client id is answered with the first order, whatever it asks for."""
    del key
    body = await body_of(request)
    client_id = client_id_of(body)
    known = office.desk.records.by_client(client_id)
    if known is not None:
        return _placed(known)
    try:
        draft = _read(office, body, client_id)
    except OrderRefused as refused:
        return _rejected(refused.reason, refused.details, configuration_of(body))
    outcome = await office.desk.submit(draft)
    if isinstance(outcome, Rejected):
        return _rejected(outcome.reason, "", draft.configuration)
    return _placed(outcome)


async def preview(office: Office, request: web.Request, key: Key) -> web.Response:
    """Say what an order would cost, and why it would be refused; nothing is placed."""
    del key
    body = await body_of(request)
    errors: list[str] = []
    taken: Intent | None = None
    try:
        draft = _read(office, body, "preview")
        order = (
            draft.intent
            if draft.kind is Kind.LIMIT
            else MarketOrder(intent=draft.intent, quote=draft.quote_size)
        )
        found = office.desk.floor.core.check(office.desk.now(), order)
        if isinstance(found, Refusal):
            errors.append(_as_preview(found))
        else:
            taken = found
    except OrderRefused as refused:
        errors.append(_as_preview(refused.reason))
    return answer(estimate(office, string(body, "product_id"), taken) | {"errs": errors})


async def edit(office: Office, request: web.Request, key: Key) -> web.Response:
    """Change price and size of an open GTC order; both must be given, the size in total."""
    del key
    body = await body_of(request)
    record = office.desk.records.by_id(string(body, "order_id"))
    try:
        ticks, lots = _edited(body, record)
        reason = None if record is None else await office.desk.edit(record, ticks, lots)
    except OrderRefused as refused:
        reason = refused.reason
    return answer({"success": reason is None, "errors": _edit_errors(reason)})


async def edit_preview(office: Office, request: web.Request, key: Key) -> web.Response:
    """Say what an order would cost after a change, and why that would be refused; nothing changes."""
    del key
    body = await body_of(request)
    record = office.desk.records.by_id(string(body, "order_id"))
    changed: Intent | None = None
    try:
        ticks, lots = _edited(body, record)
        assert record is not None, "an unknown order was refused"
        office.desk.now()
        reason = office.desk.floor.core.check_amend(record.client_id, ticks, lots)
        if reason is None:
            changed = replace(record.order.intent, price=ticks, size=lots)
    except OrderRefused as refused:
        reason = refused.reason
    cost = estimate(office, "" if record is None else record.symbol, changed)
    fields = ("slippage", "order_total", "commission_total", "quote_size", "base_size")
    return answer(
        {
            "errors": _edit_errors(reason),
            **{field: cost[field] for field in (*fields, "best_bid", "best_ask")},
            "average_filled_price": cost["est_average_filled_price"],
        }
    )


async def batch_cancel(office: Office, request: web.Request, key: Key) -> web.Response:
    """Ask for the cancellation of orders; one result per id, in their order."""
    del key
    body = await body_of(request)
    ids = body.get("order_ids")
    if ids is None:
        ids = []
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise invalid("order_ids", ids)
    if len(ids) > MOST_CANCELS:
        raise Refused(400, "InvalidArgument", f"Too many orderIDs entered, limit is {MOST_CANCELS}")
    reasons = await asyncio.gather(*(_cancel(office, order_id) for order_id in ids))
    results = [
        {
            "success": reason is None,
            "failure_reason": reason or _NO_CANCEL_REASON,
            "order_id": order_id,
        }
        for order_id, reason in zip(ids, reasons, strict=True)
    ]
    return answer({"results": results})


# --- inside -------------------------------------------------------------------------------------


def _read(office: Office, body: dict[str, Any], client_id: str) -> Draft:
    now = office.desk.now()
    products = office.house.catalogue.products
    symbol = string(body, "product_id")
    bid, ask = touch(office.house.venue(symbol)) if symbol in products else (None, None)
    around = Surroundings(products=products, now=now, bid=bid or 0, ask=ask or 0)
    return read_order(body, client_id, around)


def _placed(record: OrderRecord) -> web.Response:
    return answer(
        {
            "success": True,
            "success_response": {
                "order_id": record.order_id,
                "product_id": record.symbol,
                "side": record.side.value,
                "client_order_id": record.client_id,
                "attached_order_id": "",
            },
            "order_configuration": record.draft.configuration,
        }
    )


def _rejected(reason: str, details: str, configuration: Mapping[str, Any]) -> web.Response:
    """Answer a rejection with the reason in the field that Coinbase is known to put it in."""
    error, preview_reason, order_reason = reason, _NO_PREVIEW_REASON, reason
    if reason.startswith(_PREVIEW):
        error, preview_reason, order_reason = _NO_REASON, reason, _NO_REASON
    elif reason == Refusal.FUNDS:
        preview_reason, order_reason = _PREVIEW + reason, _NO_REASON
    elif reason == Refusal.POST_ONLY:
        error = _NO_REASON
    return answer(
        {
            "success": False,
            "error_response": {
                "error": error,
                "message": _MESSAGES.get(reason, details),
                "error_details": details,
                "preview_failure_reason": preview_reason,
                "new_order_failure_reason": order_reason,
            },
            "order_configuration": configuration,
        }
    )


def _as_preview(reason: str) -> str:
    return reason if reason.startswith(_PREVIEW) else _PREVIEW + reason


def _edited(body: dict[str, Any], record: OrderRecord | None) -> tuple[Ticks, Lots]:
    """Return the price and the total size that an order is to get."""
    if record is None:
        raise OrderRefused(EditRefusal.UNKNOWN, "no such order")
    if record.draft.kind is not Kind.LIMIT:
        raise OrderRefused(EditRefusal.NOT_LIMIT, "not a limit order")
    price = amount(body, "price", EditRefusal.PRICE)
    size = amount(body, "size", EditRefusal.SIZE)
    if not price:
        raise OrderRefused(EditRefusal.PRICE, "price must be greater than zero")
    if not size:
        raise OrderRefused(EditRefusal.SIZE, "size must be greater than zero")
    return on_grid(record.draft.product, price, size)


def _edit_errors(reason: str | None) -> list[dict[str, str]]:
    if reason is None:
        return []
    own = reason in {refusal.value for refusal in EditRefusal}
    return [
        {
            "edit_failure_reason": reason if own else _NO_EDIT_REASON,
            "preview_failure_reason": _NO_PREVIEW_REASON if own else _as_preview(reason),
        }
    ]


async def _cancel(office: Office, order_id: str) -> str | None:
    record = office.desk.records.by_id(order_id)
    if record is None:
        return CancelRefusal.UNKNOWN
    return await office.desk.cancel(record)
