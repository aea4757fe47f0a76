"""Rows of the exchange's list of executions, as what the bot books and as what a tie-out compares.

A row names its order and not our client id: that is looked up. What is ours and cannot be read is an error,
what is somebody else's is counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from quietmaker.coinbase.rest.identity import Known, OrderIds
from quietmaker.coinbase.rest.records import FillRow, read_execution, read_fill, read_liquidity
from quietmaker.core.evidence import Execution
from quietmaker.core.product import Product
from quietmaker.core.units import Liquidity
from quietmaker.errors import WireError
from quietmaker.ports import UserFill

BOOKED = "FILL"
"""The kind of row that changes a position; others undo or correct what was booked."""


class Executions:
    """Reads rows. Thread-safe."""

    def __init__(
        self,
        *,
        ids: OrderIds,
        look_up: Callable[[Sequence[str]], None],
        is_ours: Callable[[str], bool],
        issue: Callable[[str], None],
    ) -> None:
        """Read with these.

        Args:
            ids: remembers which order is which.
            look_up: has the exchange asked for orders by their ids, and remembered.
            is_ours: tells whether a client id is ours.
            issue: counts what should never happen.
        """
        self._ids = ids
        self._look_up = look_up
        self._is_ours = is_ours
        self._issue = issue

    def fills(self, rows: Iterable[FillRow], served: Mapping[str, Product]) -> Sequence[UserFill]:
        """Return the executions of served products, oldest first.

        A reversal or a correction undoes what the books hold for final. It cannot be booked as an
        execution; the tie-out tells of it, and the operator decides.
        """
        told: list[UserFill] = []
        for row, known in self._known([row for row in rows if self._is_execution(row, served)]):
            if known is None:
                self._issue("fill_without_order")
                continue
            try:
                liquidity = self._liquidity(row, known)
                fill = read_fill(row, served[row.symbol], known.client_id, liquidity)
            except WireError:
                if self._is_ours(known.client_id):
                    raise
                self._issue("unreadable_foreign_fill")
                continue
            told.append(UserFill(order_id=row.order_id, fill=fill))
        told.sort(key=lambda each: each.fill.at)
        return told

    def all(self, rows: Iterable[FillRow], products: Mapping[str, Product]) -> Sequence[Execution]:
        """Return everything, oldest first."""
        told: list[Execution] = []
        for row, known in self._known(rows):
            client_id = "" if known is None else known.client_id
            undoes = "" if row.kind == BOOKED else row.kind
            try:
                told.append(read_execution(row, products.get(row.symbol), client_id, undoes=undoes))
            except WireError:
                if self._is_ours(client_id):
                    raise
                self._issue("unreadable_foreign_fill")
        told.sort(key=lambda each: (each.at, each.trade_id))
        return told

    def _known(self, rows: Iterable[FillRow]) -> Iterator[tuple[FillRow, Known | None]]:
        """Yield the rows in the order of their entries, with what is known of their orders."""
        listed = sorted(rows, key=lambda row: row.entry_id)
        strange = {row.order_id for row in listed if self._ids.order(row.order_id) is None}
        if strange:
            self._look_up(sorted(strange))
        for row in listed:
            yield row, self._ids.order(row.order_id)

    def _liquidity(self, row: FillRow, known: Known) -> Liquidity:
        liquidity = read_liquidity(row)
        if liquidity is None:
            self._issue("unknown_liquidity")
            liquidity = Liquidity.MAKER if known.post_only else Liquidity.TAKER
        return liquidity

    def _is_execution(self, row: FillRow, served: Mapping[str, Product]) -> bool:
        """Leave out what changes no position of ours, and count what should never happen."""
        if row.symbol not in served:
            self._issue("foreign_fill")
            return False
        if row.kind != BOOKED:
            self._issue(f"fill_{row.kind.lower()}")
            return False
        return True
