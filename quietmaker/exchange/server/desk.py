"""The desk between the event loop and the floor: requests go in, answers and news come out.

One event loop, no lock, no thread. The pump drives the floor; every request brings it up to date
first, so that a market that runs late never answers for an earlier time. What the floor says changes
the records before anybody hears of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Final, Protocol, TypeAlias, TypeVar, assert_never

from quietmaker.core.market import CandleBar, MarketEvent
from quietmaker.core.orders import Intent, Move, OrderState
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.exchange.answers import CancelAnswer, Result, SubmitAnswer
from quietmaker.exchange.floor import Floor
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.market_orders import MarketOrder
from quietmaker.exchange.matching import MatchingCore
from quietmaker.exchange.server.monitor import Monitor
from quietmaker.exchange.server.records import Draft, Kind, OrderRecord, OrderStatus, Records
from quietmaker.exchange.venue import Venue
from quietmaker.ports import Clock, MarketSource, Rejected, UserFill, UserOrder

BATCH: Final = 250
"""Market events taken before sockets get their turn: a few milliseconds."""
LONGEST_NAP: Final = 1.0
LATE: Final = 2.0
"""Seconds of delay of the market that are worth a word."""


class Audience(Protocol):
    """Who hears what happens, inside the call that made it happen: the sockets."""

    def market(self, event: MarketEvent, venue: Venue) -> None:
        """Hear of a market event that the venue has just taken."""

    def candle(self, bar: CandleBar) -> None:
        """Hear of a five-minute bucket that closed."""

    def order(self, record: OrderRecord) -> None:
        """Hear of an order that changed."""


class Interference(Protocol):
    """What goes wrong with orders on purpose."""

    def death(self, record: OrderRecord) -> tuple[OrderStatus, str] | None:
        """Return how an order ends right after its acceptance, and why, or None."""

    def fill_delay(self, record: OrderRecord) -> Nanos:
        """Return how long after it happened an execution is listed."""

    def unsettled(self, record: OrderRecord) -> Decimal:
        """Return what a filled order still shows as held at first; zero for nothing."""


class Peace:
    """Nothing goes wrong. Implements `Interference`."""

    def death(self, record: OrderRecord) -> tuple[OrderStatus, str] | None:
        """Let every order live."""
        del record
        return None

    def fill_delay(self, record: OrderRecord) -> Nanos:
        """List executions at once."""
        del record
        return Nanos(0)

    def unsettled(self, record: OrderRecord) -> Decimal:
        """Hold nothing."""
        del record
        return Decimal(0)


_DEATHS: Final = {
    OrderStatus.CANCELLED: (OrderState.CANCELLED, Move.CANCELLED),
    OrderStatus.EXPIRED: (OrderState.EXPIRED, Move.EXPIRED),
    OrderStatus.FAILED: (OrderState.FAILED, Move.FAILED),
}

_T = TypeVar("_T")
SubmitResult: TypeAlias = OrderRecord | Rejected


class Desk:
    """The exchange's orders, asynchronously.

    Attributes:
        floor: the market and the matching; bring it up to date with `now` before asking it.
        records: what the wire may ask for.
        interference: what goes wrong with orders on purpose; may be replaced at any time.
    """

    def __init__(
        self,
        *,
        source: MarketSource,
        core: MatchingCore,
        clock: Clock,
        latency: Latency,
        speed: Decimal,
        loop: bool,
        records: Records,
        audience: Audience,
        monitor: Monitor,
    ) -> None:
        """Open the desk; nothing moves before `run`.

        Args:
            source: the market that is played.
            core: what matches, with the account.
            clock: the time of day.
            latency: that of the core; edits take as long as orders.
            speed: seconds of the source in each second of the clock.
            loop: whether the source starts again when it ends.
            records: what the wire may ask for; empty.
            audience: hears what happens.
            monitor: hears when the market is late.
        """
        self.records = records
        self.interference: Interference = Peace()
        self.floor = Floor(
            source=source,
            core=core,
            clock=clock,
            speed=speed,
            loop=loop,
            listener=self,
            batch=BATCH,
        )
        self._clock = clock
        self._latency = latency
        self._audience = audience
        self._drafts: dict[int, Draft] = {}
        self._submits: dict[int, asyncio.Future[SubmitResult]] = {}
        self._cancels: dict[int, asyncio.Future[str | None]] = {}
        self._nap: asyncio.Future[None] | None = None
        self._monitor = monitor
        self._late = False

    # --- the pump -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the market, until cancelled."""
        loop = asyncio.get_running_loop()
        self.floor.begin()
        while True:
            now = self.floor.catch_up()
            pause = (self.floor.next_due - now) / SECOND
            self._note_lateness(-pause)
            if pause <= 0:
                await asyncio.sleep(0)
                continue
            self._nap = loop.create_future()
            timer = loop.call_later(min(pause, LONGEST_NAP), self.wake)
            try:
                await self._nap
            finally:
                timer.cancel()

    def _note_lateness(self, seconds: float) -> None:
        """Say so when the market is told faster than this machine can play it, and when it caught up."""
        if seconds > LATE and not self._late:
            self._late = True
            self._monitor.log(
                "market_late",
                f"the market is {seconds:.1f} s late, and answers to orders with it; lower paper.speed",
            )
        elif self._late and seconds < LATE / 10:
            self._late = False
            self._monitor.log("market_in_time", "the market has caught up")

    def wake(self) -> None:
        """Let the pump look again: something is due earlier than it knew."""
        if self._nap is not None and not self._nap.done():
            self._nap.set_result(None)

    def now(self) -> Instant:
        """Bring the floor up to date and return the time."""
        return self.floor.catch_up()

    def happen(self, event: MarketEvent) -> None:
        """Let something happen in the market now that the source does not tell."""
        self.now()
        self.floor.happen(replace(event, at=self.floor.reached))
        self.wake()

    async def settle(self) -> None:
        """Return once everything that is due by now has happened."""
        while self.floor.next_due <= self.floor.catch_up():
            await asyncio.sleep(0)
        self.wake()

    # --- requests -------------------------------------------------------------------------------

    async def submit(self, draft: Draft) -> SubmitResult:
        """Send an order. Return its record once the exchange took it, or the refusal.

        A repeated client id returns the record of the first order.
        """
        order: Intent | MarketOrder = draft.intent
        if draft.kind is Kind.MARKET:
            order = MarketOrder(intent=draft.intent, quote=draft.quote_size)
        ticket = self.floor.submit(order)
        self._drafts[ticket] = draft
        answer: asyncio.Future[SubmitResult] = asyncio.get_running_loop().create_future()
        self._submits[ticket] = answer
        self.wake()
        return await answer

    async def cancel(self, record: OrderRecord) -> str | None:
        """Ask for cancellation. Return why it is refused, or None."""
        ticket = self.floor.cancel(record.client_id)
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._cancels[ticket] = answer
        self.wake()
        return await answer

    async def edit(self, record: OrderRecord, price: int, size: int) -> str | None:
        """Change an order. Return why that is refused, or None.

        Args:
            record: the order.
            price: its new limit, in ticks.
            size: its new total size, in lots.
        """
        now = Instant(self._clock.now() + self._latency.entry)
        await self._until(now)
        refusal = self.floor.core.amend(now, record.client_id, price, size)
        if refusal is None:
            self.records.edit(record, now)
        self.wake()
        await self._until(now + self._latency.response)
        return refusal

    async def _until(self, due: int) -> None:
        """Return once a time has come and everything before it has happened."""
        while (left := due - self.now()) > 0 or self.floor.next_due <= due:
            await asyncio.sleep(max(left, 0) / SECOND)

    # --- FloorListener --------------------------------------------------------------------------

    def on_market(self, event: MarketEvent, venue: Venue) -> None:
        """Pass a market event on."""
        self._audience.market(event, venue)

    def on_candle(self, bar: CandleBar) -> None:
        """Pass a closed bucket on."""
        self._audience.candle(bar)

    def on_result(self, result: Result) -> None:
        """Bring the records up to date, then tell."""
        match result:
            case SubmitAnswer():
                self._on_answer(result)
            case CancelAnswer():
                self._on_cancel(result)
            case UserOrder():
                self._on_order(result)
            case UserFill():
                self._on_fill(result)
            case _:
                assert_never(result)

    def _on_answer(self, answer: SubmitAnswer) -> None:
        outcome = answer.outcome
        result: SubmitResult = (
            outcome if isinstance(outcome, Rejected) else self._record(answer.client_id)
        )
        self._drafts.pop(answer.ticket)
        self._resolve(self._submits, answer.ticket, result)

    def _on_cancel(self, answer: CancelAnswer) -> None:
        record = self.records.by_client(answer.outcome.client_id)
        if record is not None and answer.outcome.reason is None and not record.ended:
            record.status = OrderStatus.CANCEL_QUEUED
            self._audience.order(record)
        self._resolve(self._cancels, answer.ticket, answer.outcome.reason)

    def _on_order(self, told: UserOrder) -> None:
        record = self._record(told.client_id)
        if record.ended:
            return
        if told.move is not Move.ACCEPTED:
            self.records.end(record, told.move, told.reason)
            record.unsettled = self.interference.unsettled(record)
            self._audience.order(record)
            if record.unsettled:
                record.unsettled = Decimal(0)
                self._audience.order(record)
            return
        first = record.status is OrderStatus.PENDING
        record.status = OrderStatus.OPEN
        self._audience.order(record)
        death = self.interference.death(record) if first else None
        if death is not None:
            status, reason = death
            state, move = _DEATHS[status]
            self.floor.core.end(told.at, record.client_id, state, move, reason)

    def _on_fill(self, told: UserFill) -> None:
        record = self._record(told.fill.client_id)
        delay = self.interference.fill_delay(record)
        self.records.fill(record, told, delay=delay)
        if record.leaves:
            self._audience.order(record)
        # Otherwise the end follows at once, and one message tells both.

    def _record(self, client_id: str) -> OrderRecord:
        """Return the record of an order that the core took, opened if this is the first to hear of it."""
        record = self.records.by_client(client_id)
        order = self.floor.core.order(client_id)
        if record is not None and (order is None or record.order is order):
            return record
        assert order is not None
        draft = next(d for d in self._drafts.values() if d.intent.client_id == client_id)
        return self.records.open(draft, order, self._clock.now())

    @staticmethod
    def _resolve(waiting: dict[int, asyncio.Future[_T]], ticket: int, result: _T) -> None:
        future = waiting.pop(ticket)
        if not future.done():
            future.set_result(result)
