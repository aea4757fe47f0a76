"""The risk guard's part of the books in memory: same contract, nothing durable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from quietmaker.core.product import Product
from quietmaker.core.risk_desk import BreakerMoved, EquitySeen
from quietmaker.core.units import ZERO, Instant, plus
from quietmaker.errors import LedgerUnavailable
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import RiskMemory, RiskResults


class MemoryRiskBooks:
    """Implements `quietmaker.ports.RiskBooks` beside a ledger in memory."""

    def __init__(self, ledger: MemoryLedger, products: Mapping[str, Product]) -> None:
        """Read the trades of this ledger in these products; be available while it is."""
        self._ledger = ledger
        self._products = products

    def remembered(self) -> RiskMemory:
        """Return what was stored of breakers and equities."""
        self._check()
        told = self._ledger.risk
        return RiskMemory(
            states={
                (fact.scope, fact.state.breaker): fact.state
                for fact in told
                if isinstance(fact, BreakerMoved)
            },
            equities={
                fact.money: fact.equity
                for fact in sorted(told, key=lambda each: each.at)
                if isinstance(fact, EquitySeen)
            },
        )

    def results(
        self, since: Mapping[str, Instant], *, account_since: Instant, recent: int
    ) -> RiskResults:
        """Return what trading came to."""
        self._check()
        sums: dict[str, defaultdict[str, Decimal]] = {
            each: defaultdict(Decimal) for each in ("lost", "account", "total", "open", "held")
        }
        latest = {}
        for symbol, product in self._products.items():
            trips = self._ledger.round_trips(product)
            for trip in trips:
                net, closed_at = trip.record.net, trip.record.closed_at
                sums["total"][product.quote] += net
                if symbol in since and closed_at >= since[symbol]:
                    sums["lost"][symbol] += net
                if closed_at >= account_since:
                    sums["account"][product.quote] += net
            latest[symbol] = [
                (each.record.closed_at, each.record.net) for each in reversed(trips[-recent:])
            ]
            sums["open"][symbol] = self._ledger.open_result(product)
            sums["held"][symbol] = self._held(symbol, product)
        return RiskResults(capital=self._capital(), recent=latest, **sums)

    def _held(self, symbol: str, product: Product) -> Decimal:
        lots = self._ledger.books({symbol: product}).symbols[symbol].lots
        return product.size(sum(lot.entry.sign * lot.lots for lot in lots))

    def _capital(self) -> dict[str, Decimal]:
        capital: dict[str, Decimal] = {}
        for moved in self._ledger.tie_out.cash.values():
            capital[moved.currency] = plus(capital.get(moved.currency, ZERO), moved.amount)
        return capital

    def _check(self) -> None:
        if not self._ledger.available:
            raise LedgerUnavailable("the ledger was made unavailable")
