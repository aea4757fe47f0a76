"""What the matching core is asked, and what it says: requests, answers, and the events of the user stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from quietmaker.core.orders import Intent
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.ports import Accepted, CancelOutcome, Rejected, UserFill, UserOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitAnswer:
    """The answer to a submit; `ticket` is what `submit` returned."""

    ticket: int
    client_id: str
    outcome: Accepted | Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAnswer:
    """The answer to a cancel; `ticket` is what `cancel` returned."""

    ticket: int
    outcome: CancelOutcome


Request: TypeAlias = Intent | MarketOrder | str
"""An order, or the client id of one to cancel."""

Result: TypeAlias = SubmitAnswer | CancelAnswer | UserOrder | UserFill
