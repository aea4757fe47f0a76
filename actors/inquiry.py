"""Asking for orders whose outcome nobody knows, until somebody does.

The exchange is asked with growing pauses. `NOT_FOUND` is told once it has answered so twice, the second
time well after the request: a request may arrive late, and a query may be served by a replica that is
behind. A question that cannot be asked is no answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.news import MOVE_TO, Newsroom
from actors.protocol import ResolveUnknown
from quietmaker.core.orders import Move
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Exchange
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

FIRST_ASK: Final = Nanos(SECOND // 4)
LONGEST_PAUSE: Final = Nanos(15 * SECOND)
NOT_FOUND_AFTER: Final = Nanos(3 * SECOND)


@dataclass(slots=True)
class Question:
    """An order whose outcome nobody knows. Times are monotonic, but for that of the decision."""

    symbol: str
    client_id: str
    decided_at: Instant
    since: int
    due: int
    pause: int
    missing: int = 0
    asking: bool = False


class Inquiry:
    """The open questions. `add` and `due` belong to the gateway, `ask` to its lanes."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        news: Newsroom,
        monotonic: Callable[[], Nanos],
        log: Log,
    ) -> None:
        """Start without a question."""
        self._exchange = exchange
        self._news = news
        self._monotonic = monotonic
        self._log = log
        self._questions: dict[str, Question] = {}

    def add(self, message: ResolveUnknown) -> None:
        """Take up an order, unless it is asked for already."""
        now = self._monotonic()
        question = Question(
            symbol=message.symbol,
            client_id=message.client_id,
            decided_at=message.decided_at,
            since=now,
            due=now + FIRST_ASK,
            pause=FIRST_ASK,
        )
        self._questions.setdefault(message.client_id, question)

    def due(self) -> list[Question]:
        """Return the questions to ask now; each is out until it was asked."""
        now = self._monotonic()
        due = [q for q in list(self._questions.values()) if q.due <= now and not q.asking]
        for question in due:
            question.asking = True
        return due

    def ask(self, question: Question) -> None:
        """Ask once; tell what is known, or come back later."""
        if self._known(question):
            self._questions.pop(question.client_id, None)
            return
        question.pause = min(2 * question.pause, LONGEST_PAUSE)
        question.due = self._monotonic() + question.pause
        question.asking = False

    def unanswered(self, symbol: str, client_id: str, error: QuietmakerError) -> None:
        """Say that an order could not be asked for."""
        self._log.warning(
            Event.ORDER_UNKNOWN,
            f"{client_id} could not be asked for: {error}",
            symbol=symbol,
            client_order_id=client_id,
        )

    def missed_fills(self, client_id: str, *, since: Instant) -> None:
        """Tell the executions that the stream may not have told; repeats are recognised by their id."""
        try:
            fills = self._exchange.fills(since)
        except QuietmakerError as error:
            self._log.warning(
                Event.ORDER_UNKNOWN,
                f"fills cannot be asked for: {error}",
                client_order_id=client_id,
            )
            return
        for told in fills:
            if told.fill.client_id == client_id:
                self._news.filled(told.fill)

    def _known(self, question: Question) -> bool:
        """Ask the exchange; return whether the outcome is known and told."""
        symbol, client_id = question.symbol, question.client_id
        try:
            report = self._exchange.order(client_id, since=question.decided_at)
        except QuietmakerError as error:
            self.unanswered(symbol, client_id, error)
            return False
        if report is None:
            question.missing += 1
            late = self._monotonic() - question.since >= NOT_FOUND_AFTER
            if question.missing < 2 or not late:
                return False
            self._news.moved(symbol, client_id, Move.NOT_FOUND, reason="the exchange never had it")
            return True
        if MOVE_TO[report.state] is Move.OUTCOME_UNKNOWN:
            return False
        self._news.reported(report)
        if report.filled:
            self.missed_fills(client_id, since=question.decided_at)
        return True
