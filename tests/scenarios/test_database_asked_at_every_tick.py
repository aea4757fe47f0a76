"""Every tick read whole tables, until the pool had no connection left and nobody could trade.

Here nobody who decides, sends, or listens asks the database for anything. Intents and facts are written to
the journal; the books are read by the actor that keeps them, and no oftener when the market is busier.

Incident W5.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any, Final

from supervisors import tree
from tests.supervisors.test_trading import SYMBOLS, Rig

HOT: Final = frozenset({"write_intent", "write", "standing"})
"""What may be called while an order waits: none of it waits for the database."""
READERS: Final = frozenset({tree.LEDGER, tree.RISK_GUARD})
"""Who may wait for the database: no order waits for them."""
PORT: Final = ("write_intent", "write", "apply", "standing", "books")


class Watched:
    """Notes which thread calls what of the ledger."""

    def __init__(self, ledger: Any) -> None:
        self.calls: dict[str, set[str]] = defaultdict(set)
        self.books = 0
        for name in PORT:
            setattr(ledger, name, self._noting(name, getattr(ledger, name)))

    def _noting(self, name: str, call: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name].add(threading.current_thread().name)
            self.books += name == "books"
            return call(*args, **kwargs)

        return noted


def test_nobody_on_the_way_of_an_order_asks_the_database() -> None:
    rig = Rig("quote.max_age_seconds=1")
    watched = Watched(rig.ledger)
    rig.trading.supervisor.start()
    try:
        rig.until(rig.quotes, what="a quote")
        rig.until(lambda: len(rig.ledger.fills) >= 1, what="an execution")
        recovered, decided = watched.books, len(rig.ledger.intents)
        rig.until(lambda: len(rig.ledger.intents) >= decided + 5, what="five more orders")
    finally:
        rig.close()
    cold = {name: threads for name, threads in watched.calls.items() if name not in HOT}
    assert {thread for threads in cold.values() for thread in threads} <= READERS
    writers = watched.calls["write_intent"]
    assert writers, "orders were sent"
    assert not {tree.trader(symbol) for symbol in SYMBOLS} & writers, "traders write no intents"
    # Five orders and all the touches between them: at most a sweep, which goes by the clock.
    assert watched.books <= recovered + 2
