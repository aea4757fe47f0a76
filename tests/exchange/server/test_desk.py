"""The desk: requests meet the floor in order of time, whoever is late."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from quietmaker.core.market import CandleBar, MarketEvent
from quietmaker.core.units import MILLISECOND, SECOND, Nanos, Side
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.server.desk import BATCH, Desk
from quietmaker.exchange.server.monitor import Tally
from quietmaker.exchange.server.records import Draft, Kind, OrderRecord, OrderStatus, Records
from quietmaker.exchange.testing import ManualClock
from quietmaker.exchange.venue import Venue
from tests.exchange.rigs import NOW
from tests.exchange.sources import ListSource, touch, trade
from tests.exchange.support import PRODUCT, buy, latency, make_core

QUIET = (touch(0, 99, 1, 100, 1), touch(600, 99, 1, 100, 1))
"""A market in which nothing happens for ten minutes."""


@dataclass
class Ears:
    """Hears what happens."""

    orders: list[tuple[OrderStatus, str]] = field(default_factory=list)

    def market(self, event: MarketEvent, venue: Venue) -> None:
        """Hear nothing of the market."""

    def candle(self, bar: CandleBar) -> None:
        """Hear nothing of candles."""

    def order(self, record: OrderRecord) -> None:
        """Note the state of an order."""
        self.orders.append((record.status, str(record.filled)))


@dataclass
class Rig:
    """A desk on a clock that is moved by hand."""

    tape: Sequence[MarketEvent]
    timing: Latency
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    ears: Ears = field(default_factory=Ears)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        """Open the desk."""
        self.desk = Desk(
            source=ListSource(self.tape),
            core=make_core(model="touch", latency=self.timing),
            clock=self.clock,
            latency=self.timing,
            speed=Decimal(1),
            loop=False,
            records=Records(session="test"),
            audience=self.ears,
            monitor=self.tally,
        )
        self.desk.floor.begin()

    async def after(self, span: int) -> None:
        """Let time pass, and happen what is due then."""
        self.clock.advance(span)
        await self.desk.settle()
        await asyncio.sleep(0)


def draft(client_id: str, price: int = 99, size: int = 5) -> Draft:
    """Return a post-only buy as a client sent it."""
    return Draft(
        intent=buy(client_id, price, size),
        product=PRODUCT,
        kind=Kind.LIMIT,
        configuration={"limit_limit_gtc": {}},
        quote_size=None,
    )


def test_an_order_takes_its_latency_there_and_back() -> None:
    async def story() -> None:
        rig = Rig(QUIET, latency(entry=5, response=7))
        await rig.desk.settle()
        answer = asyncio.create_task(rig.desk.submit(draft("a")))
        await asyncio.sleep(0)
        await rig.after(11)
        assert not answer.done()
        await rig.after(1)
        record = await answer
        assert isinstance(record, OrderRecord)
        assert record.status is OrderStatus.OPEN
        assert rig.ears.orders == [(OrderStatus.OPEN, "0")]

    asyncio.run(story())


def test_two_requests_with_one_client_id_at_once_are_one_order() -> None:
    async def story() -> None:
        rig = Rig(QUIET, latency(entry=5))
        await rig.desk.settle()
        answers = [asyncio.create_task(rig.desk.submit(draft("a", size=size))) for size in (5, 9)]
        await asyncio.sleep(0)
        await rig.after(5)
        first, second = [await answer for answer in answers]
        assert first is second
        assert isinstance(first, OrderRecord)
        assert first.size == Decimal("0.5")

    asyncio.run(story())


def test_the_last_fill_and_the_end_are_one_message() -> None:
    async def story() -> None:
        fills = [trade(1, 99, 2, Side.SELL), trade(2, 99, 3, Side.SELL)]
        rig = Rig([QUIET[0], *fills, QUIET[1]], latency())
        await rig.desk.settle()
        answer = asyncio.create_task(rig.desk.submit(draft("a")))
        await asyncio.sleep(0)
        await rig.after(0)
        await answer
        await rig.after(3 * SECOND)
        assert rig.ears.orders == [
            (OrderStatus.OPEN, "0"),
            (OrderStatus.OPEN, "0.2"),
            (OrderStatus.FILLED, "0.5"),
        ]

    asyncio.run(story())


def test_an_edit_arrives_after_its_latency_and_behind_what_happened_before() -> None:
    async def story() -> None:
        busy = [touch(1 + n / 10_000, 99, 1 + n % 3, 100, 1) for n in range(5 * BATCH)]
        fill = trade(1.5, 99, 2, Side.SELL)
        rig = Rig([touch(0, 99, 1, 100, 1), *busy, fill], latency(entry=MILLISECOND))
        await rig.desk.settle()
        answer = asyncio.create_task(rig.desk.submit(draft("a")))
        await asyncio.sleep(0)
        await rig.after(MILLISECOND)
        record = await answer
        assert isinstance(record, OrderRecord)
        rig.clock.advance(2 * SECOND)  # nobody came by meanwhile: five batches and a fill are due
        editing = asyncio.create_task(rig.desk.edit(record, 98, 2))
        await asyncio.sleep(0)
        rig.clock.advance(Nanos(MILLISECOND))
        assert await editing == "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
        assert record.filled == Decimal("0.2")

    asyncio.run(story())


def test_a_market_that_is_late_is_told_once_and_so_is_its_recovery() -> None:
    async def story() -> None:
        tape = [touch(n / 1000, 99, 1 + n % 3, 100, 1) for n in range(10 * BATCH)]
        rig = Rig(tape, latency())
        pump = asyncio.create_task(rig.desk.run())
        rig.clock.advance(60 * SECOND)
        while ("log", "market_in_time") not in rig.tally.counts:
            await asyncio.sleep(0)
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)
        assert rig.tally.counts["log", "market_late"] == 1
        assert rig.tally.counts["log", "market_in_time"] == 1

    asyncio.run(story())
