"""What breakers count, by symbol and for the account: lanes and traders write, the risk guard reads."""

from __future__ import annotations

import threading
from decimal import Decimal

from quietmaker.core.risk_tape import HORIZON, Tape
from quietmaker.core.units import Instant, Nanos


class Tapes:
    """The tapes; the account's is under None. Thread-safe: whoever reads one holds the `mutex`.

    Outlives the guard: what was counted before its restart still counts.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.mutex = threading.Lock()
        self._tapes: dict[str | None, Tape] = {None: Tape()}

    def of(self, scope: str | None) -> Tape:
        """Return a tape; the mutex is held."""
        tape = self._tapes.get(scope)
        if tape is None:
            tape = self._tapes[scope] = Tape()
        return tape

    def answered(self, symbol: str, now: Instant, *, refused: bool) -> None:
        """Take the exchange's answer to an order."""
        with self.mutex:
            for scope in (None, symbol):
                self.of(scope).answered(now, refused=refused)

    def marked(
        self, symbol: str, now: Instant, horizon: Nanos, *, value: Decimal, notional: Decimal
    ) -> None:
        """Take what the mid's move after an execution was worth; one horizon counts."""
        if horizon != HORIZON:
            return
        with self.mutex:
            for scope in (None, symbol):
                self.of(scope).marked(now, value=value, notional=notional)

    def forget(self, symbol: str | None) -> None:
        """Forget a symbol that is not traded any more."""
        with self.mutex:
            self._tapes.pop(symbol, None)
