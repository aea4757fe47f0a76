"""Queries that take several answers: every list of the exchange comes in pages.

A list is complete or an error: a page that is missing, or pages that go round in a circle, must not read as
"there is no more".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from quietmaker.coinbase.products import ProductsAnswer, products_from_answer
from quietmaker.coinbase.rest.failures import load, tidy
from quietmaker.coinbase.rest.records import (
    LIVE_STATUSES,
    FillRow,
    OrderRow,
    read_balance,
    read_fill_row,
    read_order,
)
from quietmaker.coinbase.rest.rest import Endpoint, Rest, RestWatch
from quietmaker.coinbase.times import stamp
from quietmaker.core.candles import BUCKET
from quietmaker.core.units import SECOND, Instant
from quietmaker.errors import ExchangeRefused, WireError
from quietmaker.ports import Balance

MOST_PAGES: Final = 1_000
ORDERS_PAGE: Final = 250
FILLS_PAGE: Final = 250
ACCOUNTS_PAGE: Final = 250
IDS_AT_ONCE: Final = 50
"""Order ids in one question; more would make its line too long."""
_NOT_FOUND: Final = "was not found"
_PARAMETERS = Mapping[str, str | Sequence[str]]


class Listings:
    """Asks for lists, to their end. Thread-safe."""

    def __init__(self, rest: Rest, watch: RestWatch) -> None:
        """Ask through a client."""
        self._rest = rest
        self._watch = watch

    # --- orders ---

    def order(self, order_id: str) -> OrderRow | None:
        """Return one order, or None when the exchange does not have it (yet).

        Raises:
            WireError: if it cannot be asked for or read.
        """
        target = f"/orders/historical/{quote(order_id, safe='')}"
        try:
            body = self._rest.get(Endpoint.ORDER, target, signed=True)
        except ExchangeRefused as error:
            if error.status == 404 or _NOT_FOUND in str(error):
                return None
            raise
        found = body.get("order")
        if found is None and _NOT_FOUND in str(body.get("error_details")):
            return None
        row = read_order(found)
        if row.order_id != order_id:
            raise WireError(f"order {tidy(order_id)}: the answer is about {tidy(row.order_id)}")
        return row

    def orders(self, *, since: Instant) -> Iterator[OrderRow]:
        """Return the orders of any state that were created at or after a time, newest first."""
        parameters = {"start_date": stamp(since), "product_type": "SPOT"}
        return self._orders(parameters)

    def orders_of(self, order_ids: Sequence[str]) -> Iterator[OrderRow]:
        """Return some orders by their ids, as far as the exchange has them."""
        for start in range(0, len(order_ids), IDS_AT_ONCE):
            missing = set(order_ids[start : start + IDS_AT_ONCE])
            query = urlencode({"order_ids": sorted(missing)}, doseq=True)
            target = f"/orders/historical/batch?{query}"
            body = self._rest.get(Endpoint.ORDERS, target, signed=True)
            for each in _rows(body, "orders", Endpoint.ORDERS):
                row = read_order(each)
                if row.order_id in missing:
                    missing.discard(row.order_id)
                    yield row
            for order_id in sorted(missing):
                if (one := self.order(order_id)) is not None:
                    yield one

    def live_orders(self) -> Sequence[OrderRow]:
        """Return the orders that may still execute, oldest first.

        Each status is asked for alone: `OPEN` leaves out orders that can be cancelled all the same,
        and the exchange forbade to combine it with others once.
        """
        found: dict[str, OrderRow] = {}
        for status in LIVE_STATUSES:
            try:
                rows = list(self._orders({"order_status": status, "product_type": "SPOT"}))
            except ExchangeRefused as error:
                if status == "OPEN" or error.status != 400:
                    raise
                self._watch.issue("status_not_known")  # then no order can be in it
                continue
            found.update((row.order_id, row) for row in rows)
        return sorted(found.values(), key=lambda row: str(row.row.get("created_time")))

    def _orders(self, parameters: _PARAMETERS) -> Iterator[OrderRow]:
        size = {"limit": str(ORDERS_PAGE)}
        for body in self._pages(
            Endpoint.ORDERS, "/orders/historical/batch", {**parameters, **size}
        ):
            for row in _rows(body, "orders", Endpoint.ORDERS):
                try:
                    yield read_order(row)
                except WireError:
                    self._watch.issue("unreadable_order")
                    raise

    # --- executions ---

    def fills(self, *, since: Instant, until: Instant | None) -> Sequence[FillRow]:
        """Return what was executed from a time on, and up to another, each entry once."""
        parameters = {"start_sequence_timestamp": stamp(since)}
        if until is not None:
            parameters["end_sequence_timestamp"] = stamp(until)
        return self._fills(parameters)

    def fills_of(self, order_ids: Sequence[str]) -> Sequence[FillRow]:
        """Return what was executed of some orders, each entry once."""
        wanted = tuple(dict.fromkeys(order_ids))
        found: list[FillRow] = []
        for start in range(0, len(wanted), IDS_AT_ONCE):
            part = wanted[start : start + IDS_AT_ONCE]
            found.extend(row for row in self._fills({"order_ids": part}) if row.order_id in part)
        return found

    def _fills(self, parameters: _PARAMETERS) -> Sequence[FillRow]:
        found: dict[str, FillRow] = {}
        size = {"limit": str(FILLS_PAGE)}
        for body in self._pages(Endpoint.FILLS, "/orders/historical/fills", {**parameters, **size}):
            rows = [read_fill_row(row) for row in _rows(body, "fills", Endpoint.FILLS)]
            fresh = {row.entry_id: row for row in rows if row.entry_id not in found}
            if not fresh:
                break  # there is no `has_next`: the cursor of an empty page leads nowhere
            found.update(fresh)
        return tuple(found.values())

    # --- the account and the market ---

    def balances(self, traded: Callable[[str], bool]) -> Iterator[Balance]:
        """Return the accounts that spot orders are settled in; a currency can have several.

        Raises:
            WireError: if one of a traded currency cannot be read.
        """
        parameters = {"limit": str(ACCOUNTS_PAGE)}
        seen: set[str] = set()
        for body in self._pages(Endpoint.ACCOUNTS, "/accounts", parameters):
            for row in _rows(body, "accounts", Endpoint.ACCOUNTS):
                try:
                    balance = read_balance(row)
                except WireError:
                    currency = row.get("currency") if isinstance(row, dict) else None
                    if not isinstance(currency, str) or traded(currency):
                        raise
                    self._watch.issue("unreadable_account")
                    continue
                uuid = str(row.get("uuid") or len(seen))
                if balance is not None and uuid not in seen:
                    seen.add(uuid)
                    yield balance

    def products(self) -> ProductsAnswer:
        """Return all spot products.

        Raises:
            WireError: if there is none.
        """
        signed = self._rest.signs
        path = "/products" if signed else "/market/products"
        parameters = {"product_type": "SPOT"}
        if signed:
            parameters["get_tradability_status"] = "true"
        answers: list[ProductsAnswer] = []
        cursor, seen = "", set[str]()
        while True:
            more = {"cursor": cursor} if cursor else {}
            target = f"{path}?{urlencode({**parameters, **more})}"
            body = self._rest.get_bytes(Endpoint.PRODUCTS, target, signed=signed)
            page = load(body, Endpoint.PRODUCTS.value)
            if page.get("products") or not answers:
                answers.append(products_from_answer(body))
            pages = page.get("pagination")
            pages = pages if isinstance(pages, dict) else {}
            cursor = str(pages.get("next_cursor") or "")
            if not pages.get("has_next") or not cursor:
                break
            _guard(cursor, seen, Endpoint.PRODUCTS)
        return ProductsAnswer(
            products={k: v for each in answers for k, v in each.products.items()},
            aliases={k: v for each in answers for k, v in each.aliases.items()},
            refused={k: v for each in answers for k, v in each.refused.items()},
        )

    def candles(self, symbol: str, at: Instant, count: int) -> Sequence[Any]:
        """Return the rows of the last five-minute buckets, in the order of the answer."""
        last = at // BUCKET * BUCKET
        parameters = {
            "start": str((last - (count - 1) * BUCKET) // SECOND),
            "end": str(at // SECOND),
            "granularity": "FIVE_MINUTE",
            "limit": str(count),
        }
        target = f"/market/products/{quote(symbol, safe='')}/candles?{urlencode(parameters)}"
        body = self._rest.get(Endpoint.CANDLES, target, signed=False)
        return _rows(body, "candles", Endpoint.CANDLES)

    # --- pages ---

    def _pages(
        self, endpoint: Endpoint, path: str, parameters: _PARAMETERS
    ) -> Iterator[Mapping[str, Any]]:
        cursor, seen = "", set[str]()
        while True:
            more = {"cursor": cursor} if cursor else {}
            target = f"{path}?{urlencode({**parameters, **more}, doseq=True)}"
            body = self._rest.get(endpoint, target, signed=True)
            yield body
            cursor = body.get("cursor") or ""
            has_next = body.get("has_next")
            if not isinstance(cursor, str) or (has_next is True and not cursor):
                raise WireError(f"{endpoint.value}: the answer has more pages and no cursor")
            if has_next is False or not cursor:
                return
            _guard(cursor, seen, endpoint)


def _guard(cursor: str, seen: set[str], endpoint: Endpoint) -> None:
    """Stop going round in circles.

    Raises:
        WireError: if a cursor comes again, or there is no end of pages.
    """
    if cursor in seen or len(seen) >= MOST_PAGES:
        raise WireError(f"{endpoint.value}: the pages have no end; cursor {tidy(cursor)}")
    seen.add(cursor)


def _rows(body: Mapping[str, Any], key: str, endpoint: Endpoint) -> Sequence[Any]:
    rows = body.get(key)
    if not isinstance(rows, list):
        raise WireError(f"{endpoint.value}: the answer has no list {key!r}")
    return rows
