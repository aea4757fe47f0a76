"""An order as the user channel tells it: its cumulative state, every value a string.

The field set is the documented one of 2024 and later; no recording of a frame with orders exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quietmaker.core.orders import TimeInForce
from quietmaker.core.units import plain
from quietmaker.exchange.server.frames import UNSET_TIME, rfc3339
from quietmaker.exchange.server.records import Kind, OrderRecord, OrderStatus

TIMES_IN_FORCE: Final[Mapping[TimeInForce, str]] = {
    TimeInForce.GTC: "GOOD_UNTIL_CANCELLED",
    TimeInForce.GTD: "GOOD_UNTIL_DATE_TIME",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}


def order_state(record: OrderRecord, *, portfolio: str) -> dict[str, str]:
    """Return an order as it is now."""
    intent = record.draft.intent
    limit = record.draft.kind is Kind.LIMIT
    failed = record.status is OrderStatus.FAILED
    return {
        "avg_price": plain(record.average),
        "cancel_reason": "" if failed else record.reason,
        "client_order_id": record.client_id,
        "completion_percentage": f"{record.completion:.2f}",
        "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
        "cumulative_quantity": plain(record.filled),
        "filled_value": plain(record.value),
        "leaves_quantity": plain(record.leaves),
        "limit_price": plain(record.limit) if limit else "",
        "number_of_fills": str(record.fills),
        "order_id": record.order_id,
        "order_side": record.side.value,
        "order_type": "Limit" if limit else "Market",
        "outstanding_hold_amount": plain(record.hold),
        "post_only": str(intent.post_only).lower(),
        "product_id": record.symbol,
        "product_type": "SPOT",
        "reject_reason": record.reason if failed else "",
        "retail_portfolio_id": portfolio,
        "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
        "status": record.status.value,
        "stop_price": "",
        "time_in_force": TIMES_IN_FORCE[intent.time_in_force],
        "total_fees": plain(record.fees),
        "total_value_after_fees": plain(record.after_fees),
        "trigger_status": "INVALID_ORDER_TYPE",
        "creation_time": rfc3339(record.created),
        "end_time": UNSET_TIME if intent.expire_at is None else rfc3339(intent.expire_at),
        "start_time": UNSET_TIME,
    }
