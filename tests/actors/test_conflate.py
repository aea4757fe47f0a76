"""Conflation: one message outstanding, the newest touch, and no trade's price lost from the range."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.conflate import MarketSlot
from actors.facts import FactLog
from actors.protocol import MarketMoved
from quietmaker.core.candles import BUCKET, Candles
from quietmaker.core.events import DataLost, TouchChanged
from quietmaker.core.market import StaleReason
from quietmaker.core.units import Instant, Lots, Ticks
from quietmaker.ledger.memory import MemoryLedger
from quietmaker.ports import OrderFact
from tests.kit.makers import START, candles


class Waker:
    def __init__(self, *, there: bool = True) -> None:
        self.count = 0
        self.there = there

    def __call__(self) -> bool:
        self.count += self.there
        return self.there


def touch(now: int, bid: int = 100) -> TouchChanged:
    return TouchChanged(
        now=Instant(now), bid=Ticks(bid), bid_size=Lots(1), ask=Ticks(bid + 1), ask_size=Lots(1)
    )


def nobody(message: MarketMoved) -> bool:
    """Take no message in the sender's thread."""
    del message
    return False


QUIET = (95, 105, 96, 106, START, START + 1_000)


def resting() -> tuple[MarketSlot, Waker]:
    """Return a slot whose trader rests."""
    waker = Waker()
    slot = MarketSlot(waker)
    slot.put_touch(touch(START))
    slot.drain()
    slot.rest(QUIET)
    return slot, waker


def test_many_touches_wake_once_and_leave_the_newest() -> None:
    waker = Waker()
    slot = MarketSlot(waker)
    for number in range(1_000):
        slot.put_touch(touch(START + number))
    assert waker.count == 1
    assert slot.drain().touch == touch(START + 999)
    assert slot.overwritten == 999
    slot.put_touch(touch(START + 1_000))
    assert waker.count == 2


def test_a_loss_voids_the_touch_before_it_and_comes_before_the_touch_after_it() -> None:
    slot = MarketSlot(Waker())
    lost = DataLost(now=START, reason=StaleReason.GAP)
    slot.put_touch(touch(START))
    slot.put_lost(lost)
    news = slot.drain()
    assert (news.lost, news.touch) == (lost, None)
    slot.put_lost(lost)
    slot.put_touch(touch(START + 1))
    news = slot.drain()
    assert (news.lost, news.touch) == (lost, touch(START + 1))


def test_a_wake_that_reached_nobody_is_tried_again() -> None:
    waker = Waker(there=False)
    slot = MarketSlot(waker)
    slot.put_touch(touch(START))
    waker.there = True
    slot.put_touch(touch(START + 1))
    assert waker.count == 1


def test_a_new_trader_is_shown_what_stands() -> None:
    slot = MarketSlot(Waker())
    slot.put_touch(touch(START))
    slot.drain()
    slot.attach(nobody)
    assert slot.drain().touch == touch(START)
    lost = DataLost(now=START, reason=StaleReason.SILENT)
    slot.put_lost(lost)
    slot.drain()
    slot.attach(nobody)
    assert (slot.drain().lost, slot.standing()) == (lost, lost)


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * BUCKET), st.integers(1, 10_000), st.booleans()), max_size=60
    )
)
def test_the_range_of_the_candles_is_the_same_with_and_without_conflation(
    trades: list[tuple[int, int, bool]],
) -> None:
    slot, direct, conflated = MarketSlot(Waker()), Candles(), Candles()
    trades = sorted(trades)
    for after, price, drain in trades:
        at = Instant(START + after)
        direct.on_trade(at, Ticks(price))
        slot.put_trade(at, Ticks(price))
        if drain:
            for mark, marked in slot.drain().trades:
                conflated.on_trade(mark, marked)
    for mark, marked in slot.drain().trades:
        conflated.on_trade(mark, marked)
    for bucket in range(4, 8):
        later = Instant(START + bucket * BUCKET)
        assert conflated.window(later) == direct.window(later)


def test_a_restated_candle_replaces_the_one_that_nobody_read() -> None:
    slot = MarketSlot(Waker())
    for low in (5, 4):
        for bar in candles(START, low=low, high=9):
            slot.put_candle(bar)
    assert [bar.low for bar in slot.drain().candles] == [4] * 5


def test_a_reader_in_another_thread_never_sees_time_run_backwards() -> None:
    waker, wakes = Waker(), threading.Semaphore(0)

    def wake() -> bool:
        wakes.release()
        return waker()

    slot, last, seen = MarketSlot(wake), 20_000, [0]

    def write() -> None:
        for number in range(last):
            slot.put_touch(touch(number + 1))

    writer = threading.Thread(target=write)
    writer.start()
    while seen[-1] != last:
        assert wakes.acquire(timeout=5)
        news = slot.drain()
        if news.touch is not None:
            seen.append(news.touch.now)
    writer.join()
    assert seen == sorted(seen)
    assert waker.count <= len(seen) + 1


# --- the queue that never conflates -----------------------------------------------------------------


def fact(number: int) -> OrderFact:
    return OrderFact(
        at=Instant(number),
        client_id=f"c{number}",
        symbol="X-USD",
        what="sent",
        order_id=None,
        reason="",
        cancel_reason=None,
    )


def test_facts_are_recorded_in_order_and_the_writer_is_woken_once_until_it_looks() -> None:
    wakes: list[int] = []
    ledger = MemoryLedger()
    facts = FactLog(ledger, lambda: wakes.append(1))
    assert facts.put(fact(1), fact(2)) == 2
    assert facts.put(fact(3)) == 3
    assert facts.put() == 3  # nothing new has the number of the last
    assert wakes == [1]
    facts.seen()
    facts.put(fact(4))
    assert wakes == [1, 1]
    assert ledger.waiting == [fact(1), fact(2), fact(3), fact(4)]


def test_facts_of_many_threads_are_all_numbered_once() -> None:
    ledger = MemoryLedger()
    facts = FactLog(ledger, lambda: None)
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda: numbers.extend(facts.put(fact(1)) for _ in range(500)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 2_001))
    assert len(ledger.waiting) == 2_000


def test_a_touch_inside_the_quiet_box_wakes_nobody_and_is_taken_with_what_comes_next() -> None:
    slot, waker = resting()
    slot.put_touch(touch(START + 1, 95))
    slot.put_touch(touch(START + 999, 105))
    slot.put_trade(Instant(START + 999), Ticks(77))
    assert (waker.count, slot.overwritten) == (1, 0)
    news = slot.drain()
    assert (news.touch, news.trades) == (touch(START + 999, 105), ((START + 999, 77),))


@pytest.mark.parametrize(
    "put",
    [
        lambda slot: slot.put_touch(touch(START + 1, 94)),
        lambda slot: slot.put_touch(touch(START + 1, 106)),
        lambda slot: slot.put_touch(touch(START - 1)),
        lambda slot: slot.put_touch(touch(START + 1_000)),
        lambda slot: slot.put_touch(replace(touch(START + 1), bid_size=Lots(0))),
        lambda slot: slot.put_touch(replace(touch(START + 1), ask_size=Lots(0))),
        lambda slot: slot.put_trade(Instant(START + 1_000), Ticks(100)),
        lambda slot: slot.put_lost(DataLost(now=START, reason=StaleReason.GAP)),
        lambda slot: slot.put_candle(candles(START, low=1, high=2)[0]),
    ],
    ids=["bid_below", "bid_above", "earlier", "due", "no_bid", "no_ask", "trade", "lost", "candle"],
)
def test_whatever_may_change_a_decision_wakes_the_trader(put: Callable[[MarketSlot], None]) -> None:
    slot, waker = resting()
    put(slot)
    assert waker.count == 2


def test_a_box_holds_only_until_its_trader_handles_something() -> None:
    slot, waker = resting()
    slot.drain()
    slot.put_touch(touch(START + 1))
    assert waker.count == 2
    slot.rest(QUIET)  # too late: that touch is not taken yet, and the one message is under way
    slot.put_touch(touch(START + 2, 300))
    assert waker.count == 2
    assert slot.drain().touch == touch(START + 2, 300)


def test_a_new_life_of_a_trader_has_no_box_yet() -> None:
    slot, waker = resting()
    slot.attach(nobody)
    slot.put_touch(touch(START + 1))
    assert waker.count == 2


def test_a_trader_that_rests_takes_news_in_the_streams_thread_and_is_not_woken() -> None:
    waker, taken = Waker(), []

    def express(message: MarketMoved) -> bool:
        taken.append((message, slot.drain().touch))
        return True

    slot = MarketSlot(waker)
    slot.attach(express)
    for number in range(3):
        slot.put_touch(touch(START + number))
    assert [seen for _, seen in taken] == [touch(START + number) for number in range(3)]
    assert waker.count == 0
