"""Differences between the books and the exchange: what kinds there are, and when one is believed.

A difference is named by its kind and its subject, and carries what both sides say as evidence. What may
be a race with trading is a suspect first: it is believed once it was found twice in a row, some time apart,
with the same evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from quietmaker.core.units import Name, Nanos


class DifferenceKind(Name):
    """What does not agree. The subject is an order, an execution or a currency."""

    ORDER_UNKNOWN_THERE = (
        "order_unknown_there"  # the books wait for it, the exchange does not have it
    )
    ORDER_NOT_OPEN_THERE = "order_not_open_there"  # open in the books only
    ORDER_OPEN_THERE = "order_open_there"  # over in the books, open at the exchange
    ORDER_UNKNOWN_HERE = "order_unknown_here"  # named as ours are, and never in the books
    FOREIGN_ORDER = "foreign_order"  # open, and somebody else's
    ORDER_FILLED = "order_filled"  # the sizes executed of it do not agree
    EXECUTION_MISSING = "execution_missing"  # of ours, and not in the books
    EXECUTION_UNKNOWN_THERE = "execution_unknown_there"  # in the books only
    EXECUTION_DIFFERS = "execution_differs"  # price, size, fee, side or order
    EXECUTION_REVERSED = "execution_reversed"  # undone or corrected after it was booked
    BALANCE_BELOW_POSITION = "balance_below_position"
    CASH_DIFFERS = "cash_differs"  # a balance, while executions do not agree either
    HISTORY_CHANGED = "history_changed"  # executions of long ago, compared before, are others now


class Verdict(Name):
    """How a tie-out ended."""

    CLEAN = "clean"
    DIFFERENT = "different"
    INCONCLUSIVE = (
        "inconclusive"  # not a quiet moment was to be had, or something is only suspected
    )


OPEN: Final = "open"
SOMEBODY_ELSES: Final = "somebody else's: left alone"
"""What is said of a foreign order, whoever finds it."""
ALARMING: Final = frozenset(DifferenceKind) - {DifferenceKind.FOREIGN_ORDER}
"""Somebody else's order is recognised, counted and left alone; everything else is wrong."""
STICKY: Final = frozenset(
    {
        DifferenceKind.EXECUTION_MISSING,
        DifferenceKind.EXECUTION_UNKNOWN_THERE,
        DifferenceKind.EXECUTION_DIFFERS,
        DifferenceKind.EXECUTION_REVERSED,
        DifferenceKind.HISTORY_CHANGED,
    }
)
"""Those that stay true although the window of the comparison moves on."""
DOUBTFUL_CASH: Final = STICKY | {
    DifferenceKind.ORDER_FILLED,
    DifferenceKind.ORDER_NOT_OPEN_THERE,
}
"""While one of these is found, nobody concludes from a balance that money came or went."""
CERTAIN: Final = frozenset(
    {
        DifferenceKind.EXECUTION_DIFFERS,
        DifferenceKind.EXECUTION_REVERSED,
        DifferenceKind.HISTORY_CHANGED,
        DifferenceKind.FOREIGN_ORDER,
    }
)
"""Those that no race can make: both sides were read, and both are immutable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something on which books and exchange do not agree.

    Attributes:
        subject: a client id, a trade id, a currency or a symbol, as the kind has it.
        ours: what the books say; empty when they say nothing.
        theirs: what the exchange says; empty when it says nothing.
        detail: for people; not part of the evidence.
    """

    kind: DifferenceKind
    subject: str
    ours: str
    theirs: str
    detail: str

    @property
    def name(self) -> tuple[DifferenceKind, str]:
        """Return what names it."""
        return self.kind, self.subject

    @property
    def evidence(self) -> tuple[DifferenceKind, str, str, str]:
        """Return what it consists of."""
        return self.kind, self.subject, self.ours, self.theirs


class Suspects:
    """What was found and is not believed yet."""

    __slots__ = ("_after", "_since")

    def __init__(self, believed_after: Nanos) -> None:
        """Suspect nothing.

        Args:
            believed_after: how much later something must be found again with the same evidence.
        """
        self._after = believed_after
        self._since: dict[tuple[DifferenceKind, str, str, str], int] = {}

    def sort(
        self, found: Iterable[Difference], now: Nanos
    ) -> tuple[list[Difference], list[Difference]]:
        """Return those to believe now and those that are suspects; what is not found any more is cleared.

        Args:
            found: everything that one comparison found.
            now: a monotonic time.
        """
        before, self._since = self._since, {}
        believed: list[Difference] = []
        suspects: list[Difference] = []
        for each in found:
            since = self._since[each.evidence] = before.get(each.evidence, now)
            sure = each.kind in CERTAIN or now - since >= self._after
            (believed if sure else suspects).append(each)
        return believed, suspects
