"""Courses of events for properties: a market, and what we do in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import strategies as st

from quietmaker.core.orders import Intent, TimeInForce
from quietmaker.core.units import (
    MILLISECOND,
    Side,
)
from tests.exchange.support import Desk, intent, latency

MODELS = ["touch", "queue", "probabilistic"]


@dataclass(frozen=True)
class Touch:
    """The touch is now this."""

    wait: int
    bid: int
    bid_size: int
    spread: int
    ask_size: int


@dataclass(frozen=True)
class Trade:
    """A trade printed this far from the bid."""

    wait: int
    offset: int
    size: int
    aggressor: Side


@dataclass(frozen=True)
class Place:
    """We send an order."""

    wait: int
    name: int
    side: Side
    price: int
    size: int
    kind: TimeInForce
    post_only: bool


@dataclass(frozen=True)
class Cancel:
    """We cancel an order."""

    wait: int
    name: int


Step: TypeAlias = Touch | Trade | Place | Cancel

waits = st.sampled_from([0, 1, 50 * MILLISECOND, 600 * MILLISECOND])
sides = st.sampled_from(Side)
prices = st.integers(90, 110)
touches = st.builds(
    Touch,
    wait=waits,
    bid=st.integers(94, 106),
    bid_size=st.integers(0, 60),
    spread=st.integers(1, 4),
    ask_size=st.integers(0, 60),
)
trades = st.builds(
    Trade, wait=waits, offset=st.integers(-3, 4), size=st.integers(1, 80), aggressor=sides
)
places = st.builds(
    Place,
    wait=waits,
    name=st.integers(0, 30),
    side=sides,
    price=prices,
    size=st.integers(1, 120),
    kind=st.sampled_from(TimeInForce),
    post_only=st.booleans(),
)
cancels = st.builds(Cancel, wait=waits, name=st.integers(0, 30))
tapes = st.lists(touches | trades, max_size=40)
courses = st.lists(touches | trades | places | cancels, max_size=60)
few_sizes = st.sampled_from([0, 20, 50])
narrow = st.lists(
    st.builds(
        Touch,
        wait=waits,
        bid=st.integers(98, 99),
        bid_size=few_sizes,
        spread=st.just(1),
        ask_size=few_sizes,
    )
    | st.builds(
        Trade, wait=waits, offset=st.integers(0, 1), size=st.sampled_from([5, 20]), aggressor=sides
    )
    | st.builds(
        Place,
        wait=waits,
        name=st.integers(0, 5),
        side=sides,
        price=st.integers(98, 100),
        size=st.just(10),
        kind=st.just(TimeInForce.GTC),
        post_only=st.just(True),
    ),
    min_size=6,
    max_size=30,
)
"""Courses in which the same few touches come back again and again while our orders wait at them."""
rates = st.integers(0, 12_000_000)
latencies = st.builds(
    latency,
    entry=st.sampled_from([0, 1, 80 * MILLISECOND]),
    cancel=st.sampled_from([0, 1, 80 * MILLISECOND]),
    response=st.sampled_from([0, 30 * MILLISECOND]),
    jitter=st.sampled_from([0, 20 * MILLISECOND]),
)


def play(d: Desk, course: list[Step], *, deep: bool = False) -> None:
    """Run a course of events, then let everything arrive."""
    at, bid = 0, 99
    show(d, 0, Touch(wait=0, bid=99, bid_size=50, spread=1, ask_size=50), deep=deep)
    for step in course:
        at += step.wait
        match step:
            case Touch():
                bid = step.bid
                show(d, at, step, deep=deep)
            case Trade():
                d.trade(at, bid + step.offset, step.size, step.aggressor)
            case Place():
                d.run(at)
                d.core.submit(at, order_of(step, at))
            case Cancel():
                d.run(at)
                d.core.cancel(at, f"o{step.name}")
    d.run(at + 10**12)


def show(d: Desk, at: int, step: Touch, *, deep: bool) -> None:
    """Show a touch, or a book around it."""
    ask = step.bid + step.spread
    if not deep:
        d.touch(at, step.bid, step.bid_size, ask, step.ask_size)
        return
    d.book(
        at,
        {step.bid - n: step.bid_size + n for n in range(6) if step.bid_size + n},
        {ask + n: step.ask_size + n for n in range(6) if step.ask_size + n},
    )


def order_of(step: Place, at: int) -> Intent:
    """Return the order of a step."""
    return intent(
        f"o{step.name}",
        step.side,
        step.price,
        step.size,
        post_only=step.post_only and step.kind is not TimeInForce.IOC,
        time_in_force=step.kind,
        expire_at=at + 300 * MILLISECOND if step.kind is TimeInForce.GTD else None,
    )
