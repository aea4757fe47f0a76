"""What makes an intent impossible, whatever the books hold: said before anything of it is recorded."""

from __future__ import annotations

from quietmaker.core.orders import Intent, Purpose, TimeInForce
from quietmaker.ledger.rows import text


def intent_flaw(intent: Intent) -> str:
    """Return what the constraints of the database would refuse, or nothing."""
    entry = intent.purpose is Purpose.ENTRY
    gtd, ioc = (intent.time_in_force is each for each in (TimeInForce.GTD, TimeInForce.IOC))
    ids = (intent.client_id, intent.symbol, intent.strategy_tag, intent.passive_order_id)
    flaws = (
        (intent.price <= 0 or intent.size <= 0, "price and size must be positive"),
        (not all(ids), "ids and strategy tag must not be empty"),
        (any(text(each) != each for each in ids), "an id holds what no text column can hold"),
        (gtd is (intent.expire_at is None), "a GTD order, and only that, expires"),
        (ioc and intent.post_only, "an IOC order cannot be post-only"),
        (entry is not (intent.exit_reason is None), "an exit, and only an exit, has a reason"),
        (
            entry and intent.passive_order_id != intent.client_id,
            "an entry is its own passive order",
        ),
    )
    return next((flaw for found, flaw in flaws if found), "")
