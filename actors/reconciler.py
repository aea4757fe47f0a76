"""The reconciler: boot is recovery, and so is the restart of a trader.

For a symbol that asks: read the books (through the writer, so that every fact recorded before is in
them), compare each unsettled order with the exchange (`comparing`), write what the books do not know yet,
read them again, and tell the trader `Recover`. Nothing is quoted before.
* An order that the exchange does not know is `NOT_FOUND` twice and thereby failed, but only once its
  request is old enough to have arrived. Its symbol waits that long, the others do not wait for it.
* An open order that the books do not know is somebody else's and left alone. One of ours that they hold for
  ended is cancelled (`strays`). What does not agree is noted with both sides before it is mended.

After the user stream became ready, and every minute, what it may have missed is asked for; while the books
cannot be read, at the exchange alone (`without_books`).
Fees, funds and products are polled; what cannot be had three times in a row is told as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from actors import comparing
from actors.account import Accounts
from actors.address import Tellable, tell_one
from actors.base import BaseActor, Surroundings
from actors.capital import Capital
from actors.differences import Differences
from actors.facts import FactLog
from actors.news import Newsroom
from actors.passes import Pass
from actors.protocol import (
    BooksLost,
    BooksRead,
    GatewayMessage,
    LedgerMessage,
    ReadBooks,
    ReconcilerMessage,
    Recover,
    RecoverSymbol,
    ResolveUnknown,
    StreamsStarted,
    TraderMessage,
)
from actors.strays import Strays
from actors.without_books import WithoutBooks
from quietmaker.core.differences import ALARMING, DifferenceKind
from quietmaker.core.events import CandlesLoaded, EligibilityChanged, Recovered, Tick
from quietmaker.core.orders import TERMINAL, Fill, Move, OrderState, Working
from quietmaker.core.product import Product
from quietmaker.core.units import NEVER, SECOND, Instant, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Clock, Exchange, OrderFact, OrderReport, SymbolBooks
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.truth import Reconciled, TruthMetrics

FIRST_PAUSE: Final = Nanos(SECOND // 2)
LONGEST_PAUSE: Final = Nanos(15 * SECOND)
ANSWER_WITHIN: Final = Nanos(30 * SECOND)
SWEEP_EVERY: Final = Nanos(60 * SECOND)
SWEEP_PAUSE: Final = Nanos(SECOND)
"""Between two sweeps: a stream that keeps telling what nobody can read must not use up the requests."""
SWEPT: Final = frozenset({DifferenceKind.FOREIGN_ORDER, DifferenceKind.ORDER_UNKNOWN_THERE})
"""The kinds that a sweep looks for among all subjects, so that what it does not find is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerLinks:
    """What the reconciler works with.

    Attributes:
        mark: begins every client id of ours, of whatever run.
        id_prefix: begins every client id of this run.
        eligibility: what the symbol filter last said; None while it has not spoken, and then nobody enters.
    """

    exchange: Exchange
    ledger: Tellable[LedgerMessage]
    gateway: Tellable[GatewayMessage]
    traders: Mapping[str, Tellable[TraderMessage]]
    products: Mapping[str, Product]
    facts: FactLog
    news: Newsroom
    accounts: Accounts
    capital: Capital
    differences: Differences
    metrics: TruthMetrics
    mark: str
    id_prefix: str
    eligibility: Callable[[str, Instant], EligibilityChanged | None]
    clock: Clock


class Reconciler(BaseActor[ReconcilerMessage]):
    """Brings books and exchange together, one pass at a time."""

    def __init__(self, around: Surroundings, links: ReconcilerLinks) -> None:
        """Prepare; traders ask when they start."""
        super().__init__(around)
        self._links = links
        self._log = Log("reconciler")
        self._wanted: dict[str, str] = {}
        self._sweep_wanted = False
        self._pass: Pass | None = None
        self._token = 0
        self._pause: Nanos = FIRST_PAUSE
        self._again_at = 0
        self._swept_at: int = around.monotonic()
        self._sweep_after = 0
        self._look_again = SWEEP_PAUSE
        self._look_again_at: int = NEVER
        self._owing = False
        self._listed_upto = 0
        self._strays = Strays(
            prefix=links.id_prefix,
            exchange=links.exchange,
            gateway=links.gateway,
            news=links.news,
            differences=links.differences,
        )
        self._unread_since: int | None = None
        self._without_books = WithoutBooks(
            prefix=links.id_prefix,
            exchange=links.exchange,
            products=links.products,
            news=links.news,
            clock=links.clock,
            monotonic=around.monotonic,
        )

    def receive(self, message: ReconcilerMessage) -> None:
        """Collect what is wanted; start a pass when none is under way."""
        match message:
            case RecoverSymbol(symbol=symbol, life=life):
                self._wanted[symbol] = life
            case BooksLost():
                if self._pass is not None:
                    self._give_up(self._pass)
            case StreamsStarted():
                self._sweep_wanted = True
            case BooksRead():
                self._on_books(message)
            case Tick(now=now):
                self._on_tick(now)
            case _:
                assert_never(message)
        self._start()

    def _on_tick(self, now: Instant) -> None:
        mono = self.around.monotonic()
        if self._pass is not None and mono - self._pass.since >= ANSWER_WITHIN:
            self._give_up(self._pass)
        if self._unread_since is not None:
            self._without_books.look(self._unread_since)
        if mono - self._swept_at >= SWEEP_EVERY:
            self._sweep_wanted = True
        for symbol, event in self._links.accounts.poll(mono, now):
            tell_one(self._links.traders, symbol, event)

    def _start(self) -> None:
        if self._pass is not None or self.around.monotonic() < self._again_at:
            return
        if self._wanted:
            self._read(Pass(self._next(), dict(self._wanted), self.around.monotonic()))
        elif self._is_due(self.around.monotonic()):
            self._sweep_wanted, self._look_again_at = False, NEVER
            self._sweep_after = self.around.monotonic() + SWEEP_PAUSE
            every = dict.fromkeys(self._links.products, "")
            self._read(Pass(self._next(), every, self.around.monotonic(), sweep=True))

    def _is_due(self, mono: int) -> bool:
        """Return whether to sweep now."""
        return mono >= self._look_again_at or (self._sweep_wanted and mono >= self._sweep_after)

    def _next(self) -> int:
        self._token += 1
        return self._token

    def _read(self, work: Pass) -> None:
        products = {s: self._links.products[s] for s in work.symbols}
        asked = self._links.ledger.tell(ReadBooks(token=work.token, products=products))
        work.since = self.around.monotonic()
        self._unread_since = work.since if self._unread_since is None else self._unread_since
        self._pass = work
        if not asked:
            self._give_up(work)  # the writer is being restarted

    def _on_books(self, message: BooksRead) -> None:
        work, self._unread_since = self._pass, None
        if work is None or work.token != message.token:
            return  # of a pass that was given up
        self._pass = None
        if work.compared:
            self._tell(work, message)
            return
        try:
            self._compare(work, message.books)
        except QuietmakerError as error:
            self._log.warning(Event.ALERT, f"the exchange cannot be compared with: {error}")
            work.waiting, work.until = set(work.symbols), NEVER
        self._count(work)
        self._pause = self._pause if work.waiting else FIRST_PAUSE
        if work.waiting:
            self._give_up(work)
        if work.sweep:
            self._swept_at = self._swept_at if work.waiting else self.around.monotonic()
            return
        work.symbols = {s: work.symbols[s] for s in work.symbols.keys() - work.waiting}
        if work.symbols:
            work.compared, work.token = True, self._next()
            self._read(work)

    def _give_up(self, work: Pass) -> None:
        """Come back after a pause to what is left of what the pass was for."""
        self._pass = None
        self._sweep_wanted = self._sweep_wanted or work.sweep
        self._again_at = self.around.monotonic() + min(self._pause, work.until)
        self._pause = Nanos(min(2 * self._pause, LONGEST_PAUSE))

    # --- comparing ------------------------------------------------------------------------------

    def _count(self, work: Pass) -> None:
        different = any(each.kind in ALARMING for each in work.found)
        ended = Reconciled.DIFFERENT if different else Reconciled.AGREED
        now, result = self._links.clock.now(), Reconciled.INCOMPLETE if work.waiting else ended
        self._links.metrics.reconciled(result, now)

    def _compare(self, work: Pass, books: Mapping[str, SymbolBooks]) -> None:
        """Write what the books do not know, and note what cannot be known yet."""
        exchange = self._links.exchange
        now = self._links.clock.now()
        unsettled = [order for each in books.values() for order in each.orders]
        open_now = exchange.open_orders()
        for order in unsettled:
            if not self._compare_order(work, order, now):
                work.waiting.add(order.intent.symbol)
        # After the orders: an execution between the two questions is then in the answer.
        seen_upto = self._listed_upto if work.sweep and not self._owing else 0
        fills = exchange.fills(comparing.listed_since(unsettled, now, seen_upto))
        self._add_fills(work, [told.fill for told in fills], unsettled, now)
        ours = {o.intent.client_id for o in unsettled}
        self._owing = comparing.owed(work.stated, unsettled, fills)
        ours |= self._strays.recall(open_now, ours, work.symbols, now)
        if work.sweep:
            self._strays.look(open_now, ours, now)
            self._listed_upto = now
        self._note_foreign(work, open_now, ours)
        self._postpone(look_again=self._owing or self._strays.waiting)

    def _postpone(self, *, look_again: bool) -> None:
        """Come back soon to what is not over, later each time; the exchange may never say more."""
        later = Nanos(min(2 * self._look_again, LONGEST_PAUSE))
        if look_again:
            self._look_again_at = self.around.monotonic() + self._look_again
        self._look_again = later if look_again else SWEEP_PAUSE

    def _compare_order(self, work: Pass, order: Working, now: Instant) -> bool:
        """Ask for one order; return False while its request may still be on its way."""
        intent = order.intent
        if order.state in TERMINAL:
            work.stated[intent.client_id] = order.final or 0
            return True  # it waits for fills only
        report = self._links.exchange.order(intent.client_id, since=intent.decided_at)
        finding = comparing.judge(order, report, now)
        work.stated[intent.client_id] = finding.stated
        if finding.difference is not None:
            work.found.append(finding.difference)
        if work.sweep:
            self._tell_trader(order, finding)
            return True
        if finding.young:
            work.until = min(work.until, finding.young)
        self._write(order, finding)
        return not (finding.young or finding.open_end)

    def _tell_trader(self, order: Working, finding: comparing.Finding) -> None:
        """Tell what a sweep found of an order, or have it asked for."""
        difference, report = finding.difference, finding.report
        if difference is not None and report is not None:
            self._links.differences.mended(difference, comparing.BELIEVED)
        if finding.gone and difference is not None:
            self._ask_gateway(order)  # it decides that it is over, and tells
        elif report is not None and finding.moves != (Move.ACCEPTED,):
            self._links.news.reported(report)

    def _write(self, order: Working, finding: comparing.Finding) -> None:
        """Write what a recovery found of an order."""
        intent, report = order.intent, finding.report
        if finding.difference is not None:
            resolution = "failed in the books" if finding.gone else comparing.BELIEVED
            self._links.differences.mended(finding.difference, resolution)
        # The ledger takes equal facts for repeats: the second one is a nanosecond later.
        for later, move in enumerate(finding.moves):
            fact = OrderFact(
                at=Instant(self._links.clock.now() + later),
                client_id=intent.client_id,
                symbol=intent.symbol,
                what=move.value,
                order_id=None if report is None else report.order_id,
                reason=comparing.NOT_FOUND if report is None else report.reason,
                cancel_reason=None,
                filled=finding.filled,
            )
            self._links.facts.put(fact)
        if finding.gone:
            self._log.warning(
                Event.ORDER_UNKNOWN,
                f"{intent.client_id} is not known to the exchange any more",
                symbol=intent.symbol,
                client_order_id=intent.client_id,
            )

    def _add_fills(
        self, work: Pass, fills: list[Fill], unsettled: list[Working], now: Instant
    ) -> None:
        """Tell or store what the books miss of the orders they wait for, and of the others."""
        known = {o.intent.client_id: o.trade_ids for o in unsettled}
        for fill in fills:
            if fill.symbol not in work.symbols:
                news = False  # its orders were not read, and must not look settled before they are
            elif fill.client_id not in known:
                news = self._strays.filled(fill, told=work.sweep)
            elif fill.trade_id in known[fill.client_id]:
                news = False
            elif work.sweep:
                news = self._links.news.filled(fill)
            else:
                news = self._links.news.store(fill) is not None
            if news and (not work.sweep or now - fill.at >= comparing.LATE_AFTER):
                # Without the lateness it may be the stream's news, told here first by chance.
                work.found.append(comparing.missed(fill))
                self._links.differences.mended(
                    comparing.missed(fill), "told, and stored with what is queued"
                )

    def _note_foreign(self, work: Pass, open_now: Sequence[OrderReport], ours: set[str]) -> None:
        """Note which open orders are not ours; symbols outside of the pass trade on meanwhile."""
        products = self._links.products
        shown = [r for r in open_now if r.symbol in work.symbols or r.symbol not in products]
        found = comparing.foreign(shown, ours, self._links.mark)
        work.found += found
        for each in found:
            self._links.differences.found(each)
        if work.sweep:
            gone = [each for each in work.found if each.kind is DifferenceKind.ORDER_UNKNOWN_THERE]
            self._links.differences.settle(
                SWEPT, [*found, *gone], keep=(), resolution="agrees, or is over"
            )

    # --- telling --------------------------------------------------------------------------------

    def _tell(self, work: Pass, message: BooksRead) -> None:
        now = self._links.clock.now()
        for symbol in work.symbols:  # before the account is asked: what is held there is theirs
            self._links.capital.recovered(symbol, message.books[symbol].orders)
        # Positions first: each wants its exit, and the candles of the others take time.
        for symbol in sorted(work.symbols, key=lambda each: (not message.books[each].lots, each)):
            books = message.books[symbol]
            try:
                candles = tuple(self._links.exchange.candles(symbol))
            except QuietmakerError as error:
                self._log.warning(Event.ALERT, f"no candles: {error}", symbol=symbol)
                candles = ()
            verdict = self._links.eligibility(symbol, now)
            setting = (
                CandlesLoaded(now=now, candles=candles),
                *(() if verdict is None else (verdict,)),
                *self._links.accounts.known(symbol, held=comparing.held(books), now=now),
            )
            recovered = Recovered(
                now=now,
                orders=books.orders,
                lots=books.lots,
                round_trip=books.round_trip,
                reason=books.reason,
                next_sequence=1,
                newest=books.newest,
                latest=books.latest,
            )
            life = work.symbols[symbol]
            for order in books.orders:
                if order.state is OrderState.UNKNOWN:
                    self._ask_gateway(order)
            if self._wanted.get(symbol) == life:
                del self._wanted[symbol]
            told = Recover(life=life, recovered=recovered, upto=message.upto, setting=setting)
            tell_one(self._links.traders, symbol, told)

    def _ask_gateway(self, order: Working) -> None:
        """Have an order asked for that is unknown still: it must not stay so for want of anybody asking."""
        intent = order.intent
        question = ResolveUnknown(
            symbol=intent.symbol,
            client_id=intent.client_id,
            decided_at=intent.decided_at,
            replay=None,  # decided long ago, or by an earlier life: nobody wants it any more
        )
        self._links.gateway.tell(question)
