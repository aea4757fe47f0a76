"""What happens to the bytes of a journal: a torn tail is cut, damage is never passed over.

Acknowledged is what somebody was told is durable, and a record that was written later vouches for it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from quietmaker.errors import LedgerError
from quietmaker.ledger.journal.format import BLOCK, Description, scan
from tests.ledger.journal_kit import SMALL, Home, everything, payloads

SIZES = st.lists(st.integers(1, 2_500), min_size=2, max_size=25)


def written(folder: Path, sizes: list[int], *, synced: int) -> Home:
    """Return a journal with records, those up to a number acknowledged before the later ones came."""
    home = Home(folder)
    journal = home.open()
    for seq, size in enumerate(sizes, 1):
        journal.append([bytes([seq]) * size])
        if seq == synced:
            journal.sync(seq)
    home.kill()
    return home


def places(home: Home) -> list[tuple[Path, int, int, int]]:
    """Return (file, offset, end, number) of each record."""
    found: list[tuple[Path, int, int, int]] = []
    for path in home.segments:
        data = path.read_bytes()
        about = Description.unpack(data[:BLOCK])
        assert about is not None
        found.extend((path, r.offset, r.end, r.seq) for r in scan(data, about.salt))
    return found


def flip(path: Path, at: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def reopened(home: Home, sizes: list[int], *, synced: int) -> None:
    """Open; nothing that was acknowledged may be missing, and what comes next must be right."""
    journal = home.open()
    found = payloads(everything(journal))
    assert len(found) >= synced
    assert found == [bytes([seq]) * sizes[seq - 1] for seq in range(1, len(found) + 1)]
    assert journal.append([b"next"]) == len(found) + 1
    journal.sync(len(found) + 1)
    # Records that were cut must not come to life behind the new one.
    assert payloads(everything(home.open())) == [*found, b"next"]
    home.kill()


@settings(max_examples=150, deadline=None)
@given(sizes=SIZES, data=st.data())
def test_a_bit_that_flips_in_the_tail_costs_nothing_that_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    synced = data.draw(st.integers(0, len(sizes) - 1))
    home = written(tmp_path_factory.mktemp("j"), sizes, synced=synced)
    path, offset, end, _ = data.draw(st.sampled_from(places(home)[synced:]))
    flip(path, data.draw(st.integers(offset, end - 1)), data.draw(st.integers(0, 7)))
    reopened(home, sizes, synced=synced)


@settings(max_examples=100, deadline=None)
@given(sizes=SIZES, data=st.data())
def test_a_file_that_ends_in_the_tail_costs_nothing_that_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    synced = data.draw(st.integers(0, len(sizes) - 1))
    home = written(tmp_path_factory.mktemp("j"), sizes, synced=synced)
    path, offset, end, _ = data.draw(st.sampled_from(places(home)[synced:]))
    with path.open("r+b") as file:
        file.truncate(data.draw(st.integers(offset, end)))
    reopened(home, sizes, synced=synced)


@settings(max_examples=100, deadline=None)
@given(sizes=SIZES, data=st.data())
def test_pages_that_a_power_cut_left_unwritten_cost_nothing_that_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    synced = data.draw(st.integers(0, len(sizes) - 1))
    home = written(tmp_path_factory.mktemp("j"), sizes, synced=synced)
    tail = places(home)[synced:]
    lost = data.draw(st.sets(st.sampled_from(range(len(tail))), min_size=1))
    for index in lost:
        path, offset, end, _ = tail[index]
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes(end - offset))
    reopened(home, sizes, synced=synced)


@settings(max_examples=150, deadline=None)
@given(sizes=SIZES, data=st.data())
def test_damage_in_what_was_acknowledged_is_named_and_nothing_is_touched(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    assume(len(sizes) >= 3)
    synced = data.draw(st.integers(1, len(sizes) - 1))
    home = written(tmp_path_factory.mktemp("j"), sizes, synced=synced)
    path, offset, end, seq = data.draw(st.sampled_from(places(home)[:synced]))
    flip(path, data.draw(st.integers(offset, end - 1)), data.draw(st.integers(0, 7)))
    before = {each: each.read_bytes() for each in home.segments}
    with pytest.raises(LedgerError, match=r"drain-journal") as error:
        home.open()
    assert re.search(rf"records {seq} to {seq}\b", str(error.value))
    assert ".segment" in str(error.value)
    assert " at byte " in str(error.value)
    assert {each: each.read_bytes() for each in home.segments} == before
    # What the database holds already is not needed.
    home.applied = seq
    assert [each.seq for each in everything(home.open(), seq)] == list(
        range(seq + 1, len(sizes) + 1)
    )
    home.kill()


def test_a_segment_describes_itself_twice(tmp_path: Path) -> None:
    home = written(tmp_path / "j", [10, 10, 10], synced=2)
    first = home.segments[0]
    flip(first, 9, 3)
    assert len(everything(home.open())) == 3
    home.kill()
    flip(first, BLOCK // 2 + 9, 3)
    with pytest.raises(LedgerError, match=re.escape(f"{first} at byte 0 is no segment")):
        home.open()


def test_a_segment_that_is_gone_from_the_middle_is_named(tmp_path: Path) -> None:
    home = written(tmp_path / "j", [2_000] * 25, synced=24)
    assert len(home.segments) >= 4
    home.segments[1].unlink()
    with pytest.raises(LedgerError, match=r"records \d+ to \d+, which were acknowledged"):
        home.open()


def test_old_records_of_a_file_that_is_used_again_never_count(tmp_path: Path) -> None:
    home = Home(tmp_path / "j")
    journal = home.open()
    for seq in range(1, 120):
        journal.append([b"old" * 300])
        journal.sync(seq)
        journal.applied(seq)
    journal.append([b"new"])
    home.applied = 119
    assert payloads(everything(home.open(), 119)) == [b"new"]
    assert home.segments[0].stat().st_size == SMALL
    home.kill()
