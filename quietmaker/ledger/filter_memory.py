"""The symbol filter's part of the books in memory: same contract, nothing durable."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from quietmaker.core.commands import RoundTrip
from quietmaker.core.filter_desk import Windows
from quietmaker.core.filter_rules import NO_TRADES, DayOfTrades, Trades
from quietmaker.core.filter_states import DAY, Transition
from quietmaker.core.outcomes import Outcome, outcome_of
from quietmaker.core.product import Product
from quietmaker.core.units import Instant
from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import FilterTrades, Override


class MemoryFilterBooks:
    """Implements `quietmaker.ports.FilterBooks` beside a ledger in memory. Thread-safe.

    Attributes:
        stored, said, shadow: transitions, the operator's words and shadow trips, as they were told.
        imported: closed trades of a predecessor, which count like those of the ledger.
    """

    def __init__(self, ledger: MemoryLedger, products: Mapping[str, Product]) -> None:
        """Read the trades of this ledger in these products; be available while it is."""
        self._ledger = ledger
        self._products = products
        self.imported: dict[tuple[str, Instant], RoundTrip] = {}
        self._mutex = threading.RLock()
        self.stored: list[Transition] = []
        self.said: dict[str, Override] = {}
        self.shadow: dict[tuple[str, Instant, Instant], RoundTrip] = {}

    def trades(self, windows: Mapping[str, Windows]) -> Mapping[str, FilterTrades]:
        """Return the closed trades of each symbol since the times given."""
        with self._mutex:
            self._check()
            return {
                symbol: FilterTrades(
                    real=_sum(self._real(symbol), symbol, since.real),
                    shadow=_sum(self.shadow.values(), symbol, since.shadow),
                )
                for symbol, since in windows.items()
            }

    def days(self, symbol: str, *, since: Instant) -> Sequence[DayOfTrades]:
        """Return the real closed trades of a symbol by UTC day, oldest first."""
        with self._mutex:
            self._check()
            found: dict[int, Trades] = {}
            for trip in self._real(symbol):
                if trip.symbol == symbol and trip.closed_at >= since:
                    day = trip.closed_at // DAY
                    found[day] = found.get(day, NO_TRADES).plus(_one(trip))
            return [DayOfTrades(day=day, trades=found[day]) for day in sorted(found)]

    def transitions(self, symbols: Sequence[str]) -> Mapping[str, Sequence[Transition]]:
        """Return what moved each symbol, oldest first."""
        with self._mutex:
            self._check()
            return {s: [each for each in self.stored if each.symbol == s] for s in symbols}

    def store_transitions(self, transitions: Sequence[Transition], *, config_sha: str) -> None:
        """Store transitions, each once."""
        with self._mutex:
            self._check()
            if not config_sha:
                raise LedgerError("the books refuse a transition without a configuration")
            known = {(each.symbol, each.at, each.after) for each in self.stored}
            self.stored += [e for e in transitions if (e.symbol, e.at, e.after) not in known]

    def overrides(self) -> Mapping[str, Override]:
        """Return the operator's latest word on each symbol."""
        with self._mutex:
            self._check()
            return dict(self.said)

    def store_override(self, override: Override) -> None:
        """Store the operator's word."""
        with self._mutex:
            self._check()
            self.said[override.symbol] = override

    def store_shadow(self, trips: Sequence[RoundTrip], products: Mapping[str, Product]) -> None:
        """Store round trips of the shadow, each once."""
        del products
        with self._mutex:
            self._check()
            for trip in trips:
                self.shadow.setdefault((trip.symbol, trip.closed_at, trip.opened_at), trip)

    def _real(self, symbol: str) -> list[RoundTrip]:
        found = list(self.imported.values())
        if symbol in self._products:
            derived = self._ledger.round_trips(self._products[symbol])
            found += [trip.record for trip in derived]
        return found

    def _check(self) -> None:
        if not self._ledger.available:
            raise LedgerUnavailable("the ledger was made unavailable")


def _sum(trips: Iterable[RoundTrip], symbol: str, since: Instant) -> Trades:
    total = NO_TRADES
    for trip in trips:
        if trip.symbol == symbol and trip.closed_at >= since:
            total = total.plus(_one(trip))
    return total


def _one(trip: RoundTrip) -> Trades:
    won = outcome_of(trip.net) is Outcome.WON
    return Trades(trips=1, wins=int(won), net=trip.net, notional=trip.entry_value)
