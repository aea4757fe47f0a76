"""What the account gives each symbol: fee rates, funds and product rules, polled and shared out.

What there is goes to `capital`, which shares it out as it is asked for. What entries may sell is the base
currency beyond the bot's own positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final, TypeVar

from actors.board import Board
from actors.capital import Capital
from quietmaker.core.events import FeesChanged, FundsChanged, ProductChanged
from quietmaker.core.fees import FeeRates
from quietmaker.core.product import Product
from quietmaker.core.units import EXACT, ZERO, Instant, Lots, Nanos, ratio
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Balance, Exchange
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import Metrics

FAILURES_UNTIL_UNKNOWN: Final = 3
T = TypeVar("T")
Told = FeesChanged | FundsChanged | ProductChanged


class Accounts:
    """Asks the exchange for what changes slowly. Used by one thread.

    Attributes:
        fees: the rates last told; None while unknown.
        balances: as last told; None while unknown.
    """

    def __init__(
        self,
        exchange: Exchange,
        products: Mapping[str, Product],
        board: Board,
        *,
        refresh: Nanos,
        products_refresh: Nanos,
        metrics: Metrics,
        capital: Capital,
    ) -> None:
        """Know nothing yet.

        Args:
            exchange: who is asked.
            products: those that are traded, as they come and go.
            board: what the traders hold.
            refresh: pause between questions for fees and balances.
            products_refresh: the same for products, whose answer is long and changes rarely.
            metrics: hear of the fee rates.
            capital: shares out what there is.
        """
        self._exchange = exchange
        self._given = products
        self._changed: dict[str, Product] = {}
        self._board = board
        self._refresh = refresh
        self._products_refresh = products_refresh
        self._metrics = metrics
        self._capital = capital
        self._held: dict[str, int] = {}
        self._log = Log("account")
        self._failures: dict[str, int] = {}
        self._polled: Nanos | None = None
        self._products_polled: Nanos | None = None
        self.fees: FeeRates | None = None
        self.balances: Mapping[str, Balance] | None = None

    def known(
        self, symbol: str, *, held: int, now: Instant
    ) -> tuple[FeesChanged | FundsChanged, ...]:
        """Return what a trader is told at its start, asking first if nothing is known.

        Args:
            symbol: the trader's.
            held: lots of its position, negative for a short.
            now: the time of the events.
        """
        self._held[symbol] = held
        if self.fees is None or self.balances is None:
            self._ask()
        return (
            FeesChanged(now=now, fees=self.fees),
            self._funds(symbol, now=now),
        )

    def poll(self, mono: Nanos, now: Instant) -> list[tuple[str, Told]]:
        """Ask again when it is due; return whom to tell what."""
        if self._polled is not None and mono - self._polled < self._refresh:
            return []
        self._polled = mono
        products = self._products()
        before = {symbol: self._board.view(symbol) for symbol in products}
        fees = self.fees
        self._ask()
        told: list[tuple[str, Told]] = []
        for symbol in products:
            if self.fees != fees:
                told.append((symbol, FeesChanged(now=now, fees=self.fees)))
            view, was = self._board.view(symbol), before[symbol]
            if view is None or was is None or not view.recovered:
                continue
            # A fill between the question and now would be counted twice: the next poll will do.
            if view.held_lots == was.held_lots:
                told.append((symbol, self._funds(symbol, now=now)))
        asked = self._products_polled
        if asked is None or mono - asked >= self._products_refresh:
            self._products_polled = mono
            told.extend(self._changed_products(now))
        return told

    def _products(self) -> dict[str, Product]:
        """Return those that are traded now, as they were last told."""
        return {s: self._changed.get(s, product) for s, product in self._given.items()}

    def _ask(self) -> None:
        before = self.fees
        self.fees = self._try("fees", self._exchange.fees, self.fees)
        if self.fees != before:
            self._tell_rates(before, self.fees)
        products = self._products()
        marks = self._capital.mark(
            {c for each in products.values() for c in (each.quote, each.base)}
        )
        self._capital.rates(self.fees)
        failed = self._failures.get("balances", 0)
        self.balances = self._try("balances", self._exchange.balances, self.balances)
        if self.balances is None or self._failures["balances"] <= failed:
            self._capital.observe(self.balances, marks, self._owned(products))

    def _owned(self, products: Mapping[str, Product]) -> dict[str, Decimal]:
        """Return what positions hold of each base currency: their exits need it."""
        owned: dict[str, Decimal] = {}
        for symbol, product in products.items():
            view = self._board.view(symbol)
            recovered = view is not None and view.recovered
            held = view.held_lots if view is not None and recovered else self._held.get(symbol, 0)
            size = product.size(max(held, 0))
            owned[product.base] = EXACT.add(owned.get(product.base, ZERO), size)
        return owned

    def _tell_rates(self, before: FeeRates | None, rates: FeeRates | None) -> None:
        """Say that the account pays other fees now: every decision from here on is made with them."""
        self._metrics.wire.fee_rates(None if rates is None else lambda each: ratio(rates.of(each)))
        if before is None and rates is not None:
            self._log.info(Event.FEES_CHANGED, f"fees are {_rates(rates)}")
        else:
            self._log.warning(
                Event.FEES_CHANGED, f"fees were {_rates(before)} and are {_rates(rates)}"
            )

    def _try(self, what: str, ask: Callable[[], T], last: T | None) -> T | None:
        """Return the answer; the last one for a while when there is none, then None."""
        try:
            answer = ask()
        except QuietmakerError as error:
            failures = self._failures[what] = self._failures.get(what, 0) + 1
            self._log.warning(
                Event.ALERT, f"{what} cannot be asked for: {error}", failures=failures
            )
            return last if failures < FAILURES_UNTIL_UNKNOWN else None
        self._failures[what] = 0
        return answer

    def _funds(self, symbol: str, *, now: Instant) -> FundsChanged:
        products = self._products()
        product = products.get(symbol)
        if self.balances is None or product is None:
            return FundsChanged(now=now, quote=None, base=None)
        quote = self._capital.offered(symbol, product.quote)
        spare = self._capital.offered(symbol, product.base)
        base = None if spare is None else product.floor_lots(spare)
        return FundsChanged(now=now, quote=quote, base=None if base is None else Lots(base))

    def _changed_products(self, now: Instant) -> list[tuple[str, ProductChanged]]:
        try:
            offered = self._exchange.products()
        except QuietmakerError as error:
            self._log.warning(Event.ALERT, f"products cannot be asked for: {error}")
            return []
        told: list[tuple[str, ProductChanged]] = []
        for symbol, product in self._products().items():
            found = offered.get(symbol, replace(product, untradable="delisted"))
            if found == product:
                continue
            if (found.tick, found.lot) != (product.tick, product.lot):
                # Ticks and lots of open orders and stored facts would change their meaning.
                found = replace(product, untradable="increments_changed")
            if found != product:
                self._changed[symbol] = found
                told.append((symbol, ProductChanged(now=now, product=found)))
        return told


def _rates(rates: FeeRates | None) -> str:
    if rates is None:
        return "unknown"
    maker, taker = (
        EXACT.multiply(ratio(each), Decimal(100)) for each in (rates.maker, rates.taker)
    )
    return f"maker {maker.normalize():f} %, taker {taker.normalize():f} %"
