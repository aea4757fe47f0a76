"""How a run ends so that nothing is left behind: its steps, each with a time that it may take.

An orderly end lets the traders cancel, and what they cancel is confirmed. An end for want of anything
better (a hung actor, an exhausted tree) shuts the gateway, cancels what is open without any actor, and
does so again once every actor has stopped: a request may have been under way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from actors.protocol import StopTrading
from quietmaker.core.orders import Fill
from quietmaker.core.units import SECOND, Nanos
from quietmaker.errors import LedgerError
from quietmaker.ports import Clock
from quietmaker.telemetry.events import Event
from quietmaker.telemetry.logs import Log
from supervisors.closing import cancel_all, done_within, settle, store
from supervisors.composition import Trading
from supervisors.opening import Opened

CONFIRM_WITHIN: Final = Nanos(4 * SECOND)
"""How long cancellations may take to be confirmed at a stop."""
DIRECT_WITHIN: Final = 2.0
TIE_OUT_WITHIN: Final = 5.0
STEP: Final = 0.05


class Ending:
    """The end of one run."""

    def __init__(
        self, trading: Trading, opened: Opened, *, clock: Clock, beat: Callable[[], None]
    ) -> None:
        """Prepare.

        Args:
            trading: what trades.
            opened: what it trades on.
            clock: the clock.
            beat: says that the driving thread is alive.
        """
        self._trading = trading
        self._opened = opened
        self._clock = clock
        self._beat = beat
        self._log = Log("process")

    def cancel_everything(self, reason: str, *, orderly: bool) -> tuple[str, ...]:
        """Cancel and stop; return the actors that did not stop in time."""
        if orderly:
            self._trading.kill.set(reason)
            self._let_traders_cancel()
        else:
            self._trading.kill.shut(reason)
        self.cancel_directly(DIRECT_WITHIN)
        stuck = self._trading.supervisor.stop()
        if stuck:
            self._log.error(Event.ACTOR_FAILED, f"did not stop in time: {', '.join(stuck)}")
        if not orderly:
            self.cancel_directly(DIRECT_WITHIN)
        return stuck

    def _let_traders_cancel(self) -> None:
        trading, deadline = self._trading, self._clock.monotonic() + CONFIRM_WITHIN
        for trader in trading.traders.values():
            trader.tell(StopTrading())
        while self._clock.monotonic() < deadline:
            trading.supervisor.step(STEP)
            self._beat()
            if not any(view.working for view in trading.board.views().values()):
                return

    def cancel_directly(self, within: float) -> None:
        """Cancel what is open without any actor, in a thread that cannot hold up the exit."""
        if not done_within(within, "cancel-all", partial(cancel_all, self._opened.link.exchange)):
            self._log.error(Event.ALERT, f"orders may still be open: no answer within {within:g} s")

    def store_the_rest(self, reason: str, *, tie_out: bool) -> None:
        """Store what the writer left, settle the orders with the exchange, tie out, end the run."""
        opened = self._opened
        ledger = opened.books.ledger
        try:
            ledger.write(settle(opened.link.exchange, ledger, self._trading.known))
            if tie_out:
                store(ledger)
                self._tie_out(TIE_OUT_WITHIN)
            store(ledger)
            ledger.end_run(opened.run, at=self._clock.now(), reason=reason)
        except LedgerError as error:
            self._log.error(
                Event.LEDGER_UNAVAILABLE,
                f"the books are not up to date; the next start brings in what the journal keeps: {error}",
            )

    def _tie_out(self, within: float) -> None:
        """Compare books and account once more, in a thread that cannot hold up the exit."""

        def missed(fill: Fill) -> bool:
            return self._trading.news.store(fill) is not None

        if not done_within(within, "tie-out", partial(self._trading.tie_out.run, missed)):
            self._log.error(Event.ALERT, f"no last tie-out: no answer within {within:g} s")
