"""What must hold after every event, whatever the story: the desk asks it each time."""

from __future__ import annotations

from collections.abc import Sequence

from quietmaker.core.commands import (
    Alert,
    CancelOrder,
    Command,
    DustLeft,
    HoldChanged,
    RefreshBook,
    RoundTrip,
    SubmitOrder,
)
from quietmaker.core.exit_desk import Owner
from quietmaker.core.orders import ExitReason, Intent, OrderState, Purpose, TimeInForce, Working
from quietmaker.core.trader import Trader
from quietmaker.core.units import Side

UNSTOPPABLE = frozenset({OrderState.PENDING, OrderState.CANCEL_PENDING, OrderState.UNKNOWN})
"""States in which nothing better can be done than to await the exchange's word."""


class Watch:
    """Checks one trader's commands and orders against the guarantees.

    Attributes:
        ids: client ids that were ever sent.
    """

    def __init__(self, trader: Trader) -> None:
        """Watch a trader from its start."""
        self.trader = trader
        self.ids: set[str] = set()

    def see(self, commands: Sequence[Command]) -> None:
        """Check what one event led to."""
        for command in commands:
            match command:
                case SubmitOrder(intent=intent):
                    self._sent(intent)
                case CancelOrder(client_id=client_id):
                    assert client_id in self.trader.state.orders
                case RefreshBook() | HoldChanged() | RoundTrip() | DustLeft() | Alert():
                    pass
        self._owners()
        self._exits()

    def _sent(self, intent: Intent) -> None:
        state = self.trader.state
        product = state.product
        assert intent.client_id not in self.ids, "a client id was used twice"
        self.ids.add(intent.client_id)
        assert intent.symbol == product.symbol
        assert intent.price >= 1
        assert product.least_lots(intent.price) <= intent.size <= product.max_lots
        assert intent.strategy_tag
        assert intent.passive_order_id
        assert (intent.bid, intent.ask) == (state.bid, state.ask)
        if intent.purpose is Purpose.ENTRY:
            self._entry(intent)
        else:
            self._exit(intent)
        self._apart(intent)

    def _entry(self, intent: Intent) -> None:
        assert intent.post_only
        assert intent.exit_reason is None
        assert intent.passive_order_id == intent.client_id
        assert 0 < intent.bid < intent.ask
        if intent.side is Side.BUY:
            assert intent.price < intent.ask, "a bid that crosses"
        else:
            assert intent.price > intent.bid, "an ask that crosses"

    def _exit(self, intent: Intent) -> None:
        state = self.trader.state
        entry = state.position.entry
        assert entry is not None
        assert intent.side is entry.opposite
        assert intent.exit_reason is not None
        assert intent.size <= state.position.lots, "an exit greater than the position"
        assert intent.post_only is (intent.time_in_force is not TimeInForce.IOC)
        if intent.post_only and state.stale is None and state.seen:
            crosses = (
                intent.price <= state.bid if intent.side is Side.SELL else intent.price >= state.ask
            )
            assert not crosses, "a post-only exit that crosses"

    def _apart(self, intent: Intent) -> None:
        """Refuse an entry that would trade with one of ours; exits go first, so entries yield.

        An order of ours that the market has reached is as good as filled: the fill is on its way.
        """
        state = self.trader.state
        if intent.purpose is not Purpose.ENTRY:
            return
        for other in state.orders.values():
            if other.intent.side is intent.side or not other.leaves:
                continue
            price = other.intent.price
            reached = price <= state.bid if other.intent.side is Side.SELL else price >= state.ask
            apart = (price - intent.price) * intent.side.sign > 0
            assert reached or apart, f"{intent.client_id} would trade with our own order"

    def _owners(self) -> None:
        trader = self.trader
        owners = trader.exits.ownership()
        assert sum(each.lots for each in owners) == trader.state.position.lots
        if ExitReason.BREAK_EVEN_PLUS.value not in trader.state.params.without:
            assert all(each.owner is not Owner.NOBODY for each in owners), (
                "nobody owns the position"
            )

    def _exits(self) -> None:
        state = self.trader.state
        # Orders of an earlier run are cancelled as they are found, not prevented.
        live = [each for each in live_exits(self.trader) if each.intent.client_id in self.ids]
        assert len(live) <= 1, "two exit orders at once"
        for order in live:
            covered = state.position.entry is order.intent.side.opposite
            held = state.position.lots if covered else 0
            taking = order.intent.time_in_force is TimeInForce.IOC  # it ends by itself, at once
            waiting = taking or order.state in UNSTOPPABLE
            assert order.leaves <= held or waiting, "an exit beyond the position"


def live_exits(trader: Trader) -> list[Working]:
    """Return the exit orders that may still execute."""
    return [
        order
        for order in trader.state.orders.values()
        if order.intent.purpose is Purpose.EXIT and order.leaves > 0
    ]
