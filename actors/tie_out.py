"""The tie-out job: at boot, on a schedule and at the stop, books and account are compared to the last unit.

The comparison itself is a pure function (`core.tie_out`). Here is what surrounds it: a quiet moment of the
exchange to read, the window that advances with what was concluded and always overlaps, time until a suspicion
is believed, and what follows: differences and cash movements as facts, executions that were missed told to
whom they belong. Nothing in the books is changed.

A tie-out that finds no quiet moment, or only suspects something, is inconclusive and comes back soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from actors.account_reading import AHEAD, read_quietly
from actors.cash import CashBook
from actors.differences import Differences
from quietmaker.core.differences import (
    ALARMING,
    DOUBTFUL_CASH,
    STICKY,
    Difference,
    DifferenceKind,
    Suspects,
    Verdict,
)
from quietmaker.core.evidence import (
    Account,
    Books,
    Checkpoint,
    Execution,
    flows_after,
    flows_before,
)
from quietmaker.core.findings import BalanceSeen, TieOutDone
from quietmaker.core.orders import Fill
from quietmaker.core.product import OffGridError, Product
from quietmaker.core.tie_out import Comparison, compare
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Balance, Clock, Exchange, LedgerFact, TieOutBooks
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.truth import TruthMetrics

OVERLAP: Final = Nanos(600 * SECOND)
"""The next window begins so long before this one's end: what is listed late is still seen."""
CHUNK: Final = Nanos(6 * 3600 * SECOND)
"""After a long absence, executions are compared in steps of this length."""
BELIEVED_AFTER: Final = Nanos(15 * SECOND)
"""What may be a race is believed once it is found again so much later."""
BEHIND: Final = 1_000
"""Books that are further behind are not compared: after an outage of the database they catch up first."""
OWN_KINDS: Final = frozenset(DifferenceKind) - {DifferenceKind.ORDER_UNKNOWN_THERE}
"""The kinds that a tie-out looks for among all subjects, so that what it does not find is over."""
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOutLinks:
    """What a tie-out works with.

    Attributes:
        put: takes facts for the ledger, in order.
        backlog: how much of what was told is not in the books yet.
        mark: begins every client id of ours.
        born: before this the exchange did not exist, so that it lists nothing older; None for one that
            outlives us.
    """

    exchange: Exchange
    books: TieOutBooks
    products: Mapping[str, Product]
    differences: Differences
    put: Callable[[LedgerFact], object]
    backlog: Callable[[], int]
    metrics: TruthMetrics
    clock: Clock
    mark: str
    born: Instant | None


class TieOut:
    """Compares. One thread at a time.

    Attributes:
        last: what the last one came to; None before the first.
        again_soon: whether something is only suspected, or still to be compared.
    """

    def __init__(self, links: TieOutLinks) -> None:
        """Know nothing yet."""
        self._links = links
        self._log = Log("tie_out")
        self._suspects = Suspects(BELIEVED_AFTER)
        self._cash = CashBook(put=links.put, metrics=links.metrics, clock=links.clock)
        self._balances: dict[str, Balance] = {}
        self._stored: TieOutDone | None = None
        self._loaded = False
        self.last: TieOutDone | None = None
        self.again_soon = False

    def run(self, missed: Callable[[Fill], bool]) -> TieOutDone:
        """Compare once.

        Args:
            missed: takes an execution that the books lack; returns whether nobody had told of it.
        """
        self.again_soon = True
        try:
            done = self._compare(missed)
        except QuietmakerError as error:
            done = self._inconclusive(str(error))
        self._tell(done)
        return done

    def _compare(self, missed: Callable[[Fill], bool]) -> TieOutDone:
        links, now = self._links, self._links.clock.now()
        start = links.books.start()
        if not self._loaded:
            links.differences.load(start.differences)
            self._loaded = True
        since = self._since(start.checkpoint, start.oldest, now)
        if now - since > CHUNK + OVERLAP:
            return self._catch_up(since, missed)
        quiet = read_quietly(links.exchange, links.products, since=since, now=now)
        if quiet is None:
            return self._inconclusive("the account did not keep still while it was read")
        until = Instant(now + AHEAD)
        account, pending = quiet.account, self._cash.pending
        if (behind := links.backlog()) > BEHIND:
            return self._inconclusive(f"the books are {behind} records behind")
        books = links.books.read(since, until, account=account, references=pending)
        if not self._cash.seen(books):
            return self._inconclusive("what the last tie-out found is not in the books yet")
        self._see(quiet.balances, now)
        return self._conclude(books, account, since, now, missed)

    def _conclude(
        self,
        books: Books,
        account: Account,
        since: Instant,
        now: Instant,
        missed: Callable[[Fill], bool],
    ) -> TieOutDone:
        comparison = compare(books, account, since=since, now=now, mark=self._links.mark)
        suspects = self._judge(comparison, OWN_KINDS, missed)
        opened_at = books.opened_at
        if opened_at is not None:
            suspects += self._cash.follow(comparison, account)
        elif not any(each.kind in DOUBTFUL_CASH for each in comparison.found):
            self._cash.open(comparison)
            opened_at = now
        differences = self._links.differences.alarming()
        self.again_soon = bool(suspects)
        verdict = Verdict.INCONCLUSIVE if suspects else Verdict.CLEAN
        return TieOutDone(
            at=now,
            verdict=Verdict.DIFFERENT if differences else verdict,
            fills=comparison.compared,
            orders=len(account.orders),
            balances=len(account.totals),
            differences=differences,
            detail=_suspected(suspects),
            checkpoint=_next(books, since, now, suspects),
            opened_at=opened_at,
        )

    def _since(
        self, checkpoint: Checkpoint | None, oldest: Instant | None, now: Instant
    ) -> Instant:
        """Return where the window begins: where the last one left off, or with our first execution."""
        begin = Instant(now - OVERLAP)
        if checkpoint is not None:
            begin = checkpoint.since
        elif oldest is not None:
            begin = min(oldest, begin)
        return max(begin, self._links.born or begin)

    def _catch_up(self, since: Instant, missed: Callable[[Fill], bool]) -> TieOutDone:
        """Compare the executions of an earlier part alone: the balances are those of now."""
        links, until = self._links, Instant(since + CHUNK)
        told = tuple(links.exchange.executions(since, until))
        account = Account(executions=told, orders=(), totals={})
        books = links.books.read(since, until, account=account, references=())
        now = links.clock.now()
        found = compare(books, account, since=until, now=now, mark=links.mark)
        of_executions = tuple(each for each in found.found if each.kind in STICKY)
        suspects = self._judge(replace(found, found=of_executions), STICKY, missed)
        before = books.checkpoint
        after = Checkpoint(
            since=until,
            flows=flows_after({} if before is None else before.flows, books.executions),
        )
        return replace(
            self._inconclusive("executions of an earlier time are compared first"),
            fills=found.compared,
            checkpoint=before if suspects else after,
            opened_at=books.opened_at,
        )

    # --- concluding -----------------------------------------------------------------------------

    def _judge(
        self,
        comparison: Comparison,
        kinds: frozenset[DifferenceKind],
        missed: Callable[[Fill], bool],
    ) -> list[Difference]:
        """Note what is believed, resolve what is over, and return what is only suspected."""
        lost = {each.trade_id for each in comparison.missing if self._recover(each, missed)}
        believed, suspects = self._suspects.sort(comparison.found, self._links.clock.monotonic())
        believed += [each for each in suspects if each.subject in lost]
        suspects = [each for each in suspects if each.subject not in lost]
        self._links.differences.settle(
            kinds, believed, keep={each.name for each in suspects}, resolution="agrees"
        )
        return [each for each in suspects if each.kind in ALARMING]

    def _recover(self, told: Execution, missed: Callable[[Fill], bool]) -> bool:
        """Tell of an execution that the books lack; return whether nobody else had."""
        product = self._links.products.get(told.symbol)
        if product is None or told.liquidity is None:
            return False
        try:
            price, size = product.ticks(told.price), product.lots(told.size)
        except OffGridError:
            return False
        return missed(
            Fill(
                trade_id=told.trade_id,
                client_id=told.client_id,
                symbol=told.symbol,
                side=told.side,
                price=price,
                size=size,
                fee=told.fee,
                liquidity=told.liquidity,
                at=told.at,
            )
        )

    def _see(self, balances: Mapping[str, Balance], now: Instant) -> None:
        """Keep the balances that are not what they were."""
        for currency, each in balances.items():
            if self._balances.get(currency) != each:
                self._balances[currency] = each
                self._links.put(
                    BalanceSeen(at=now, currency=currency, available=each.available, hold=each.hold)
                )

    # --- telling --------------------------------------------------------------------------------

    def _inconclusive(self, detail: str) -> TieOutDone:
        return TieOutDone(
            at=self._links.clock.now(),
            verdict=Verdict.INCONCLUSIVE,
            fills=0,
            orders=0,
            balances=0,
            differences=0,
            detail=detail,
            checkpoint=None,
            opened_at=None,
        )

    def _tell(self, done: TieOutDone) -> None:
        """Show a verdict; one that says the same inconclusive thing again is not stored again."""
        before, self.last = self.last, done
        self._links.metrics.tied_out(done.verdict, done.at)
        if done.verdict is not Verdict.INCONCLUSIVE or self._is_news(done):
            self._stored = done
            self._links.put(done)
        if before is None or before.verdict is not done.verdict:
            say = self._log.info if done.verdict is Verdict.CLEAN else self._log.warning
            text = f"{done.verdict.value}: {done.fills} executions, {done.balances} balances"
            say(
                Event.TIED_OUT,
                f"{text}{': ' * bool(done.detail)}{done.detail}",
                verdict=done.verdict.value,
                differences=done.differences,
            )

    def _is_news(self, done: TieOutDone) -> bool:
        last = self._stored
        return (
            last is None
            or (last.verdict, last.detail) != (done.verdict, done.detail)
            or (done.checkpoint is not None and last.checkpoint != done.checkpoint)
        )

    def page(self) -> dict[str, Any]:
        """Return what the status page shows."""
        last, now = self.last, self._links.clock.now()
        return {
            "verdict": None if last is None else last.verdict.value,
            "age_seconds": None if last is None else round((now - last.at) / SECOND, 1),
            "detail": "" if last is None else last.detail,
            "differences": [
                {
                    "kind": each.difference.kind.value,
                    "subject": each.difference.subject,
                    "ours": each.difference.ours,
                    "theirs": each.difference.theirs,
                    "detail": each.difference.detail,
                    "age_seconds": round((now - each.since) / SECOND, 1),
                }
                for each in self._links.differences.open()
            ],
        }


def _next(books: Books, since: Instant, now: Instant, suspects: Iterable[Difference]) -> Checkpoint:
    """Return where the next window begins; it stays where it is while an execution is suspected."""
    if not any(each.kind in STICKY for each in suspects):
        since = max(since, Instant(now - OVERLAP))
    later = [each for each in books.executions if each.at >= since]
    return Checkpoint(since=since, flows=flows_before(books.flows, later))


def _suspected(suspects: Iterable[Difference]) -> str:
    names = [f"{each.kind.value} {each.subject}" for each in suspects]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"suspected: {', '.join(names[:_SHOWN])}{more}" if names else ""
