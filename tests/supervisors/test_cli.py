"""The command line: data on stdout, messages on stderr, and an exit code that says what happened."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from quietmaker.errors import NotRunning, QuietmakerError, SafetyRefusal
from supervisors import cli
from supervisors.cli import VERBS, Verb, main

ROOT = Path(__file__).parents[2]
HEAVY = ("yaml", "prometheus_client", "pyarrow", "numpy", "psycopg2", "pykka", "websocket", "rich")


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("EXCLUDED_SYMBOLS", "PERMANENT_EXCLUSIONS", "PASSIVE_IGNORE_FEES_FOR_SPREAD"):
        monkeypatch.delenv(name, raising=False)


def test_help_lists_every_command_and_imports_none() -> None:
    code = (
        "import sys, supervisors.cli as c; status = c.main(['--help']); "
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    assert done.stderr.strip() == "[]"
    for name, verb in VERBS.items():
        assert name in done.stdout
        assert verb.about.split()[0] in done.stdout


@pytest.mark.parametrize("name", list(VERBS))
def test_every_command_can_be_imported_and_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module, _, attribute = VERBS[name].target.partition(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)
    assert main([name, "-h"]) == 0
    assert "Usage: quietmaker" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["confg"], "Did you mean 'config'?"),
        (["zzz"], "No such command 'zzz'."),
        (["config", "check", "--nonsense"], "No such option"),
        (["config", "show", "--symbol", "btc-usd"], "did you mean BTC-USD?"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_was_meant(
    args: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err


def with_command(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> None:
    """Let the command `version` raise."""

    @click.command()
    def broken() -> None:
        raise raised

    monkeypatch.setattr(cli, "broken", broken, raising=False)
    monkeypatch.setattr(cli, "VERBS", {"version": Verb("supervisors.cli:broken", "Broken.")})


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (QuietmakerError("no luck"), 1),
        (NotRunning("no luck"), 3),
        (TimeoutError("no luck"), 5),
        (SafetyRefusal("no luck"), 6),
        (click.Abort(), 1),
        (KeyboardInterrupt(), 1),
    ],
)
def test_an_error_is_one_line_on_stderr_and_its_own_exit_code(
    raised: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with_command(monkeypatch, raised)
    assert main(["version"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line]) == 1


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_command(monkeypatch, SafetyRefusal("no luck"))
    assert main(["--debug", "version"]) == 6
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "error: no luck" in err


def test_a_defect_is_not_dressed_up_as_an_error_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_command(monkeypatch, ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        main(["version"])


def test_a_reader_that_has_seen_enough_causes_no_traceback() -> None:
    shell = f"{sys.executable} -m supervisors.cli config schema | head -c 1"
    done = subprocess.run(
        shell, shell=True, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert done.stdout == "{"
    assert done.stderr == ""


def test_the_version_names_the_commit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUIETMAKER_REVISION", "abc123")
    assert main(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revision"] == "abc123"
    assert main(["version"]) == 0
    assert "(abc123)" in capsys.readouterr().out


def test_the_module_can_be_run_and_passes_its_exit_code_on() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "supervisors.cli", "config", "check", "--config", "nowhere.yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )
    assert done.returncode == 4
    assert "nowhere.yaml: no such file" in done.stderr
