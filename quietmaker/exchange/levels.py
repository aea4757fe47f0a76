"""Our own resting orders, by level and in time order, and the queue before each.

Netting. A trade is told twice: by the tape, and by the displayed size that shrank. On Coinbase the
book usually shows it first, elsewhere the tape does. Each level therefore keeps two amounts:

- `gone`: displayed decrease that no trade has explained yet. A trade that arrives within
  `NETTING_WINDOW` is netted against it; what is left when the window closes was cancelled, and only
  then does the fill model hear of it.
- `owed`: traded volume that the displayed size does not show yet. A decrease within the window is
  netted against it before anything counts as cancelled.

So the lots of others at the level are always `shown + gone - owed` (the displayed market lost all of
a trade, also the part that our own orders took of it), and no order can have more than that before
it. The queue itself moves at once by trades, and once by each volume.
"""

from __future__ import annotations

from bisect import insort
from typing import Final, TypeAlias

from quietmaker.core.units import MILLISECOND
from quietmaker.exchange.models import FillModel
from quietmaker.exchange.orders import Order

NETTING_WINDOW: Final = 500 * MILLISECOND
"""How far apart tape and book may tell of the same trade: Coinbase batches trades for up to 250 ms
and its gateway adds about 110 ms (90th percentile of a recording)."""

HUGE: Final = 2**60
"""Beyond every price and size: the queue before an order at a level that was never displayed."""

UNSEEN: Final = -1
"""The displayed size of a level that lies behind the touch of a source without depth."""

Executions: TypeAlias = list[tuple[Order, int]]


class Level:
    """Our orders at one price, oldest first; `ahead` never decreases along the list."""

    __slots__ = ("gone", "gone_at", "key", "orders", "owed", "owed_at", "shown")

    def __init__(self, key: int, shown: int) -> None:
        """Start a level of which `shown` lots are displayed, or UNSEEN."""
        self.key = key
        self.shown = shown
        self.orders: list[Order] = []
        self.gone = 0
        self.gone_at = 0
        self.owed = 0
        self.owed_at = 0

    def join(self, order: Order, model: FillModel) -> None:
        """Put an order behind everything that stands here."""
        standing = HUGE if self.shown == UNSEEN else max(self.shown + self.gone - self.owed, 0)
        order.ahead = model.joining(standing)
        self.orders.append(order)

    def show(self, at: int, size: int, model: FillModel) -> None:
        """Take the displayed size as it is now."""
        if self.gone and at - self.gone_at > NETTING_WINDOW:
            self._settle(model)
        old = self.shown
        self.shown = size
        if size >= old:
            if old == UNSEEN:
                self.owed = 0  # whether the first sight shows those trades already is not known
                self._cap()
            return
        change = old - size
        if self.owed:
            if at - self.owed_at > NETTING_WINDOW:
                self.owed = 0
            explained = min(self.owed, change)
            self.owed -= explained
            change -= explained
        if change:
            if not self.gone:
                self.gone_at = at
            self.gone += change

    def lost(self) -> None:
        """Forget the displayed size: the next one is a first sight, not a change."""
        self.shown = UNSEEN
        self.gone = 0
        self.owed = 0

    def traded(
        self, at: int, volume: int, left: int, model: FillModel, executions: Executions
    ) -> int:
        """Let a trade at this price consume the queue, others first, then us.

        Args:
            at: when it traded.
            volume: the printed size, which the displayed size loses.
            left: how much of it better orders of ours did not take.
            model: what to believe of decreases that turn out to be cancellations.
            executions: takes what our orders execute.

        Returns:
            What is left for worse levels.
        """
        self._net(at, volume, model)
        eaten = 0
        for order in self.orders:
            before = min(max(order.ahead - eaten, 0), left)
            eaten += before
            left -= before
            order.ahead = max(order.ahead - eaten, 0)
            if left and not order.ahead:
                lots = min(left, order.left)
                left -= lots
                executions.append((order, lots))
        if self.shown != UNSEEN:
            self._cap()
        return left

    def swept(self, left: int, executions: Executions) -> int:
        """Let `left` lots that traded beyond this price execute us first: the queue is gone."""
        for order in self.orders:
            order.ahead = 0
            lots = min(left, order.left)
            if lots:
                left -= lots
                executions.append((order, lots))
        return left

    def _net(self, at: int, volume: int, model: FillModel) -> None:
        if self.gone and at - self.gone_at > NETTING_WINDOW:
            self._settle(model)
        explained = min(self.gone, volume)
        self.gone -= explained
        if explained < volume:
            if at - self.owed_at > NETTING_WINDOW:
                self.owed = 0
            self.owed += volume - explained
            self.owed_at = at

    def _settle(self, model: FillModel) -> None:
        standing = max(self.shown + self.gone - self.owed, 0)
        for order in self.orders:
            if order.ahead:
                ahead = min(order.ahead, standing)
                gone = min(self.gone, standing)
                order.ahead = model.after_cancel(ahead, standing - ahead, gone)
        self.gone = 0

    def _cap(self) -> None:
        most = max(self.shown + self.gone - self.owed, 0)
        if self.orders[-1].ahead > most:
            for order in self.orders:
                order.ahead = min(order.ahead, most)


class OwnSide:
    """Our levels on one side. Keys are prices times `sign`, so that a greater key is a better price.

    Attributes:
        levels: by key.
        ordered: the same, best first.
        count: orders that rest in them.
    """

    __slots__ = ("count", "levels", "ordered", "sign")

    def __init__(self, sign: int) -> None:
        """Start empty; `sign` is +1 for buys and -1 for sells."""
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self.ordered: list[Level] = []
        self.count = 0

    def first_waiting(self) -> Level | None:
        """Return our best level in which others still stand before us."""
        for level in self.ordered:
            if level.orders[-1].ahead:
                return level
        return None

    def join(self, at: int, order: Order, shown: int, model: FillModel) -> None:
        """Rest an order behind the displayed size of its price, and behind our own there."""
        key = self.sign * order.price
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level(key, shown)
            insort(self.ordered, level, key=_worst_last)
        elif shown == UNSEEN:
            level.lost()
        else:
            level.show(at, shown, model)
        level.join(order, model)
        self.count += 1

    def leave(self, order: Order) -> None:
        """Take an order out."""
        key = self.sign * order.price
        level = self.levels[key]
        level.orders.remove(order)
        self.count -= 1
        if not level.orders:
            del self.levels[key]
            self.ordered.remove(level)


def _worst_last(level: Level) -> int:
    return -level.key
