"""`quietmaker config`: what is refused, what is shown, and the plan in numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quietmaker.settings import load
from supervisors.cli import main
from supervisors.plan import plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for name in ("EXCLUDED_SYMBOLS", "PERMANENT_EXCLUSIONS", "PASSIVE_IGNORE_FEES_FOR_SPREAD"):
        monkeypatch.delenv(name, raising=False)


def test_check_prints_the_mode_in_capitals_and_the_formula_with_its_numbers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "check"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["mode", "PAPER"]
    assert "2 × maker fee 0.25 % + edge buffer 0.005 % = 0.505 %" in out
    assert "ok: config/base.yaml, config/paper.yaml" in err


def test_check_warns_loudly_when_fees_are_not_part_of_the_spread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASSIVE_IGNORE_FEES_FOR_SPREAD", "false")
    assert main(["config", "check"]) == 0
    out, err = capsys.readouterr()
    assert "WARNING: FEES ARE NOT PART OF IT" in out
    assert "fees are NOT part of the spread requirement" in err


def test_check_refuses_a_wrong_configuration_with_every_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("mode: papr\npaper: {seed: x}\n")
    assert main(["config", "check", "--config", str(path), "--set", "zzz=1"]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert "configuration refused, 3 problems" in err
    assert main(["config", "check", "--config", str(path), "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert [(each["line"], each["key"]) for each in found["problems"]] == [
        (1, "mode"),
        (2, "paper.seed"),
    ]


def test_check_as_json_has_the_hash_the_files_and_the_plan(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["mode"] == "paper"
    assert found["sha256"] == load(ROOT / "config/paper.yaml", env={}).sha256
    assert found["files"] == ["config/base.yaml", "config/paper.yaml"]
    assert "required spread" in found["plan"]["spread"]


def test_the_plan_shows_where_a_group_or_symbol_differs_and_nothing_twice() -> None:
    settings = load(ROOT / "config/examples/by-symbol.yaml", env={})
    lines = plan(settings, fees=settings.paper_fees())
    titles = [title for title, _ in lines]
    assert "group thin: quotes" in titles
    assert "TNSR-USD: exits" in titles
    assert "group majors: exits" not in titles
    assert len(set(titles)) == len(titles)


def test_a_live_plan_says_so_and_does_not_pretend_to_know_fees() -> None:
    lines = dict(plan(load(ROOT / "config/live.yaml", env={}), fees=None))
    assert lines["mode"] == "LIVE"
    assert lines["fees"] == "not known yet"
    assert "balances" not in lines


def test_show_lists_every_value_and_its_origin_on_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = ["config", "show", "--symbol", "TNSR-USD", "--set", "gates.min_spread_pct=0.7"]
    assert main(args) == 0
    without = capsys.readouterr().out
    assert main([*args, "--origin"]) == 0
    with_origin = capsys.readouterr().out
    (line,) = [
        line for line in with_origin.splitlines() if line.startswith("gates.min_spread_pct ")
    ]
    origin = "command line --set gates.min_spread_pct (every symbol)"
    assert " ".join(line.split()) == f"gates.min_spread_pct 0.7 percent of mid {origin}"
    assert "command line" not in without


def test_show_masks_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUIETMAKER__LEDGER__URL", "postgresql://bot:hunter2@db/books")
    for extra in ([], ["--json"], ["--origin"]):
        assert main(["config", "show", *extra]) == 0
        out = capsys.readouterr().out
        assert "bot:***@db/books" in out
        assert "hunter2" not in out


def test_show_as_json_is_a_list_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--json"]) == 0
    found = {each["key"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["management.port"]["value"] == "9464"
    assert found["defaults.exits.stop_loss_pct"]["unit"] == "percent of the entry price"
    assert found["mode"]["origin"] == "config/paper.yaml:3"


def test_the_schema_is_a_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["$schema"].startswith("https://json-schema.org/")
    assert found["additionalProperties"] is False


def test_without_a_config_folder_here_the_refusal_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["config", "check"]) == 4
    err = capsys.readouterr().err
    assert f"config/paper.yaml: no such file in {tmp_path}; start in the folder that holds" in err
    assert "--config" in err
