"""Files are noticed by their content, however it came there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quietmaker.settings import Settings, load
from supervisors.reloading.generations import Asked, Outcome, Result, Trigger
from supervisors.reloading.reloader import Reloader, fingerprint
from tests.supervisors.reloading.rig import SIGNAL, Desk

PATIENCE = 20.0
LIVE = "defaults: {gates: {min_spread_pct: 0.4}}"


class Watched(Desk):
    """A desk whose file is watched by a thread; the test is the driving thread."""

    def __init__(self, folder: Path, *, every: str = "null") -> None:
        self.every = every
        super().__init__(folder)
        self.came = threading.Event()
        self.loads = 0
        self.reloader = Reloader(
            self.generations,
            load=self._counted,
            wake=self.came.set,
            seen=fingerprint(self.generations.current.files),
        )

    def _counted(self) -> Settings:
        self.loads += 1
        return self.load()

    def load(self) -> Settings:
        return load(self.path, env={}, overrides=[f"reload.poll_seconds={self.every}"])

    def next(self) -> Outcome:
        """Drive until a reload was dealt with."""
        assert self.came.wait(PATIENCE), "no reload"
        self.came.clear()
        before = self.generations.number
        assert self.reloader.step() == (self.generations.number != before)
        assert self.generations.last is not None
        return self.generations.last


@contextmanager
def watching(folder: Path, every: str = "0.1") -> Iterator[Watched]:
    desk = Watched(folder, every=every)
    desk.reloader.start()
    try:
        yield desk
    finally:
        desk.reloader.stop()
        desk.reloader.join(PATIENCE)


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def by_rename(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def by_deletion(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


@pytest.mark.parametrize("write", [in_place, by_rename, by_deletion])
def test_new_content_is_applied_again_and_again_whatever_the_editor_does(
    tmp_path: Path, write: object
) -> None:
    assert callable(write)
    with watching(tmp_path) as desk:
        for number in (2, 3, 4):
            write(desk.path, f"defaults: {{gates: {{min_spread_pct: 0.{number}}}}}")
            outcome = desk.next()
            while outcome.result is Result.REJECTED:  # it was seen between deletion and writing
                outcome = desk.next()
            assert (outcome.result, outcome.generation) == (Result.APPLIED, number)
            assert outcome.asked.trigger is Trigger.FILE


def test_a_symlink_that_is_swapped_is_noticed_as_a_mounted_config_map_swaps_it(
    tmp_path: Path,
) -> None:
    """Kubernetes: file -> ..data/file, ..data -> a folder with a new name at every change."""
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
    (tmp_path / "first" / "paper.yaml").write_text("mode: paper")
    (tmp_path / "second" / "paper.yaml").write_text(LIVE)
    (tmp_path / "third" / "paper.yaml").write_text("mode: paper")
    data = tmp_path / "..data"
    data.symlink_to("first")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "paper.yaml").symlink_to(data / "paper.yaml")

    def swap(name: str) -> None:
        fresh = tmp_path / "..fresh"
        fresh.symlink_to(name)
        fresh.replace(data)

    with watching(mounted) as desk:
        swap("second")
        assert desk.next().generation == 2
        swap("third")
        assert desk.next().generation == 3


def test_a_base_file_is_watched_as_well(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("mode: paper")
    with watching(tmp_path) as desk:
        desk.path.write_text("base: base.yaml")
        assert desk.next().result is Result.UNCHANGED
        (tmp_path / "base.yaml").write_text(LIVE)
        assert desk.next().result is Result.APPLIED


def test_a_bad_file_is_tried_once_and_its_mending_is_noticed(tmp_path: Path) -> None:
    with watching(tmp_path) as desk:
        desk.path.write_text("nonsense: 1")
        assert desk.next().result is Result.REJECTED
        tried = desk.loads
        desk.reloader.request(SIGNAL)
        assert desk.next().asked is SIGNAL  # many looks later: nobody read it in between
        assert desk.loads == tried + 1
        desk.path.write_text(LIVE)
        assert desk.next().result is Result.APPLIED


def test_a_touched_file_is_not_read(tmp_path: Path) -> None:
    with watching(tmp_path) as desk:
        os.utime(desk.path)
        desk.reloader.request(SIGNAL)
        assert desk.next().asked is SIGNAL
        assert desk.loads == 1


def test_half_a_file_is_not_read_before_it_stands_still(tmp_path: Path) -> None:
    """Half of it would be a whole configuration, and another one."""
    desk = Watched(tmp_path)
    reloader = desk.reloader
    desk.path.write_text("defaults: {gates: {min_spread_pct: 0.4}}\n")
    assert reloader._look() is None
    desk.path.write_text("defaults: {gates: {min_spread_pct: 0.4}}\nsymbols: {A-USD: {}}\n")
    assert reloader._look() is None
    assert reloader._look() is not None


def test_files_that_change_while_they_are_read_are_read_again(tmp_path: Path) -> None:
    desk = Watched(tmp_path)
    texts = iter(["defaults: {gates: {min_spread_pct: 0.5}}", LIVE])

    def moving() -> Settings:
        found = desk.load()
        if (text := next(texts, None)) is not None:
            desk.path.write_text(text)
        return found

    desk.reloader._load = moving
    candidate = desk.reloader._read(dry=False)
    assert isinstance(candidate, Settings)
    assert str(candidate.symbol("A-USD").gates.min_spread_pct) == "0.4"
    assert desk.reloader._look() is None


def test_a_signal_is_taken_at_its_word(tmp_path: Path) -> None:
    with watching(tmp_path, every="null") as desk:
        desk.path.write_text(LIVE)
        ticket = desk.reloader.request(SIGNAL)
        assert desk.next().result is Result.APPLIED
        found = ticket.wait(0)
        assert found is not None
        assert found.generation == 2


def test_a_dry_run_leaves_the_file_to_be_noticed(tmp_path: Path) -> None:
    desk = Watched(tmp_path)
    desk.path.write_text(LIVE)
    assert desk.reloader._look() is None
    desk.reloader._read(dry=True)
    assert desk.reloader._look() is not None


def test_a_reader_that_breaks_is_a_refusal_and_not_the_end_of_reloading(tmp_path: Path) -> None:
    with watching(tmp_path, every="null") as desk:
        good, desk.reloader._load = desk.reloader._load, broken
        desk.reloader.request(SIGNAL)
        outcome = desk.next()
        assert outcome.result is Result.REJECTED
        assert "defect" in outcome.problems[0]
        desk.reloader._load = good
        desk.reloader.request(SIGNAL)
        assert desk.next().result is Result.UNCHANGED


def broken() -> Settings:
    raise RecursionError("too deep")


def test_who_waits_when_the_process_ends_is_told_so(tmp_path: Path) -> None:
    with watching(tmp_path, every="null") as desk:
        desk.path.write_text(LIVE)
        waiting = [desk.reloader.request(SIGNAL) for _ in range(3)]
        assert desk.came.wait(PATIENCE)
        desk.reloader.stop()
        for ticket in waiting:
            assert ticket.wait(PATIENCE) is None
            assert ticket.over
        late = desk.reloader.request(Asked(trigger=Trigger.API, by="late"))
        assert late.over
        assert desk.generations.number == 1


def test_content_makes_the_fingerprint_and_an_unreadable_file_has_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    assert fingerprint([one, two]) == fingerprint([one, two])
    missing = fingerprint([one, two])
    two.write_text("")
    assert fingerprint([one, two]) != missing
    assert fingerprint([two, one]) != fingerprint([one, two])
