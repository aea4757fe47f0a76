"""The time-weighted spread: weighted by time, deaf to a single wide moment and to gaps."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.spread import LONGEST, SpreadTracker
from quietmaker.core.units import SECOND, Nanos

WINDOW = Nanos(3_600 * SECOND)


def watched(*spans: tuple[int, int, int], start: int = 10_000) -> tuple[SpreadTracker, int]:
    """Watch each (seconds, bid, ask) once a second; a bid of 0 is a book that is not to be trusted."""
    tracker, now = SpreadTracker(WINDOW), start * SECOND
    for length, bid, ask in spans:
        for _ in range(length):
            if bid:
                tracker.look(now, bid, ask)
            else:
                tracker.lose(now)
            now += SECOND
    return tracker, now


def average(*spans: tuple[int, int, int]) -> Decimal | None:
    tracker, now = watched(*spans)
    return tracker.average(now).average


def test_a_spread_that_stands_is_the_average() -> None:
    assert average((600, 990, 1_010)) == Decimal("0.02")


def test_each_spread_counts_by_the_time_that_it_stood() -> None:
    # 2 % for twenty minutes and 4 % for ten.
    found = average((1_200, 990, 1_010), (600, 980, 1_020))
    assert found is not None
    assert abs(found - Decimal("0.0266")) < Decimal("0.0003")


def test_too_little_watched_is_no_average() -> None:
    assert average((300, 990, 1_010)) is None
    assert average((400, 990, 1_010)) is not None


def test_one_wide_moment_moves_nothing_however_wide() -> None:
    calm = average((1_200, 9_990, 10_010))
    wide = average((600, 9_990, 10_010), (30, 1, 20_000), (570, 9_990, 10_010))
    assert calm is not None
    assert wide is not None
    assert abs(wide - calm) < Decimal("0.0001")


def test_a_wide_market_is_not_a_moment() -> None:
    found = average((600, 9_990, 10_010), (600, 9_000, 11_000))
    assert found is not None
    assert found > Decimal("0.05")


def test_what_was_not_seen_adds_nothing() -> None:
    tracker, now = watched((600, 990, 1_010))
    tracker.look(now, 990, 1_010)
    later = now + 900 * SECOND
    assert tracker.average(later).watched <= 600 + LONGEST // SECOND
    lost, end = watched((600, 990, 1_010), (600, 0, 0))
    assert lost.average(end).watched <= 601


def test_the_window_slides() -> None:
    tracker, now = watched((600, 900, 1_100), (3_660, 9_990, 10_010))
    found = tracker.average(now).average
    assert found is not None
    assert abs(found - Decimal("0.002")) < Decimal("0.0001")
    assert tracker.average(now + 2 * WINDOW).average is None


def test_a_crossed_or_empty_touch_is_no_spread() -> None:
    assert average((900, 1_010, 990)) is None
    assert average((900, 0, 990)) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(0, 10_000), st.integers(0, 10_000)), max_size=60
    )
)
def test_the_average_stays_between_the_narrowest_and_the_widest(
    looks: list[tuple[int, int, int]],
) -> None:
    tracker, now, seen = SpreadTracker(WINDOW), 10_000 * SECOND, []
    for pause, bid, ask in looks:
        now += pause * SECOND
        tracker.look(now, bid, ask)
        if 0 < bid < ask:
            seen.append(Decimal(2 * (ask - bid)) / Decimal(bid + ask))
    found = tracker.average(now)
    assert 0 <= found.watched <= WINDOW // SECOND
    if found.average is not None:
        slack = Decimal("2e-9")
        assert min(seen) - slack <= found.average <= max(seen) + slack
