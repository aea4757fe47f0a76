"""What the risk guard measures: results from the books, positions and market data from the board."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from actors.board import Board, SymbolView
from quietmaker.core.breakers import Breaker
from quietmaker.core.equity import money_of
from quietmaker.core.product import Product
from quietmaker.core.risk_desk import DAY, Measured, RiskDesk, losses_in_row
from quietmaker.core.units import SECOND, ZERO, Instant, Nanos, add, plus
from quietmaker.errors import LedgerError
from quietmaker.ports import RiskBooks, RiskResults
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

READ_EVERY: Final = Nanos(5 * SECOND)
RECENT: Final = 100
"""Round trips of each symbol of which the results in a row are known."""


class Measuring:
    """Measures. One thread at a time."""

    def __init__(self, books: RiskBooks, board: Board, products: Mapping[str, Product]) -> None:
        """Know nothing yet."""
        self._books = books
        self._board = board
        self._products = products
        self._log = Log("risk_guard")
        self._results: RiskResults | None = None
        self._read_at = 0
        self._began = Instant(0)
        self._stale_since: dict[str, Instant] = {}
        self._unrealized: dict[str, Decimal] = {}

    def read(self, desk: RiskDesk, now: Instant) -> None:
        """See the board; read the books when it is due, and value the account if both agree."""
        self._began = self._began or now
        self._see(now)
        if now - self._read_at < READ_EVERY:
            return
        self._read_at = now
        midnight = now // DAY * DAY
        since = {s: Instant(max(midnight, _armed(desk, s))) for s in self._products}
        try:
            self._results = self._books.results(
                since, account_since=Instant(max(midnight, _armed(desk, None))), recent=RECENT
            )
        except LedgerError as error:
            if self._results is not None:
                self._log.warning(Event.LEDGER_UNAVAILABLE, f"results are not known now: {error}")
            self._results = None
            return
        self._value(desk, self._results)

    def of(self, scope: str | None, desk: RiskDesk, now: Instant) -> Measured:
        """Return what was measured of a symbol, or of the account."""
        since = desk.state(scope, Breaker.CONSECUTIVE_LOSSES).armed_at
        if scope is None:
            skew = self._board.skew
            return Measured(
                lost=self._account_lost(),
                losses=self._losses(self._products, since),
                skew=None if skew is None else abs(skew),
            )
        view = self._board.view(scope)
        stale = self._stale_since.get(scope)
        known = view is not None and view.recovered
        return Measured(
            lost=self._lost(scope),
            losses=self._losses([scope], since),
            inventory_age=self._age(view, now) if view is not None and known else None,
            data_age=(0 if stale is None else now - stale) if known else None,
        )

    # --- the board ------------------------------------------------------------------------------

    def _see(self, now: Instant) -> None:
        views = self._board.views()
        for symbol, view in views.items():
            if view.stale is None:
                self._stale_since.pop(symbol, None)
            else:
                self._stale_since.setdefault(symbol, now)
            if not view.held_lots:
                self._unrealized.pop(symbol, None)
            elif view.unrealized is not None:
                self._unrealized[symbol] = (
                    view.unrealized
                )  # kept while the book is not to be trusted
        for gone in self._stale_since.keys() - views.keys():
            del self._stale_since[gone]

    def _age(self, view: SymbolView, now: Instant) -> int:
        """Return for how long the exit rules have had a position; dust has no exit to wait for."""
        if view.opened_at is None or not view.held_lots:
            return 0
        if view.exit is None and not view.unprotected:
            return 0
        return now - max(view.opened_at, self._began)  # nobody could leave it while nothing ran

    # --- results --------------------------------------------------------------------------------

    def _lost(self, symbol: str) -> Decimal | None:
        """Return what a symbol has lost: closed parts, and what is open at a loss; gains lessen the first."""
        results = self._results
        if results is None:
            return None
        closed = plus(results.lost.get(symbol, ZERO), results.open.get(symbol, ZERO))
        return -plus(closed, min(ZERO, self._unrealized.get(symbol, ZERO)))

    def _account_lost(self) -> Decimal | None:
        """Return the same of the account, in the kind of money that lost most."""
        results = self._results
        if results is None:
            return None
        nets: dict[str, Decimal] = {}
        for currency, net in results.account.items():
            _add(nets, currency, net)
        for symbol, net in results.open.items():
            _add(nets, _quote(symbol), net)
        for symbol, worth in self._unrealized.items():
            _add(nets, _quote(symbol), min(ZERO, worth))
        return -min(nets.values(), default=ZERO)

    def _losses(self, symbols: Iterable[str], since: Instant) -> int | None:
        results = self._results
        if results is None:
            return None
        latest = [each for symbol in symbols for each in results.recent.get(symbol, ())]
        latest.sort(key=lambda each: each[0], reverse=True)
        return losses_in_row(net for at, net in latest if at > since)

    # --- equity ---------------------------------------------------------------------------------

    def _value(self, desk: RiskDesk, results: RiskResults) -> None:
        """Value the account, if books and traders hold the same; until a fill is booked they do not."""
        views = self._board.views()
        if not self._agrees(views, results):
            return
        sums: dict[str, Decimal] = {}
        for currency, net in results.total.items():
            _add(sums, currency, net)
        for symbol, net in results.open.items():
            _add(sums, _quote(symbol), net)
        for symbol, worth in self._unrealized.items():
            _add(sums, _quote(symbol), worth)
        for money in sorted({money_of(each.quote) for each in self._products.values()}):
            put_in = [a for c, a in results.capital.items() if money_of(c) == money]
            if put_in:
                desk.value(money, capital=add(*put_in), result=sums.get(money, ZERO))

    def _agrees(self, views: Mapping[str, SymbolView], results: RiskResults) -> bool:
        """Return whether the positions that are shown are those of the books, and valued."""
        for symbol in self._products:
            view = views.get(symbol)
            if view is None or not view.recovered:
                return False
            if view.position != results.held.get(symbol, ZERO):
                return False
            if view.held_lots and symbol not in self._unrealized:
                return False
        return True


def _armed(desk: RiskDesk, scope: str | None) -> Instant:
    return desk.state(scope, Breaker.DAILY_LOSS).armed_at


def _quote(symbol: str) -> str:
    return symbol.rpartition("-")[2]


def _add(sums: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    money = money_of(currency)
    sums[money] = plus(sums.get(money, ZERO), amount)
