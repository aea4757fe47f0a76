"""Money that came or went without an execution of ours: booked as facts, once it is sure.

Executions of orders that are not ours tell of themselves. Everything else is concluded from a balance that no
execution explains, while every execution agrees, seen twice some time apart: a deposit or a withdrawal. It
alarms nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from quietmaker.core.differences import Difference, DifferenceKind, Suspects
from quietmaker.core.evidence import Account, Books, CashKind, Execution, movement_reference
from quietmaker.core.findings import CashMoved
from quietmaker.core.tie_out import Comparison
from quietmaker.core.units import SECOND, ZERO, Nanos, minus, plain
from quietmaker.ports import Clock
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.truth import TruthMetrics

BELIEVED_AFTER: Final = Nanos(15 * SECOND)
"""A balance may be ahead of the list of executions; what is unexplained so much later came or went."""


class CashBook:
    """Books movements. One thread at a time.

    Attributes:
        pending: references that were told and not yet seen in the books: until then they would be
            concluded a second time.
    """

    def __init__(
        self, *, put: Callable[[CashMoved], object], metrics: TruthMetrics, clock: Clock
    ) -> None:
        """Know of nothing yet."""
        self._put = put
        self._metrics = metrics
        self._clock = clock
        self._log = Log("tie_out")
        self._unexplained = Suspects(BELIEVED_AFTER)
        self.pending: set[str] = set()

    def open(self, comparison: Comparison) -> None:
        """Take over what is there as the books begin."""
        for currency, amount in comparison.remainders.items():
            self._book(f"opening {currency}", currency, amount, CashKind.OPENING, ())

    def follow(self, comparison: Comparison, account: Account) -> list[Difference]:
        """Book what came or went; return what has to be seen once more before."""
        for execution in comparison.foreign:
            self._foreign(execution)
        rests = [_unexplained(c, amount) for c, amount in comparison.remainders.items()]
        believed, suspects = self._unexplained.sort(rests, self._clock.monotonic())
        for each in believed:
            currency, amount = each.subject, comparison.remainders[each.subject]
            total = account.totals.get(currency, ZERO)
            evidence = (("balance", plain(total)), ("explained", plain(minus(total, amount))))
            kind = CashKind.DEPOSIT if amount > 0 else CashKind.WITHDRAWAL
            self._book(f"balance {currency} {self._clock.now()}", currency, amount, kind, evidence)
        return suspects

    def seen(self, books: Books) -> bool:
        """Note which movements are in the books; return whether all are."""
        self.pending -= books.stored
        return not self.pending

    def _foreign(self, execution: Execution) -> None:
        evidence = (("trade_id", execution.trade_id), ("execution", execution.text()))
        changes = (execution.base_change, execution.quote_change)
        for currency, amount in zip(execution.currencies, changes, strict=True):
            if amount:
                reference = movement_reference(execution, currency)
                self._book(reference, currency, amount, CashKind.FOREIGN, evidence)

    def _book(
        self,
        reference: str,
        currency: str,
        amount: Decimal,
        kind: CashKind,
        evidence: tuple[tuple[str, str], ...],
    ) -> None:
        self.pending.add(reference)
        self._metrics.cash_moved(kind)
        self._put(
            CashMoved(
                at=self._clock.now(),
                reference=reference,
                currency=currency,
                amount=amount,
                kind=kind,
                evidence=evidence,
                inferred=kind is not CashKind.FOREIGN,
            )
        )
        self._log.info(
            Event.CASH_MOVED,
            f"{kind.value}: {plain(amount)} {currency}",
            kind=kind.value,
            reference=reference,
        )


def _unexplained(currency: str, amount: Decimal) -> Difference:
    """Return a remainder as a suspect: its evidence stays the same while trading goes on."""
    return Difference(
        kind=DifferenceKind.CASH_DIFFERS,
        subject=currency,
        ours="",
        theirs=plain(amount),
        detail=f"{plain(amount)} {currency} are not explained yet",
    )
