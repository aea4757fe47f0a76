"""Incident C6.

The server could not be reached any more, its quotes rested on, and whatever would have raised an alarm ran
on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml

from quietmaker.settings import load

ROOT: Final = Path(__file__).parents[2]


def test_an_alert_that_always_fires_feeds_a_switch_elsewhere() -> None:
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules/process.yaml").read_text())
    (watchdog,) = [
        rule for group in rules["groups"] for rule in group["rules"] if rule["alert"] == "Watchdog"
    ]
    assert watchdog["expr"] == "vector(1)"
    runbook = (ROOT / "deploy/prometheus/runbooks/Watchdog.md").read_text(encoding="utf-8")
    assert "dead" in runbook.lower()


def test_quotes_can_be_told_to_expire_at_the_exchange_without_us() -> None:
    settings = load(
        ROOT / "config" / "paper.yaml", env={}, overrides=["quote.time_to_live_seconds=60"]
    )
    assert settings.symbol("BTC-USD").quote.time_to_live_seconds == 60
