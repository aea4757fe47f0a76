"""What a deployment is verified by: every check fails on what it is for, and says what it found."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from quietmaker.settings import load
from supervisors.verifying import Finding, Seen, Verdict, barred_since, findings, total

ROOT: Final = Path(__file__).parents[2]
METRICS: Final = """# HELP quietmaker_fee_rate_ratio The account's fee rates.
quietmaker_fee_rate_ratio{liquidity="maker"} 0.0025
quietmaker_fee_rate_ratio{liquidity="taker"} 0.004
quietmaker_websocket_reconnects_total{channel="market",reason="keepalive"} 0.0
quietmaker_websocket_reconnects_total{channel="market",reason="closed"} 3.0
quietmaker_exits_total{reason="break_even_plus"} 4.0
quietmaker_exits_total{reason="timeout_loss"} 1.0
quietmaker_orders_submitted_total{symbol="BTC-USD",side="BUY",purpose="entry"} 7.0
quietmaker_quoting_seconds_total{symbol="BTC-USD",side="BUY"} 12.5
"""


def settings(*overrides: str) -> Any:
    return load(ROOT / "config" / "paper.yaml", env={}, overrides=overrides)


def line(symbol: str, reason: str) -> dict[str, Any]:
    return {"symbol": symbol, "sides": {"BUY": {"reason": reason}}}


def standing(state: str, since: int | None = None) -> dict[str, Any]:
    return {"state": state, "since": since}


@pytest.fixture
def seen() -> Seen:
    chosen = settings("universe.permanent_exclusions=[TNSR-USD]")
    return Seen(
        settings=chosen,
        expected="abc",
        ready={"ready": True, "checks": {"market": {"ok": True, "detail": ""}}},
        page={
            "version": "0.1.0",
            "revision": "abc",
            "mode": "paper",
            "config_sha": chosen.sha256,
            "symbols": [line("BTC-USD", "quoted"), line("TNSR-USD", "excluded")],
            "filter": {
                "age_seconds": 60,
                "failing": "",
                "symbols": {
                    "BTC-USD": standing("eligible"),
                    "TNSR-USD": standing("denied"),
                    "SUP-USD": standing("excluded", 1_700_000_000),
                },
            },
            "tie_out": {"verdict": "clean", "differences": [], "age_seconds": 5.0},
        },
        metrics=METRICS,
        entered={},
        exits={"break_even_plus": 9, "max_lifetime": 2},
        agree=True,
    )


def found(seen: Seen, check: str) -> Finding:
    (one,) = [each for each in findings(seen) if each.check == check]
    return one


def test_what_works_passes_every_check_and_shows_its_numbers(seen: Seen) -> None:
    assert {each.verdict for each in findings(seen)} == {Verdict.OK}
    formula = found(seen, "fee-aware spread").detail
    assert "2 × maker fee 0.25 % + edge buffer 0.005 % = 0.505 %" in formula
    assert found(seen, "break-even+ exits").detail == "9 in 24 h, 4 since the start"
    assert found(seen, "exits by age").detail == "2 in 24 h, 1 since the start"
    assert found(seen, "exclusions").detail == "never entered: SUP-USD, TNSR-USD"


def changed(seen: Seen, **values: Any) -> Seen:
    page = {**deepcopy(dict(seen.page)), **values}
    return replace(seen, page=page)


def test_old_code_that_runs_on_is_found(seen: Seen) -> None:
    failed = found(changed(seen, revision="old"), "build")
    assert (failed.verdict, "expected abc" in failed.detail) == (Verdict.FAILED, True)
    nobody_said = replace(changed(seen, revision="unknown"), expected=None)
    assert found(nobody_said, "build").verdict is Verdict.FAILED


def test_a_configuration_that_is_not_in_force_is_found(seen: Seen) -> None:
    other = replace(seen, settings=settings("gates.min_spread_pct=0.3"))
    assert found(other, "configuration in force").verdict is Verdict.FAILED


def test_a_ban_that_nobody_read_is_found(seen: Seen) -> None:
    states = {**seen.page["filter"]["symbols"], "TNSR-USD": standing("eligible")}
    unread = changed(seen, filter={**seen.page["filter"], "symbols": states})
    assert found(unread, "exclusions").detail == "TNSR-USD is not denied"
    quoted = changed(seen, symbols=[line("SUP-USD", "quoted")])
    assert found(quoted, "exclusions").detail == "SUP-USD is quoted"


def test_entries_on_an_excluded_symbol_are_found(seen: Seen) -> None:
    failed = found(replace(seen, entered={"TNSR-USD": 2}), "entries on excluded symbols, 24 h")
    assert (failed.verdict, failed.detail) == (Verdict.FAILED, "TNSR-USD: 2")
    assert barred_since(seen.page) == {"TNSR-USD": 0, "SUP-USD": 1_700_000_000}


def test_a_spread_that_ignores_fees_is_found_and_unknown_fees_are_awaited(seen: Seen) -> None:
    ignoring = replace(seen, settings=settings("gates.include_fees=false"))
    failed = found(ignoring, "fee-aware spread")
    assert failed.verdict is Verdict.FAILED
    assert "FEES ARE NOT PART OF IT" in failed.detail
    assert found(replace(seen, metrics=""), "fee-aware spread").verdict is Verdict.WAITING


def test_a_filter_that_is_off_late_or_failing_is_found(seen: Seen) -> None:
    off = replace(seen, settings=settings("filter.enabled=false"))
    assert found(off, "symbol filter").verdict is Verdict.FAILED
    for change in ({"age_seconds": 7_201}, {"failing": "no books"}):
        late = changed(seen, filter={**seen.page["filter"], **change})
        assert found(late, "symbol filter").verdict is Verdict.FAILED
    never = changed(seen, filter={**seen.page["filter"], "age_seconds": None})
    assert found(never, "symbol filter").verdict is Verdict.WAITING


def test_a_keepalive_time_out_is_found_and_other_reconnects_are_none(seen: Seen) -> None:
    lost = METRICS.replace('reason="keepalive"} 0.0', 'reason="keepalive"} 1.0')
    assert found(replace(seen, metrics=lost), "keepalive time-outs").verdict is Verdict.FAILED
    assert total(METRICS, "quietmaker_websocket_reconnects_total") == 3


def test_gates_that_let_pass_what_becomes_no_order_are_found(seen: Seen) -> None:
    silent = METRICS.replace('purpose="entry"} 7.0', 'purpose="entry"} 0.0')
    assert found(replace(seen, metrics=silent), "orders are sent").verdict is Verdict.FAILED
    idle = replace(changed(seen, symbols=[line("BTC-USD", "cooldown")]), metrics=silent)
    assert found(idle, "orders are sent").verdict is Verdict.WAITING


def test_what_is_not_ready_or_does_not_tie_out_is_found(seen: Seen) -> None:
    away = {"ready": False, "checks": {"ledger": {"ok": False, "detail": "no connection"}}}
    assert found(replace(seen, ready=away), "ready to trade").detail == "ledger (no connection)"
    differs = {"verdict": "different", "differences": [{}], "age_seconds": 1.0}
    assert found(changed(seen, tie_out=differs), "books and account").verdict is Verdict.FAILED
    assert found(replace(seen, agree=False), "books and account").verdict is Verdict.FAILED
    early: dict[str, Any] = {"verdict": None, "differences": [], "age_seconds": 0.0}
    assert found(changed(seen, tie_out=early), "books and account").verdict is Verdict.WAITING


def test_every_metric_that_is_looked_at_is_one_that_there_is() -> None:
    source = (ROOT / "supervisors" / "verifying.py").read_text(encoding="utf-8")
    named = set(re.findall(r'"(quietmaker_\w+)"', source))
    document = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert len(named) >= 5
    assert named <= set(re.findall(r"`(quietmaker_\w+)`", document))


def test_rules_that_closed_nothing_yet_are_awaited(seen: Seen) -> None:
    fresh = replace(seen, exits={}, metrics="")
    for check in ("break-even+ exits", "exits by age"):
        assert found(fresh, check).verdict is Verdict.WAITING
