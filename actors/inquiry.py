"""Asking for orders whose outcome nobody knows, until somebody does.

An order that is still wanted is sent again first, with the same client id and to the last digit the same:
the exchange answers a repetition with the order it has, so the second answer is worth the first. One
that is not wanted any more is only looked for, among orders and executions: sending could place it.

The exchange is asked with growing pauses. `NOT_FOUND` is told once it has answered so twice, the second
time well after the last request: a request may arrive late, and a query may be served by a replica that
is behind. A question that cannot be asked is no answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from actors.news import MOVE_TO, Newsroom
from actors.protocol import ResolveUnknown
from quietmaker.core.orders import Intent, Move
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Accepted, Exchange, Mismatched, OrderReport, Rejected, Unknown
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

FIRST_ASK: Final = Nanos(SECOND // 4)
LONGEST_PAUSE: Final = Nanos(15 * SECOND)
NOT_FOUND_AFTER: Final = Nanos(3 * SECOND)
REPLAY_WITHIN: Final = Nanos(5 * SECOND)
"""Later the market is another one: the trader decides anew once it knows."""
DUPLICATE: Final = "DUPLICATE_CLIENT_ORDER_ID"
"""A refusal that proves the order exists, in case the exchange answers a repetition so."""


@dataclass(slots=True)
class Question:
    """An order whose outcome nobody knows. Times are monotonic, but for that of the decision.

    Attributes:
        since: when it became unknown.
        sent: when it was last sent, or given up waiting for: it may still be on its way.
        replay: the order to send again; None once that was answered or is not wanted.
        exists: whether an answer proved that the exchange has it.
        refused: the exchange's word, when it refused the repetition.
        missing: how often the exchange said that it does not have it.
    """

    symbol: str
    client_id: str
    decided_at: Instant
    since: int
    sent: int
    due: int
    pause: int
    replay: Intent | None
    exists: bool = False
    refused: str = ""
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
        wanted: Callable[[Intent], bool],
        owing: Callable[[], object],
        log: Log,
    ) -> None:
        """Start without a question.

        Args:
            exchange: is asked.
            news: takes the answers.
            monotonic: the clock for pauses.
            wanted: says whether an order may still be placed.
            owing: told when executions are still to be listed.
            log: of whoever asks.
        """
        self._exchange = exchange
        self._news = news
        self._monotonic = monotonic
        self._wanted = wanted
        self._owing = owing
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
            sent=now,
            due=now + FIRST_ASK,
            pause=FIRST_ASK,
            replay=message.replay,
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
        self._replay(question)
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

    def missed_fills(self, report: OrderReport, *, since: Instant) -> None:
        """Tell the executions that the stream may not have told; repeats are recognised by their id.

        The exchange lists them later than it counts them: what is not listed yet is left to the sweeps.
        """
        client_id, listed = report.client_id, 0
        try:
            fills = self._exchange.fills(since)
        except QuietmakerError as error:
            self._log.warning(
                Event.ORDER_UNKNOWN,
                f"fills cannot be asked for: {error}",
                client_order_id=client_id,
            )
            fills = ()
        for told in fills:
            if told.fill.client_id == client_id:
                listed += told.fill.size
                self._news.filled(told.fill)
        if listed < report.filled:
            self._owing()

    def _replay(self, question: Question) -> None:
        """Send the identical request again while the order is wanted, and note what that proves."""
        intent = question.replay
        if intent is None:
            return
        late = self._monotonic() - question.since > REPLAY_WITHIN
        if late or not self._wanted(intent):
            question.replay = None
            return
        self._log.info(
            Event.ORDER_REPLAYED,
            f"{intent.client_id} is sent again to hear what became of it",
            symbol=intent.symbol,
            client_order_id=intent.client_id,
        )
        match self._exchange.submit(intent):
            case Accepted(order_id=order_id):
                question.replay, question.exists = None, True
                self._news.moved(intent.symbol, intent.client_id, Move.ACCEPTED, order_id=order_id)
            case Rejected(reason=reason):
                question.replay = None
                question.exists = reason == DUPLICATE
                question.refused = reason
            case Mismatched(detail=detail):
                question.replay, question.refused = None, f"echo_mismatch: {detail}"
            case Unknown():
                question.sent = self._monotonic()
            case other:
                assert_never(other)

    def _known(self, question: Question) -> bool:
        """Ask the exchange; return whether the outcome is known and told."""
        symbol, client_id = question.symbol, question.client_id
        try:
            report = self._exchange.order(client_id, since=question.decided_at)
        except QuietmakerError as error:
            self.unanswered(symbol, client_id, error)
            return False
        if report is None:
            return self._missing(question)
        if MOVE_TO[report.state] is Move.OUTCOME_UNKNOWN:
            return False
        self._news.reported(report)
        if report.filled:
            self.missed_fills(report, since=question.decided_at)
        return True

    def _missing(self, question: Question) -> bool:
        """Conclude from its absence that it was never placed, once that is sure; say whether it is."""
        question.missing += 1
        late = self._monotonic() - question.sent >= NOT_FOUND_AFTER
        if question.exists or question.missing < 2 or not late:
            return False
        move, reason = Move.NOT_FOUND, "the exchange never had it"
        if question.refused:
            move, reason = Move.REJECTED, question.refused
        self._news.moved(question.symbol, question.client_id, move, reason=reason)
        return True
