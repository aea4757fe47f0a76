"""Incident C6. The server could not be reached any more: quotes must die with whoever can renew them.

The bot is killed where nothing can clean up after it. Its exchange lives on, in a process of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.core.units import Instant
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from quietmaker.settings import load
from quietmaker.telemetry.metrics import Metrics
from supervisors.clock import SystemClock
from supervisors.exchange_instance import ExchangeInstance
from supervisors.home import Home
from supervisors.link import make_exchange, paper_endpoints
from tests.integration.test_run import PATIENCE, ROOT, Run
from tests.kit.paper_exchange import paper_exchange

LIFE = 5
SYMBOL = "PROVE-USD"


def adapter(instance: ExchangeInstance) -> CoinbaseExchange:
    """Return our own eyes on the exchange."""
    settings = load(None, env={}, overrides=[f"exchange.address.ca_file={instance.ca}"])
    clock = SystemClock()
    exchange = make_exchange(
        settings,
        paper_endpoints(settings, instance.rest_url),
        Signer(ApiKey.load(instance.first_key), clock),
        clock=clock,
        metrics=Metrics(version="t", revision="t", mode="paper", now=lambda: Instant(0)),
    )
    exchange.serve(exchange.products())
    return exchange


def entries(exchange: CoinbaseExchange) -> set[str]:
    """Return the client ids of the entries that rest: exits are not to expire."""
    ids = {report.client_id for report in exchange.open_orders()}
    return {each for each in ids if "E" in each.rpartition("-")[2]}


def until(wanted: Callable[[], bool], within: float) -> bool:
    """Wait for something to be so."""
    pause, end = threading.Event(), time.monotonic() + within
    while not wanted():
        if time.monotonic() > end:
            return False
        pause.wait(0.2)
    return True


@contextmanager
def trading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str
) -> Iterator[tuple[Run, CoinbaseExchange]]:
    """Run a bot that quotes on an exchange which outlives it."""
    with paper_exchange(tmp_path / "exchange") as instance:
        monkeypatch.setenv("QUIETMAKER_API_KEY_FILE", str(instance.first_key))
        exchange = adapter(instance)
        chosen = (
            f"paper.exchange_url={instance.rest_url}",
            f"exchange.address.ca_file={instance.ca}",
            f"universe.symbols=[{SYMBOL}]",
            *overrides,
        )
        run = Run(tmp_path / "bot", *(part for each in chosen for part in ("--set", each)))
        try:
            run.await_event("order_submitted", purpose="entry")
            assert until(lambda: bool(entries(exchange)), LIFE)
            yield run, exchange
        finally:
            run.process.kill()
            run.process.wait()
            exchange.close()
            for pipe in (run.process.stdout, run.process.stderr):
                assert pipe is not None
                pipe.close()
            EmbeddedPostgres(Home(tmp_path / "bot").database).stop()  # it may outlive the bot


def test_quotes_of_a_killed_bot_expire_and_those_of_a_living_one_are_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = (f"quote.time_to_live_seconds={LIFE}", "quote.max_age_seconds=3600")
    with trading(tmp_path, monkeypatch, *life) as (run, exchange):
        first = entries(exchange)
        # Long after these would have expired, others stand in their place.
        assert until(lambda: bool(entries(exchange)) and not entries(exchange) & first, PATIENCE)
        run.process.kill()
        run.process.wait()
        assert until(
            lambda: not entries(exchange), 3 * LIFE
        )  # without an end they would rest for ever


def test_a_second_signal_ends_at_once_and_leaves_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trading(tmp_path, monkeypatch) as (run, exchange):
        run.process.send_signal(signal.SIGTERM)
        run.await_event("process_stopping")
        code, took = run.end(signal.SIGTERM)
        assert code in {0, 1}  # the orderly end may be quicker than the second signal
        assert took < 5
        assert exchange.open_orders() == ()


@pytest.mark.parametrize(
    ("kind", "why"), [("crash", "root was restarted"), ("hang", "gateway hangs")]
)
def test_a_bot_that_gives_up_leaves_no_order_and_says_so_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, why: str
) -> None:
    once = [f"supervision.{branch}.max_restarts=1" for branch in ("symbols", "trading", "root")]
    with paper_exchange(tmp_path / "exchange") as instance:
        monkeypatch.setenv("QUIETMAKER_API_KEY_FILE", str(instance.first_key))
        monkeypatch.setenv("QUIETMAKER_HOME", str(tmp_path / "bot"))
        chosen = (
            f"paper.exchange_url={instance.rest_url}",
            f"exchange.address.ca_file={instance.ca}",
            f"universe.symbols=[{SYMBOL}, KAIO-USD, FORTH-USD]",
            "management.port=0",
            *once,
        )
        command = [sys.executable, "-m", "tests.kit.crashing", kind, "run"]
        command += [part for each in chosen for part in ("--set", each)]
        ended = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert ended.returncode == 1, ended.stderr
        assert why in ended.stdout
        exchange = adapter(instance)
        assert exchange.open_orders() == ()
        exchange.close()
