"""Telling what became of an order: first the ledger, then the trader, with the fact's number.

An execution is recorded once, whoever hears of it first: the stream, the gateway that asked, or the
reconciler. So its number says exactly whether books that were read hold it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from actors.address import Tellable
from actors.capital import Capital
from actors.facts import FactLog
from actors.protocol import OrderNews, TraderMessage
from quietmaker.core.events import OrderFilled, OrderMoved
from quietmaker.core.orders import Fill, Move, OrderState
from quietmaker.core.units import Instant, Lots
from quietmaker.ports import Clock, OrderFact, OrderReport

REMEMBERED: Final = 20_000
"""Executions by which repeats are recognised."""

MOVE_TO: Final[Mapping[OrderState, Move]] = {
    OrderState.PENDING: Move.ACCEPTED,
    OrderState.OPEN: Move.ACCEPTED,
    OrderState.CANCEL_PENDING: Move.ACCEPTED,
    OrderState.UNKNOWN: Move.OUTCOME_UNKNOWN,
    OrderState.FILLED: Move.FILLED,
    OrderState.CANCELLED: Move.CANCELLED,
    OrderState.EXPIRED: Move.EXPIRED,
    OrderState.FAILED: Move.FAILED,
}
"""What a queried state means for an order that we thought was working."""


class Newsroom:
    """The one way from the exchange's word on an order to the ledger and its trader. Thread-safe.

    Attributes:
        began: executions of a later time can only have come to the books through here.
    """

    def __init__(
        self,
        facts: FactLog,
        traders: Mapping[str, Tellable[TraderMessage]],
        clock: Clock,
        *,
        unowned: Callable[[str], None],
        capital: Capital,
    ) -> None:
        """Serve these traders, by symbol, as they come and go.

        Args:
            facts: where everything is recorded first.
            traders: by symbol.
            clock: the clock.
            capital: hears of ends and executions before the traders, who may use what they leave.
            unowned: hears of an execution in a symbol that has no trader any more: somebody must own it.
        """
        self._unowned = unowned
        self._capital = capital
        self._facts = facts
        self._traders = traders
        self._clock = clock
        self.began = clock.now()
        self._mutex = threading.Lock()
        self._trades: dict[str, None] = {}

    def moved(
        self,
        symbol: str,
        client_id: str,
        move: Move,
        *,
        at: Instant | None = None,
        order_id: str | None = None,
        reason: str = "",
        filled: Lots | None = None,
        stored: bool = True,
    ) -> None:
        """Tell that an order moved.

        Args:
            symbol: its product.
            client_id: the order.
            move: what happened.
            at: the exchange's time; ours when it states none.
            order_id: the exchange's id, where it is stated.
            reason: the exchange's word, where there is one.
            filled: total executed size, stated with an end.
            stored: whether the ledger holds the intent; it refuses facts on others.
        """
        now = self._clock.now()
        fact = OrderFact(
            at=now if at is None else at,
            client_id=client_id,
            symbol=symbol,
            what=move.value,
            order_id=order_id,
            reason=reason,
            cancel_reason=None,
            filled=filled,
        )
        number = self._facts.put(*([fact] if stored else []))
        self._capital.moved(client_id, move, filled)
        event = OrderMoved(now=now, client_id=client_id, move=move, reason=reason, filled=filled)
        self._tell(symbol, OrderNews(number=number, event=event))

    def store(self, fill: Fill) -> int | None:
        """Record an execution without telling its trader; None when it was recorded before."""
        with self._mutex:
            if fill.trade_id in self._trades:
                return None
            self._trades[fill.trade_id] = None
            if len(self._trades) > REMEMBERED:
                del self._trades[next(iter(self._trades))]
            number = self._facts.put(fill)
        self._capital.executed(fill)
        return number

    def filled(self, fill: Fill) -> bool:
        """Tell of an execution, unless it was told before; return whether it was news."""
        number = self.store(fill)
        if number is None:
            return False
        event = OrderFilled(now=self._clock.now(), fill=fill)
        told = self._tell(fill.symbol, OrderNews(number=number, event=event))
        if not told and fill.symbol not in self._traders:
            self._unowned(fill.symbol)
        return True

    def reported(self, report: OrderReport) -> None:
        """Tell what a query answered."""
        move = MOVE_TO[report.state]
        ended = move not in {Move.ACCEPTED, Move.OUTCOME_UNKNOWN}
        self.moved(
            report.symbol,
            report.client_id,
            move,
            order_id=report.order_id,
            reason=report.reason,
            filled=report.filled if ended else None,
        )

    def knows(self, symbol: str) -> bool:
        """Return whether the symbol has a trader."""
        return symbol in self._traders

    def _tell(self, symbol: str, news: OrderNews) -> bool:
        trader = self._traders.get(symbol)
        return trader is not None and trader.tell(news)
