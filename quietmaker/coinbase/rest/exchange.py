"""The exchange: Coinbase Advanced Trade, or whatever speaks its protocol, behind the port.

What is not ours is recognised and left alone: orders and executions of products that are not served are
skipped and counted; those of served products are returned whoever placed them, since the books tell whose
they are. What is ours and cannot be read is an error and never skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from quietmaker.coinbase.auth import Signer
from quietmaker.coinbase.rest.executions import Executions
from quietmaker.coinbase.rest.identity import REMEMBERED, OrderIds
from quietmaker.coinbase.rest.limits import RateLimits
from quietmaker.coinbase.rest.listings import Listings
from quietmaker.coinbase.rest.orders import (
    MOST_CANCELS,
    NO_RESULT,
    cancel_body,
    difference,
    read_cancels,
)
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.coinbase.rest.records import (
    STATES,
    OrderRow,
    Permissions,
    read_candle,
    read_fees,
    read_permissions,
    read_report,
)
from quietmaker.coinbase.rest.rest import Endpoint, Rest, RestWatch, Surroundings
from quietmaker.coinbase.rest.submits import Submitter
from quietmaker.core.candles import BUCKET
from quietmaker.core.evidence import Execution
from quietmaker.core.fees import FeeRates
from quietmaker.core.market import CandleBar
from quietmaker.core.orders import Intent
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos, add
from quietmaker.errors import WireError
from quietmaker.ports import (
    Balance,
    CancelOutcome,
    Clock,
    OrderReport,
    SubmitOutcome,
    UserFill,
)

OVERLAP: Final = Nanos(60 * SECOND)
"""How much earlier than asked for a listing begins: clocks differ, and so do booking and execution."""
MOST_CANDLES: Final = 350
UNKNOWN_ORDER: Final = "UNKNOWN_CANCEL_ORDER"
"""Coinbase's word for an order id that it does not have."""


class CoinbaseExchange:
    """Implements `ports.Exchange` over REST. Thread-safe."""

    def __init__(
        self,
        *,
        url: str,
        ca_file: Path | None,
        signer: Signer | None,
        id_prefix: str,
        timeouts: Timeouts,
        limits: RateLimits,
        clock: Clock,
        watch: RestWatch,
        pause: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> None:
        """Prepare; nothing is sent yet, and no product is served before `serve`.

        Args:
            url: ``https://host[:port]``; plain HTTP only to this machine.
            ca_file: certificates to trust instead of the system's.
            signer: signs requests; without one only public questions are answered.
            id_prefix: begins every client id of ours, in this run and in earlier ones.
            timeouts: for connections and answers.
            limits: of requests.
            clock: the only one.
            watch: counts.
            pause: sleeps for some seconds.
            jitter: returns a random number from 0 to 1.

        Raises:
            ConfigError: if the address or the certificates are unusable.
        """
        self._rest = Rest(
            url=url,
            ca_file=ca_file,
            signer=signer,
            timeouts=timeouts,
            limits=limits,
            around=Surroundings(clock=clock, watch=watch, pause=pause, jitter=jitter),
        )
        self._id_prefix = id_prefix
        self._clock = clock
        self._watch = watch
        self._ids = OrderIds(REMEMBERED)
        self._listings = Listings(self._rest, watch)
        self._serving: Mapping[str, Product] = {}
        self._offered: Mapping[str, Product] = {}
        self._aliases: Mapping[str, str] = {}
        self._submitter = Submitter(self._rest, self._ids, clock)
        self._executions = Executions(
            ids=self._ids, look_up=self._look_up, is_ours=self._is_ours, issue=watch.issue
        )

    def serve(self, products: Mapping[str, Product]) -> None:
        """Choose the products that are traded: the mapping that is given, as it stands at each request.

        A product in it stays as it was given, whatever is told later.
        """
        self._serving = products

    # --- orders ---

    def submit(self, intent: Intent) -> SubmitOutcome:
        """Send an order exactly as decided; sent again, it is the identical request."""
        product = self._serving.get(intent.symbol)
        alias = self._aliases.get(intent.symbol, intent.symbol)
        return self._submitter.submit(intent, product, frozenset({intent.symbol, alias}))

    def cancel(self, client_ids: Sequence[str]) -> Sequence[CancelOutcome]:
        """Ask for cancellation; one outcome per id. Refusals are normal: orders end meanwhile.

        Raises:
            WireError: if nobody knows what came of some of them; all were sent that could be.
        """
        ids = {client_id: self._ids.order_id(client_id) for client_id in client_ids}
        outcomes = dict(self._cancel([each for each in ids.values() if each is not None]))
        lost = [client_id for client_id, order_id in ids.items() if order_id is None]
        if lost:
            self._live()  # learns the ids of what may still execute
            ids |= {client_id: self._ids.order_id(client_id) for client_id in lost}
            found = [ids[client_id] for client_id in lost]
            outcomes |= self._cancel([each for each in found if each is not None])
        return tuple(
            CancelOutcome(
                client_id=client_id,
                reason=UNKNOWN_ORDER
                if (order_id := ids[client_id]) is None
                else outcomes.get(order_id, NO_RESULT),
            )
            for client_id in client_ids
        )

    def _cancel(self, order_ids: Sequence[str]) -> Mapping[str, str | None]:
        outcomes: dict[str, str | None] = {}
        failure: WireError | None = None
        for start in range(0, len(order_ids), MOST_CANCELS):
            part = order_ids[start : start + MOST_CANCELS]
            try:
                outcomes.update(read_cancels(self._rest.cancel(cancel_body(part))))
            except WireError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return outcomes

    def learn(self, client_id: str, order_id: str) -> None:
        """Take note of an order's id, as the user stream tells it."""
        self._ids.learn(client_id, order_id)

    def order(self, client_id: str, *, since: Instant) -> OrderReport | None:
        """Return the order, or None when the exchange never had it.

        Raises:
            WireError: if it cannot be asked for or read, or if another order has our client id.
        """
        known = self._ids.order_id(client_id)
        row = None if known is None else self._listings.order(known)
        if row is None or row.client_id != client_id:
            row = next(
                (
                    each
                    for each in self._listings.orders(since=self._from(since))
                    if self._learned(each).client_id == client_id
                ),
                None,
            )
        if row is None:
            return None
        self._learned(row)
        product = self._serving.get(row.symbol)
        if product is None:
            raise WireError(f"order {client_id}: its product {row.symbol} is not served")
        intent = self._ids.intent(client_id)
        alias = self._aliases.get(row.symbol, row.symbol)
        wrong = intent and difference(row.row, intent, product, frozenset({row.symbol, alias}))
        if wrong:
            self._watch.issue("echo_mismatch")
            raise WireError(
                f"order {client_id}: the exchange has another order of this client id ({wrong}); "
                f"was it used before the database was made anew? Cancel {row.order_id} by hand"
            )
        return read_report(row, product)

    def open_orders(self) -> Sequence[OrderReport]:
        """Return every order that may still execute, oldest first."""
        served = self._serving
        reports = []
        for row in self._live():
            product = served.get(row.symbol)
            if product is None:
                self._watch.issue("foreign_order")
                continue
            try:
                reports.append(read_report(row, product))
            except WireError:
                if self._is_ours(row.client_id):
                    raise
                self._watch.issue("unreadable_foreign_order")
        return tuple(reports)

    def _live(self) -> Sequence[OrderRow]:
        rows = self._listings.live_orders()
        for row in rows:
            self._learned(row)
        return rows

    def _learned(self, row: OrderRow) -> OrderRow:
        self._ids.learn(row.client_id, row.order_id, row.post_only)
        if row.status not in STATES:
            self._watch.issue("unknown_order_status")
        return row

    # --- executions ---

    def fills(self, since: Instant) -> Sequence[UserFill]:
        """Return executions at or after a time, oldest first."""
        rows = self._listings.fills(since=self._from(since), until=None)
        told = self._executions.fills(rows, self._serving)
        return tuple(each for each in told if each.fill.at >= since)

    def fills_of(self, order_ids: Sequence[str]) -> Sequence[UserFill]:
        """Return all executions of some orders of the exchange, oldest first."""
        if not order_ids:
            return ()
        return tuple(self._executions.fills(self._listings.fills_of(order_ids), self._serving))

    def executions(self, since: Instant, until: Instant) -> Sequence[Execution]:
        """Return what was executed on the account in a span of time, by whomever, oldest first.

        Raises:
            WireError: if it cannot be asked for, or something of ours cannot be read.
        """
        later = Instant(until + OVERLAP + abs(self._rest.ahead))
        rows = self._listings.fills(since=self._from(since), until=later)
        told = self._executions.all(rows, {**self._offered, **self._serving})
        return tuple(each for each in told if since <= each.at < until)

    # --- the account and the market ---

    def balances(self) -> Mapping[str, Balance]:
        """Return all balances by currency. A currency without a row was never funded.

        Raises:
            WireError: if they cannot be asked for, or one that is traded cannot be read.
        """
        balances: dict[str, Balance] = {}
        for row in self._listings.balances(self._is_traded):
            before = balances.get(row.currency)
            balances[row.currency] = (
                row
                if before is None
                else Balance(
                    currency=row.currency,
                    available=add(before.available, row.available),
                    hold=add(before.hold, row.hold),
                )
            )
        return balances

    def products(self) -> Mapping[str, Product]:
        """Return the products by symbol, asked for anew."""
        found = self._listings.products()
        for symbol, first in self._serving.items():
            now = found.products.get(symbol, first)
            if (now.tick, now.lot) != (first.tick, first.lot):
                # Intents count in the increments that their trader began with, and are sent so.
                self._watch.issue("increments_changed")
        self._aliases, self._offered = found.aliases, found.products
        return found.products

    @property
    def aliases(self) -> Mapping[str, str]:
        """Return the symbols that share another product's book, as last answered."""
        return self._aliases

    def fees(self) -> FeeRates:
        """Return the account's current rates."""
        return read_fees(
            self._rest.get(Endpoint.FEES, "/transaction_summary?product_type=SPOT", signed=True)
        )

    def permissions(self) -> Permissions:
        """Return what the key may do."""
        return read_permissions(
            self._rest.get(Endpoint.PERMISSIONS, "/key_permissions", signed=True)
        )

    def candles(self, symbol: str) -> Sequence[CandleBar]:
        """Return recent five-minute buckets, oldest first, holes left out."""
        product = self._serving.get(symbol)
        if product is None:
            raise WireError(f"candles: product {symbol} is not served")
        at = self._clock.now()
        bars: dict[Instant, CandleBar] = {}
        for row in self._listings.candles(symbol, at, MOST_CANDLES):
            try:
                bar = read_candle(row, product, at)
            except WireError:
                self._watch.issue("unreadable_candle")
                continue
            if bar.start > at - MOST_CANDLES * BUCKET:
                bars[bar.start] = bar
        return tuple(bars[start] for start in sorted(bars))

    def time(self) -> Instant:
        """Return the exchange's clock; have connections and tokens for orders ready meanwhile."""
        moment = self._rest.time()
        self._rest.keep_ready()
        return moment

    def keep_ready(self) -> None:
        """Have connections and tokens for orders ready ahead of need; `time` does it as well."""
        self._rest.keep_ready()

    def close(self) -> None:
        """Close the connections."""
        self._rest.close()

    # --- what is served ---

    def _look_up(self, order_ids: Sequence[str]) -> None:
        """Learn the client ids of orders whose executions are told: those do not name them."""
        for row in self._listings.orders_of(order_ids):
            self._learned(row)

    def _is_traded(self, currency: str) -> bool:
        return any(currency in (each.base, each.quote) for each in self._serving.values())

    def _is_ours(self, client_id: str) -> bool:
        return client_id.startswith(self._id_prefix)

    def _from(self, since: Instant) -> Instant:
        return Instant(max(0, since - OVERLAP - abs(self._rest.ahead)))
