"""One symbol of the matching core: the market as displayed, and what it does to our orders.

The rules. The market is not moved by us: what it displays and trades is what it did without us.

1. Price, then time. An order joins behind the displayed size of its price and behind our own orders
   there. A source without depth shows the touch only: behind it the queue is unknown until the touch
   arrives there, and then all of it stands before us.
2. A trade at our price by the opposite aggressor consumes what stands before us, then us; a trade
   beyond our price meets us first, whoever took. A trade's size is shared by all of our orders by
   priority and is spent once.
3. The opposite touch at our price executes us up to the size displayed there, each displayed lot
   once; the opposite touch beyond our price executes all of us, for nothing can stand between
   (unless we already took from exactly that level: then only what it shows anew). While the
   displayed market is itself crossed or locked, this rule waits.
4. Resting orders execute at their own price. A taker walks the displayed levels up to its limit, each
   at that level's price, each displayed lot once; without depth only the touch can be taken.
5. We never trade with ourselves: a post-only order that would meet one of ours is refused like one
   that meets the market; a taker stops before the price of our own resting order, and what it has
   left is cancelled (the newest gives way).

`levels` states how tape and book are netted, `models` what cancellations do.

Speed. `on_touch` and `on_trade` compare with five remembered numbers and return when nothing of ours
can be affected: no loop, no allocation. The numbers are refreshed whenever our orders change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from quietmaker.core.orders import TimeInForce
from quietmaker.core.product import Product
from quietmaker.core.units import Liquidity, Lots, Side, Ticks
from quietmaker.exchange.depth import Ladder
from quietmaker.exchange.levels import HUGE, UNSEEN, Executions, Level, OwnSide
from quietmaker.exchange.models import FillModel
from quietmaker.exchange.orders import Order
from quietmaker.exchange.taken import Taken

NO_BID: Final = -1
NO_ASK: Final = HUGE
NO_BUY: Final = -2
NO_SELL: Final = HUGE + 1

OnFill = Callable[[Order, int, int, Liquidity, int], None]
"""order, price in ticks, lots, liquidity, time; `order.left` is already reduced."""

_SELL: Final = Side.SELL
_BUY: Final = Side.BUY
_FOK: Final = TimeInForce.FOK
_NEVER_REST: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_MAKER: Final = Liquidity.MAKER


class Venue:
    """The market of one symbol. Fed in time order; an empty side has size 0.

    Attributes:
        bid, bid_size, ask, ask_size: the displayed touch; NO_BID and NO_ASK for an empty side.
        buys, sells: our resting orders.
        seen: whether the market is known at all.
        deep: whether the source tells all levels; touches are then derived, not fed.
    """

    __slots__ = (
        "_ask_key",
        "_ask_level",
        "_ask_shown",
        "_asks",
        "_bid_key",
        "_bid_level",
        "_bid_shown",
        "_bids",
        "_low_sell",
        "_model",
        "_on_fill",
        "_taken_asks",
        "_taken_bids",
        "_top_buy",
        "ask",
        "ask_size",
        "bid",
        "bid_size",
        "buys",
        "deep",
        "product",
        "seen",
        "sells",
        "symbol",
    )

    def __init__(self, product: Product, model: FillModel, on_fill: OnFill) -> None:
        """Open the market of a product, of which nothing is known yet."""
        self.symbol: str = product.symbol
        self.product = product
        self.bid: int = NO_BID
        self.bid_size: int = 0
        self.ask: int = NO_ASK
        self.ask_size: int = 0
        self.seen = False
        self.deep = False
        self.buys = OwnSide(1)
        self.sells = OwnSide(-1)
        self._bids = Ladder(-1)
        self._asks = Ladder(1)
        self._taken_bids = Taken()
        self._taken_asks = Taken()
        self._model = model
        self._on_fill = on_fill
        self._top_buy: int = NO_BUY
        self._low_sell: int = NO_SELL
        self._bid_key: int = NO_BUY
        self._bid_shown: int = UNSEEN
        self._bid_level: Level | None = None
        self._ask_key: int = NO_SELL
        self._ask_shown: int = UNSEEN
        self._ask_level: Level | None = None
        self._watch()

    # --- market in ------------------------------------------------------------------------------

    def on_touch(self, at: int, bid: int, bid_size: int, ask: int, ask_size: int) -> None:
        """Take the best bid and ask of a source without depth."""
        if bid_size <= 0:
            bid = NO_BID
        if ask_size <= 0:
            ask = NO_ASK
        self.bid = bid
        self.bid_size = bid_size
        self.ask = ask
        self.ask_size = ask_size
        if (
            self._top_buy < ask
            and bid < self._low_sell
            and (bid > self._bid_key or (bid == self._bid_key and bid_size == self._bid_shown))
            and (ask < self._ask_key or (ask == self._ask_key and ask_size == self._ask_shown))
        ):
            return
        self._touched(at)

    def on_trade(self, at: int, price: int, size: int, aggressor: Side) -> None:
        """Take a public trade; `aggressor` took liquidity."""
        if self._top_buy < price < self._low_sell:
            return
        if price <= self._top_buy:
            meets = aggressor is _SELL or self._model.any_aggressor
            self._trade(self.buys, at, price, size, meets)
        else:
            meets = aggressor is _BUY or self._model.any_aggressor
            self._trade(self.sells, at, -price, size, meets)

    def on_book_snapshot(
        self, at: int, bids: Iterable[tuple[Ticks, Lots]], asks: Iterable[tuple[Ticks, Lots]]
    ) -> None:
        """Take the whole displayed book."""
        self.deep = True
        self._bids.replace(bids)
        self._asks.replace(asks)
        for own, ladder in ((self.buys, self._bids), (self.sells, self._asks)):
            for level in own.levels.values():
                level.show(at, ladder.sizes.get(own.sign * level.key, 0), self._model)
        self._book_changed(at)

    def on_book_delta(self, at: int, changes: Iterable[tuple[Side, Ticks, Lots]]) -> None:
        """Take levels that changed together. Without a snapshot before it, it means nothing."""
        if not self.deep:
            return
        buys, sells = self.buys.levels, self.sells.levels
        for side, price, size in changes:
            if side is _BUY:
                self._bids.set(price, size)
                if price in buys:
                    buys[price].show(at, size, self._model)
            else:
                self._asks.set(price, size)
                if -price in sells:
                    sells[-price].show(at, size, self._model)
        self._book_changed(at)

    def on_lost(self) -> None:
        """Forget the displayed market until the next touch or snapshot; our orders keep their place."""
        self._bids.replace(())
        self._asks.replace(())
        self.deep = self.seen = False
        self.bid, self.bid_size, self.ask, self.ask_size = NO_BID, 0, NO_ASK, 0
        self._taken_bids.lots.clear()
        self._taken_asks.lots.clear()
        for own in (self.buys, self.sells):
            for level in own.levels.values():
                level.lost()
        self._watch()

    # --- orders in ------------------------------------------------------------------------------

    def meets(self, side: Side, price: int) -> bool:
        """Return whether an order would execute on arrival, against the market or our own order."""
        if side is _BUY:
            return price >= self.ask or price >= self._low_sell
        return price <= self.bid or price <= self._top_buy

    def arrive(self, at: int, order: Order) -> bool:
        """Take what the order can take and rest what may rest.

        Returns:
            Whether the order lives on or is filled; False when its rest must be cancelled.
        """
        if self.meets(order.side, order.price) and (
            order.intent.time_in_force is not _FOK or self._fills(order)
        ):
            self._take(at, order)
        if not order.left:
            return True
        if order.intent.time_in_force in _NEVER_REST or self._meets_own(order):
            return False
        own = self.buys if order.side is _BUY else self.sells
        own.join(at, order, self._displayed(order.side, order.price), self._model)
        self._watch()
        return True

    def leave(self, order: Order) -> None:
        """Take a resting order out."""
        (self.buys if order.side is _BUY else self.sells).leave(order)
        self._watch()

    def takeable(self, side: Side, limit: int) -> Sequence[tuple[int, int]]:
        """Return (price, lots) that an order could take now, best first, before it meets our own."""
        buying = side is _BUY
        taken = self._taken_asks if buying else self._taken_bids
        levels: list[tuple[int, int]] = []
        for price, size in self._opposite(side, limit):
            if price >= self._low_sell if buying else price <= self._top_buy:
                break
            lots = size - taken.of(price)
            if lots > 0:
                levels.append((price, lots))
        return levels

    @property
    def open_count(self) -> int:
        """Return how many of our orders rest here."""
        return self.buys.count + self.sells.count

    def book(self) -> tuple[tuple[tuple[Ticks, Lots], ...], tuple[tuple[Ticks, Lots], ...]]:
        """Return the displayed bids and asks, best first; the touch alone without depth."""
        if self.deep:
            return self._bids.levels(), self._asks.levels()
        bids = ((Ticks(self.bid), Lots(self.bid_size)),) if self.bid_size > 0 else ()
        asks = ((Ticks(self.ask), Lots(self.ask_size)),) if self.ask_size > 0 else ()
        return bids, asks

    def top(self, most: int) -> tuple[list[tuple[Ticks, Lots]], list[tuple[Ticks, Lots]]]:
        """Return at most so many displayed bids and asks, best first."""
        if self.deep:
            return self._bids.top(most), self._asks.top(most)
        bids, asks = self.book()
        return list(bids[:most]), list(asks[:most])

    # --- inside ---------------------------------------------------------------------------------

    def _touched(self, at: int) -> None:
        if self._bid_key == HUGE:
            self.seen = True
            self._forget_taken()
            self._watch()
        if self.ask <= self._top_buy or self.bid >= self._low_sell:
            self._crossed(at)
        if self.bid <= self._bid_key:
            level = self._bid_level
            if level is not None and self.bid == level.key:
                # The common case, an order that joined the touch: one level, and others still wait.
                level.show(at, self.bid_size, self._model)
                self._bid_shown = self.bid_size
            else:
                self._show(self.buys, at, self.bid, self.bid_size)
        if self.ask >= self._ask_key:
            level = self._ask_level
            if level is not None and -self.ask == level.key:
                level.show(at, self.ask_size, self._model)
                self._ask_shown = self.ask_size
            else:
                self._show(self.sells, at, -self.ask, self.ask_size)

    def _show(self, own: OwnSide, at: int, key: int, size: int) -> None:
        """Tell the levels at and beyond the touch what is displayed there; deeper ones are hidden."""
        for level in own.ordered:
            if level.key < key:
                break
            level.show(at, size if level.key == key else 0, self._model)
        self._watch()

    def _book_changed(self, at: int) -> None:
        bid, ask = self._bids.best(), self._asks.best()
        self.bid, self.bid_size = bid or (NO_BID, 0)
        self.ask, self.ask_size = ask or (NO_ASK, 0)
        self.seen = True
        if self._taken_bids.lots or self._taken_asks.lots:
            self._forget_taken()
        if self.ask <= self._top_buy or self.bid >= self._low_sell:
            self._crossed(at)

    def _crossed(self, at: int) -> None:
        if self.bid >= self.ask:
            return
        if self.ask <= self._top_buy:
            self._met(self.buys, at, self.ask, self.ask_size, self._taken_asks)
        if self.bid >= self._low_sell:
            self._met(self.sells, at, self.bid, self.bid_size, self._taken_bids)

    def _met(self, own: OwnSide, at: int, price: int, size: int, taken: Taken) -> None:
        used = taken.of(price)
        room = size - used
        key = own.sign * price
        executions: Executions = []
        for level in own.ordered:
            if level.key < key:
                break
            if level.key > key and not used:
                room = max(room - (HUGE - level.swept(HUGE, executions)), 0)
            else:
                room = level.swept(room, executions)
        if executions:
            taken.lots[price] = min(size, used + sum(lots for _, lots in executions))
            self._execute(own, executions, at)

    def _trade(self, own: OwnSide, at: int, key: int, size: int, meets: bool) -> None:
        left = size
        executions: Executions = []
        for level in own.ordered:
            if level.key < key:
                break
            if level.key > key:
                left = level.swept(left, executions)
            elif meets:
                left = level.traded(at, size, left, self._model, executions)
        self._execute(own, executions, at)

    def _execute(self, own: OwnSide, executions: Executions, at: int) -> None:
        for order, lots in executions:
            order.left -= lots
            if not order.left:
                own.leave(order)
            self._on_fill(order, order.price, lots, _MAKER, at)
        self._watch()

    def _take(self, at: int, order: Order) -> None:
        taken = self._taken_asks if order.side is _BUY else self._taken_bids
        for price, standing in self.takeable(order.side, order.price):
            lots = min(order.left, standing)
            taken.lots[price] = taken.of(price) + lots
            order.left -= lots
            self._on_fill(order, price, lots, Liquidity.TAKER, at)
            if not order.left:
                break
        self._watch()

    def _fills(self, order: Order) -> bool:
        """Return whether all of an order could be taken at once."""
        return sum(lots for _, lots in self.takeable(order.side, order.price)) >= order.left

    def _opposite(self, side: Side, limit: int) -> Sequence[tuple[int, int]]:
        if self.deep:
            return (self._asks if side is _BUY else self._bids).through(limit)
        if side is _BUY:
            return ((self.ask, self.ask_size),) if self.ask <= limit else ()
        return ((self.bid, self.bid_size),) if self.bid >= limit else ()

    def _meets_own(self, order: Order) -> bool:
        buying = order.side is _BUY
        return order.price >= self._low_sell if buying else order.price <= self._top_buy

    def _displayed(self, side: Side, price: int) -> int:
        """Return the displayed size of a price: 0 beyond the touch, UNSEEN behind it without depth."""
        if self.deep:
            return (self._bids if side is _BUY else self._asks).sizes.get(price, 0)
        if side is _BUY:
            beyond, touch, size = price > self.bid, self.bid, self.bid_size
        else:
            beyond, touch, size = price < self.ask, self.ask, self.ask_size
        return size if price == touch else 0 if beyond else UNSEEN

    def _forget_taken(self) -> None:
        """Keep what we took only of levels that are still displayed."""
        if self.deep:
            self._taken_bids.keep(self._bids.sizes)
            self._taken_asks.keep(self._asks.sizes)
        else:
            self._taken_bids.keep({self.bid: self.bid_size})
            self._taken_asks.keep({self.ask: self.ask_size})

    def _watch(self) -> None:
        """Refresh the numbers that `on_touch` and `on_trade` compare with."""
        buys, sells = self.buys, self.sells
        self._top_buy = buys.ordered[0].key if buys.ordered else NO_BUY
        self._low_sell = -sells.ordered[0].key if sells.ordered else NO_SELL
        level = self._bid_level = buys.first_waiting()
        self._bid_key = NO_BUY if level is None else level.key
        self._bid_shown = UNSEEN if level is None else level.shown
        level = self._ask_level = sells.first_waiting()
        self._ask_key = NO_SELL if level is None else -level.key
        self._ask_shown = UNSEEN if level is None else level.shown
        if not self.seen or self._taken_bids.lots or self._taken_asks.lots:
            # Every touch must be looked at: the first one, and while displayed lots are used up.
            self._bid_key = HUGE
