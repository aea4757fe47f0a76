"""The account as the exchange tells it: asked over REST by a client that shares nothing with the bot's.

Everything is kept as it was told, in decimals: the orders, the executions, the balances. What has ended
is not asked for again.
"""

from __future__ import annotations

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


class Account:
    """What the exchange knows of our account.

    Attributes:
        orders: every order ever seen, by the exchange's id, as it was told last.
        fills: every execution ever seen, by the exchange's id.
        listed_twice: trade ids that one answer held twice.
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
        self.changed_fills: list[str] = []

    def refresh(self) -> None:
        """Ask for what is new."""
        self._orders()
        self._fills()

    def live(self) -> list[TheirOrder]:
        """Ask for the orders that may execute now: one answer, so one moment."""
        said = self._ask("/orders/historical/batch", order_status=sorted(OPEN), limit=1000)
        assert not said["has_next"]
        return [_order(row) for row in said["orders"]]

    def balances(self) -> dict[str, Decimal]:
        """Ask for what the account holds, reserved or not."""
        rows = self._ask("/accounts", limit=250)["accounts"]
        return {
            row["currency"]: Decimal(row["available_balance"]["value"])
            + Decimal(row["hold"]["value"])
            for row in rows
        }

    def positions(self) -> dict[str, Decimal]:
        """Return what the executions seen so far have bought and not sold."""
        held: dict[str, Decimal] = {}
        for fill in self.fills.values():
            held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.signed
        return held

    def close(self) -> None:
        """Close the connections."""
        self._http.clear()

    def _orders(self) -> None:
        waiting = [order.created for order in self.orders.values() if order.live]
        newest = max((order.created for order in self.orders.values()), default=None)
        wanted: dict[str, Any] = {"limit": 1000}
        if newest is not None:
            wanted["start_date"] = _stamp(min([newest, *waiting]))
        for row in self._pages("/orders/historical/batch", "orders", wanted):
            order = _order(row)
            self.orders[order.order_id] = order

    def _fills(self) -> None:
        newest = max((fill.at for fill in self.fills.values()), default=None)
        wanted: dict[str, Any] = {"limit": 3000}
        if newest is not None:
            wanted["start_sequence_timestamp"] = _stamp(newest - LATE)
        for row in self._pages("/orders/historical/fills", "fills", wanted):
            fill = _fill(row)
            if self.fills.setdefault(fill.trade_id, fill) != fill:
                self.changed_fills.append(fill.trade_id)

    def _pages(self, path: str, what: str, wanted: dict[str, Any]) -> Iterable[dict[str, Any]]:
        while True:
            said = self._ask(path, **wanted)
            yield from said[what]
            if not said.get("has_next", said["cursor"]):
                return
            wanted["cursor"] = said["cursor"]

    def _ask(self, path: str, **query: Any) -> Any:
        """Ask, again and again while faults are in force."""
        url = f"{self._url}{API}{path}?{urlencode(query, doseq=True)}"
        said = ""
        for _ in range(TRIES):
            token = self._signer.rest("GET", self._host, API + path)
            try:
                answer = self._http.request(
                    "GET", url, headers={"Authorization": f"Bearer {token}"}
                )
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
