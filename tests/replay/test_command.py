"""`quietmaker replay` and `record`, as a person or a program uses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "market-data"
COINBASE = SHARED / "coinbase-advanced-2026-08-09" / "COINBASE.jsonl.zst"
BINANCE = SHARED / "binance-spot-2024-08-08"


def quietmaker(*args: str | Path, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "supervisors.cli", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )


def replayed(*args: str | Path) -> dict[str, Any]:
    """Return a replay's result as data."""
    done = quietmaker("replay", *args, "--json")
    assert done.returncode == 0, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def needed(*paths: Path) -> None:
    """Skip, with the reason, where the shared recordings are not beside the project."""
    for path in paths:
        if not path.exists():
            pytest.skip(f"{path} is not here; tests read the recordings in place")


def test_decisions_are_equal_bytes_across_processes(tmp_path: Path) -> None:
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for number, file in enumerate(files):
        done = quietmaker(
            "replay",
            "synthetic",
            "--duration",
            "2400",
            "--one-model",
            "--decisions",
            file,
            hash_seed=str(number),
        )
        assert done.returncode == 0, done.stderr
    one, two = (file.read_bytes() for file in files)
    assert one == two
    assert b'"decision":"round_trip"' in one


def test_a_result_says_everything_under_three_models() -> None:
    data = replayed("synthetic", "--duration", "2400", "--symbols", "PROVE-USD,TNSR-USD")
    assert data["symbols"] == ["PROVE-USD", "TNSR-USD"]
    assert set(data["models"]) == {"probabilistic", "touch", "queue"}
    assert data["events"] > 1_000
    assert data["fills"]["maker"] > 0
    assert data["maker_ratio"] == pytest.approx(1.0, abs=0.2)
    assert data["round_trips"]["by_exit_reason"]["break_even_plus"]["count"] > 0
    assert data["refusals"]["tick_too_coarse"]["count"] > 0
    money = data["pnl"]["USD"]
    parts = {name: float(amount) for name, amount in money.items()}
    assert parts["net"] == pytest.approx(
        parts["spread_captured"] + parts["price_move"] - parts["fees"]
    )


def test_switching_a_rule_off_changes_what_it_decided() -> None:
    common = ("synthetic", "--duration", "2400", "--one-model", "--symbols", "TNSR-USD")
    judged = replayed(*common)
    assert judged["refusals"]["tick_too_coarse"]["count"] > 0
    without = replayed(
        *common, "--without", "tick_too_coarse", "--without", "spread_below_required"
    )
    assert without["without"] == ["spread_below_required", "tick_too_coarse"]
    assert "tick_too_coarse" not in without["refusals"]
    assert without["quotes"] > judged["quotes"]


def test_an_unknown_rule_is_refused_with_a_suggestion() -> None:
    done = quietmaker("replay", "synthetic", "--without", "tick_to_coarse")
    assert done.returncode == 4
    assert "tick_too_coarse" in done.stderr


def test_a_file_that_is_no_market_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy low\n", encoding="utf-8")
    done = quietmaker("replay", path)
    assert done.returncode == 1
    assert "notes.txt:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_recorded_coinbase_session_replays_without_an_issue() -> None:
    needed(COINBASE)
    data = replayed(COINBASE)
    assert data["source"]["kind"] == "coinbase-ws"
    assert data["symbols"] == ["BTC-USD", "ETH-USD"]
    assert data["issues"] == {}
    assert data["events"] > 800


def test_two_recordings_merge_in_order_of_time() -> None:
    files = [BINANCE / "btcusdt_20240808.gz", BINANCE / "ethusdt_20240808.gz"]
    needed(*files)
    data = replayed(*files, "--one-model")
    assert data["symbols"] == ["BTC-USDT", "ETH-USDT"]
    assert set(data["source"]["inferred"]) == {"BTC-USDT", "ETH-USDT"}
    assert data["events"] > 20_000
    assert data["issues"] == {}


def test_a_recorded_synthetic_market_replays_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "market.parquet"
    done = quietmaker("record", "synthetic", path, "--duration", "120")
    assert done.returncode == 0, done.stderr
    assert replayed(path, "--one-model")["source"]["kind"] == "parquet"
    again = quietmaker("record", "synthetic", path)
    assert again.returncode == 6


def test_decisions_that_cannot_be_written_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    done = quietmaker("replay", "synthetic", "--decisions", tmp_path / "absent/decisions")
    assert done.returncode == 1
    assert "absent/decisions: cannot be written (No such file or directory); name a" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["replay", "record"])
@pytest.mark.parametrize("duration", ["0", "-1", "nan", "inf"])
def test_a_duration_that_is_none_is_refused(tmp_path: Path, command: str, duration: str) -> None:
    more = [tmp_path / "market.parquet"] if command == "record" else []
    done = quietmaker(command, "synthetic", *more, "--duration", duration)
    assert done.returncode == 2
    assert "Invalid value for '--duration'" in done.stderr
