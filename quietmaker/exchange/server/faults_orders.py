"""What fault rules do to orders and executions. Implements the desk's `Interference`."""

from __future__ import annotations

from decimal import Decimal

from quietmaker.core.units import MILLISECOND, ZERO, Nanos
from quietmaker.exchange.server.faults import Faults
from quietmaker.exchange.server.records import OrderRecord, OrderStatus


class OrderFaults:
    """Orders that die after their acceptance, late listings, late settlement."""

    def __init__(self, faults: Faults) -> None:
        """Ask these rules."""
        self._faults = faults

    def death(self, record: OrderRecord) -> tuple[OrderStatus, str] | None:
        """Return how an order ends right after its acceptance, and why, or None."""
        rule = self._faults.first("order.die", _subject(record))
        if rule is None:
            return None
        return OrderStatus(rule.parameters["status"]), str(rule.parameters["reason"])

    def fill_delay(self, record: OrderRecord) -> Nanos:
        """Return how long after it happened an execution is listed."""
        rule = self._faults.first("fills.late", _subject(record))
        return Nanos(0 if rule is None else max(rule.parameters["ms"], 0) * MILLISECOND)

    def unsettled(self, record: OrderRecord) -> Decimal:
        """Return what a filled order still shows as held at first; zero for nothing."""
        if record.status is not OrderStatus.FILLED:
            return ZERO
        rule = self._faults.first("order.unsettled", _subject(record))
        return ZERO if rule is None else record.value


def _subject(record: OrderRecord) -> dict[str, str]:
    return {
        "product": record.symbol,
        "side": record.side.value,
        "post_only": str(record.draft.intent.post_only).lower(),
        "client_order_id": record.client_id,
    }
