"""`quietmaker run` takes a changed configuration while it trades."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from quietmaker.ledger.server.embedded import EmbeddedPostgres
from supervisors.home import Home
from tests.integration.test_run import PATIENCE, ROOT, Run, start

__all__ = ["start"]

QUICK = "reload: {poll_seconds: 0.2}\nmanagement: {port: 0}\n"


def test_a_running_process_takes_what_is_good_refuses_what_is_bad_and_goes_on(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(QUICK)
    run = start("--config", str(path))
    run.await_event("process_ready")

    path.write_text(QUICK + "defaults: {gates: {min_spread_pct: 0.3}}\npaper: {seed: 77}\n")
    applied = run.await_event("config_reloaded")
    assert applied["trigger"] == "file"
    assert "defaults.gates.min_spread_pct: 0.025 -> 0.3" in applied["message"]
    assert "paper.seed: 1 -> 77" in run.await_event("config_notice")["message"]

    path.write_text(QUICK + "defaults: {gates: {min_spread_pct: 30000}}\n")
    refused = run.await_event("config_rejected")
    assert f"{path}:3" in refused["message"]

    path.write_text(QUICK)
    run.await_event("config_reloaded")
    run.process.send_signal(signal.SIGHUP)
    assert run.await_event("config_reloaded")["trigger"] == "signal"

    _, metrics = run.get("/metrics")
    for line in (
        'quietmaker_config_reloads_total{result="applied",trigger="file"} 2.0',
        'quietmaker_config_reloads_total{result="rejected",trigger="file"} 1.0',
        'quietmaker_config_reloads_total{result="unchanged",trigger="signal"} 1.0',
        "quietmaker_config_last_reload_successful 1.0",
        "quietmaker_config_generation 3.0",
        "quietmaker_config_restart_required 0.0",
    ):
        assert line in metrics
    code, _ = run.end()
    assert code == 0
    assert not [line for line in run.lines if line["event"] == "actor_restarted"]


def test_symbols_come_and_go_in_a_running_process(
    start: Callable[..., Run], tmp_path: Path
) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(QUICK + "universe: {symbols: [PROVE-USD, KAIO-USD]}\n")
    run = start("--config", str(path))
    run.await_event("process_ready")
    path.write_text(QUICK + "universe: {symbols: [KAIO-USD, FORTH-USD]}\n")
    assert run.await_event("symbol_added")["symbol"] == "FORTH-USD"
    assert run.await_event("symbol_removed")["symbol"] == "PROVE-USD"
    run.await_event("order_submitted", symbol="FORTH-USD")
    _, metrics = run.get("/metrics")
    assert 'symbol="FORTH-USD"' in metrics
    assert 'symbol="PROVE-USD"' not in metrics
    code, _ = run.end()
    assert code == 0
    assert not [line for line in run.lines if line["event"] == "actor_restarted"]


ON_A_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execv(sys.executable, [sys.executable, '-m', 'supervisors.cli', 'run', '--config', sys.argv[1]])"
)
"""Makes its standard input the terminal of its session, then runs the bot."""


def test_a_terminal_that_is_closed_is_a_stop_and_not_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(QUICK)
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, str(path)],
        cwd=ROOT,
        env={**os.environ, "QUIETMAKER_HOME": str(tmp_path / "home")},
        stdin=slave,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    os.close(slave)
    assert process.stdout is not None
    try:
        with process.stdout as lines:
            said = []
            for line in lines:
                said.append(line)
                if '"process_ready"' in line:
                    process.send_signal(signal.SIGHUP)  # the terminal is there: a reload
                elif '"config_reloaded"' in line:
                    os.close(master)
        assert process.wait(timeout=PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        EmbeddedPostgres(Home(tmp_path / "home").database).stop()
    (stopping,) = [line for line in said if '"process_stopping"' in line]
    assert "the terminal is gone" in stopping
