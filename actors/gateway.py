"""The order gateway: the only sender. Written before sent, and unknown is neither failed nor zero.

* The kill switch is a flag that is looked at before every send: entries are refused, exits and
  cancellations go on.
* The door (`core.door`) checks each order once more: what would cross is not sent.
* An intent is durable before its request leaves. When the ledger is away nothing is sent: an entry is
  reported as rejected for `ledger_unavailable`, and so is an exit, which its trader then tries again.
* Entries claim what the exchange will hold for them (`capital`), so that it never has to refuse one for
  want of funds, and have a budget of requests (`budget`), so that it has no reason to complain.
* A request without an answer is unknown, and asked for until somebody knows (`inquiry`).
* Cancellations are gathered while one request is under way. A refused one is normal: the order itself
  is asked for, and what it says is told. A refusal of an order that still works is told once in a
  while only: its trader would ask again at once, and the exchange refuse again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar, assert_never

from actors.address import Tellable
from actors.base import BaseActor, Surroundings
from actors.budget import ChurnBudget
from actors.capital import Capital
from actors.facts import FactLog
from actors.inquiry import Inquiry
from actors.lanes import Job, Runner
from actors.news import Newsroom
from actors.protocol import (
    Fence,
    GatewayMessage,
    ReconcilerMessage,
    RecoverSymbol,
    ResolveUnknown,
    StreamsStarted,
)
from actors.switch import KillSwitch
from actors.tapes import Tapes
from actors.window import Handed, OrderWindow
from quietmaker.core import door
from quietmaker.core.commands import CancelOrder, CancelReason, SubmitOrder
from quietmaker.core.events import Tick
from quietmaker.core.orders import TERMINAL, Intent, Move, Purpose
from quietmaker.core.product import Product
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.errors import LedgerError, LedgerUnavailable, QuietmakerError
from quietmaker.ports import (
    Accepted,
    Clock,
    Exchange,
    Ledger,
    Mismatched,
    OrderFact,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from quietmaker.telemetry.metrics import LedgerOperation, Metrics

CANCEL_BATCH: Final = 100
"""Order ids in one cancel request; Coinbase takes no more."""
LEDGER_UNAVAILABLE: Final = "ledger_unavailable"
LEDGER_REFUSED: Final = "ledger_refused"
KILL_SWITCH: Final = "kill_switch"
DOOR: Final = "door"
ECHO_MISMATCH: Final = "echo_mismatch"
CHURN_BUDGET: Final = "churn_budget"
CAPITAL: Final = "capital"
_CANCELS: Final = "cancels"
T = TypeVar("T")
REFUSAL_PAUSE: Final = Nanos(5 * SECOND)
LONG_AGO: Final = Nanos(86_400 * SECOND)
"""How far back executions of an adopted order are looked for."""
REMEMBERED: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLinks:
    """What the gateway works with."""

    exchange: Exchange
    ledger: Ledger
    reconciler: Tellable[ReconcilerMessage]
    facts: FactLog
    news: Newsroom
    kill: KillSwitch
    runner: Runner
    products: Mapping[str, Product]
    metrics: Metrics
    clock: Clock
    budget: ChurnBudget
    tapes: Tapes
    capital: Capital
    window: OrderWindow


class OrderGateway(BaseActor[GatewayMessage]):
    """Sends orders and cancellations, and asks for what nobody knows."""

    def __init__(self, around: Surroundings, links: GatewayLinks) -> None:
        """Prepare; nothing was sent yet."""
        super().__init__(around)
        self._links = links
        self._log = Log("gateway")
        self._inquiry = Inquiry(
            exchange=links.exchange,
            news=links.news,
            monotonic=around.monotonic,
            wanted=lambda intent: (
                not links.kill.is_shut
                and (intent.purpose is Purpose.EXIT or not links.kill.stops(intent.symbol))
            ),
            owing=partial(links.reconciler.tell, StreamsStarted()),
            log=self._log,
        )
        self._cancels: deque[CancelOrder] = deque()
        self._decided: dict[str, Instant] = {}
        self._refusal_told: dict[str, Nanos] = {}
        self.me: Tellable[GatewayMessage] | None = None

    def begin(self) -> None:
        """Know oneself, to hear from the lanes, and take orders."""
        self.me = _Self(self)
        self._links.window.open(self.take)

    def finish(self) -> None:
        """Send nothing any more that has not begun."""
        self._links.window.close(self.take)
        self._links.runner.close()

    def take(self, message: Handed) -> bool:
        """Put a request into its lane, in the sender's thread; False once the gateway may not act."""
        if not self.alive:
            return False
        self._dispatch(message)
        return True

    def receive(self, message: GatewayMessage) -> None:
        """Hand the request to its symbol's lane; nothing blocks here."""
        match message:
            case SubmitOrder() | CancelOrder() | Fence():
                self._dispatch(message)
            case ResolveUnknown():
                self._inquiry.add(message)
            case Tick():
                for question in self._inquiry.due():
                    self._run(question.symbol, partial(self._inquiry.ask, question))
            case _:
                assert_never(message)

    def _dispatch(self, message: Handed) -> None:
        """Queue a request; any thread may."""
        match message:
            case SubmitOrder(intent=intent):
                self._run(intent.symbol, partial(self._send, intent))
            case CancelOrder():
                self._cancels.append(message)
                self._run(_CANCELS, self._cancel_some)
            case Fence(symbol=symbol, life=life):
                # Behind every earlier request of the symbol, in its own lane.
                self._run(symbol, partial(self._fence, symbol, life))
            case _:
                assert_never(message)

    def _run(self, key: str, job: Job) -> None:
        self._links.runner.run(key, self.guarded(job))

    def _fence(self, symbol: str, life: str) -> None:
        self._links.reconciler.tell(RecoverSymbol(symbol=symbol, life=life))

    # --- sending --------------------------------------------------------------------------------

    def _send(self, intent: Intent) -> None:
        if (
            self._stopped_by_switch(intent, stored=False)
            or self._stopped_at_door(intent)
            or self._beyond_capital(intent)
            or self._over_budget(intent)
        ):
            return
        stored = self._write(intent)
        if stored is None:
            return
        # Looked at again: the ledger may have taken its time, and another gateway our place.
        if not self.alive or self._stopped_by_switch(intent, stored=True):
            return
        links = self._links
        _keep(self._decided, intent.client_id, intent.decided_at)
        at, began = links.clock.now(), self.around.monotonic()
        outcome = links.exchange.submit(intent)
        # What is only told comes after: it would delay the order, and the intent is stored already.
        links.metrics.submit_answered((self.around.monotonic() - began) / SECOND)
        links.metrics.ledger_write(LedgerOperation.INTENT, stored, ok=True)
        self._sent(intent, at)
        self._answered(intent, outcome)

    def _sent(self, intent: Intent, at: Instant) -> None:
        links, product = self._links, self._links.products[intent.symbol]
        links.facts.put(_fact(at, intent, "sent", None))
        links.metrics.order_submitted(intent)
        self._log.info(
            Event.ORDER_SUBMITTED,
            f"{intent.side.value} {product.size(intent.size)} at {product.price(intent.price)}",
            symbol=intent.symbol,
            client_order_id=intent.client_id,
            purpose=intent.purpose,
            reason=intent.exit_reason,
        )

    def _stopped_by_switch(self, intent: Intent, *, stored: bool) -> bool:
        kill = self._links.kill
        if intent.purpose is Purpose.EXIT and not kill.is_shut:
            return False
        reason = kill.stops(intent.symbol)
        if not reason:
            return False
        self._refuse(intent, f"{KILL_SWITCH}: {reason}", stored=stored)
        return True

    def _stopped_at_door(self, intent: Intent) -> bool:
        """Refuse an order that no desk may decide: it would cross, or take where it must not."""
        fault = door.fault(intent, self._links.products[intent.symbol])
        if fault is None:
            return False
        self._not_sent(self._log.error, intent, DOOR, fault, fault)
        return True

    def _beyond_capital(self, intent: Intent) -> bool:
        """Refuse an entry that the account cannot pay for, or has no room for, with all the others."""
        if intent.purpose is Purpose.EXIT:
            return False
        short = self._links.capital.admit(intent)
        if short is None:
            return False
        self._not_sent(self._log.info, intent, CAPITAL, short, short)
        return True

    def _over_budget(self, intent: Intent) -> bool:
        """Refuse an entry when the account has sent its share for this minute."""
        budget = self._links.budget
        if intent.purpose is Purpose.EXIT or budget.take():
            return False
        limit = f"{budget.per_minute} a minute (exchange.requests.entries_per_minute)"
        text = f"the account has sent {limit}"
        self._not_sent(self._log.warning, intent, CHURN_BUDGET, text, limit)
        return True

    def _not_sent(
        self, say: Callable[..., None], intent: Intent, reason: str, text: str, detail: str
    ) -> None:
        """Say why an order stays here, and refuse it before anything of it is stored."""
        say(
            Event.ORDER_REJECTED,
            f"{intent.client_id} is not sent: {text}",
            symbol=intent.symbol,
            client_order_id=intent.client_id,
            reason=reason,
        )
        self._refuse(intent, f"{reason}: {detail}", stored=False)

    def _write(self, intent: Intent) -> float | None:
        """Make the intent durable; return the seconds it took. None, and refused, when it cannot be."""
        began = self.around.monotonic()
        try:
            self._links.ledger.write_intent(intent)
        except LedgerUnavailable as error:
            reason, text = LEDGER_UNAVAILABLE, str(error)
        except LedgerError as error:
            reason, text = LEDGER_REFUSED, str(error)
        else:
            return (self.around.monotonic() - began) / SECOND
        seconds = (self.around.monotonic() - began) / SECOND
        self._links.metrics.ledger_write(LedgerOperation.INTENT, seconds, ok=False)
        self._log.error(
            Event.LEDGER_UNAVAILABLE,
            f"{intent.client_id} is not sent: {text}",
            symbol=intent.symbol,
            client_order_id=intent.client_id,
        )
        self._refuse(intent, reason, stored=False)
        return None

    def _refuse(self, intent: Intent, reason: str, *, stored: bool) -> None:
        """Tell that it was not taken; the ledger hears of it only if it holds the intent."""
        self._links.metrics.order_rejected(reason.partition(":")[0])
        self._links.news.moved(
            intent.symbol, intent.client_id, Move.REJECTED, reason=reason, stored=stored
        )

    def _answered(self, intent: Intent, outcome: SubmitOutcome) -> None:
        links, symbol, client_id = self._links, intent.symbol, intent.client_id
        match outcome:
            case Accepted(order_id=order_id):
                links.tapes.answered(symbol, links.clock.now(), refused=False)
                links.news.moved(symbol, client_id, Move.ACCEPTED, order_id=order_id)
            case Rejected(reason=reason):
                links.tapes.answered(symbol, links.clock.now(), refused=True)
                self._log.info(
                    Event.ORDER_REJECTED,
                    f"{client_id}: {reason}",
                    symbol=symbol,
                    client_order_id=client_id,
                    reason=reason,
                )
                self._refuse(intent, reason, stored=True)
            case Mismatched(order_id=order_id, detail=detail):
                self._log.error(
                    Event.ALERT,
                    f"{client_id} was not placed: its id belongs to order {order_id} of the exchange "
                    f"({detail}); was it used before the database was made anew?",
                    symbol=symbol,
                    client_order_id=client_id,
                )
                self._refuse(intent, f"{ECHO_MISMATCH}: {detail}", stored=True)
            case Unknown(detail=detail):
                links.metrics.order_unknown()
                self._log.warning(
                    Event.ORDER_UNKNOWN,
                    f"{client_id}: {detail}",
                    symbol=symbol,
                    client_order_id=client_id,
                )
                links.news.moved(symbol, client_id, Move.OUTCOME_UNKNOWN, reason=detail)
                self._tell_self(
                    ResolveUnknown(
                        symbol=symbol,
                        client_id=client_id,
                        decided_at=intent.decided_at,
                        replay=intent,
                    )
                )
            case _:
                assert_never(outcome)

    def _tell_self(self, message: GatewayMessage) -> None:
        if self.me is not None:
            self.me.tell(message)

    # --- cancelling -----------------------------------------------------------------------------

    def _cancel_some(self) -> None:
        """Cancel what was gathered; the later jobs of a gathered batch find nothing left."""
        batch: dict[str, CancelOrder] = {}
        while self._cancels and len(batch) < CANCEL_BATCH:
            command = self._cancels.popleft()
            batch[command.client_id] = command
        if not batch:
            return
        links, now = self._links, self._links.clock.now()
        for command in batch.values():
            links.metrics.cancel_requested(command.reason)
            links.facts.put(_fact(now, command, Move.CANCEL_SENT.value, command.reason))
        self._log.debug(Event.CANCEL_REQUESTED, f"{len(batch)} orders", orders=tuple(batch))
        try:
            outcomes = links.exchange.cancel(tuple(batch))
        except QuietmakerError as error:
            # Nobody knows whether it arrived; the traders ask again for what is still open.
            self._log.warning(Event.CANCEL_REQUESTED, f"{len(batch)} orders: {error}")
            return
        for outcome in outcomes:
            if outcome.client_id in batch and outcome.reason is not None:
                self._refused_cancel(batch[outcome.client_id], outcome.reason)

    def _refused_cancel(self, command: CancelOrder, reason: str) -> None:
        """Tell the truth about an order that could not be cancelled: ended, unheard of, or working."""
        news, symbol, client_id = self._links.news, command.symbol, command.client_id
        decided = self._decided.get(client_id, Instant(command.now - LONG_AGO))
        try:
            report = self._links.exchange.order(client_id, since=decided)
        except QuietmakerError as error:
            self._inquiry.unanswered(symbol, client_id, error)
            return
        if report is None:
            news.moved(symbol, client_id, Move.NOT_FOUND, reason=reason)
            self._tell_self(
                ResolveUnknown(symbol=symbol, client_id=client_id, decided_at=decided, replay=None)
            )
        elif report.state in TERMINAL:
            news.reported(report)
            if report.filled:
                self._inquiry.missed_fills(report, since=decided)
        else:
            now, told = self.around.monotonic(), self._refusal_told.get(client_id)
            if told is None or now - told >= REFUSAL_PAUSE:
                _keep(self._refusal_told, client_id, now)
                news.moved(symbol, client_id, Move.CANCEL_REFUSED, reason=reason)


class _Self:
    """The gateway as its lanes reach it: a job may outlive the actor, and then tells nobody."""

    def __init__(self, actor: OrderGateway) -> None:
        self._ref = actor.actor_ref

    def tell(self, message: GatewayMessage, /) -> bool:
        if not self._ref.is_alive():
            return False
        self._ref.tell(message)
        return True


def _keep(memory: dict[str, T], key: str, value: T) -> None:
    """Remember something of an order; the oldest is forgotten."""
    memory[key] = value
    if len(memory) > REMEMBERED:
        memory.pop(next(iter(memory)), None)


def _fact(
    now: Instant, order: Intent | CancelOrder, what: str, reason: CancelReason | None
) -> OrderFact:
    return OrderFact(
        at=now,
        client_id=order.client_id,
        symbol=order.symbol,
        what=what,
        order_id=None,
        reason="",
        cancel_reason=reason,
    )
