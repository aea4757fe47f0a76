"""Safeguards that a victim can be without, to see that the chaos run notices each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final
from unittest.mock import patch

from actors import inquiry, reconciler
from quietmaker.coinbase.submits import Submitter
from quietmaker.core.orders import Fill, Intent
from quietmaker.ledger import journaled, postgres
from quietmaker.ports import Rejected, Unknown


def break_safeguard(name: str) -> None:
    """Take a safeguard away, for the life of the process."""
    _SABOTAGE[name]()


def _skip_intent() -> None:
    """Send without having written; the intent is never there."""
    patch.object(journaled.JournaledLedger, "write_intent", lambda *_: None).start()


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
    """Drop an execution on its way into the database now and then."""
    genuine: Any = vars(postgres)["store"]
    chance = random.Random(1)

    def store(cursor: Any, entries: Any) -> Any:
        kept = [e for e in entries if e.kind != "fills" or chance.random() > 0.1]
        return genuine(cursor, kept) if kept else []

    patch.object(postgres, "store", store).start()


def _wrong_fee() -> None:
    """Book a fee that is one unit of its last digit off."""
    genuine = journaled.JournaledLedger.write

    def write(self: Any, facts: Any) -> int:
        changed = [
            replace(fact, fee=fact.fee.next_plus()) if isinstance(fact, Fill) else fact
            for fact in facts
        ]
        return genuine(self, changed)

    patch.object(journaled.JournaledLedger, "write", write).start()


_SABOTAGE: Final[Mapping[str, Callable[[], None]]] = {
    "skip_intent": _skip_intent,
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
