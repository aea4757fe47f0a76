"""The account as the exchange tells it: asked over REST by a client that shares nothing with the bot's.

Everything is kept as it was told, in decimals: the orders, the executions, the balances. What has ended
is not asked for again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from quietmaker.coinbase.auth import ApiKey, Signer
from supervisors.clock import SystemClock
from supervisors.exchange_instance import ExchangeInstance

API: Final = "/api/v3/brokerage"
OPEN: Final = frozenset({"PENDING", "OPEN", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED"})
LATE: Final = timedelta(seconds=30)
"""How much later than it happened an execution may be listed."""
TRIES: Final = 40
OURS: Final = "qm"
"""How every client id of the bot begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirOrder:
    """An order as the exchange has it."""

    order_id: str
    client_id: str
    symbol: str
    side: str
    status: str
    price: Decimal
    size: Decimal
    filled: Decimal
    post_only: bool
    created: datetime

    @property
    def live(self) -> bool:
        """Return whether it may still execute."""
        return self.status in OPEN

    @property
    def leaves(self) -> Decimal:
        """Return what may still execute."""
        return self.size - self.filled if self.live else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirFill:
    """An execution as the exchange lists it."""

    trade_id: str
    order_id: str
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    liquidity: str
    at: datetime

    @property
    def signed(self) -> Decimal:
        """Return what it added to the position."""
        return self.size if self.side == "BUY" else -self.size

    @property
    def cash(self) -> Decimal:
        """Return what it brought, or cost, with its fee."""
        return -self.signed * self.price - self.fee


class Account:
    """What the exchange knows of our account.

    Attributes:
        orders: every order of the bot ever seen, by the exchange's id, as it was told last.
        fills: every execution of the bot ever seen, by the exchange's id.
        foreign: client ids of what we placed ourselves, as an operator by hand, by the exchange's id.
        foreign_fills: their executions.
        changed_fills: executions that were told in two ways.
    """

    def __init__(self, instance: ExchangeInstance) -> None:
        """Know nothing yet."""
        key = ApiKey.load(instance.first_key)
        self._signer = Signer(key, SystemClock())
        self._url = instance.http_url
        self._host = instance.http_url.partition("//")[2]
        self._http = urllib3.PoolManager(retries=False, timeout=10.0)
        self.orders: dict[str, TheirOrder] = {}
        self.fills: dict[str, TheirFill] = {}
        self.foreign: dict[str, str] = {}
        self.foreign_fills: dict[str, TheirFill] = {}
        self.changed_fills: list[str] = []

    def refresh(self) -> None:
        """Ask for what is new: executions first, so that the order of each is known."""
        self._fills()
        self._orders()

    def trade_by_hand(
        self, symbol: str, side: str, price: Decimal, size: Decimal, *, rests: bool
    ) -> None:
        """Place an order of somebody else's: one that rests, or one that executes at once."""
        kind = "limit_limit_gtc" if rests else "sor_limit_ioc"
        limit = {"limit_price": f"{price:f}", "base_size": f"{size:f}"}
        body = {
            "client_order_id": f"by-hand-{len(self.foreign)}",
            "product_id": symbol,
            "side": side,
            "order_configuration": {kind: {**limit, **({"post_only": True} if rests else {})}},
        }
        order_id = self._ask("/orders", body)["success_response"]["order_id"]
        self.foreign[order_id] = str(body["client_order_id"])
        while not rests:
            order = _order(self._ask(f"/orders/historical/{order_id}")["order"])
            self._fills()
            listed = [f.size for f in self.foreign_fills.values() if f.order_id == order_id]
            if not order.live and sum(listed) == order.filled:
                return

    def _orders(self) -> None:
        waiting = [order.created for order in self.orders.values() if order.live]
        newest = max((order.created for order in self.orders.values()), default=None)
        wanted: dict[str, Any] = {"limit": 1000}
        if newest is not None:
            wanted["start_date"] = _stamp(min([newest, *waiting]))
        for row in self._pages("/orders/historical/batch", "orders", wanted):
            order = _order(row)
            if order.client_id.startswith(OURS):
                self.orders[order.order_id] = order

    def _fills(self) -> None:
        newest = max((fill.at for fill in self.fills.values()), default=None)
        wanted: dict[str, Any] = {"limit": 3000}
        if newest is not None:
            wanted["start_sequence_timestamp"] = _stamp(newest - LATE)
        for row in self._pages("/orders/historical/fills", "fills", wanted):
            fill = _fill(row)
            known = self.foreign_fills if fill.order_id in self.foreign else self.fills
            if known.setdefault(fill.trade_id, fill) != fill:
                self.changed_fills.append(fill.trade_id)

    def _pages(self, path: str, what: str, wanted: dict[str, Any]) -> Iterable[dict[str, Any]]:
        while True:
            said = self._ask(path, **wanted)
            yield from said[what]
            if not said.get("has_next", said["cursor"]):
                return
            wanted["cursor"] = said["cursor"]

    def _ask(self, path: str, body: Any = None, **query: Any) -> Any:
        """Ask, again and again while faults are in force; with a body, order."""
        url = f"{self._url}{API}{path}?{urlencode(query, doseq=True)}"
        method, said = "GET" if body is None else "POST", ""
        data = None if body is None else json.dumps(body)
        for _ in range(TRIES):
            token = self._signer.rest(method, self._host, API + path)
            headers = {"Authorization": f"Bearer {token}"}
            try:
                answer = self._http.request(method, url, body=data, headers=headers)
                if answer.status == 200:
                    return answer.json()
                said = f"{answer.status} {answer.data[:200]!r}"
            except (urllib3.exceptions.HTTPError, ValueError) as error:
                said = str(error)
            time.sleep(0.05)
        raise AssertionError(f"the exchange does not answer {path}: {said}")


def _order(row: Mapping[str, Any]) -> TheirOrder:
    (limit,) = row["order_configuration"].values()
    return TheirOrder(
        order_id=row["order_id"],
        client_id=row["client_order_id"],
        symbol=row["product_id"],
        side=row["side"],
        status=row["status"],
        price=Decimal(limit["limit_price"]),
        size=Decimal(limit["base_size"]),
        filled=Decimal(row["filled_size"]),
        post_only=bool(limit.get("post_only", False)),
        created=datetime.fromisoformat(row["created_time"]),
    )


def _fill(row: Mapping[str, Any]) -> TheirFill:
    return TheirFill(
        trade_id=row["trade_id"],
        order_id=row["order_id"],
        symbol=row["product_id"],
        side=row["side"],
        price=Decimal(row["price"]),
        size=Decimal(row["size"]),
        fee=Decimal(row["commission"]),
        liquidity=row["liquidity_indicator"],
        at=datetime.fromisoformat(row["trade_time"]),
    )


def _stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
