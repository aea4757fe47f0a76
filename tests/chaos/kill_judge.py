"""What must hold after every restart, judged by the exchange's own records and by SQL.

* every order of ours that the exchange has is in the books once, as it is, and so is every execution;
* no client id was used twice, no more is offered or sold than is held, and one exit works at a time;
* every filled unit has a working exit soon after the bot says that it is ready, dust excepted;
* at rest, the books hold nothing that the exchange does not, and both come to the same money.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tests.chaos.kill_account import Account
from tests.chaos.kill_books import (
    POLL,
    Books,
    fill_differences,
    order_differences,
    until_none,
)
from tests.chaos.kill_world import CASH, STOCK, SYMBOLS, Life, World

COVERED_WITHIN: Final = 5.0
"""Seconds from readiness until every filled unit has a working exit."""
DUST: Final = Decimal("1.02")
"""Value below which the exchange takes no order, and a little for a price that moves meanwhile."""
ZERO: Final = Decimal(0)


class Judge:
    """Compares both sides of one world.

    Attributes:
        account: the exchange's side.
        books: ours.
        proved: orders and executions that were found in the books as they are.
    """

    def __init__(self, world: World, books: Books) -> None:
        """Owe nothing."""
        self.world = world
        self.account = Account(world.exchange)
        self.books = books
        self.proved = [0, 0]
        self._owed_orders: set[str] = set()
        self._owed_fills: set[str] = set()
        self._seen_orders = 0
        self._seen_fills = 0

    def owe(self) -> None:
        """Note what the exchange has by now: the books must come to hold all of it."""
        account = self.account
        account.refresh()
        # Dictionaries keep their order: what is new stands behind what was seen.
        self._owed_orders |= set([*account.orders][self._seen_orders :])
        self._owed_fills |= set([*account.fills][self._seen_fills :])
        self._seen_orders, self._seen_fills = len(account.orders), len(account.fills)
        assert not account.changed_fills, f"the exchange changed {account.changed_fills}"
        counted = Counter(order.client_id for order in account.orders.values())
        twice = [client_id for client_id, times in counted.items() if times > 1]
        assert not twice, f"orders were placed twice: {twice}"

    def await_proof(self, life: Life | None, patience: float) -> None:
        """Wait until the books hold everything that is owed.

        Raises:
            AssertionError: if they do not in time; says what differs.
        """
        found = until_none(lambda: self._differences(life), patience)
        assert not found, _told(found, life)

    def _differences(self, life: Life | None) -> list[str]:
        if life is not None and not life.alive:
            return []  # it died first: the next one owes it
        account, books = self.account, self.books
        orders = [account.orders[each] for each in self._owed_orders]
        fills = [account.fills[each] for each in self._owed_fills]
        ours = books.orders([order.client_id for order in orders])
        missing = dict(order_differences(orders, ours))
        lacking = dict(
            fill_differences(fills, account.orders, books.fills([f.trade_id for f in fills]))
        )
        done = {order.order_id for order in orders if not order.live} - missing.keys()
        self.proved[0] += len(done)
        self.proved[1] += len(self._owed_fills - lacking.keys())
        self._owed_orders -= done
        self._owed_fills &= lacking.keys()
        return [*missing.values(), *lacking.values(), *books.broken(), *books.alarms()]

    def await_cover(self, life: Life, patience: float, *, strict: bool = True) -> float | None:
        """Wait until each position was seen with a working exit; return how long that took, None if it died.

        Args:
            life: the bot.
            patience: seconds that it may take.
            strict: whether the exchange may hold no exit besides, not even for a moment.

        Raises:
            AssertionError: if one was not in time, or if more is offered than is held.
        """
        began = time.monotonic()
        bare = dict.fromkeys(SYMBOLS, "not looked at")
        while bare:
            state = self.state()
            if strict:
                self.check_state(state)
            bare = {s: how for s in bare if (how := exposed(state, s))}
            if not life.alive:
                return None
            waited = time.monotonic() - began
            assert not bare or waited < patience, _told(
                [f"{s}: {h}" for s, h in bare.items()], life
            )
            if bare:
                time.sleep(POLL)
        return time.monotonic() - began

    def state(self) -> Mapping[str, Any]:
        """Ask the exchange how it stands: one answer, so one moment."""
        state: Mapping[str, Any] = self.world.operator.admin("GET", "/state")
        return state

    def check_state(self, state: Mapping[str, Any]) -> None:
        """Check what must hold at any moment: exits are one, and for no more than is held."""
        for symbol in SYMBOLS:
            exits = [o for o in state["orders"] if o["product_id"] == symbol and _sells(o)]
            offered = sum((Decimal(order["leaves_quantity"]) for order in exits), ZERO)
            ids = [order["client_order_id"] for order in exits]
            assert len(exits) <= 1, f"{symbol}: more than one exit works: {ids}"
            position = held(state, symbol)
            assert position >= 0, f"{symbol}: {-position} were sold that nobody bought"
            assert offered <= position, f"{symbol}: {position} is held and {offered} offered: {ids}"

    def at_rest(self) -> None:
        """Compare everything: no bot runs, nothing is open.

        Raises:
            AssertionError: if anything differs.
        """
        self.owe()
        account, books = self.account, self.books
        state = self.state()
        self.check_state(state)
        open_there = [order["client_order_id"] for order in state["orders"]]
        assert not open_there, f"orders are open and nobody runs: {open_there}"
        orders, fills = books.orders(), books.fills()
        found = [how for _, how in order_differences(list(account.orders.values()), orders)]
        found += [
            how for _, how in fill_differences(list(account.fills.values()), account.orders, fills)
        ]
        there = {order.client_id for order in account.orders.values()}
        found += [
            f"order {each.client_id} is {each.state} in the books and the exchange never had it"
            for each in orders.values()
            if each.client_id not in there and each.state != "failed"
        ]
        found += [f"execution {t} was invented" for t in fills.keys() - account.fills.keys()]
        found += [*books.broken(), *books.alarms(), *books.unresolved(), *self._money(state)]
        if (verdict := books.tied_out()) != "clean":
            found.append(f"the tie-out at the stop was {verdict}")
        assert not found, _told(found, None)

    def _money(self, state: Mapping[str, Any]) -> list[str]:
        """Return where executions, positions and balances differ, to the smallest unit."""
        cash, found = Decimal(CASH), []
        positions = self.books.positions()
        for row in self.books.fills().values():
            _, _, _, side, price, size, fee, _, _ = row
            cash += (price * size if side == "SELL" else -price * size) - fee
        usd = Decimal(state["balances"]["USD"]["total"])
        if usd != cash:
            found.append(f"the account holds {usd} USD and the books say {cash}")
        for symbol in SYMBOLS:
            there, here = held(state, symbol), positions.get(symbol, ZERO)
            if there != here:
                found.append(f"{symbol}: the account holds {there} and the books say {here}")
        return found


def held(state: Mapping[str, Any], symbol: str) -> Decimal:
    """Return what we bought and did not sell, by the account's balance."""
    total = Decimal(state["balances"][symbol.partition("-")[0]]["total"])
    return total - Decimal(STOCK)


def exposed(state: Mapping[str, Any], symbol: str) -> str:
    """Return how a position lacks a working exit; empty when it has one, or is dust."""
    position = held(state, symbol)
    exits = [o for o in state["orders"] if o["product_id"] == symbol and _sells(o)]
    offered = sum((Decimal(order["leaves_quantity"]) for order in exits), ZERO)
    bare = position - offered
    price = Decimal(state["market"][symbol].get("bid", ["0"])[0])
    return f"{bare} of {position} has no working exit" if bare * price >= DUST else ""


def _sells(order: Mapping[str, Any]) -> bool:
    return bool(order["order_side"] == "SELL")


def _told(found: list[str], life: Life | None) -> str:
    lines = [*found[:20], *([f"... and {len(found) - 20} more"] if len(found) > 20 else [])]
    return "\n".join([*lines, *([] if life is None else [life.status(), life.tail()])])
