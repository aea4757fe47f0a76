"""A trader that is not woken inside its quiet box decides as one that hears of everything at once.

The slot keeps back what cannot change a decision, and gives it to the trader before whatever comes next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from hypothesis import given, settings

from actors.board import Board
from actors.conflate import MarketSlot
from actors.facts import FactLog
from actors.protocol import FeedMessage, GatewayMessage, MarketMoved
from actors.tapes import Tapes
from actors.trader import TraderActor, TraderLinks
from quietmaker.core.commands import Command
from quietmaker.core.events import (
    DataLost,
    Mode,
    ModeChanged,
    TouchChanged,
    TradePrinted,
    TraderEvent,
)
from quietmaker.core.fees import FeeRates
from quietmaker.core.params import TraderParams
from quietmaker.core.trader import Trader
from quietmaker.core.units import SECOND, Instant, Lots, Ticks
from quietmaker.ledger.memory import MemoryLedger
from tests.actors.fakes import HandClock, Told, around, make_capital, make_metrics
from tests.kit.chaos import CHAOS_PRODUCT, Chaos, Step, What
from tests.kit.makers import START, make_params, make_quote
from tests.properties.strategies import FACTS, MARKET, ORDERS, configurations, fees, steps

FORWARD = tuple(what for what in MARKET if what is not What.LATE)
"""Our clock never runs backwards (`SystemClock`), so no touch is older than the one before it."""
CALM = steps(FORWARD * 3 + (What.EXECUTE,) * 3 + FACTS, longest=160)
WILD = steps(FORWARD * 2 + ORDERS + FACTS, longest=120)


class Slotted(TraderActor):
    """A trader behind a slot that wakes it; the shell's own way of taking the market, nothing sent.

    Attributes:
        said: what the core commanded.
        wakes: how often the slot woke it.
    """

    def __init__(self, params: TraderParams) -> None:
        clock = HandClock()
        gateway: Told[GatewayMessage] = Told()
        feed: Told[FeedMessage] = Told()
        self.slot = MarketSlot(self._wake)
        self.said: list[Command] = []
        self.wakes = 0
        self._woken = False
        super().__init__(
            around("trader", clock),
            core=Trader(CHAOS_PRODUCT, params, id_prefix="qm1"),
            links=TraderLinks(
                tapes=Tapes(),
                capital=make_capital({CHAOS_PRODUCT.symbol: CHAOS_PRODUCT}, clock),
                gateway=gateway,
                feed=feed,
                facts=FactLog(MemoryLedger(), lambda: None),
                slot=self.slot,
                board=Board(),
                metrics=make_metrics(),
                clock=clock,
                mode=lambda now: ModeChanged(now=now, mode=Mode.RUN, reason=""),
            ),
        )

    def _learn_shared(self) -> None:
        """Learn nothing beside the events: here they tell of exposure and funds."""

    def on(self, event: TraderEvent) -> Sequence[Command]:
        """Hear of the market through the slot, and of everything else after it."""
        self.said = []
        if _ends_a_market(event):
            # It voids the touch that nobody has read. That changes no decision, but which touch is written
            # on an exit that is sent while there is no market: read here, so that all is equal.
            self._drain()
        match event:
            case TouchChanged():
                self.slot.put_touch(event)
            case TradePrinted():
                self.slot.put_trade(event.now, event.price)
            case DataLost():
                self.slot.put_lost(event)
            case _:
                self._drain()
                self._do(self.core.on(event))
                self.slot.rest(self.core.quiet())
        if self._woken:
            self._woken = False
            self.receive(MarketMoved())
        return self.said

    def _wake(self) -> bool:
        self.wakes += 1
        self._woken = True
        return True

    def _do(self, commands: Sequence[Command]) -> None:
        self.said.extend(commands)


def _ends_a_market(event: TraderEvent) -> bool:
    match event:
        case DataLost():
            return True
        case TouchChanged():
            return not (event.bid_size and event.ask_size and event.bid < event.ask)
        case _:
            return False


def twins(params: TraderParams) -> list[Trader]:
    bare = Trader(CHAOS_PRODUCT, params, id_prefix="qm1")
    bare.boxed = False
    return [bare, cast("Trader", Slotted(params))]


@settings(max_examples=200)
@given(configurations(), fees(), CALM, configurations())
def test_nothing_is_missed_while_the_exchange_answers_at_once(
    params: TraderParams, rates: FeeRates, events: list[Step], reload: TraderParams
) -> None:
    Chaos(twins(params), fees=rates, prompt=True, reloads=[params, reload]).run(events)


@given(configurations(), fees(), WILD, configurations())
def test_nothing_is_missed_while_answers_are_late(
    params: TraderParams, rates: FeeRates, events: list[Step], reload: TraderParams
) -> None:
    Chaos(twins(params), fees=rates, reloads=[params, reload]).run(events)


def test_most_of_a_calm_market_wakes_nobody() -> None:
    params = make_params(quote=make_quote(refresh_ticks=3, max_age=10_000))
    trader = Slotted(params)
    bare = Trader(CHAOS_PRODUCT, params, id_prefix="qm1")
    chaos = Chaos([bare, cast("Trader", trader)], prompt=True)
    for step in range(300):
        chaos.tell(
            TouchChanged(
                now=Instant(START + SECOND + step),
                bid=Ticks(1_000 + step % 3 - 1),
                bid_size=Lots(1),
                ask=Ticks(1_200 + step % 3 - 1),
                ask_size=Lots(1),
            )
        )
    assert trader.wakes < 20
