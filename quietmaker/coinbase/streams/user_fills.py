"""From "so much is filled in all" to the exact executions: asked for until the exchange lists them.

The user stream tells totals without trade ids; the list of executions has both, but may lag behind. A
worker thread asks for the executions of every order whose total is ahead of what was listed, again and
again with growing pauses. It tells each execution once and invents none. One that is late for seconds
is told to the watch, and still asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from quietmaker.coinbase.streams.watch import StreamIssue, Tally
from quietmaker.core.units import SECOND, Lots, Nanos
from quietmaker.errors import QuietmakerError
from quietmaker.ports import UserFill

AT_ONCE: Final = 50
"""Orders asked about in one request."""
REMEMBERED: Final = 5_000
"""Orders whose executions are remembered after they were all listed."""
FIRST_PAUSE: Final = Nanos(SECOND // 10)
LONGEST_PAUSE: Final = Nanos(5 * SECOND)
LATE_AFTER: Final = Nanos(5 * SECOND)

FillsOf = Callable[[Sequence[str]], Sequence[UserFill]]


@dataclass(slots=True)
class _Owed:
    """An order: what it filled in all, and which executions of it were told."""

    total: int = 0
    listed: int = 0
    told: set[str] = field(default_factory=set)
    since: int = 0
    pause: int = FIRST_PAUSE
    due: int = 0
    late: bool = False

    @property
    def owing(self) -> bool:
        """Return whether executions are still to be listed."""
        return self.listed < self.total


class FillFinder:
    """Finds executions, in a thread of its own."""

    def __init__(
        self,
        *,
        fills_of: FillsOf,
        tell: Callable[[UserFill], None],
        monotonic: Callable[[], Nanos],
        tally: Tally,
    ) -> None:
        """Prepare; `start` starts the thread.

        Args:
            fills_of: asks the exchange for the executions of some orders.
            tell: takes each execution, once.
            monotonic: the clock for pauses.
            tally: counts what is late; this finder's own.
        """
        self._fills_of = fills_of
        self._tell = tell
        self._monotonic = monotonic
        self._tally = tally
        self._orders: OrderedDict[str, _Owed] = OrderedDict()
        self._wake = threading.Condition()
        self._over = False
        self._news = 0
        self._thread = threading.Thread(target=self._run, name="user-fills", daemon=True)

    def start(self) -> None:
        """Begin. Once."""
        self._thread.start()

    def stop(self, within: float) -> None:
        """Ask no more, and wait for the thread unless it is the caller."""
        with self._wake:
            self._over = True
            self._wake.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(within)

    @property
    def alive(self) -> bool:
        """Return whether the thread runs."""
        return self._thread.is_alive()

    def filled(self, order_id: str, total: Lots) -> None:
        """Hear that an order filled so much in all; repeats and smaller totals change nothing."""
        with self._wake:
            owed = self._orders.get(order_id)
            if owed is None:
                owed = self._orders[order_id] = _Owed()
            if total <= owed.total:
                return
            now = self._monotonic()
            owed.total, owed.since, owed.pause, owed.due = total, now, FIRST_PAUSE, now
            owed.late = False
            self._news += 1
            self._forget()
            self._wake.notify()

    def _forget(self) -> None:
        """Let go of the oldest orders that have nothing more to come."""
        excess = len(self._orders) - REMEMBERED
        if excess <= 0:
            return
        for order_id in [k for k, o in self._orders.items() if not o.owing][:excess]:
            del self._orders[order_id]

    def step(self) -> float | None:
        """Ask about what is due; return seconds until more is, None while nothing is owed."""
        with self._wake:
            now = self._monotonic()
            owing = [(k, order.due) for k, order in self._orders.items() if order.owing]
        due = [order_id for order_id, at in owing if at <= now][:AT_ONCE]
        if due:
            self._ask(due)
            return 0.0
        return (min(at for _, at in owing) - now) / SECOND if owing else None

    def _run(self) -> None:
        while True:
            with self._wake:
                seen = self._news
            wait = self.step()
            with self._wake:
                self._wake.wait_for(partial(self._called, seen), wait)
                if self._over:
                    return

    def _called(self, seen: int) -> bool:
        return self._over or self._news > seen

    def _ask(self, ids: list[str]) -> None:
        try:
            fills: Sequence[UserFill] = self._fills_of(ids)
        except QuietmakerError as error:
            self._tally.count(
                StreamIssue.FILLS_UNREACHABLE.value, str(error)[:200], self._monotonic()
            )
            fills = ()
        for fill in self._new(fills):
            self._tell(fill)
        with self._wake:
            now = self._monotonic()
            for order_id in ids:
                owed = self._orders.get(order_id)
                if owed is not None:
                    self._postpone(order_id, owed, now)
        self._tally.flush(now)

    def _new(self, fills: Sequence[UserFill]) -> list[UserFill]:
        """Return the executions that were not told before, in the order of the answer."""
        new = []
        with self._wake:
            for fill in fills:
                owed = self._orders.get(fill.order_id)
                if owed is not None and fill.fill.trade_id not in owed.told:
                    owed.told.add(fill.fill.trade_id)
                    owed.listed += fill.fill.size
                    new.append(fill)
            return new if not self._over else []

    def _postpone(self, order_id: str, owed: _Owed, now: Nanos) -> None:
        if not owed.owing:
            self._orders.move_to_end(order_id)
            return
        owed.due = now + owed.pause
        owed.pause = min(2 * owed.pause, LONGEST_PAUSE)
        if not owed.late and now - owed.since >= LATE_AFTER:
            owed.late = True
            missing = owed.total - owed.listed
            self._tally.count(
                StreamIssue.FILLS_LATE.value,
                f"order {order_id}: executions of {missing} lots are not listed after "
                f"{(now - owed.since) / SECOND:.0f} s; they are still asked for",
                now,
            )
