"""A server crashed again and again for sixteen hours, looked healthy, and lost its logs with each restart.

Here a crash is counted, told with its cause, and bounded: what comes back is not ready before it knows its
orders, and what does not stay up ends the process instead of going round for ever.

Incident W3.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from quietmaker.telemetry.metrics import ProcessState
from supervisors import tree
from supervisors.process import Process
from tests.supervisors.test_trading import SYMBOLS, Poison, Rig, running

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "deploy/prometheus/rules/process.yaml"
RESTARTS: Final = "quietmaker_actor_restarts_total"


def readiness(rig: Rig) -> dict[str, str]:
    """Return what the running process would answer on /-/ready, where it is not well."""
    process: Any = SimpleNamespace(_state=ProcessState.RUNNING, trading=rig.trading)
    checks = Process._checks(process)
    return {name: check.detail for name, check in checks.items() if not check.ok}


def restarts(rig: Rig, actor: str) -> float:
    return rig.metrics.registry.get_sample_value(RESTARTS, {"actor": actor}) or 0.0


def test_a_crash_is_counted_told_and_seen_by_the_readiness_probe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    symbol = SYMBOLS[0]
    with running() as rig:
        rig.until(lambda: not readiness(rig), what="ready")
        actor = rig.actor(tree.trader(symbol))
        rig.trading.traders[symbol].tell(Poison())
        rig.until(lambda: restarts(rig, "trader") == 1, what="counted")
        assert rig.actor(tree.trader(symbol)) is not actor
        rig.until(lambda: not readiness(rig), what="ready again")
    (line,) = [r for r in caplog.records if f"{tree.trader(symbol)} failed" in r.getMessage()]
    assert line.exc_info is not None, "the cause goes with it, at the moment of the crash"


def test_while_an_actor_is_away_the_probe_says_so_and_names_it() -> None:
    symbol = SYMBOLS[0]
    slow = [f"supervision.symbols.{key}" for key in ("max_restarts=1000", "period_seconds=3600")]
    with running(*slow) as rig:
        rig.until(lambda: not readiness(rig), what="ready")
        down: list[str] = []

        def seen() -> bool:
            if not rig.trading.supervisor.down:
                rig.trading.traders[symbol].tell(Poison())
                return False
            down.append(readiness(rig).get("actors", ""))
            return True

        rig.until(seen, what="it waits for its restart")  # each pause is longer than the last
        assert down == [tree.trader(symbol)]


def test_what_crashes_for_ever_ends_the_process_and_names_who_and_how_often() -> None:
    once = [f"supervision.{branch}.max_restarts=1" for branch in ("symbols", "trading", "root")]
    with running(*once) as rig:
        verdict = rig.until(
            lambda: rig.trading.traders[SYMBOLS[0]].tell(Poison()) and False, what="the end"
        )
        assert verdict is not None
        assert tree.trader(SYMBOLS[0]) in verdict.reason
        assert "root was restarted 1 times" in verdict.reason


def test_restarts_have_an_alarm() -> None:
    assert f"increase({RESTARTS}" in RULES.read_text(encoding="utf-8")
