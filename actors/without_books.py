"""Executions while the books cannot be read: the exchange is asked, and this process's own memory compared.

A sweep compares with the books. When they do not answer (the database is away), an execution whose frame of
the user stream was lost would stay without an exit until they do. It need not: nobody but this process
writes the books, so what was executed since it began is news exactly if the newsroom has not told it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from actors.comparing import LISTED_LATE
from actors.lineage import Lineage
from actors.news import Newsroom
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Clock, Exchange
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

PATIENCE: Final = Nanos(2 * SECOND)
"""Books that can be read answer sooner."""
EVERY: Final = Nanos(5 * SECOND)
CLOCKS_APART: Final = Nanos(10 * SECOND)
"""An order of an earlier run may have been executed before this one began, on a clock that differs."""


class WithoutBooks:
    """Looks at the exchange alone. One thread: the reconciler's."""

    def __init__(
        self,
        *,
        prefix: str,
        exchange: Exchange,
        products: Mapping[str, Product],
        news: Newsroom,
        clock: Clock,
        monotonic: Callable[[], Nanos],
    ) -> None:
        """Have looked at nothing yet; `prefix` begins every client id of this run."""
        self._lineage = Lineage(prefix)
        self._exchange = exchange
        self._products = products
        self._news = news
        self._clock = clock
        self._monotonic = monotonic
        self._seen_upto = news.began
        self._again_at = 0
        self._log = Log("reconciler")

    def look(self, asked_at: int) -> None:
        """Tell what was executed and not told, if the books that were asked for then are overdue.

        Not knowing them costs nothing here: an execution that was told is passed over by its trade id.
        """
        mono = self._monotonic()
        if mono - asked_at < PATIENCE or mono < self._again_at:
            return
        self._again_at = mono + EVERY
        now = self._clock.now()
        try:
            told = self._exchange.fills(Instant(self._seen_upto - LISTED_LATE))
        except QuietmakerError as error:
            self._log.warning(Event.ALERT, f"executions cannot be asked for: {error}")
            return
        missed = [each.fill for each in told if self._is_ours(each.fill.client_id, each.fill.at)]
        for fill in missed:
            if fill.symbol in self._products and self._news.filled(fill):
                self._log.warning(
                    Event.ALERT,
                    f"execution {fill.trade_id} was not told by the stream, and the books are away",
                    symbol=fill.symbol,
                    client_order_id=fill.client_id,
                )
        self._seen_upto = now

    def _is_ours(self, client_id: str, at: Instant) -> bool:
        """Return whether an execution can only have come to the books through this process."""
        if self._lineage.is_own(client_id):
            return True
        return self._lineage.is_earlier(client_id) and at >= self._news.began + CLOCKS_APART
