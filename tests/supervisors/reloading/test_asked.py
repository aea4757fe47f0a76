"""`POST /-/reload`, `quietmaker config reload` and `config diff`: what is answered, and how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from quietmaker.telemetry.actions import Request
from quietmaker.telemetry.management import Check, ManagementServer
from supervisors.cli import main
from supervisors.home import Home, Instance
from supervisors.reloading import asked
from supervisors.reloading.asked import PATH, ReloadAction
from tests.supervisors.control_rig import home_in
from tests.supervisors.reloading.test_reloader import Watched

LIVE = "defaults: {gates: {min_spread_pct: 0.4}}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("USER", "anna")
    return home_in(tmp_path)


@contextmanager
def serving(home: Home, folder: Path) -> Iterator[Watched]:
    """A desk behind a management port, driven by a thread, described in the home."""
    desk = Watched(folder)
    over = threading.Event()

    def drive() -> None:
        while not over.is_set():
            desk.came.wait(5)
            desk.came.clear()
            desk.reloader.step()

    home.create()
    driver = threading.Thread(target=drive)
    server = ManagementServer(
        host="127.0.0.1",
        port=0,
        expose=lambda accept: (b"", accept),
        health=lambda: Check(True),
        ready=dict,
        actions={PATH: ReloadAction(lambda: desk.reloader).perform},
        token=home.new_token(),
    )
    with home.claim():
        home.publish(
            Instance(
                pid=1,
                mode="paper",
                version="t",
                revision="t",
                config_sha="",
                started_at="",
                management_url=server.url,
            )
        )
        server.start()
        desk.reloader.start()
        driver.start()
        try:
            yield desk
        finally:
            over.set()
            desk.reloader.stop()
            desk.came.set()
            driver.join()
            server.stop()


def test_without_an_instance_both_commands_end_with_3(home: Home) -> None:
    assert main(["config", "reload"]) == 3
    assert main(["config", "diff"]) == 3


def test_a_reload_by_command_says_what_came_into_force_and_by_whom(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(home, tmp_path) as desk:
        desk.path.write_text(LIVE + "\npaper: {seed: 9}\n")
        assert main(["config", "reload"]) == 0
        said = capsys.readouterr()
        assert said.out.startswith("applied: generation 2")
        assert "defaults.gates.min_spread_pct  0.025  ->  0.4" in said.out
        assert "paper.seed" in said.out
        assert "keep their values" in said.err
        last = desk.generations.last
        assert last is not None
        assert (last.asked.trigger.value, last.asked.by) == ("cli", "anna")
        assert main(["config", "reload"]) == 0
        assert capsys.readouterr().out.startswith("nothing is new: generation 2")


def test_a_refused_file_ends_with_4_and_every_problem(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(home, tmp_path) as desk:
        desk.path.write_text("nonsense: 1\nmore: 2")
        for words in (["reload"], ["diff"]):
            assert main(["config", *words]) == 4
            said = capsys.readouterr().err
            assert f"{desk.path}:1" in said
            assert f"{desk.path}:2" in said
        assert desk.generations.number == 1


def test_what_a_safety_rule_forbids_ends_with_6(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(home, tmp_path) as desk:
        desk.path.write_text("defaults: {quote: {max_position: 75}}")
        assert main(["config", "reload"]) == 6
        assert main(["config", "diff"]) == 6
        assert "ceiling" in capsys.readouterr().err
        assert desk.generations.number == 1


def test_a_diff_shows_what_a_reload_would_change_and_changes_nothing(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(home, tmp_path) as desk:
        desk.path.write_text(LIVE + "\npaper: {seed: 9}\n")
        assert main(["config", "diff", "--json"]) == 0
        page = json.loads(capsys.readouterr().out)
        assert [each["key"] for each in page["changes"]] == ["defaults.gates.min_spread_pct"]
        assert [each["key"] for each in page["restart_required"]] == ["paper.seed"]
        assert desk.generations.number == 1
        assert desk.generations.last is None


def test_two_files_are_compared_without_an_instance(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text("mode: paper")
    new.write_text(LIVE)
    assert main(["config", "diff", "--config", str(new), "--against", str(old)]) == 0
    line = capsys.readouterr().out
    assert line.startswith("defaults.gates.min_spread_pct  0.025  ->  0.4  live")


def test_a_request_before_everything_is_up_is_answered() -> None:
    answer = ReloadAction(lambda: None).perform(Request(path=PATH, document={}))
    assert answer.status is HTTPStatus.SERVICE_UNAVAILABLE


def test_a_request_that_nobody_deals_with_is_answered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "PATIENCE", 0.01)
    desk = Watched(tmp_path)
    action = ReloadAction(lambda: desk.reloader)
    answer = action.perform(Request(path=PATH, document={"by": "a program"}))
    assert answer.status is HTTPStatus.GATEWAY_TIMEOUT
    desk.reloader.stop()
    answer = action.perform(Request(path=PATH, document={}))
    assert answer.status is HTTPStatus.SERVICE_UNAVAILABLE
