"""The board: the last snapshot of every symbol, readable by any thread without asking an actor.

A status page and a scrape must answer when a trader does not, so traders put what they show here.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from quietmaker.core.commands import RoundTrip
from quietmaker.core.outcomes import Outcome, outcome_of
from quietmaker.core.units import EXACT, ZERO, Instant, Nanos, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class SideView:
    """One side of a symbol. Prices in quote, sizes in base.

    Attributes:
        gate: why it is not quoted, None when it is.
        quotes: (price, size left, state) of our entries, best first.
    """

    gate: str | None
    detail: str
    quotes: tuple[tuple[Decimal, Decimal, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolView:
    """What a trader shows of itself.

    Attributes:
        bid, ask: the market's touch, None while it is unknown or not to be trusted.
        position: base units held; negative for a short.
        held_lots: the same in lots, for whoever counts.
        cost: what they cost, in quote; 0 when flat.
        opened_at: first fill of the open position.
        exit: (price, size left, state, reason) of the working exit order.
        unprotected: whether units beyond dust are held that no exit order covers or is being changed for.
        exposure: position and entry orders at their prices, in quote.
        break_even: price at which a maker exit loses nothing.
        unrealized: what leaving now as maker would earn after fees, in quote.
    """

    symbol: str
    quote_currency: str
    at: Instant
    recovered: bool
    mode: str
    stale: str | None
    bid: Decimal | None
    ask: Decimal | None
    book_at: Instant | None
    sides: Mapping[Side, SideView]
    working: int
    position: Decimal
    held_lots: int
    cost: Decimal
    opened_at: Instant | None
    exit: tuple[Decimal, Decimal, str, str] | None
    unprotected: bool
    exposure: Decimal
    break_even: Decimal | None
    unrealized: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Closed round trips of one symbol in this run, in quote."""

    trips: int = 0
    wins: int = 0
    net: Decimal = ZERO
    fees: Decimal = ZERO
    last_reason: str = ""

    def plus(self, trip: RoundTrip) -> Results:
        """Return the sums with one more."""
        return Results(
            trips=self.trips + 1,
            wins=self.wins + (outcome_of(trip.net) is Outcome.WON),
            net=EXACT.add(self.net, trip.net),
            fees=EXACT.add(self.fees, trip.fees),
            last_reason=trip.exit_reason.value,
        )


class Board:
    """The views by symbol, and the exposure they add up to. Thread-safe.

    Attributes:
        version: counts the changes of exposure.
        skew: the exchange's clock less ours at the last measurement, None before the first.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._mutex = threading.Lock()
        self._views: dict[str, SymbolView] = {}
        self._results: dict[str, Results] = {}
        self._exposure: dict[str, Decimal] = {}
        self._cost: dict[str, Decimal] = {}
        self.version = 0
        self.skew: Nanos | None = None

    def show(self, view: SymbolView) -> None:
        """Replace a symbol's view."""
        with self._mutex:
            before = self._views.get(view.symbol)
            self._views[view.symbol] = view
            was = before.exposure if before is not None else ZERO
            if view.exposure != was:
                total = self._exposure.get(view.quote_currency, ZERO)
                change = EXACT.subtract(view.exposure, was)
                self._exposure[view.quote_currency] = EXACT.add(total, change)
                self.version += 1
            if view.cost != (cost := before.cost if before is not None else ZERO):
                self._invest(view, EXACT.subtract(view.cost, cost))

    def forget(self, symbol: str) -> None:
        """Show a symbol no more; what it earned stays."""
        with self._mutex:
            view = self._views.pop(symbol, None)
            if view is not None and view.cost:
                self._invest(view, -view.cost)
            if view is not None and view.exposure:
                total = self._exposure.get(view.quote_currency, ZERO)
                self._exposure[view.quote_currency] = EXACT.subtract(total, view.exposure)
                self.version += 1

    def _invest(self, view: SymbolView, change: Decimal) -> None:
        total = self._cost.get(view.quote_currency, ZERO)
        self._cost[view.quote_currency] = EXACT.add(total, change)

    def closed(self, trip: RoundTrip) -> None:
        """Count a closed round trip."""
        with self._mutex:
            self._results[trip.symbol] = self._results.get(trip.symbol, Results()).plus(trip)

    def others(self, symbol: str, quote: str) -> Decimal:
        """Return the exposure of all other symbols in a quote currency."""
        with self._mutex:
            mine = self._views.get(symbol)
            own = mine.exposure if mine is not None else ZERO
            return EXACT.subtract(self._exposure.get(quote, ZERO), own)

    def positions(self, quote: str) -> Decimal:
        """Return what the open positions in a quote currency cost."""
        with self._mutex:
            return self._cost.get(quote, ZERO)

    def view(self, symbol: str) -> SymbolView | None:
        """Return what a symbol shows, None before it showed anything."""
        return self._views.get(symbol)

    def views(self) -> dict[str, SymbolView]:
        """Return everything shown."""
        with self._mutex:
            return dict(self._views)

    def results(self) -> dict[str, Results]:
        """Return the sums of each symbol that closed a round trip."""
        with self._mutex:
            return dict(self._results)
