"""A shadow on a synthetic market: it trades by itself, and time may come out of order."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

from quietmaker.core.book import Book
from quietmaker.core.commands import RoundTrip
from quietmaker.core.market import BookDelta, BookSnapshot, MarketEvent, TouchQuote, TradePrint
from quietmaker.core.units import SECOND, Instant, Nanos
from quietmaker.market.synthetic import START, SyntheticMarket
from quietmaker.replay.shadow import ShadowTrader
from quietmaker.settings import load

SYMBOL = "PROVE-USD"
HOURS = 6


def told(hours: int) -> Iterator[MarketEvent]:
    """Yield what a slot passes on of a market: touches as they change, and trades."""
    market = SyntheticMarket(seed=3, symbols=[SYMBOL], duration=Nanos(hours * 3_600 * SECOND))
    book, last = Book(), None
    for event in market.events():
        match event:
            case BookSnapshot():
                book.snapshot(event)
            case BookDelta():
                book.delta(event)
            case TradePrint():
                yield event
                continue
            case _:
                continue
        touch = book.touch()
        if touch != last:
            last = touch
            yield TouchQuote(
                symbol=SYMBOL,
                at=event.at,
                bid=touch.bid,
                bid_size=touch.bid_size,
                ask=touch.ask,
                ask_size=touch.ask_size,
            )


def shadow() -> ShadowTrader:
    settings = load(None, env={})
    product = SyntheticMarket(seed=3, symbols=[SYMBOL]).info().products[SYMBOL]
    return ShadowTrader(product, settings.params(SYMBOL, product), settings.paper_fees())


def traded(batch: int, *, late: int = 0) -> list[RoundTrip]:
    """Trade for some hours, told in batches; trades may be dated earlier than they are told."""
    made, trips, waiting = shadow(), list[RoundTrip](), list[MarketEvent]()
    for event in told(HOURS):
        dated = isinstance(event, TradePrint) and late
        waiting.append(replace(event, at=Instant(event.at - late)) if dated else event)
        if len(waiting) >= batch:
            trips += made.feed(waiting)
            waiting = []
    trips += made.feed(waiting)
    trips += made.pass_time(Instant(START + HOURS * 3_600 * SECOND))
    return trips


def test_it_closes_round_trips_with_results_of_their_own() -> None:
    trips = traded(1)
    assert len(trips) >= 5
    assert all(trip.symbol == SYMBOL for trip in trips)
    assert all(trip.net == trip.spread_captured + trip.price_move - trip.fees for trip in trips)
    assert len({trip.closed_at for trip in trips}) == len(trips)


def test_how_it_is_told_in_batches_changes_nothing() -> None:
    assert traded(1) == traded(500)


def test_trades_that_are_dated_before_the_touch_break_nothing() -> None:
    assert len(traded(100, late=SECOND // 2)) >= 5


def test_what_it_remembers_is_bounded() -> None:
    made = shadow()
    sizes = []
    for number, event in enumerate(told(HOURS)):
        made.feed([event])
        if number % 8_000 == 7_999:
            gc.collect()
            sizes.append(len(gc.get_objects()))
    assert len(sizes) >= 3
    assert sizes[-1] < sizes[0] + 10_000
