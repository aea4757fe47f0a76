"""The whole process, as an operator starts it: `quietmaker run` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from quietmaker.core.orders import OrderState
from quietmaker.ledger.reading.reports import Reports, Wanted
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from supervisors.exchange_instance import FILE, ExchangeInstance
from supervisors.home import Home
from tests.kit.paper_exchange import paper_exchange

ROOT = Path(__file__).parents[2]
RECORDING = ROOT.parent / "shared/market-data/coinbase-advanced-2026-08-09/COINBASE.jsonl.zst"
PATIENCE = 45.0


class Run:
    """A running instance and its log."""

    program: tuple[str, ...] = (sys.executable, "-m", "supervisors.cli")

    def __init__(self, home: Path, *args: str) -> None:
        self.home = home
        self.env = {**os.environ, "QUIETMAKER_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *(*self.program, "run"),
                *("--set", "management.port=0", *args),
            ],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[dict[str, Any]] = []
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                self._queue.put(json.loads(line))
        self._queue.put(None)

    def await_event(self, event: str, **fields: str) -> dict[str, Any]:
        """Return the next log line of this event."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {event} within {PATIENCE} s") from None
            if line is None:
                assert self.process.stderr is not None
                raise AssertionError(f"it ended: {self.process.stderr.read()}")
            self.lines.append(line)
            if line["event"] == event and fields.items() <= line.items():
                return line

    def lines_so_far(self) -> list[dict[str, Any]]:
        """Return every line that was logged until now."""
        while not self._queue.empty():
            line = self._queue.get()
            if line is None:
                self._queue.put(None)  # for whoever waits for the end
                break
            self.lines.append(line)
        return self.lines

    def get(self, path: str) -> tuple[int, str]:
        url = Home(self.home).instance().management_url + path
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def command(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "supervisors.cli", *args],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit code and how long the end took."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE)
        took = time.monotonic() - began
        self._reader.join(PATIENCE)
        while (line := self._queue.get()) is not None:
            self.lines.append(line)
        return code, took

    def said(self) -> str:
        return "\n".join(str(line["message"]) for line in self.lines)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    runs: list[Run] = []

    def launch(*args: str) -> Run:
        runs.append(Run(tmp_path / "home", *args))
        return runs[-1]

    yield launch
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
        for pipe in (run.process.stdout, run.process.stderr):
            assert pipe is not None
            pipe.close()
    EmbeddedPostgres(Home(tmp_path / "home").database).stop()


@contextlib.contextmanager
def database(home: Path) -> Iterator[str]:
    """Open the books of an instance that has ended."""
    server = EmbeddedPostgres(Home(home).database)
    try:
        yield server.start()
    finally:
        server.stop()


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def ties_out(url: str) -> int:
    """Check that books and account agreed whenever they were compared; return how often they were."""
    found = rows(url, "SELECT verdict, differences, detail FROM tie_outs ORDER BY at_ns")
    assert [line for line in found if line[0] == "different"] == []
    assert found[-1][0] == "clean", found[-1]
    assert rows(url, "SELECT kind, currency, amount FROM cash_movements") == [
        ("opening", "USD", Decimal(1_000))
    ]
    return len(found)


def test_a_run_trades_answers_and_ends_with_nothing_left_behind(start: Any) -> None:
    run = start("--speed", "4", "--set", "paper.seed=1")
    run.await_event("process_ready")
    assert time.monotonic() - run.began < 30
    plan = run.said()
    assert [line["event"] for line in run.lines][:2] == ["process_started", "config_loaded"]
    assert "mode: PAPER" in plan
    assert "= 0.505 %" in plan
    assert "fill model bias: probabilistic" in plan

    run.await_event("order_submitted")
    assert time.monotonic() - run.began < 30  # first quotes
    closed = run.await_event("round_trip_closed")
    assert closed["reason"]
    assert "Break-even+ exit" in run.said()

    _answers(run)
    _commands(run)
    if all(line["event"] != "tied_out" for line in run.lines):
        run.await_event("tied_out", verdict="clean")

    run.process.send_signal(signal.SIGUSR1)
    while "trader:" not in run.await_event("library", logger="pykka")["message"]:
        pass

    code, took = run.end()
    assert code == 0
    assert took < 10
    assert run.lines[-1]["event"] == "process_stopped"
    assert run.command("status").returncode == 3
    with database(run.home) as url:
        reports = Reports(url=lambda: url)
        assert reports.open_orders() == []
        assert reports.derived_drift() == []
        assert len(reports.round_trips(Wanted())) >= 1
        reports.close()
        assert rows(url, "SELECT count(*) FROM refused_facts") == [(0,)]
        assert rows(url, "SELECT end_reason FROM runs") == [("SIGTERM",)]
        chosen = "SELECT settings ->> 'paper.seed' FROM runs JOIN config_history USING (config_sha)"
        assert rows(url, chosen) == [("1",)]
        at_the_fill = "SELECT count(*) > 0, count(*) = count(mid) FROM fill_markouts"
        assert rows(url, at_the_fill) == [(True, True)]
        assert rows(url, "SELECT count(*) FROM journal_applied WHERE seq > 0") == [(1,)]
        assert ties_out(url) >= 2  # at boot and at the stop
        assert rows(url, "SELECT count(*) > 0 FROM trade_records WHERE pnl_usd IS NOT NULL") == [
            (True,)
        ]


def _answers(run: Run) -> None:
    """Check what the management port says."""
    status, metrics = run.get("/metrics")
    assert status == 200
    assert 'quietmaker_build_info{mode="paper"' in metrics
    assert "quietmaker_round_trips_total" in metrics
    assert 'quietmaker_actor_inbox_messages{actor="trader"}' in metrics
    assert run.get("/-/healthy")[0] == 200
    status, ready = run.get("/-/ready")
    assert (status, json.loads(ready)["ready"]) == (200, True)
    status, page = run.get("/-/status")
    assert status == 200
    assert json.loads(page)["mode"] == "paper"
    assert json.loads(page)["tie_out"]["verdict"] in {None, "clean"}


def _told_in_the_readme() -> list[list[str]]:
    """Return the commands that the README tells to try while it runs; those with a placeholder apart."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("In another terminal:")[2]
    block = text.partition("```sh\n")[2].partition("```")[0]
    lines = [line.partition("#")[0].split() for line in block.splitlines()]
    told = [words[1:] for words in lines if words and words[0] == ".venv/bin/quietmaker"]
    assert len(told) >= 3
    return [words for words in told if "ID" not in words]


def _commands(run: Run) -> None:
    """Check the commands that find the running instance through its home."""
    chosen = ("management.port=0", "paper.speed=4", "paper.seed=1")
    same = [part for each in chosen for part in ("--set", each)]
    for told in _told_in_the_readme():
        done = run.command(*told)
        assert done.returncode == 0, (told, done.stderr)
    verified = run.command("verify", "--json", *same)
    verdicts = {each["check"]: each["verdict"] for each in json.loads(verified.stdout)}
    assert (verified.returncode, "FAILED" in verdicts.values()) == (0, False), verified.stdout
    assert verdicts["configuration in force"] == verdicts["orders are sent"] == "ok"
    assert json.loads(run.command("db", "schema", "--json").stdout)["verdict"] == "current"
    shown = json.loads(run.command("status", "--json").stdout)
    assert {line["symbol"] for line in shown["symbols"]} >= {"TNSR-USD", "BTC-USD"}
    assert all(side["reason"] for line in shown["symbols"] for side in line["sides"].values())
    assert "TNSR-USD" in run.command("status").stdout
    url = run.command("db", "url").stdout.strip()
    assert rows(url, "SELECT mode FROM runs") == [("paper",)]
    second = run.command("run", "--set", "management.port=0")
    assert second.returncode == 6
    assert "already runs" in second.stderr


def test_after_kill_9_the_next_run_recovers_every_order_and_position(start: Any) -> None:
    run = start("--speed", "4")
    run.await_event("order_filled")
    run.await_event("order_submitted")
    run.end(signal.SIGKILL)

    run = start("--speed", "4")
    for _ in range(12):
        run.await_event("recovered", logger="trader")
    run.await_event("order_submitted")
    run.process.send_signal(signal.SIGINT)
    code, took = run.end(signal.SIGCONT)
    assert code == 0
    assert took < 10
    with database(run.home) as url:
        reports = Reports(url=lambda: url)
        # One that was told to be filled, without its executions: they died with the exchange that had them.
        assert [o for o in reports.open_orders() if o.state is not OrderState.FILLED] == []
        assert reports.derived_drift() == []
        held = {holding.symbol: holding.size for holding in reports.positions()}
        reports.close()
        assert all(size > 0 for size in held.values())  # bids only: nothing was sold twice
        assert rows(url, "SELECT count(*) FROM refused_facts") == [(0,)]
        assert rows(url, "SELECT kind, detail FROM alerts") == []
        assert ties_out(url) >= 2
        noted = rows(url, "SELECT DISTINCT kind, resolution FROM differences")
        # The exchange died with the first run, and with it every order that rested.
        assert set(noted) <= {("order_unknown_there", "failed in the books")}


def test_a_second_signal_ends_at_once_with_an_error(start: Any) -> None:
    run = start()
    run.await_event("process_ready")
    run.process.send_signal(signal.SIGTERM)
    code, took = run.end(signal.SIGTERM)
    # Two signals that arrive together are one: then the end was orderly, and quick all the same.
    assert code in {0, 1}
    assert took < 10


@pytest.mark.skipif(not RECORDING.exists(), reason=f"the recording {RECORDING} is not there")
def test_a_signal_while_starting_ends_it_before_anything_is_traded(start: Any) -> None:
    run = start()
    run.await_event("process_started")
    code, _ = run.end()
    assert code == 0, run.said()
    last = run.lines[-1]
    assert (last["event"], last["message"]) == (
        "process_stopped",
        "SIGTERM: before anything was traded",
    )
    assert not any(line["event"] == "plan" for line in run.lines)


def test_a_recording_is_played_through_the_same_process(start: Any) -> None:
    # Slow enough that a busy machine has recovered its traders before the recording ends.
    run = start("--market", str(RECORDING), "--speed", "2")
    for _ in range(2):  # the exchange takes a product offline whose market is played to its end
        run.await_event("market_data_lost", reason="product_not_online")
    reasons = {
        (line["symbol"], line["reason"]) for line in run.lines if line["event"] == "hold_changed"
    }
    assert ("BTC-USD", "spread_below_required") in reasons  # its books were read and judged
    assert ("ETH-USD", "spread_below_required") in reasons
    assert run.get("/-/healthy")[0] == 200
    assert 'kind="delta"' in run.get("/metrics")[1]
    code, took = run.end()
    assert code == 0
    assert took < 10


def test_a_run_whose_own_exchange_dies_gives_up_loudly(start: Any) -> None:
    run = start()
    run.await_event("process_ready")
    os.kill(ExchangeInstance.read(run.home / "exchange" / FILE).pid, signal.SIGKILL)
    run.await_event("process_stopping", message=_OWN_EXCHANGE.format(run.home))
    assert run.process.wait(PATIENCE) == 1


def test_the_exchange_of_a_run_ends_with_it_even_after_kill_9(start: Any) -> None:
    run = start()
    run.await_event("process_ready")
    exchange = psutil.Process(ExchangeInstance.read(run.home / "exchange" / FILE).pid)
    run.end(signal.SIGKILL)
    exchange.wait(PATIENCE)  # raises when it does not end


_OWN_EXCHANGE = "the paper exchange ended; its log is {}/logs/exchange.log"


def run_live(tmp_path: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Try to trade real money."""
    keys = {name: value for name, value in os.environ.items() if "API_KEY" not in name}
    return subprocess.run(
        [sys.executable, "-m", "supervisors.cli", "run", "--set", "management.port=0", *args],
        cwd=ROOT,
        env={**keys, "QUIETMAKER_HOME": str(tmp_path / "home"), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


LIVE = ("--config", "config/live.yaml")


def test_live_takes_the_command_line_and_a_key_as_well_as_the_file(tmp_path: Path) -> None:
    done = run_live(tmp_path, *LIVE)
    assert (done.returncode, "--live" in done.stderr) == (6, True)
    done = run_live(tmp_path, *LIVE, "--live")
    assert (done.returncode, "no API key" in done.stderr) == (6, True)
    assert not (tmp_path / "home" / "database").exists()


def make_key(tmp_path: Path, *args: str) -> str:
    """Return the file of a new key of a paper exchange under the same home."""
    made = subprocess.run(
        [sys.executable, "-m", "supervisors.cli", "exchange", "keys", "new", *args],
        cwd=ROOT,
        env={**os.environ, "QUIETMAKER_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def test_live_without_a_network_ends_before_anything_is_opened_or_sent(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    done = run_live(tmp_path, *LIVE, "--live", QUIETMAKER_API_KEY_FILE=key)
    assert done.returncode == 1
    assert "api.coinbase.com" in done.stderr
    assert "PRIVATE" not in done.stderr + done.stdout
    assert "order_submitted" not in done.stdout
    assert not (tmp_path / "home" / "database").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [(("--can-transfer",), "can transfer funds"), (("--view-only",), "cannot trade")],
)
def test_a_key_that_can_move_money_away_or_cannot_trade_is_refused(
    tmp_path: Path, args: tuple[str, ...], says: str
) -> None:
    with paper_exchange(tmp_path / "home") as instance:
        done = run_live(
            tmp_path,
            *LIVE,
            "--live",
            *("--set", f"exchange.address.rest={instance.rest_url}"),
            *("--set", f"exchange.address.market={instance.market_ws_url}"),
            *("--set", f"exchange.address.user={instance.user_ws_url}"),
            *("--set", f"exchange.address.ca_file={instance.ca}"),
            QUIETMAKER_API_KEY_FILE=make_key(tmp_path, *args),
        )
    assert done.returncode == 6
    assert says in done.stderr
    assert "order_submitted" not in done.stdout


def test_live_mode_is_the_same_path_with_other_addresses(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paper_exchange(tmp_path / "coinbase", {"paper.speed": "4"}) as instance:
        monkeypatch.setenv("QUIETMAKER_API_KEY_FILE", str(instance.first_key))
        run = start(
            *(*LIVE, "--live", "--set", "universe.symbols=[FORTH-USD]"),
            *("--set", f"exchange.address.rest={instance.rest_url}"),
            *("--set", f"exchange.address.market={instance.market_ws_url}"),
            *("--set", f"exchange.address.user={instance.user_ws_url}"),
            *("--set", f"exchange.address.ca_file={instance.ca}"),
        )
        run.await_event("order_submitted")
        assert "mode: LIVE" in run.said()
        code, _ = run.end()
        assert code == 0
    with database(run.home) as url:
        assert rows(url, "SELECT mode FROM runs") == [("live",)]


def test_a_run_trades_on_a_paper_exchange_that_outlives_it(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with paper_exchange(tmp_path / "home") as instance:
        monkeypatch.setenv("QUIETMAKER_API_KEY_FILE", str(instance.first_key))
        for _ in range(2):
            run = start(
                *("--set", f"paper.exchange_url={instance.rest_url}"),
                *("--set", f"exchange.address.ca_file={instance.ca}"),
            )
            run.await_event("order_submitted")
            code, took = run.end()
            assert code == 0
            assert took < 10
    with database(run.home) as url:
        reports = Reports(url=lambda: url)
        assert reports.open_orders() == []
        assert reports.derived_drift() == []
        reports.close()
        assert rows(url, "SELECT count(*) FROM refused_facts") == [(0,)]
        assert ties_out(url) >= 2
        assert rows(url, "SELECT kind, subject FROM differences") == []
