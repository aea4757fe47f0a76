"""`quietmaker health` and `exchange health`: what a container is judged by."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from quietmaker.telemetry.management import Check, ManagementServer
from supervisors.cli import main
from supervisors.commands import health
from supervisors.home import Home, Instance
from tests.kit.paper_exchange import paper_exchange

READY = {"market": Check(True, "8 of 8"), "ledger": Check(True)}


class Bot:
    """A management port whose answers a test chooses, published as a running instance."""

    def __init__(self) -> None:
        self.well = Check(True, "running")
        self.checks: Mapping[str, Check] = READY
        self.server = ManagementServer(
            host="127.0.0.1",
            port=0,
            expose=lambda accept: (b"", "text/plain"),
            health=lambda: self.well,
            ready=lambda: self.checks,
        )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # is none of its business
    return Home(tmp_path)


def published(home: Home, url: str) -> None:
    home.publish(
        Instance(
            pid=1,
            mode="paper",
            version="0.1.0",
            revision="abc",
            config_sha="d",
            started_at="2026-01-01T00:00:00Z",
            management_url=url,
        )
    )


@pytest.fixture
def bot(home: Home) -> Iterator[Bot]:
    bot = Bot()
    bot.server.start()
    with home.claim():
        published(home, bot.server.url)
        yield bot
    bot.server.stop()


def test_a_well_instance_is_healthy_and_says_which_build_it_is(
    bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health"]) == 0
    assert capsys.readouterr().out == "healthy: running\n"
    assert main(["health", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"ok": True, "detail": "running", "version": "0.1.0", "revision": "abc"}


def test_a_process_that_does_not_move_is_not_healthy(
    bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.well = Check(False, "the supervisor has not moved for 21 s")
    assert main(["health"]) == 1
    assert "not healthy: the supervisor has not moved" in capsys.readouterr().out


def test_one_that_cannot_trade_is_healthy_but_not_ready(
    bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.checks = {**READY, "ledger": Check(False, "no connection")}
    assert main(["health"]) == 0
    assert main(["health", "--ready"]) == 1
    assert "not ready: ledger (no connection)" in capsys.readouterr().out
    bot.checks = READY
    assert main(["health", "--ready"]) == 0


def test_no_instance_is_no_health(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["health"]) == 3
    with home.claim():
        published(home, "http://127.0.0.1:1")
        assert main(["health"]) == 3
    assert "cannot be reached" in capsys.readouterr().err


def test_a_port_that_accepts_and_stays_silent_is_a_verdict_in_time(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, home.claim():
        published(home, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert main(["health"]) == 5
    assert "did not answer within 0.2 s" in capsys.readouterr().err


def test_a_paper_exchange_is_healthy_while_it_runs(home: Home) -> None:
    assert main(["exchange", "health"]) == 3
    with paper_exchange(home.root):
        assert main(["exchange", "health"]) == 0
    assert main(["exchange", "health"]) == 3
