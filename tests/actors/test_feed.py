"""The feed: what breaks a book is told to the trader first, then healed; silence is noticed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from actors.base import Failure
from actors.conflate import MarketSlot
from actors.feed import (
    BUSY,
    BUSY_WINDOW,
    CHANNEL_SILENCE,
    RESYNC_PAUSE,
    SYMBOL_SILENCE,
    FeedLinks,
    MarketFeed,
)
from actors.intake import REPEAT_AFTER
from actors.protocol import BookDoubted, ClockCompared, SymbolsChanged, UserStreamHeard
from quietmaker.core.events import DataLost, Tick, TouchChanged
from quietmaker.core.market import (
    BookDelta,
    BookSnapshot,
    FeedLost,
    MarketEvent,
    StaleReason,
    TouchQuote,
    TradePrint,
)
from quietmaker.core.units import SECOND, Instant, Lots, Side, Ticks
from tests.actors.fakes import FakeMarketStream, HandClock, around, make_metrics
from tests.kit.makers import make_product


def snapshot(symbol: str, at: int, bid: int = 100, ask: int = 102) -> BookSnapshot:
    return BookSnapshot(
        symbol=symbol,
        at=Instant(at),
        bids=((Ticks(bid), Lots(5)),),
        asks=((Ticks(ask), Lots(5)),),
    )


class WatchedSlot(MarketSlot):
    """A slot that tells the test what is put into it."""

    def __init__(self) -> None:
        super().__init__(lambda: True)
        self.lost: list[StaleReason] = []
        self.touches: list[TouchChanged] = []
        self.broken = False

    def put_lost(self, lost: DataLost) -> None:
        self.lost.append(lost.reason)
        super().put_lost(lost)

    def put_touch(self, touch: TouchChanged) -> None:
        if self.broken:
            raise ZeroDivisionError("a bug")
        self.touches.append(touch)
        super().put_touch(touch)


@dataclass
class Rig:
    clock: HandClock = field(default_factory=HandClock)
    stream: FakeMarketStream = field(default_factory=FakeMarketStream)
    failures: list[Failure] = field(default_factory=list)
    hears: bool = True

    def __post_init__(self) -> None:
        self.metrics = make_metrics()
        self.slots = {symbol: WatchedSlot() for symbol in ("A-USD", "B-USD")}
        self.feed = MarketFeed(
            around("feed", self.clock, self.failures),
            FeedLinks(
                stream=self.stream,
                products={s: make_product(symbol=s) for s in ("A-USD", "B-USD", "C-USD")},
                slots=self.slots,
                metrics=self.metrics,
                clock=self.clock,
            ),
        )
        self.feed.begin()
        if self.hears:
            self.feed.on_receive(UserStreamHeard(ready=True))
            for slot in self.slots.values():
                slot.lost.clear()

    def market(self, *events: MarketEvent) -> None:
        assert self.stream.tell is not None
        for event in events:
            self.stream.tell(event)
        # What the stream's thread told the actor is in its inbox; it was not started.
        while not self.feed.actor_inbox.empty():
            self.feed.on_receive(self.feed.actor_inbox.get().message)

    def later(self, nanos: int) -> None:
        self.clock.advance(nanos)
        self.feed.on_receive(Tick(now=self.clock.now()))
        while not self.feed.actor_inbox.empty():
            self.feed.on_receive(self.feed.actor_inbox.get().message)

    def standing(self, symbol: str = "A-USD") -> TouchChanged | StaleReason | None:
        standing = self.slots[symbol].standing()
        return standing.reason if isinstance(standing, DataLost) else standing


def test_the_market_stream_begins_and_ends_with_the_feed() -> None:
    rig = Rig()
    assert rig.stream.tell is not None
    rig.feed.finish()
    assert rig.stream.stopped
    assert rig.standing() is StaleReason.DISCONNECTED


def test_a_book_is_kept_and_its_touch_handed_on() -> None:
    rig = Rig()
    rig.market(
        snapshot("A-USD", 1),
        BookDelta(symbol="A-USD", at=Instant(2), changes=((Side.BUY, Ticks(101), Lots(3)),)),
    )
    touch = rig.standing()
    assert isinstance(touch, TouchChanged)
    assert (touch.bid, touch.bid_size, touch.ask) == (101, 3, 102)
    assert touch.now == rig.clock.now()  # our clock, whatever the exchange's says


def test_it_is_measured_how_long_the_latest_change_was_under_way() -> None:
    rig = Rig()
    happened = Instant(rig.clock.now() - SECOND // 4)
    changes = ((Side.BUY, Ticks(101), Lots(3)),)
    rig.market(snapshot("A-USD", 1), BookDelta(symbol="A-USD", at=happened, changes=changes))
    rig.later(0)
    lag = rig.metrics.registry.get_sample_value("quietmaker_market_data_lag_seconds")
    assert lag == 0.25


def test_touches_of_a_symbol_with_depth_are_passed_over() -> None:
    rig = Rig()
    quote = TouchQuote(
        symbol="A-USD",
        at=Instant(1),
        bid=Ticks(90),
        bid_size=Lots(1),
        ask=Ticks(99),
        ask_size=Lots(1),
    )
    rig.market(quote)
    first = rig.standing()
    assert isinstance(first, TouchChanged)
    assert first.bid == 90
    rig.market(snapshot("A-USD", 2), quote)
    second = rig.standing()
    assert isinstance(second, TouchChanged)
    assert second.bid == 100


def test_a_mere_touch_does_not_heal_a_book_that_was_lost() -> None:
    rig = Rig()
    quote = TouchQuote(
        symbol="A-USD",
        at=Instant(3),
        bid=Ticks(90),
        bid_size=Lots(1),
        ask=Ticks(99),
        ask_size=Lots(1),
    )
    lost = FeedLost(symbol="A-USD", at=Instant(2), reason=StaleReason.GAP)
    rig.market(snapshot("A-USD", 1), lost, quote)
    assert rig.standing() is StaleReason.GAP
    rig.market(snapshot("A-USD", 4))
    assert isinstance(rig.standing(), TouchChanged)


def test_a_crossed_book_is_told_before_it_is_asked_for_and_heals_with_its_snapshot() -> None:
    rig = Rig()
    slot, asked_after = rig.slots["A-USD"], []
    resync = rig.stream.resync

    def asked(symbol: str) -> None:
        asked_after.append(list(slot.lost))
        resync(symbol)

    rig.stream.resync = asked  # type: ignore[method-assign]
    crossing = BookDelta(symbol="A-USD", at=Instant(2), changes=((Side.BUY, Ticks(103), Lots(3)),))
    rig.market(snapshot("A-USD", 1), crossing)
    assert asked_after == [[StaleReason.CROSSED]]
    assert rig.standing() is StaleReason.CROSSED
    assert rig.slots["B-USD"].lost == []
    rig.market(crossing)  # refused until the next snapshot, and no reason to ask again
    assert rig.stream.resynced == ["A-USD"]
    rig.market(snapshot("A-USD", 3))
    assert isinstance(rig.standing(), TouchChanged)


def test_a_book_that_does_not_come_back_is_asked_for_again_after_a_pause() -> None:
    rig = Rig()
    rig.market(
        snapshot("A-USD", 1),
        snapshot("B-USD", 1),
        FeedLost(symbol="A-USD", at=Instant(2), reason=StaleReason.GAP),
    )
    assert rig.standing() is StaleReason.GAP
    rig.later(RESYNC_PAUSE // 2)
    assert rig.stream.resynced == ["A-USD"]
    rig.later(RESYNC_PAUSE)
    assert rig.stream.resynced == ["A-USD", "A-USD"]


def test_a_touch_that_stands_is_told_again_only_after_a_while() -> None:
    rig = Rig()
    slot = rig.slots["A-USD"]
    behind = BookDelta(symbol="A-USD", at=Instant(2), changes=((Side.BUY, Ticks(50), Lots(3)),))
    rig.market(snapshot("A-USD", 1))
    slot.drain()
    rig.market(behind)
    assert slot.drain().touch is None
    rig.clock.advance(REPEAT_AFTER)
    rig.market(behind)
    touch = slot.drain().touch
    assert touch is not None
    assert touch.now == rig.clock.now()
    size = BookDelta(symbol="A-USD", at=Instant(3), changes=((Side.BUY, Ticks(100), Lots(9)),))
    rig.market(size)
    assert slot.drain().touch is None  # no decision looks at a size
    rig.clock.advance(REPEAT_AFTER)
    rig.market(size)
    told = slot.drain().touch
    assert told is not None
    assert told.bid_size == 9
    price = BookDelta(symbol="A-USD", at=Instant(4), changes=((Side.BUY, Ticks(101), Lots(1)),))
    rig.market(price)
    assert slot.drain().touch is not None


def test_a_side_that_became_empty_is_told_at_once() -> None:
    rig = Rig()
    slot = rig.slots["A-USD"]
    one_level = BookSnapshot(
        symbol="A-USD",
        at=Instant(1),
        bids=((Ticks(100), Lots(5)),),
        asks=((Ticks(102), Lots(5)),),
    )
    rig.market(one_level)
    slot.drain()
    empty = BookDelta(symbol="A-USD", at=Instant(2), changes=((Side.BUY, Ticks(100), Lots(0)),))
    rig.market(empty)
    touch = slot.drain().touch
    assert touch is not None
    assert touch.bid_size == 0


def test_a_stated_touch_whose_size_is_gone_is_told_at_once() -> None:
    rig = Rig()
    slot = rig.slots["A-USD"]
    quote = TouchQuote(
        symbol="A-USD",
        at=Instant(1),
        bid=Ticks(100),
        bid_size=Lots(5),
        ask=Ticks(102),
        ask_size=Lots(5),
    )
    for gone in (replace(quote, bid_size=Lots(0)), replace(quote, ask_size=Lots(0))):
        rig.market(quote)
        slot.drain()
        rig.market(gone)
        assert slot.drain().touch is not None


def test_a_touch_that_was_void_is_told_again_at_once() -> None:
    rig = Rig()
    lost = FeedLost(symbol="A-USD", at=Instant(2), reason=StaleReason.GAP)
    rig.market(snapshot("A-USD", 1), lost, snapshot("A-USD", 3))
    assert isinstance(rig.standing(), TouchChanged)


def test_events_are_counted_with_the_next_tick() -> None:
    rig = Rig()
    rig.market(snapshot("A-USD", 1), snapshot("B-USD", 1))
    trade = TradePrint(
        symbol="A-USD", at=Instant(1), price=Ticks(7), size=Lots(1), aggressor=Side.BUY
    )
    rig.market(trade)
    rig.later(1)
    rig.later(1)
    text = rig.feed._links.metrics.expose("")[0].decode()
    assert 'quietmaker_market_events_total{kind="snapshot"} 2.0' in text
    assert 'quietmaker_market_events_total{kind="trade"} 1.0' in text


def test_a_stream_whose_thread_died_is_the_failure_of_the_feed() -> None:
    rig = Rig()
    rig.stream.alive = False
    with pytest.raises(RuntimeError, match="market stream died"):
        rig.later(1)


def busy(rig: Rig) -> None:
    """Let a busy minute pass."""
    for _ in range(BUSY_WINDOW // SECOND + 1):
        for _ in range(BUSY // 60 + 1):
            rig.market(snapshot("A-USD", 1), snapshot("B-USD", 1))
        rig.later(SECOND)


def test_a_thin_channel_may_be_quiet_for_longer_than_a_busy_one() -> None:
    rig = Rig()
    rig.market(snapshot("A-USD", 1), snapshot("B-USD", 1))
    for _ in range(SYMBOL_SILENCE // SECOND - 1):
        rig.later(SECOND)
    assert isinstance(rig.standing("A-USD"), TouchChanged)
    assert rig.stream.resynced == []


def test_a_busy_channel_that_falls_silent_stops_every_symbol_once() -> None:
    rig = Rig()
    busy(rig)
    rig.later(CHANNEL_SILENCE - SECOND)
    assert isinstance(rig.standing(), TouchChanged)
    rig.later(1)
    assert rig.standing("A-USD") is rig.standing("B-USD") is StaleReason.SILENT
    assert sorted(rig.stream.resynced) == ["A-USD", "B-USD"]
    rig.market(snapshot("A-USD", 2))
    assert isinstance(rig.standing("A-USD"), TouchChanged)


def test_a_silent_symbol_stops_alone() -> None:
    rig = Rig()
    rig.market(snapshot("A-USD", 1))
    for _ in range(SYMBOL_SILENCE // (5 * SECOND) + 1):
        rig.market(snapshot("B-USD", 1))
        rig.later(5 * SECOND)
    assert rig.standing("A-USD") is StaleReason.SILENT
    assert isinstance(rig.standing("B-USD"), TouchChanged)


def test_a_source_that_is_down_is_not_asked_and_not_called_silent() -> None:
    rig = Rig()
    rig.market(
        snapshot("A-USD", 1),
        snapshot("B-USD", 1),
        FeedLost(symbol="A-USD", at=Instant(2), reason=StaleReason.DISCONNECTED),
        FeedLost(symbol="B-USD", at=Instant(2), reason=StaleReason.DISCONNECTED),
    )
    rig.later(10 * SYMBOL_SILENCE)
    assert rig.standing() is StaleReason.DISCONNECTED
    assert rig.stream.resynced == []


def test_clocks_that_disagree_keep_touches_back_until_they_agree() -> None:
    rig = Rig()
    rig.market(snapshot("A-USD", 1))
    rig.feed.on_receive(ClockCompared(skewed=True))
    assert rig.standing() is StaleReason.CLOCK_SKEW
    rig.market(snapshot("A-USD", 2, bid=99))
    assert rig.standing() is StaleReason.CLOCK_SKEW
    rig.feed.on_receive(ClockCompared(skewed=False))
    touch = rig.standing()
    assert isinstance(touch, TouchChanged)  # the books were kept up meanwhile
    assert touch.bid == 99
    assert touch.now == rig.clock.now()


def test_nothing_is_told_before_the_user_feed_hears_and_while_it_does_not() -> None:
    rig = Rig(hears=False)
    rig.market(snapshot("A-USD", 1))
    assert rig.standing("A-USD") is rig.standing("B-USD") is StaleReason.USER_STREAM
    for _ in range(2):  # told again with every tick
        rig.feed.on_receive(UserStreamHeard(ready=True))
        assert isinstance(rig.standing("A-USD"), TouchChanged)
    assert rig.standing("B-USD") is StaleReason.USER_STREAM  # it has no book yet
    rig.feed.on_receive(UserStreamHeard(ready=False))
    rig.market(snapshot("B-USD", 2))
    assert rig.standing("A-USD") is rig.standing("B-USD") is StaleReason.USER_STREAM
    rig.feed.on_receive(UserStreamHeard(ready=True))
    assert isinstance(rig.standing("A-USD"), TouchChanged)
    assert isinstance(rig.standing("B-USD"), TouchChanged)
    assert rig.stream.resynced == []


def test_touches_come_back_only_when_nothing_at_all_speaks_against_them() -> None:
    rig = Rig()
    rig.market(snapshot("A-USD", 1), snapshot("B-USD", 1))
    rig.feed.on_receive(UserStreamHeard(ready=False))
    rig.feed.on_receive(ClockCompared(skewed=True))
    rig.market(FeedLost(symbol="B-USD", at=Instant(2), reason=StaleReason.GAP))
    rig.feed.on_receive(UserStreamHeard(ready=True))
    assert not isinstance(rig.standing("A-USD"), TouchChanged)
    rig.feed.on_receive(ClockCompared(skewed=False))
    assert isinstance(rig.standing("A-USD"), TouchChanged)
    assert rig.standing("B-USD") is StaleReason.GAP


def test_a_book_that_broke_while_touches_were_held_back_stays_broken() -> None:
    rig = Rig()
    crossing = BookDelta(symbol="A-USD", at=Instant(2), changes=((Side.BUY, Ticks(103), Lots(3)),))
    rig.market(snapshot("A-USD", 1))
    rig.feed.on_receive(UserStreamHeard(ready=False))
    rig.market(crossing)
    rig.feed.on_receive(UserStreamHeard(ready=True))
    assert rig.standing() is StaleReason.CROSSED


def test_a_trade_from_the_future_is_counted_now() -> None:
    rig = Rig()
    trade = TradePrint(
        symbol="A-USD",
        at=Instant(rig.clock.at + 10**15),
        price=Ticks(7),
        size=Lots(1),
        aggressor=Side.BUY,
    )
    rig.market(trade)
    assert rig.slots["A-USD"].drain().trades == ((rig.clock.now(), 7),)


def test_symbols_that_are_not_traded_are_passed_over() -> None:
    rig = Rig()
    rig.market(snapshot("Z-USD", 1))
    assert not rig.failures


def test_an_error_in_the_callback_is_the_failure_of_the_feed() -> None:
    rig = Rig()
    rig.slots["A-USD"].broken = True
    assert rig.stream.tell is not None
    rig.stream.tell(snapshot("A-USD", 1))
    assert [type(failure.error) for failure in rig.failures] == [ZeroDivisionError]


def test_a_doubted_book_is_lost_first_and_then_asked_for() -> None:
    rig = Rig()
    rig.market(snapshot("A-USD", 1))
    rig.slots["A-USD"].drain()
    rig.feed.on_receive(BookDoubted(symbol="A-USD"))
    lost = rig.slots["A-USD"].drain().lost
    assert lost is not None
    assert lost.reason is StaleReason.DOUBTED
    rig.market()
    assert rig.stream.resynced == ["A-USD"]


# --- symbols come and go ------------------------------------------------------------------------


def test_a_symbol_that_comes_is_listened_to_before_its_market_is_asked_for() -> None:
    rig = Rig()
    new = WatchedSlot()
    rig.slots["C-USD"] = new
    rig.market(snapshot("C-USD", 1))
    assert not new.touches  # nobody told the feed yet
    rig.stream.added.clear()
    rig.feed.on_receive(SymbolsChanged())
    assert rig.stream.added == ["C-USD"]
    rig.market(snapshot("C-USD", 1))
    assert new.touches


def test_a_symbol_that_goes_is_passed_over_and_one_that_comes_again_knows_nothing() -> None:
    rig = Rig()
    old = rig.slots.pop("B-USD")
    rig.feed.on_receive(SymbolsChanged())
    rig.market(snapshot("B-USD", 3))
    assert not old.touches
    new = rig.slots["B-USD"] = WatchedSlot()
    rig.feed.on_receive(SymbolsChanged())
    rig.market(BookDelta(symbol="B-USD", at=Instant(2), changes=((Side.BUY, Ticks(101), Lots(3)),)))
    assert not new.touches  # a change of a book that it never saw
    rig.market(snapshot("B-USD", 3))
    assert new.touches


def test_a_feed_that_starts_asks_for_whoever_came_while_there_was_none() -> None:
    assert Rig().stream.added == ["A-USD", "B-USD"]
