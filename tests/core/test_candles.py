"""Candles: the window is counted in time, holes are holes, and the current bucket is not closed."""

from __future__ import annotations

from quietmaker.core.candles import BUCKET, Candles, next_boundary
from quietmaker.core.market import CandleBar
from quietmaker.core.units import Instant, Ticks
from tests.kit.makers import SYMBOL

HOUR = 12


def moment(bucket: int, offset: int = 0) -> Instant:
    return Instant((1_000_000 + bucket) * BUCKET + offset)


def bar(bucket: int, low: int, high: int) -> CandleBar:
    return CandleBar(
        symbol=SYMBOL, at=moment(bucket + 1), start=moment(bucket), low=Ticks(low), high=Ticks(high)
    )


def loaded(*bars: CandleBar) -> Candles:
    held = Candles()
    for each in bars:
        held.load(each)
    return held


def test_nothing_is_known_at_the_start() -> None:
    assert Candles().window(moment(0))[0] == 0


def test_five_closed_buckets_make_the_range() -> None:
    held = loaded(*(bar(bucket, 100 - bucket, 110 + bucket) for bucket in range(5)))
    assert held.window(moment(5)) == (5, 96, 114)


def test_five_rows_that_span_an_hour_are_not_25_minutes() -> None:
    held = loaded(*(bar(bucket, 100, 110) for bucket in range(0, 15, 3)))
    assert held.window(moment(15)) == (1, 100, 110)


def test_a_bucket_without_a_trade_stays_a_hole() -> None:
    held = loaded(bar(0, 100, 110), bar(1, 90, 95), bar(3, 105, 120))
    assert held.window(moment(5)) == (3, 90, 120)


def test_the_current_bucket_is_not_closed() -> None:
    held = loaded(*(bar(bucket, 100, 110) for bucket in range(5)))
    held.on_trade(moment(5, 1), Ticks(500))
    assert held.window(moment(5, 2)) == (5, 100, 110)
    assert held.window(Instant(moment(6) - 1)) == (5, 100, 110)


def test_a_bucket_closes_at_its_end_to_the_nanosecond() -> None:
    held = Candles()
    held.on_trade(moment(0), Ticks(100))
    held.on_trade(Instant(moment(1) - 1), Ticks(107))
    assert held.window(Instant(moment(1) - 1))[0] == 0
    assert held.window(moment(1)) == (1, 100, 107)


def test_the_sixth_bucket_back_no_longer_counts() -> None:
    held = loaded(bar(0, 50, 500), bar(1, 100, 110))
    assert held.window(moment(5)) == (2, 50, 500)
    assert held.window(moment(6)) == (1, 100, 110)
    assert held.window(moment(HOUR)) == (0, 0, 0)


def test_a_late_trade_is_counted_where_it_belongs() -> None:
    held = Candles()
    held.on_trade(moment(0), Ticks(100))
    held.on_trade(moment(1), Ticks(200))
    assert held.window(moment(2)) == (2, 100, 200)
    held.on_trade(moment(0, 7), Ticks(90))
    assert held.window(moment(2)) == (2, 90, 200)


def test_a_late_candle_opens_the_hole_it_fills() -> None:
    held = loaded(bar(2, 100, 110))
    assert held.window(moment(3)) == (1, 100, 110)
    held.load(bar(1, 80, 90))
    assert held.window(moment(3)) == (2, 80, 110)


def test_what_the_exchange_states_widens_what_the_tape_showed() -> None:
    held = Candles()
    held.on_trade(moment(0), Ticks(100))
    held.load(bar(0, 95, 102))
    held.on_trade(moment(0, 9), Ticks(101))
    assert held.window(moment(1)) == (1, 95, 102)


def test_every_trade_of_a_bucket_counts_in_both_directions() -> None:
    held = Candles()
    for price in (100, 90, 95, 130, 120):
        held.on_trade(moment(0), Ticks(price))
    assert held.window(moment(1)) == (1, 90, 130)


def test_the_next_boundary_is_never_now() -> None:
    assert next_boundary(moment(3)) == moment(4)
    assert next_boundary(Instant(moment(4) - 1)) == moment(4)
