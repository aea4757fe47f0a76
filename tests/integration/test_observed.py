"""A real Prometheus watches the running bot: faults make exactly the alerts fire that should, and clear.

It takes a minute, so everything that needs Prometheus over a bot that trades is asked of one run: what the
dashboards ask for is there, the commands of the runbooks work, and every family of metrics moves.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from quietmaker.coinbase.auth import ApiKey, Signer
from quietmaker.coinbase.rest.exchange import CoinbaseExchange
from quietmaker.coinbase.rest.origin import Timeouts
from quietmaker.core.units import SECOND, Nanos
from quietmaker.ledger.server.embedded import EmbeddedPostgres
from quietmaker.ports import Accepted
from quietmaker.telemetry.catalogue import catalogue
from supervisors.cli import main
from supervisors.clock import SystemClock
from supervisors.exchange_instance import FILE, ExchangeInstance
from supervisors.home import Home
from tests.coinbase.rig import FREELY, Watch
from tests.exchange.support import buy
from tests.integration.test_run import Run, start
from tests.integration.test_run_outage import elsewhere, kill_server
from tests.kit.grafana import questions
from tests.kit.operator import Operator
from tests.kit.prometheus import DEPLOY, ROOT, Prometheus, needs_prometheus, prometheus

__all__ = ["elsewhere", "start"]  # the fixtures

PATIENCE = 60.0
PASSWORD = "for-the-test"
CONFIG = f"""\
base: {ROOT}/config/paper.yaml
paper: {{speed: 4, seed: 1}}
universe: {{permanent_exclusions: [BTC-USD]}}
exchange: {{requests: {{read_timeout_seconds: 1}}}}
reload: {{poll_seconds: 0.5}}
account: {{cool_down_seconds: 3, max_resumes: 100}}
defaults: {{risk: {{max_data_age_seconds: 3}}}}
"""
STILL = {
    "quietmaker_actor_failures_total": "tests/supervisors/test_supervisor.py",
    "quietmaker_actor_restarts_total": "tests/supervisors/test_supervisor.py",
    "quietmaker_alerts_total": "tests/actors/test_trader_actor.py",
    "quietmaker_dead_letters_total": "tests/telemetry/test_metrics.py",
    "quietmaker_ledger_facts_refused_total": "tests/actors/test_small_actors.py",
    "quietmaker_position_unprotected": "tests/telemetry/test_metrics.py",
    "quietmaker_shadow_round_trips_total": "tests/actors/test_shadow.py",
    "quietmaker_shadow_symbols": "tests/actors/test_shadow.py",
    "quietmaker_shadow_skipped_events_total": "tests/actors/test_shadow.py",
    "quietmaker_snapshot_errors_total": "tests/telemetry/test_metrics.py",
    "quietmaker_symbol_filter_below_floor": "tests/actors/test_symbol_filter.py",
}
"""Families that nothing from outside moves for certain, and where the code that does is tested."""


class Watched:
    """A bot, the exchange under it, its database, and Prometheus over it."""

    def __init__(
        self, run: Run, database: EmbeddedPostgres, prom: Prometheus, config: Path
    ) -> None:
        self.run = run
        self.config = config
        self.database = database
        self.prom = prom
        self.operator = Operator(ExchangeInstance.read(run.home / "exchange" / FILE))

    def until(self, wanted: Callable[[], object], what: Callable[[], str]) -> None:
        """Wait until something is so; a Prometheus cannot be waited on."""
        deadline = time.monotonic() + PATIENCE
        while not wanted():
            assert time.monotonic() < deadline, what()
            time.sleep(0.2)

    def calm(self) -> None:
        """Wait until nothing fires but the watchdog."""
        self.until(
            lambda: self.prom.firing() == {"Watchdog"},
            lambda: f"it never became calm: {self.prom.firing()}",
        )

    def fires(self, *alerts: str, mend: Callable[[], object], also: tuple[str, ...] = ()) -> None:
        """Wait for alerts, mend what made them fire, wait until they clear; nothing else may have fired."""
        since = time.time()
        self.until(lambda: set(alerts) <= self.prom.firing(), lambda: f"never fired: {alerts}")
        mend()
        self.calm()
        fired = self.prom.fired(since) - {"Watchdog"}
        assert set(alerts) <= fired <= {*alerts, *also}, self.errors()

    def errors(self) -> str:
        """Return what the bot has logged of errors until now."""
        lines = self.run.lines_so_far()
        return "\n".join(str(line) for line in lines if line["level"] == "error")


def exchange_of(instance: ExchangeInstance) -> CoinbaseExchange:
    """Return the exchange as a program would see it that uses the bot's key besides it."""
    clock = SystemClock()
    return CoinbaseExchange(
        url=instance.rest_url,
        ca_file=Path(instance.ca),
        signer=Signer(ApiKey.load(instance.first_key), clock),
        id_prefix="by-hand",
        timeouts=Timeouts(connect=Nanos(5 * SECOND), read=Nanos(5 * SECOND)),
        limits=FREELY,
        clock=clock,
        watch=Watch(),
        pause=time.sleep,
        jitter=lambda: 0.0,
    )


@pytest.fixture
def watched(
    start: Any, elsewhere: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    config = tmp_path / "bot.yaml"
    monkeypatch.setenv("QUIETMAKER_CONFIG", str(config))
    config.write_text(CONFIG)
    run = start()
    run.await_event("process_ready")
    monkeypatch.setenv("QUIETMAKER_HOME", str(run.home))
    target = urlsplit(Home(run.home).instance().management_url).netloc
    with prometheus(tmp_path / "prometheus", target) as prom:
        watched = Watched(run, elsewhere, prom, config)
        yield watched
        watched.operator.leave()


@needs_prometheus
def test_alerts_dashboards_runbooks_and_metrics_are_true_of_a_bot_that_trades(
    watched: Watched, tmp_path: Path
) -> None:
    run = watched.run
    for _ in range(2):
        run.await_event("round_trip_closed")
    watched.calm()
    _the_commands_of_the_runbooks_work(watched, tmp_path)
    _dashboards_have_data(watched)
    _the_books_answer_the_dashboards(watched)
    _an_operator_acts(watched)
    _the_configuration_is_wrong_and_then_waits_for_a_restart(watched)
    _the_process_stops(watched)
    _the_streams_break(watched)
    _somebody_trades_by_hand(watched)
    _too_many_requests_are_sent(watched)
    _orders_get_no_answer(watched)
    _the_database_dies(watched)
    _every_family_moved(watched)
    code, _ = run.end()
    assert code == 0


# --- what is shown ------------------------------------------------------------------------------


def _dashboards_have_data(watched: Watched) -> None:
    empty: list[str] = []

    def asked() -> bool:
        empty[:] = [
            f"{panel}: {expression}"
            for panel, expression in questions("expr")
            if not any(not math.isnan(value) for _, value in watched.prom.query(expression))
        ]
        return not empty

    watched.until(asked, lambda: "\n".join(empty))


def _the_books_answer_the_dashboards(watched: Watched) -> None:
    """Ask as the dashboards do, as the role that only reads."""
    url = watched.database.start()
    owner = psycopg2.connect(url)
    with owner, owner.cursor() as cursor:
        cursor.execute(f"ALTER ROLE grafana_ro LOGIN PASSWORD '{PASSWORD}'")
    owner.close()
    reader = psycopg2.connect(f"postgresql://grafana_ro:{PASSWORD}@{url.partition('@')[2]}")
    with reader, reader.cursor() as cursor:
        for panel, sql in questions("rawSql"):
            cursor.execute(sql)
            assert cursor.fetchall(), panel
    reader.close()


# --- what the runbooks say ----------------------------------------------------------------------


def _commands() -> set[str]:
    """Return every command of a runbook once."""
    blocks = [
        block
        for path in (DEPLOY / "runbooks").iterdir()
        for block in re.findall(r"^```sh\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    ]
    return {line for block in blocks for line in block.splitlines()}


def _the_commands_of_the_runbooks_work(watched: Watched, folder: Path) -> None:
    for line in sorted(_commands()):
        words = shlex.split(line)
        if words[0] == "quietmaker":
            args = [str(folder / word) if word == "before.zip" else word for word in words[1:]]
            said = io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                assert main(args) == 0, f"{line}: {said.getvalue()}"
        elif words[0] == "curl":
            url = next(word for word in words if word.startswith("http"))
            status, text = watched.run.get(urlsplit(url).path)
            assert status == 200, line
            if "grep" in words:
                pattern = words[-1] if "-E" in words else re.escape(words[-1])
                assert re.search(pattern, text), line


def _an_operator_acts(watched: Watched) -> None:
    for command in ("pause", "resume"):
        done = watched.run.command(command, "--symbol", "FORTH-USD", "--reason", "a test", "--yes")
        assert done.returncode == 0, done.stderr
        watched.run.await_event("mode_changed")
    done = watched.run.command("symbols", "exclude", "FORTH-USD", "--reason", "a test")
    assert done.returncode == 0, done.stderr


# --- what goes wrong ----------------------------------------------------------------------------


def _the_configuration_is_wrong_and_then_waits_for_a_restart(watched: Watched) -> None:
    config = watched.config
    config.write_text(CONFIG + "quotes: {}\n")
    new = CONFIG + "ledger: {keep_history_days: 181}\n"
    watched.fires("QuietmakerConfigReloadFailed", mend=lambda: config.write_text(CONFIG))
    config.write_text(new)
    watched.fires("QuietmakerRestartRequired", mend=lambda: config.write_text(CONFIG))


def _the_process_stops(watched: Watched) -> None:
    process = watched.run.process
    process.send_signal(signal.SIGSTOP)
    watched.fires(
        "QuietmakerDown",
        mend=lambda: process.send_signal(signal.SIGCONT),
        also=("QuietmakerBreakerTripped",),  # what it hears first is old
    )


def _the_streams_break(watched: Watched) -> None:
    operator = watched.operator
    operator.fault("ws.gap", match={"channel": "l2_data"}, count=1)
    watched.until(
        lambda: watched.prom.query("sum(quietmaker_websocket_sequence_gaps_total) > 0"),
        lambda: "no gap was noticed",
    )
    operator.fault("rest.abort", match={"path": ["/", "/user"]})
    operator.admin("POST", "/close", {})
    watched.fires(
        "QuietmakerStreamDown",
        "QuietmakerBreakerTripped",
        mend=lambda: operator.admin("DELETE", "/faults"),
        # Each attempt to come back counts; whatever lasts makes it unready in the end.
        also=("QuietmakerStreamFlapping", "QuietmakerNotReady", "QuietmakerNotQuoting"),
    )


def _somebody_trades_by_hand(watched: Watched) -> None:
    """Place an order that is not ours; a lost user stream makes the next sweep come at once."""
    operator = watched.operator
    hand = exchange_of(operator.instance)
    product = hand.products()["ETH-USD"]
    hand.serve({product.symbol: product})
    price = product.ticks(Decimal(1_000))
    order = buy("by-hand", price, product.least_lots(price), symbol=product.symbol)
    assert isinstance(hand.submit(order), Accepted)
    operator.admin("POST", "/close", {"endpoint": "user"})

    def mend() -> None:
        assert hand.cancel(["by-hand"])
        operator.admin("POST", "/close", {"endpoint": "user"})

    watched.fires("QuietmakerBooksDiffer", mend=mend, also=("QuietmakerStreamDown",))
    hand.close()


def _too_many_requests_are_sent(watched: Watched) -> None:
    operator = watched.operator
    operator.fault("rest.rate_limited", match={"method": "POST", "side": "BUY"})
    watched.fires(
        "QuietmakerRateLimited",
        mend=lambda: operator.admin("DELETE", "/faults"),
        also=("QuietmakerRejectRatioHigh", "QuietmakerExchangeErrors", "QuietmakerNotQuoting"),
    )


def _orders_get_no_answer(watched: Watched) -> None:
    operator = watched.operator
    operator.fault("rest.timeout", match={"method": "POST"}, parameters={"placed": True})
    watched.fires(
        "QuietmakerOrdersUnknown",
        mend=lambda: operator.admin("DELETE", "/faults"),
        also=("QuietmakerExchangeErrors", "QuietmakerNotQuoting"),
    )


def _the_database_dies(watched: Watched) -> None:
    kill_server(watched.database)
    watched.fires(
        "QuietmakerDatabaseDown",
        "QuietmakerLedgerBacklog",
        mend=watched.database.start,
        also=("QuietmakerNotReady", "QuietmakerNotQuoting"),
    )


# --- what moved ---------------------------------------------------------------------------------


def _every_family_moved(watched: Watched) -> None:
    still: set[str] = set()
    for family in catalogue():
        name = family.samples()[-1]
        moved = f"max_over_time({name}[1h]) != 0 or min_over_time({name}[1h]) != 0"
        if not watched.prom.query(moved):
            still.add(family.name)
    assert not still - set(STILL), " ".join(sorted(still - set(STILL)))


@pytest.mark.parametrize(("family", "place"), sorted(STILL.items()))
def test_a_family_that_nothing_moves_from_outside_has_a_test_of_its_own(
    family: str, place: str
) -> None:
    assert family.removeprefix("quietmaker_") in (ROOT / place).read_text()
