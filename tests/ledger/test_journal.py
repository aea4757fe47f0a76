"""The journal keeps what it acknowledged, in order, over segments and over lives."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.journal.pool import AHEAD
from tests.ledger.journal_kit import SMALL, Home, everything, payloads


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a folder."""
    return Home(tmp_path / "journal")


BODIES = st.lists(st.binary(min_size=1, max_size=3_000), max_size=30)


@settings(max_examples=60, deadline=None)
@given(lives=st.lists(BODIES, min_size=1, max_size=4), data=st.data())
def test_whatever_is_written_is_read_again_in_order_over_segments_and_lives(
    tmp_path_factory: pytest.TempPathFactory, lives: list[list[bytes]], data: st.DataObject
) -> None:
    home = Home(tmp_path_factory.mktemp("journal"))
    written: list[bytes] = []
    for life in lives:
        journal = home.open()
        assert home.notes == ()
        assert payloads(everything(journal, home.applied)) == written[home.applied :]
        for number, body in enumerate(life):
            written.append(body)
            assert journal.append([body]) == len(written)
            if number % 3 == 0:
                journal.sync(len(written))
        read = everything(journal, home.applied)
        assert [each.seq for each in read] == list(range(home.applied + 1, len(written) + 1))
        assert payloads(read) == written[home.applied :]
        home.applied = data.draw(st.integers(home.applied, len(written)))
        journal.applied(home.applied)
        backlog, oldest = journal.backlog
        assert (backlog, oldest is None) == (len(written) - home.applied, backlog == 0)
    home.kill()


def test_segments_that_the_database_holds_are_used_again_and_others_are_kept(home: Home) -> None:
    journal = home.open()
    for number in range(1, 200):
        journal.append([b"x" * 1_000])
        if number == 100:
            held = len(home.segments)
            assert held > AHEAD + 1
            journal.applied(60)
            assert len(home.segments) < held
        elif number > 100:
            journal.applied(number - 40)
    assert len(home.segments) <= AHEAD + 1 + 40 * 1_100 // SMALL + 1
    assert [each.seq for each in everything(journal, 159)] == list(range(160, 200))
    home.applied = 159
    assert [each.seq for each in everything(home.open(), 159)] == list(range(160, 200))
    home.kill()


def test_no_space_is_needed_to_write_what_fits_into_segments_that_are_ready(home: Home) -> None:
    journal = home.open()
    assert sum(path.stat().st_blocks * 512 for path in home.segments) >= AHEAD * SMALL
    sizes = {path: path.stat() for path in home.segments}
    for _ in range(20):
        journal.append([b"x" * 1_000])
    journal.sync(20)
    for path, before in sizes.items():
        assert (path.stat().st_size, path.stat().st_blocks) == (before.st_size, before.st_blocks)
    home.kill()


def test_those_who_wait_together_share_a_sync_and_nobody_returns_before_it(home: Home) -> None:
    journal = home.open()
    entered, go = threading.Event(), threading.Event()
    waiting = threading.Semaphore(0)

    def slow(_: int) -> None:
        entered.set()
        assert go.wait(10)

    home.disk.syncs = slow
    home.disk.synced.clear()
    done: list[int] = []

    def write() -> None:
        seq = journal.append([b"x"])
        waiting.release()
        journal.sync(seq)
        done.append(seq)

    threads = [threading.Thread(target=write) for _ in range(6)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=10)
    assert done == []
    go.set()
    for thread in threads:
        thread.join(10)
    assert (sorted(done), len(home.disk.synced)) == ([1, 2, 3, 4, 5, 6], 2)
    home.kill()


def test_a_sync_covers_every_segment_that_was_written_since_the_last_one(home: Home) -> None:
    journal = home.open()
    home.disk.synced.clear()
    for _ in range(30):
        journal.append([b"x" * 1_000])
    journal.sync(30)
    assert len(set(home.disk.synced)) >= 2
    home.kill()


def test_a_killed_writer_leaves_everything_and_the_next_one_makes_it_durable_first(
    home: Home,
) -> None:
    journal = home.open()
    journal.append([b"told", b"and told"])
    home.disk.synced.clear()
    journal = home.open()
    assert journal._current is not None
    assert home.disk.synced[0] == journal._current.handle  # before anything is built on it
    assert payloads(everything(journal)) == [b"told", b"and told"]
    assert journal.append([b"more"]) == 3
    home.kill()


def test_two_processes_never_write_one_journal(home: Home) -> None:
    home.open()
    other = Home(home.folder)
    with pytest.raises(LedgerError, match="another process uses the journal"):
        other.open()
    home.kill()
    other.open()
    other.kill()


def test_a_journal_of_other_books_is_refused_with_the_remedy(home: Home) -> None:
    home.open().append([b"x"])
    home.kill()
    home.ledger = UUID(int=8)
    with pytest.raises(LedgerError, match="must not be mixed in") as error:
        home.open()
    assert str(home.folder) in str(error.value)
    assert "move" in str(error.value)


def test_a_database_that_is_behind_what_the_journal_still_holds_is_refused(home: Home) -> None:
    journal = home.open()
    for _ in range(60):
        journal.append([b"x" * 1_000])
    journal.sync(60)
    journal.applied(60)
    home.kill()
    home.applied = 3  # restored from a backup
    with pytest.raises(LedgerError, match="restored from a backup") as error:
        home.open()
    assert "records 4 to " in str(error.value)
    assert "drain-journal" in str(error.value)


def test_a_journal_without_any_record_left_still_knows_how_far_it_was(home: Home) -> None:
    journal = home.open()
    journal.append([b"x" * 9_000])
    journal.sync(1)
    for number in range(2, 9):
        journal.append([b"x" * 9_000])
        journal.sync(number)
        journal.applied(number)
        journal.prepare()
    home.kill()
    newest = max(home.segments)
    for path in home.segments[:-1]:
        path.unlink()
    home.applied = 2
    with pytest.raises(LedgerError, match="restored from a backup"):
        home.open()
    assert newest.exists()


def test_a_closed_journal_writes_nothing(home: Home) -> None:
    journal = home.open()
    journal.append([b"x"])
    assert home.opened is not None
    home.opened.close()
    home.opened.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        journal.append([b"y"])
    home.opened = None
    assert payloads(everything(home.open())) == [b"x"]
    home.kill()


def test_what_a_kill_left_half_made_is_cleared_away(home: Home) -> None:
    home.open()
    home.kill()
    left = home.folder / "000000000099.making"
    left.write_bytes(b"half")
    home.open().append([b"x"])
    assert not left.exists()
    home.kill()
