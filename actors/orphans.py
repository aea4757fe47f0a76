"""Quotes whose trader is away at the moment at which a mode stops entries: nobody else would withdraw them.

A trader that is being restarted withdraws what its symbol may not have as soon as it is recovered, which can
take a back-off of half a minute. Its entries are cancelled at the exchange instead; it will find them gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Final

from quietmaker.core.units import Side
from quietmaker.errors import QuietmakerError
from quietmaker.ports import Exchange
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log

BATCH: Final = 100
"""Order ids in one cancel request; Coinbase takes no more."""
ENTRY: Final = "E"
"""What follows the side in the client id of an entry (`State.client_id`)."""


def in_a_thread(work: Callable[[], None]) -> None:
    """Run something that may block, in a thread of its own."""
    threading.Thread(target=work, name="orphans", daemon=True).start()


class Orphans:
    """Cancels entries at the exchange, past every actor."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        mark: str,
        run: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        """Cancel on an exchange.

        Args:
            exchange: where.
            mark: how every client id of ours begins.
            run: runs what blocks.
        """
        self._exchange, self._mark, self._run = exchange, mark, run
        self._log = Log("orphans")

    def withdraw(self, symbols: Collection[str]) -> None:
        """Cancel the entries of these symbols; exits stay. Does not wait."""
        self._run(lambda: self._withdraw(frozenset(symbols)))

    def _withdraw(self, symbols: Collection[str]) -> None:
        try:
            ids = [
                each.client_id
                for each in self._exchange.open_orders()
                if each.symbol in symbols and self._is_entry(each.client_id, each.symbol)
            ]
            for start in range(0, len(ids), BATCH):
                self._exchange.cancel(ids[start : start + BATCH])
        except QuietmakerError as error:
            self._log.error(
                Event.ALERT,
                f"entries of {', '.join(sorted(symbols))} may still be open, and their traders are away: "
                f"{error}",
            )
            return
        if ids:
            self._log.warning(
                Event.CANCEL_REQUESTED,
                f"{len(ids)} entries of traders that are away: {', '.join(sorted(symbols))}",
            )

    def _is_entry(self, client_id: str, symbol: str) -> bool:
        kinds = (f"-{symbol}-{letter}{ENTRY}" for letter in _LETTERS)
        return client_id.startswith(self._mark) and any(kind in client_id for kind in kinds)


_LETTERS: Final = tuple(side.value[0] for side in Side)
