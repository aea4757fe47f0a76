"""Orders that the books hold for ended and that rest at the exchange all the same.

A request can be under way for longer than anybody waits for it. Its order is then given up, and arrives:
it would rest without an owner, pulled by nobody. A sweep cancels it once two of them have found it, since
every order of this run that is open is in the books of the next sweep. Afterwards it is asked for until it
has ended, because the books wait for nothing of it any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from actors.address import Tellable
from actors.news import Newsroom
from actors.protocol import GatewayMessage
from quietmaker.core.commands import CancelOrder, CancelReason
from quietmaker.core.orders import TERMINAL, Fill
from quietmaker.core.units import Instant
from quietmaker.ports import Exchange, OrderReport
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log


class Strays:
    """What sweeps have found. One thread: the reconciler's."""

    def __init__(
        self,
        *,
        prefix: str,
        exchange: Exchange,
        gateway: Tellable[GatewayMessage],
        news: Newsroom,
        log: Log,
    ) -> None:
        """Know of none; `prefix` begins every client id of this run."""
        self._marks = (f"{prefix}-", f"{prefix}.")
        self._exchange = exchange
        self._gateway = gateway
        self._news = news
        self._log = log
        self._suspects: frozenset[str] = frozenset()
        self._called_back: dict[str, Instant] = {}

    def look(self, open_now: Sequence[OrderReport], ours: Collection[str], now: Instant) -> bool:
        """Cancel what two sweeps have found; return whether there is something to look at again soon.

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
            if report.client_id.startswith(self._marks) and report.client_id not in ours
        }
        for client_id in found.keys() & self._suspects:
            self._call_back(found[client_id], now)
        self._suspects = frozenset(found.keys() - self._suspects)
        for client_id, since in tuple(self._called_back.items()):
            report = self._exchange.order(client_id, since=since)
            if report is not None and report.state in TERMINAL:
                del self._called_back[client_id]
                self._news.reported(report)
        return bool(self._suspects or self._called_back)

    def filled(self, fill: Fill) -> bool:
        """Tell of an execution of this run that nobody has told; return whether it was one."""
        return fill.client_id.startswith(self._marks) and self._news.filled(fill)

    def _call_back(self, report: OrderReport, now: Instant) -> None:
        client_id, symbol = report.client_id, report.symbol
        self._log.warning(
            Event.ALERT,
            f"{client_id} is over in the books and open at the exchange: it is cancelled",
            symbol=symbol,
            client_order_id=client_id,
        )
        self._called_back.setdefault(client_id, now)
        self._gateway.tell(
            CancelOrder(client_id=client_id, symbol=symbol, reason=CancelReason.STRAY, now=now)
        )
