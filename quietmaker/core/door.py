"""The door: the last look at an order before it may leave. What fails here is a defect of ours.

The desks already decide so that nothing can fail; this is the assertion that they did. It judges the
intent against the touch that it was decided on, so that a moving market cannot make a right order wrong.
"""

from __future__ import annotations

from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import Side


def fault(intent: Intent, product: Product) -> str | None:
    """Return why an order must not leave, None when it may.

    Checked: post-only on everything that may rest, and on nothing else; a post-only price on the
    passive side of the touch (a touch of 0 is unknown); whole, positive ticks and lots within the
    product's limits. Ticks and lots are integers, so that a price that left here is a multiple.
    """
    taking = intent.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
    if intent.post_only is taking:
        return "an order that may rest must be post-only, and one that takes must not"
    if taking and intent.purpose is Purpose.ENTRY:
        return "an entry never takes"
    if intent.price <= 0 or not 0 < intent.size <= product.max_lots:
        return (
            f"price {intent.price} ticks or size {intent.size} lots is outside the product's limits"
        )
    if intent.size < product.least_lots(intent.price):
        return f"{intent.size} lots is less than the exchange takes"
    if intent.post_only and _crosses(intent):
        return f"{intent.side.value} at {intent.price} would cross {intent.bid}/{intent.ask}"
    return None


def _crosses(intent: Intent) -> bool:
    if intent.side is Side.BUY:
        return intent.ask > 0 and intent.price >= intent.ask
    return intent.bid > 0 and intent.price <= intent.bid
