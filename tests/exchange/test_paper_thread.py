"""The paper exchange in real time, on a thread of its own."""

from __future__ import annotations

import threading
import time
from decimal import Decimal

import pytest

from quietmaker.core.market import BookSnapshot, MarketEvent
from quietmaker.core.orders import Move
from quietmaker.core.units import MILLISECOND, SECOND, Instant, Nanos, Side
from quietmaker.exchange.latency import Latency
from quietmaker.exchange.models import FILL_MODELS
from quietmaker.exchange.pacing import ThreadPacer
from quietmaker.exchange.paper import PaperExchange
from quietmaker.ports import Accepted, UserEvent, UserOrder
from tests.exchange.sources import ListSource, touch, trade
from tests.exchange.support import BALANCES, FEES, buy, latency

SELL = Side.SELL


class WallClock:
    """The real time."""

    def now(self) -> Instant:
        """Return the time of day."""
        return Instant(time.time_ns())

    def monotonic(self) -> Nanos:
        """Return the time since some start."""
        return Nanos(time.monotonic_ns())


def threaded(tape: list[MarketEvent], *, timing: Latency, speed: int = 1) -> PaperExchange:
    """Return a paper exchange with a thread of its own, in real time."""
    return PaperExchange(
        source=ListSource(tape),
        clock=WallClock(),
        fees=FEES,
        balances=BALANCES,
        model=FILL_MODELS["touch"],
        latency=timing,
        seed=1,
        speed=Decimal(speed),
        warmup=Nanos(0),
        loop=False,
    )


def test_the_thread_delivers_orders_and_market_and_stops_cleanly() -> None:
    tape: list[MarketEvent] = [touch(0, 99, 5, 100, 5)]
    tape += [trade(n / 100, 99, 1, SELL) for n in range(1, 3000)]
    exchange = threaded(tape, timing=latency(entry=MILLISECOND, response=MILLISECOND))
    ready, filled = threading.Event(), threading.Event()
    threads: set[str] = set()

    def market(event: MarketEvent) -> None:
        threads.add(threading.current_thread().name)
        if isinstance(event, BookSnapshot):
            ready.set()

    def user(event: UserEvent) -> None:
        threads.add(threading.current_thread().name)
        if isinstance(event, UserOrder) and event.move is Move.FILLED:
            filled.set()

    exchange.user_stream.start(user)
    exchange.market_stream.start(market)
    assert ready.wait(10)
    assert isinstance(exchange.submit(buy("a", 99, 3)), Accepted)
    assert filled.wait(10)
    assert [exchange.market_stream.alive, exchange.user_stream.alive] == [True, True]
    exchange.close()
    assert [exchange.market_stream.alive] == [False]
    assert threads == {"paper-exchange"}
    assert "paper-exchange" not in {thread.name for thread in threading.enumerate()}


def test_many_threads_may_trade_at_once() -> None:
    tape: list[MarketEvent] = [touch(n / 1000, 99, 5, 100, 5 + n % 2) for n in range(20_000)]
    exchange = threaded(tape, timing=latency(entry=MILLISECOND, jitter=MILLISECOND))
    heard: list[UserEvent] = []
    ready = threading.Event()
    exchange.user_stream.start(heard.append)
    exchange.market_stream.start(lambda _: ready.set())
    assert ready.wait(10)

    def work(name: str) -> None:
        for n in range(10):
            exchange.submit(buy(f"{name}{n}", 90, 5))
            exchange.balances()
        exchange.cancel([f"{name}{n}" for n in range(10)])

    workers = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert exchange.open_orders() == ()
    assert exchange.balances()["USD"].available == 1000
    exchange.close()


def test_a_pacer_starts_once() -> None:
    pacer = ThreadPacer(name="once")
    pacer.close()
    with pytest.raises(RuntimeError, match="build a new exchange"):
        pacer.start(lambda: Nanos(SECOND))
