"""`quietmaker pause|resume|drain|flatten|halt`: what is asked, what is answered, and how it ends."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import click
import pytest

from quietmaker.core.events import Mode
from supervisors.cli import main
from supervisors.home import Home
from tests.supervisors.control_rig import Rig, home_in, view_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("USER", "anna")
    return home_in(tmp_path)


@pytest.mark.parametrize("word", ["pause", "resume", "drain", "flatten", "halt"])
def test_without_an_instance_a_command_ends_with_3(home: Home, word: str) -> None:
    assert main([word, "--yes"]) == 3


def test_a_pause_needs_no_confirmation_and_names_who_gave_it(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig()
    with rig.serving(home):
        assert main(["pause", "--symbol", "A-USD", "--reason", "odd fills"]) == 0
        assert main(["pause", "--symbol", "A-USD"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pause A-USD: done",
        "  pause for A-USD: operator anna: odd fills",
        "pause A-USD: stood already",
        "  pause for A-USD: operator anna: odd fills",
    ]


@pytest.mark.parametrize("word", ["flatten", "halt"])
def test_a_destructive_command_says_what_it_would_do_and_does_nothing_without_yes(
    home: Home, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    rig = Rig()
    rig.board.show(view_of("A-USD", position="800", quotes=1))
    with rig.serving(home):
        assert main([word]) == 6
        said = capsys.readouterr().err
        assert rig.modes.standing() == ()
        assert "A-USD: 800 for 80, unrealized -0.5" in said
        assert "--yes" in said
        assert main([word, "--yes"]) == 0
    assert rig.modes.of("A-USD", rig.clock.now()).mode is Mode(word)


def test_a_milder_command_where_a_halt_stands_ends_with_6(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig()
    with rig.serving(home):
        assert main(["halt", "--yes"]) == 0
        assert main(["pause"]) == 6
    assert "resume first" in capsys.readouterr().err


def test_a_symbol_that_is_not_traded_is_an_error(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with Rig().serving(home):
        assert main(["pause", "--symbol", "A-USDT"]) == 1
    assert "did you mean A-USD" in capsys.readouterr().err


def test_a_dry_run_only_says(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig()
    with rig.serving(home):
        assert main(["halt", "--dry-run"]) == 0
    assert "would do this" in capsys.readouterr().out
    assert rig.modes.standing() == ()


def test_json_is_the_whole_answer(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig()
    with rig.serving(home):
        assert main(["drain", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["action"], answer["changed"]) == ("drain", True)
    assert answer["standing"][0]["mode"] == "drain"


def test_a_command_that_is_not_recorded_is_obeyed_and_ends_with_an_error(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig()
    rig.ledger.close()
    with rig.serving(home):
        assert main(["halt", "--yes"]) == 1
    assert rig.kill.halted
    assert "no record" in capsys.readouterr().err


def test_an_instance_that_is_starting_is_not_running_yet(home: Home) -> None:
    with Rig(up=False).serving(home):
        assert main(["pause"]) == 3


def test_a_token_that_is_gone_or_another_names_its_file(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig()
    with rig.serving(home):
        assert stat.S_IMODE(home.control_token.stat().st_mode) == 0o600
        home.control_token.write_text("another")
        assert main(["pause"]) == 1
        home.control_token.unlink()
        assert main(["pause"]) == 1
    refused, gone = capsys.readouterr().err.splitlines()
    assert "control.token" in refused
    assert str(home.control_token) in gone
    assert rig.modes.standing() == ()


def test_an_instance_that_hangs_is_a_timeout_and_what_it_did_is_said_to_be_unknown(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("supervisors.asking.PATIENCE", 0.2)
    rig = Rig()
    with rig.serving(home), rig.modes._mutex:
        assert main(["pause"]) == 5
    assert "ask again" in capsys.readouterr().err


@pytest.mark.parametrize(("agrees", "code"), [(True, 0), (False, 1)])
def test_on_a_terminal_the_operator_is_asked_and_a_no_is_obeyed(
    home: Home, monkeypatch: pytest.MonkeyPatch, agrees: bool, code: int
) -> None:
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        if not agrees:
            raise click.Abort
        return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(click, "confirm", confirm)
    rig = Rig()
    with rig.serving(home):
        assert main(["halt"]) == code
    assert asked == ["Do it?"]
    assert bool(rig.modes.standing()) is agrees


class Terminal(io.StringIO):
    """Says that somebody looks at it."""

    def isatty(self) -> bool:
        return True
