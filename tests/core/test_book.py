"""The order book, against a model that is too simple to be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietmaker.core.book import Book, BookOutcome, SequenceCheck, SequenceOutcome, Touch
from quietmaker.core.market import BookDelta, BookSnapshot, StaleReason
from quietmaker.core.units import Instant, Lots, Side, Ticks

Levels = tuple[tuple[Ticks, Lots], ...]
Change = tuple[Side, Ticks, Lots]


def snapshot(bids: dict[int, int], asks: dict[int, int]) -> BookSnapshot:
    """Return a snapshot of these levels."""

    def side(levels: dict[int, int]) -> Levels:
        return tuple((Ticks(price), Lots(size)) for price, size in levels.items())

    return BookSnapshot(symbol="X-USD", at=Instant(1), bids=side(bids), asks=side(asks))


def delta(*changes: tuple[Side, int, int]) -> BookDelta:
    """Return a delta of these changes."""
    told: tuple[Change, ...] = tuple((s, Ticks(price), Lots(size)) for s, price, size in changes)
    return BookDelta(symbol="X-USD", at=Instant(2), changes=told)


def touch(bid: int, bid_size: int, ask: int, ask_size: int) -> Touch:
    """Return a touch."""
    return Touch(bid=Ticks(bid), bid_size=Lots(bid_size), ask=Ticks(ask), ask_size=Lots(ask_size))


def content(book: Book) -> tuple[list[tuple[Ticks, Lots]], list[tuple[Ticks, Lots]], Touch]:
    """Return everything that can be seen of a book."""
    return list(book.levels(Side.BUY)), list(book.levels(Side.SELL)), book.touch()


def test_a_delta_before_any_snapshot_is_refused_and_changes_nothing() -> None:
    book = Book()
    assert book.stale is StaleReason.DISCONNECTED
    assert book.apply(delta((Side.BUY, 10, 5))) is BookOutcome.STALE
    assert content(book) == ([], [], touch(0, 0, 0, 0))


def test_removing_the_best_level_uncovers_the_next() -> None:
    book = Book()
    assert book.apply(snapshot({10: 1, 9: 2, 7: 3}, {11: 4, 15: 5})) is BookOutcome.APPLIED
    assert book.apply(delta((Side.BUY, 10, 0), (Side.SELL, 11, 0))) is BookOutcome.APPLIED
    assert book.touch() == touch(9, 2, 15, 5)
    assert book.size_at(Side.BUY, Ticks(7)) == 3
    assert book.size_at(Side.SELL, Ticks(11)) == 0


def test_removing_a_level_that_is_not_there_changes_nothing() -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {11: 4}))
    before = content(book)
    assert book.apply(delta((Side.BUY, 3, 0), (Side.SELL, 30, 0))) is BookOutcome.APPLIED
    assert content(book) == before


def test_a_side_may_become_empty_and_fill_again() -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {11: 4}))
    assert book.apply(delta((Side.SELL, 11, 0))) is BookOutcome.APPLIED
    assert book.touch() == touch(10, 1, 0, 0)
    assert book.apply(delta((Side.SELL, 12, 9))) is BookOutcome.APPLIED
    assert book.touch() == touch(10, 1, 12, 9)


def test_a_delta_that_crosses_on_its_way_but_not_at_its_end_is_good() -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {11: 4}))
    moved = delta((Side.BUY, 12, 1), (Side.SELL, 11, 0), (Side.SELL, 13, 2))
    assert book.apply(moved) is BookOutcome.APPLIED
    assert book.touch() == touch(12, 1, 13, 2)


@pytest.mark.parametrize("bid", [11, 12])
def test_a_locked_or_crossed_book_is_stale_until_its_next_snapshot(bid: int) -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {11: 4}))
    assert book.apply(delta((Side.BUY, bid, 1))) is BookOutcome.CROSSED
    assert book.stale is StaleReason.CROSSED
    assert book.apply(delta((Side.BUY, bid, 0))) is BookOutcome.STALE
    assert book.apply(snapshot({10: 1}, {11: 4})) is BookOutcome.APPLIED
    assert book.stale is None


def test_a_crossed_snapshot_is_no_book() -> None:
    book = Book()
    assert book.apply(snapshot({10: 1}, {10: 4})) is BookOutcome.CROSSED
    assert book.apply(delta((Side.BUY, 9, 1))) is BookOutcome.STALE


@pytest.mark.parametrize("bad", [(Side.BUY, 10, -1), (Side.SELL, 0, 5), (Side.SELL, -3, 5)])
def test_a_delta_with_one_impossible_level_is_refused_whole(bad: tuple[Side, int, int]) -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {11: 4}))
    before = content(book)
    assert book.apply(delta((Side.BUY, 9, 7), bad)) is BookOutcome.INVALID
    assert content(book) == before


def test_a_snapshot_with_an_empty_level_is_refused_whole() -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {11: 4}))
    before = content(book)
    assert book.apply(snapshot({9: 0}, {12: 4})) is BookOutcome.INVALID
    assert content(book) == before


def test_the_first_reason_for_distrust_is_kept() -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {11: 4}))
    book.lose(StaleReason.GAP)
    book.lose(StaleReason.SILENT)
    assert book.stale is StaleReason.GAP


prices = st.integers(1, 25)
changes = st.lists(st.tuples(st.sampled_from(Side), prices, st.integers(0, 3)), max_size=6)


class Naive:
    """The book as anybody would write it first."""

    def __init__(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        self.sides = {Side.BUY: dict(bids), Side.SELL: dict(asks)}

    def take(self, batch: list[tuple[Side, int, int]]) -> bool:
        """Apply a batch; return whether the book is a market after it."""
        for side, price, size in batch:
            self.sides[side].pop(price, None)
            if size:
                self.sides[side][price] = size
        bids, asks = self.sides[Side.BUY], self.sides[Side.SELL]
        return not bids or not asks or max(bids) < min(asks)

    def touch(self) -> Touch:
        """Return the best of both sides."""
        bids, asks = self.sides[Side.BUY], self.sides[Side.SELL]
        bid, ask = max(bids, default=0), min(asks, default=0)
        return touch(bid, bids.get(bid, 0), ask, asks.get(ask, 0))


@given(
    bids=st.dictionaries(st.integers(1, 12), st.integers(1, 3)),
    asks=st.dictionaries(st.integers(13, 25), st.integers(1, 3)),
    batches=st.lists(changes, max_size=40),
)
def test_the_book_equals_a_naive_one_after_every_delta(
    bids: dict[int, int], asks: dict[int, int], batches: list[list[tuple[Side, int, int]]]
) -> None:
    book, naive = Book(), Naive(bids, asks)
    book.apply(snapshot(bids, asks))
    for batch in batches:
        outcome = book.apply(delta(*batch))
        if not naive.take(batch):
            assert outcome is BookOutcome.CROSSED
            return
        assert outcome is BookOutcome.APPLIED
        assert book.touch() == naive.touch()
        assert dict(book.levels(Side.BUY)) == naive.sides[Side.BUY]
        assert dict(book.levels(Side.SELL)) == naive.sides[Side.SELL]
        assert book.depth(Side.BUY) == len(naive.sides[Side.BUY])


def test_memory_stays_bounded_while_the_same_levels_come_and_go() -> None:
    book = Book()
    book.apply(snapshot({10: 1}, {20: 1}))
    for turn in range(5_000):
        price = 500 + turn % 50
        book.apply(delta((Side.SELL, price, 1)))
        book.apply(delta((Side.SELL, price, 0)))
    assert book.touch() == touch(10, 1, 20, 1)
    assert len(book._asks.heap) < 500


def test_frames_are_numbered_from_nought_by_one() -> None:
    check = SequenceCheck()
    assert [check.see(n) for n in (0, 1, 2)] == [SequenceOutcome.NEXT] * 3
    assert check.see(2) is SequenceOutcome.REPEAT
    assert check.see(0) is SequenceOutcome.REGRESS
    assert check.see(5) is SequenceOutcome.GAP
    assert check.see(6) is SequenceOutcome.NEXT


def test_a_connection_whose_first_frame_is_missing_has_a_gap() -> None:
    assert SequenceCheck().see(1) is SequenceOutcome.GAP
