"""Orders that the books hold for ended and that rest at the exchange all the same.

A request can be under way for longer than anybody waits for it. Its order is then given up, and arrives:
it would rest without an owner, pulled by nobody. A sweep cancels it once two of them have found it, since
every order of this run that is open is in the books of the next sweep. One of an earlier run was not just
placed: it is cancelled as soon as it is found. Afterwards it is asked for until it has ended, because the
books wait for nothing of it any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from actors.address import Tellable
from actors.differences import Differences
from actors.lineage import Lineage
from actors.news import Newsroom
from actors.protocol import GatewayMessage
from quietmaker.core.commands import CancelOrder, CancelReason
from quietmaker.core.differences import OPEN, Difference, DifferenceKind
from quietmaker.core.orders import TERMINAL, Fill
from quietmaker.core.units import Instant
from quietmaker.ports import Exchange, OrderReport


class Strays:
    """What recovery and sweeps have found. One thread: the reconciler's."""

    def __init__(
        self,
        *,
        prefix: str,
        exchange: Exchange,
        gateway: Tellable[GatewayMessage],
        news: Newsroom,
        differences: Differences,
    ) -> None:
        """Know of none; `prefix` begins every client id of this run."""
        self._lineage = Lineage(prefix)
        self._recalled: set[str] = set()
        self._exchange = exchange
        self._gateway = gateway
        self._news = news
        self._differences = differences
        self._suspects: frozenset[str] = frozenset()
        self._called_back: dict[str, Instant] = {}

    def recall(
        self,
        open_now: Sequence[OrderReport],
        ours: Collection[str],
        symbols: Collection[str],
        now: Instant,
    ) -> set[str]:
        """Cancel what earlier runs gave up and what rests all the same; return the client ids.

        Args:
            open_now: what is open at the exchange, asked for after the books were read.
            ours: the client ids that the books wait for.
            symbols: those that the books were read of.
            now: the time.
        """
        found = {
            report.client_id: report
            for report in open_now
            if report.symbol in symbols
            and report.client_id not in ours
            and self._lineage.is_earlier(report.client_id)
        }
        for report in found.values():
            self._call_back(report, now)
        self._recalled |= found.keys()
        return {*found}

    def look(self, open_now: Sequence[OrderReport], ours: Collection[str], now: Instant) -> None:
        """Cancel what two sweeps have found.

        Args:
            open_now: what is open at the exchange, asked for after the books were read.
            ours: the client ids that the books wait for.
            now: the time.

        Raises:
            QuietmakerError: if the exchange cannot be asked.
        """
        found = {
            report.client_id: report
            for report in open_now
            if self._lineage.is_own(report.client_id) and report.client_id not in ours
        }
        for client_id in found.keys() & self._suspects:
            self._call_back(found[client_id], now)
        self._suspects = frozenset(found.keys() - self._suspects)
        for client_id, since in tuple(self._called_back.items()):
            report = self._exchange.order(client_id, since=since)
            if report is not None and report.state in TERMINAL:
                del self._called_back[client_id]
                self._news.reported(report)
                name = (DifferenceKind.ORDER_OPEN_THERE, client_id)
                self._differences.resolve(name, f"{report.state.value} there")

    @property
    def waiting(self) -> bool:
        """Return whether something is to be looked at again."""
        return bool(self._suspects or self._called_back)

    def filled(self, fill: Fill, *, told: bool) -> bool:
        """Take an execution of an order that the books do not wait for; return whether it was news.

        Args:
            fill: the execution.
            told: whether its trader is to hear of it; else it is stored only, and read from the books. Then
                it may also be one that they hold: those of earlier runs are not known here.
        """
        client_id = fill.client_id
        if not told:
            if self._lineage.is_earlier(client_id):
                self._news.store(fill)
            return False
        known = self._lineage.is_own(client_id) or client_id in self._recalled
        return known and self._news.filled(fill)

    def _call_back(self, report: OrderReport, now: Instant) -> None:
        client_id, symbol = report.client_id, report.symbol
        self._differences.found(
            Difference(
                kind=DifferenceKind.ORDER_OPEN_THERE,
                subject=client_id,
                ours="",
                theirs=OPEN,
                detail=f"{symbol}: over in the books, open at the exchange: it is cancelled",
            )
        )
        self._called_back.setdefault(client_id, now)
        self._gateway.tell(
            CancelOrder(client_id=client_id, symbol=symbol, reason=CancelReason.STRAY, now=now)
        )
