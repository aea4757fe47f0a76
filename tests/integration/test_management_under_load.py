"""The management port answers within a second while the rest is saturated, hung, or without its database."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil
import pytest

from quietmaker.ledger.server.embedded import EmbeddedPostgres
from supervisors.home import Home
from tests.integration.test_run import Run

LIMIT: Final = 1.0
ASKED: Final = 8
PROGRAM: Final = """
import signal, sys, threading
from supervisors.cli import main

def burn(*_):
    def forever():
        while True:
            sum(range(10_000))
    for _ in range(4):
        threading.Thread(target=forever, daemon=True).start()

signal.signal(signal.SIGUSR2, burn)
signal.signal(signal.SIGWINCH, lambda *_: threading.Event().wait())  # the driving thread, for good
sys.exit(main())
"""


class Loaded(Run):
    """An instance that can be told to compute without end, and to hang."""

    program = (sys.executable, "-c", PROGRAM)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "elsewhere")
    monkeypatch.setenv("QUIETMAKER__LEDGER__URL", server.start())
    yield server
    server.stop()


@contextlib.contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Let a database accept connections and answer nothing, which is worse than one that is gone."""
    assert server.pid is not None
    master = psutil.Process(server.pid)
    group = [master, *master.children(recursive=True)]
    for each in group:
        each.suspend()
    try:
        yield
    finally:
        for each in reversed(group):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


def slowest(url: str, path: str) -> float:
    """Return how long the slowest of some answers took, whatever it said."""
    where = urlsplit(url)
    took = []
    for _ in range(ASKED):
        connection = HTTPConnection(where.hostname or "", where.port, timeout=10)
        began = time.monotonic()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        took.append(time.monotonic() - began)
        connection.close()
        assert answer.status in {200, 503}
    return max(took)


def test_it_answers_within_a_second_whatever_the_rest_does(
    tmp_path: Path, database: EmbeddedPostgres
) -> None:
    run = Loaded(tmp_path / "home", "--speed", "4")
    worst: dict[str, float] = {}

    def look(state: str) -> None:
        for path in ("/metrics", "/-/healthy", "/-/ready"):
            worst[f"{path} {state}"] = slowest(Home(run.home).instance().management_url, path)

    try:
        run.await_event("order_submitted")
        with frozen(database):
            look("without database")
            run.process.send_signal(signal.SIGUSR2)
            look("saturated")
            os.kill(run.process.pid, signal.SIGWINCH)
            look("hung")
    finally:
        run.process.kill()
        run.process.wait()
        for pipe in (run.process.stdout, run.process.stderr):
            assert pipe is not None
            pipe.close()
    assert max(worst.values()) < LIMIT, worst
