"""A disk that is full or broken under the journal: nothing acknowledged is lost or believed twice."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quietmaker.errors import LedgerError, LedgerUnavailable
from quietmaker.ledger.journal.journal import TAKEN_BACK
from quietmaker.ledger.journal.pool import AHEAD
from tests.ledger.journal_kit import SMALL, Home, broken, everything, full, payloads

RECORD = b"x" * 1_000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a folder."""
    home = Home(tmp_path / "journal")
    yield home
    home.kill()


def refuse_makes(home: Home) -> None:
    def makes(path: Path) -> None:
        raise full()

    home.disk.makes = makes


def refuse_syncs(home: Home, *handles: int) -> list[int]:
    """Let syncs fail, of some files or of all; return the list of those that were tried."""
    tried: list[int] = []

    def syncs(handle: int) -> None:
        tried.append(handle)
        assert tried.count(handle) < 9, "it is tried again and again"
        if not handles or handle in handles:
            raise broken()

    home.disk.syncs = syncs
    return tried


def test_a_full_disk_is_told_before_the_reserve_is_needed_and_the_reserve_serves(
    home: Home,
) -> None:
    journal = home.open()
    seq = journal.append([RECORD])
    journal.prepare()
    refuse_makes(home)
    while not journal.trouble:
        seq = journal.append([RECORD])
        journal.sync(seq)
        journal.prepare()
    assert "No space left on device" in journal.trouble
    assert "make room" in journal.trouble
    for _ in range((AHEAD - 1) * (SMALL // 1_100 - 5)):
        seq = journal.append([RECORD])
        journal.sync(seq)
    assert len(everything(journal)) == seq
    # Records that the database takes free their segments: it goes on for ever.
    for _ in range(200):
        seq = journal.append([RECORD])
        journal.sync(seq)
        journal.applied(seq)
    journal.prepare()
    assert journal.trouble == ""


def test_once_the_reserve_is_used_up_facts_wait_in_order_and_nobody_is_told_they_are_durable(
    home: Home,
) -> None:
    journal = home.open()
    refuse_makes(home)
    journal.prepare()
    bodies = [b"%d" % n + RECORD for n in range(100)]
    refused = 0
    for body in bodies:
        seq = journal.append([body])
        try:
            journal.sync(seq)
        except LedgerUnavailable:
            refused += 1
    assert refused > 0
    assert "cannot be written" in journal.trouble
    assert payloads(everything(journal)) == bodies  # the database may take them from here
    home.disk.makes = lambda path: None
    journal.prepare()
    while journal.trouble:
        journal.sync(journal.last)
        journal.prepare()
    home.kill()
    assert payloads(everything(home.open())) == bodies


def test_what_the_database_took_from_memory_need_not_be_written_any_more(home: Home) -> None:
    journal = home.open()
    refuse_makes(home)
    journal.prepare()
    while "cannot be written" not in journal.trouble:
        journal.append([RECORD])
    last = journal.last
    journal.applied(last)
    journal.append([b"after"])
    assert journal.trouble == "" or "cannot" not in journal.trouble
    journal.sync(last + 1)
    home.applied = last
    assert payloads(everything(home.open(), last)) == [b"after"]


def test_a_sync_that_failed_is_never_tried_again_on_the_same_file(home: Home) -> None:
    journal = home.open()
    journal.append([b"a"])
    journal.sync(1)
    segment = journal._current
    assert segment is not None
    tried = refuse_syncs(home, segment.handle)
    journal.append([b"b", b"c"])
    journal.sync(3)  # in another segment
    journal.append([b"d"])
    journal.sync(4)
    assert tried.count(segment.handle) == 1
    (failure,) = journal.take_failures()
    assert str(segment.path) in failure
    assert payloads(everything(journal)) == [b"a", b"b", b"c", b"d"]
    home.disk.syncs = lambda handle: None
    # Whatever became of the file that failed: what it said of b and c does not count.
    with segment.path.open("r+b") as file:
        file.seek(segment.end - 1)
        file.write(b"?")
    assert payloads(everything(home.open())) == [b"a", b"b", b"c", b"d"]


def test_a_write_that_failed_goes_on_in_another_segment(home: Home) -> None:
    journal = home.open()
    journal.append([b"a"])
    failing = [True]

    def writes(handle: int, offset: int) -> None:
        if failing.pop():
            failing.append(False)
            raise broken()
        failing.append(False)

    home.disk.writes = writes
    journal.append([b"b"])
    journal.sync(2)
    assert len(journal.take_failures()) == 1
    assert payloads(everything(home.open())) == [b"a", b"b"]


def test_a_disk_that_is_gone_refuses_and_what_was_refused_can_be_taken_back(home: Home) -> None:
    journal = home.open()
    journal.append([b"fact"])
    journal.sync(1)
    refuse_syncs(home)
    refuse_makes(home)
    seq = journal.append([b"intent"])
    with pytest.raises(LedgerUnavailable):
        journal.sync(seq)
    assert journal.take_back(seq)
    journal.append([b"fact after"])
    home.disk.syncs, home.disk.makes = lambda handle: None, lambda path: None
    journal.prepare()
    journal.sync(journal.last)
    assert journal.trouble == ""
    assert not journal.take_back(journal.last)
    assert payloads(everything(home.open())) == [b"fact", TAKEN_BACK, b"fact after"]


def test_a_journal_that_cannot_be_secured_at_the_start_is_not_built_upon(home: Home) -> None:
    home.open().append([b"x"])
    home.kill()
    refuse_syncs(home)
    with pytest.raises(LedgerError, match="cannot be made durable"):
        home.open()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from tests.ledger.journal_kit import Home, SMALL
home = Home(Path(sys.argv[1]))
journal = home.open()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL - 1, resource.RLIM_INFINITY))
said = 0
for number in range(40):
    said = journal.append([b"x" * 1000])
    try:
        journal.sync(said)
    except Exception as error:
        print("refused", number, type(error).__name__, flush=True)
        break
    journal.prepare()
    print("durable", said, "trouble" if journal.trouble else "well", flush=True)
"""


def test_a_limit_of_the_operating_system_is_a_full_disk(home: Home) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(home.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    words = [line.split() for line in done.stdout.splitlines()]
    durable = [int(line[1]) for line in words if line[0] == "durable"]
    assert words[-1][0] == "refused"
    assert "trouble" in {line[2] for line in words if line[0] == "durable"}
    assert durable
    assert [each.seq for each in everything(home.open())][: len(durable)] == durable
