"""Safeguards that a victim can be without, to see that the chaos run notices each."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from unittest.mock import patch

from actors import inquiry, reconciler
from quietmaker.coinbase.rest.submits import Submitter
from quietmaker.core.orders import Fill, Intent
from quietmaker.ledger.journal.journal import Journal
from quietmaker.ledger.journaled import JournaledLedger
from quietmaker.ports import Rejected, Unknown


def break_safeguard(name: str) -> None:
    """Take a safeguard away, for the life of the process."""
    _SABOTAGE[name]()


def _skip_intent() -> None:
    """Send without having written; the intent is never there."""
    patch.object(JournaledLedger, "write_intent", lambda *_: None).start()


def _intent_later() -> None:
    """Write an intent a little after it was sent."""
    genuine = JournaledLedger.write_intent

    def write(self: Any, intent: Intent) -> None:
        threading.Timer(0.05, genuine, args=(self, intent)).start()

    patch.object(JournaledLedger, "write_intent", write).start()


def _skip_sync() -> None:
    """Take an intent for durable that was not synced."""
    patch.object(Journal, "sync", lambda *_: None).start()


def _forget_sweep() -> None:
    """Recover from the books alone; the exchange is asked for nothing."""
    patch.object(reconciler.Reconciler, "_compare", lambda *_: True).start()


def _forget_fills() -> None:
    """Compare orders and not executions."""
    patch.object(reconciler.Reconciler, "_add_fills", lambda *_: None).start()


def _adopt_nothing() -> None:
    """Let a recovered trader know its position and none of its orders."""
    genuine = reconciler.Reconciler._tell

    def tell(self: Any, work: Any, message: Any) -> None:
        books = {s: replace(b, orders=()) for s, b in message.books.items()}
        genuine(self, work, replace(message, books=books))

    patch.object(reconciler.Reconciler, "_tell", tell).start()


def _new_id_at_replay() -> None:
    """Send an order whose outcome is unknown again under another client id."""
    genuine = inquiry.Inquiry._replay

    def replay(self: Any, question: Any) -> None:
        if question.replay is not None:
            intent: Intent = question.replay
            question.replay = replace(intent, client_id=f"{intent.client_id}r")
        genuine(self, question)

    patch.object(inquiry.Inquiry, "_replay", replay).start()


def _unknown_is_failed() -> None:
    """Take an order without an answer for one that was not placed."""
    genuine = Submitter.submit

    def submit(self: Any, *args: Any) -> Any:
        outcome = genuine(self, *args)
        return Rejected(reason="timeout") if isinstance(outcome, Unknown) else outcome

    patch.object(Submitter, "submit", submit).start()


def _lose_fills() -> None:
    """Drop an execution on its way into the books now and then."""
    genuine: Any = JournaledLedger.write
    chance = random.Random(1)

    def write(self: Any, facts: Any) -> Any:
        kept = [f for f in facts if not isinstance(f, Fill) or chance.random() > 0.1]
        return genuine(self, kept)

    patch.object(JournaledLedger, "write", write).start()


def _wrong_fee() -> None:
    """Book a fee that is one unit of its last digit off."""
    genuine: Any = JournaledLedger.write

    def write(self: Any, facts: Any) -> Any:
        changed = [
            replace(fact, fee=fact.fee + Decimal("1e-10")) if isinstance(fact, Fill) else fact
            for fact in facts
        ]
        return genuine(self, changed)

    patch.object(JournaledLedger, "write", write).start()


_SABOTAGE: Final[Mapping[str, Callable[[], None]]] = {
    "skip_intent": _skip_intent,
    "intent_later": _intent_later,
    "skip_sync": _skip_sync,
    "forget_sweep": _forget_sweep,
    "forget_fills": _forget_fills,
    "adopt_nothing": _adopt_nothing,
    "new_id_at_replay": _new_id_at_replay,
    "unknown_is_failed": _unknown_is_failed,
    "lose_fills": _lose_fills,
    "wrong_fee": _wrong_fee,
}
SABOTAGE: Final[Mapping[str, str]] = {
    name: (work.__doc__ or "").strip() for name, work in _SABOTAGE.items()
}
"""What can be broken, by name."""
