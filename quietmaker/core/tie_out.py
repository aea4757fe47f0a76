"""The tie-out: books = executions of the exchange = cash, to the smallest unit. A pure function.

Executions are compared by trade id over a window. Cash is compared by one equation per currency that holds
at every moment, in whatever order things are heard of:

    available + hold  =  everything that came or went otherwise  +  every execution of ours

where "otherwise" are the cash movements: what was there when the books began, deposits, withdrawals, and
executions of orders that are not ours. Both sides are taken at one quiet moment of the exchange; an execution
that only one side has heard of is added where it is missing before the equation is looked at, so that
a race with trading leaves no remainder. What is younger than `IN_MOTION` may be on its way: it is no
difference yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from quietmaker.core.differences import (
    DOUBTFUL_CASH,
    OPEN,
    SOMEBODY_ELSES,
    STICKY,
    Difference,
    DifferenceKind,
)
from quietmaker.core.evidence import (
    Account,
    Books,
    Execution,
    Flow,
    LiveOrder,
    flows_after,
    flows_before,
    movement_reference,
)
from quietmaker.core.units import SECOND, ZERO, Instant, Nanos, minus, plain, plus

IN_MOTION: Final = Nanos(5 * SECOND)
UNNAMED: Final = Nanos(60 * SECOND)
"""An execution whose order nobody can find for so long is not ours: our orders are known at once."""
_Kind: Final = DifferenceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of it.

    Attributes:
        found: everything that does not agree; whether it is believed is decided over time (`Suspects`).
        missing: executions of ours that the books do not have and should be told.
        foreign: executions of others that no cash movement accounts for yet.
        remainders: what the equation leaves over, by currency, while every execution agrees: it came or
            went otherwise.
        compared: executions of ours that agree.
    """

    found: tuple[Difference, ...]
    missing: tuple[Execution, ...]
    foreign: tuple[Execution, ...]
    remainders: Mapping[str, Decimal]
    compared: int


def compare(
    books: Books, account: Account, *, since: Instant, now: Instant, mark: str
) -> Comparison:
    """Compare books and account.

    Args:
        books: read after the account.
        account: read while nothing was executed.
        since: where the window begins.
        now: the time.
        mark: begins every client id of ours.
    """
    executions = _Executions(books, account.executions, now, mark)
    found = [*executions.found, *_history(books, since)]
    found.extend(_still_open(books, executions, found))
    found.extend(_orders(books, account, now, mark))
    found.extend(_positions(books, account, executions))
    totals = _expected(books, executions)
    remainders = {
        currency: rest
        for currency in sorted({*totals, *account.totals})
        if (rest := minus(account.totals.get(currency, ZERO), totals.get(currency, ZERO)))
    }
    if any(each.kind in DOUBTFUL_CASH for each in found):
        found.extend(_cash(remainders, totals, account))
        remainders = {}
    return Comparison(
        found=tuple(found),
        missing=tuple(executions.missing),
        foreign=tuple(executions.foreign),
        remainders=remainders,
        compared=len(executions.agreed),
    )


class _Executions:
    """Executions of both sides, put side by side by their trade ids."""

    def __init__(self, books: Books, theirs: Iterable[Execution], now: Instant, mark: str) -> None:
        self.found: list[Difference] = []
        self.missing: list[Execution] = []
        self.foreign: list[Execution] = []
        self.there_only: list[Execution] = []
        self.here_only: list[Execution] = []
        self.other: list[tuple[Execution, Execution]] = []
        self.agreed: set[str] = set()
        here = {each.trade_id: each for each in books.executions}
        there = {each.trade_id: each for each in theirs}
        for trade_id, told in there.items():
            ours = here.get(trade_id) or books.by_id.get(trade_id)
            if told.undoes:
                self._undone(told, mark, books)
            elif ours is not None:
                self._both(ours, told)
            elif told.client_id in books.known or told.client_id.startswith(mark):
                self._missing(told, now, known=told.client_id in books.known)
            elif books.opened_at is not None and told.at > books.opened_at:
                self._foreign(told, books, now)
        for trade_id, kept in here.items():
            if trade_id not in there:
                self._here_only(kept, now)

    def _both(self, ours: Execution, theirs: Execution) -> None:
        if _same(ours, theirs):
            self.agreed.add(ours.trade_id)
            return
        self.other.append((ours, theirs))
        self.found.append(
            Difference(
                kind=_Kind.EXECUTION_DIFFERS,
                subject=ours.trade_id,
                ours=ours.text(),
                theirs=theirs.text(),
                detail="an execution never changes: the books were changed, or the exchange corrected it",
            )
        )

    def _missing(self, told: Execution, now: Instant, *, known: bool) -> None:
        self.there_only.append(told)
        if now - told.at < IN_MOTION:
            return
        if known:
            self.missing.append(told)
        self.found.append(
            Difference(
                kind=_Kind.EXECUTION_MISSING,
                subject=told.trade_id,
                ours="",
                theirs=told.text(),
                detail="the exchange lists it, the books do not have it",
            )
        )

    def _here_only(self, kept: Execution, now: Instant) -> None:
        self.here_only.append(kept)
        if now - kept.at < IN_MOTION:
            return
        self.found.append(
            Difference(
                kind=_Kind.EXECUTION_UNKNOWN_THERE,
                subject=kept.trade_id,
                ours=kept.text(),
                theirs="",
                detail="the books have it, the exchange does not list it",
            )
        )

    def _foreign(self, told: Execution, books: Books, now: Instant) -> None:
        if not told.client_id and now - told.at < UNNAMED:
            self.there_only.append(told)  # whose it is may be known soon
        elif movement_reference(told, told.base) not in books.stored:
            self.foreign.append(told)

    def _undone(self, told: Execution, mark: str, books: Books) -> None:
        """Name what was undone of ours; of a foreign order, the balance tells."""
        if told.client_id in books.known or told.client_id.startswith(mark):
            self.found.append(
                Difference(
                    kind=_Kind.EXECUTION_REVERSED,
                    subject=told.trade_id,
                    ours="",
                    theirs=f"{told.undoes}: {told.text()}",
                    detail="the exchange undid or corrected what the books hold for final",
                )
            )


def _still_open(
    books: Books, executions: _Executions, found: Iterable[Difference]
) -> Iterator[Difference]:
    """Yield the open differences that the window has left behind and nothing mended."""
    anew = {each.name for each in found}
    for each in books.differences:
        if each.kind not in STICKY or each.name in anew or each.subject in executions.agreed:
            continue
        now = books.by_id.get(each.subject)
        if now is None or now.text() != each.theirs:
            yield each


def _orders(books: Books, account: Account, now: Instant, mark: str) -> Iterator[Difference]:
    here = {each.client_id: each for each in books.orders}
    there = {each.client_id: each for each in account.orders}
    for client_id, told in there.items():
        kept = here.get(client_id)
        if kept is not None:
            if _moves(kept.heard_at, now):
                continue
            if not kept.is_open:
                yield _open_there(told)
            elif kept.filled != told.filled:
                yield _order(_Kind.ORDER_FILLED, client_id, kept, told, "the sizes do not agree")
        elif client_id in books.known:
            if not _moves(books.known[client_id], now):
                yield _open_there(told)
        elif client_id.startswith(mark):
            detail = "named as ours are, and never in the books: whose is it?"
            yield _order(_Kind.ORDER_UNKNOWN_HERE, client_id, None, told, detail)
        else:
            yield Difference(
                kind=_Kind.FOREIGN_ORDER,
                subject=client_id,
                ours="",
                theirs=OPEN,
                detail=f"{told.symbol}: {SOMEBODY_ELSES}",
            )
    for client_id, kept in here.items():
        if client_id not in there and not _moves(kept.heard_at, now):
            detail = (
                "open in the books, not at the exchange"
                if kept.is_open
                else "the books wait for executions of it that were stated"
            )
            kind = _Kind.ORDER_NOT_OPEN_THERE if kept.is_open else _Kind.ORDER_FILLED
            yield _order(kind, client_id, kept, None, detail)


def _open_there(told: LiveOrder) -> Difference:
    return Difference(
        kind=_Kind.ORDER_OPEN_THERE,
        subject=told.client_id,
        ours="",
        theirs=OPEN,
        detail=f"{told.symbol}: over in the books, open at the exchange: it is cancelled",
    )


def _moves(heard_at: Instant | None, now: Instant) -> bool:
    """Return whether an order was told or asked of just now."""
    return heard_at is not None and now - heard_at < IN_MOTION


def _order(
    kind: DifferenceKind,
    client_id: str,
    ours: LiveOrder | None,
    theirs: LiveOrder | None,
    detail: str,
) -> Difference:
    symbol = (ours or theirs or _NOBODY).symbol
    said = ["" if each is None else f"{plain(each.filled)} filled" for each in (ours, theirs)]
    return Difference(
        kind=kind, subject=client_id, ours=said[0], theirs=said[1], detail=f"{symbol}: {detail}"
    )


_NOBODY: Final = LiveOrder(client_id="", symbol="", filled=ZERO, heard_at=None, is_open=False)


def _history(books: Books, since: Instant) -> Iterator[Difference]:
    """Compare what was before the window with what it was when it was last compared."""
    checkpoint = books.checkpoint
    if checkpoint is None or checkpoint.since != since:
        return
    window = {each.trade_id: each for each in books.executions}
    before = flows_before(books.flows, window.values())
    for symbol in sorted({*before, *checkpoint.flows}):
        was, now = checkpoint.flows.get(symbol, Flow()), before.get(symbol, Flow())
        if was != now:
            yield Difference(
                kind=_Kind.HISTORY_CHANGED,
                subject=symbol,
                ours=now.text(),
                theirs=was.text(),
                detail=f"executions before {since} summed to something else when they were compared",
            )


def _expected(books: Books, executions: _Executions) -> dict[str, Decimal]:
    """Return what each currency must come to by everything that is known, at the exchange's moment."""
    totals = dict(books.movements)

    def add(currency: str, amount: Decimal) -> None:
        totals[currency] = plus(totals.get(currency, ZERO), amount)

    for symbol, flow in books.flows.items():
        base, _, quote = symbol.partition("-")
        add(base, flow.base)
        add(quote, flow.quote)
    for each in (*executions.there_only, *executions.foreign, *(t for _, t in executions.other)):
        add(each.base, each.base_change)
        add(each.quote, each.quote_change)
    for each in (*executions.here_only, *(o for o, _ in executions.other)):
        add(each.base, -each.base_change)
        add(each.quote, -each.quote_change)
    return totals


def _positions(books: Books, account: Account, executions: _Executions) -> Iterator[Difference]:
    """Yield the currencies of which less is there than the position says."""
    held: dict[str, Decimal] = {}
    flows = flows_before(flows_after(books.flows, executions.there_only), executions.here_only)
    for symbol, flow in flows.items():
        base = symbol.partition("-")[0]
        held[base] = plus(held.get(base, ZERO), flow.base)
    for currency, position in sorted(held.items()):
        there = account.totals.get(currency, ZERO)
        if there < position:
            yield Difference(
                kind=_Kind.BALANCE_BELOW_POSITION,
                subject=currency,
                ours=plain(position),
                theirs=plain(there),
                detail=f"{plain(minus(position, there))} {currency} of the position are not there",
            )


def _cash(
    remainders: Mapping[str, Decimal], totals: Mapping[str, Decimal], account: Account
) -> Iterator[Difference]:
    for currency, rest in remainders.items():
        yield Difference(
            kind=_Kind.CASH_DIFFERS,
            subject=currency,
            ours=plain(totals.get(currency, ZERO)),
            theirs=plain(account.totals.get(currency, ZERO)),
            detail=f"{plain(rest)} {currency} are unexplained while executions do not agree",
        )


def _same(ours: Execution, theirs: Execution) -> bool:
    return (
        ours.symbol == theirs.symbol
        and ours.side is theirs.side
        and ours.price == theirs.price
        and ours.size == theirs.size
        and ours.fee == theirs.fee
        and (not theirs.client_id or ours.client_id == theirs.client_id)
    )
