"""Incidents C4, A6.

Reports, the leaderboard and the matching of trades were lines of a crontab that named a file removed weeks
before, and a database at an address that only the host had. They failed silently for days, twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from quietmaker.telemetry.catalogue import catalogue

ROOT: Final = Path(__file__).parents[2]
JOBS: Final = {
    "quietmaker_symbol_filter_last_success_timestamp_seconds": "QuietmakerFilterStale",
    "quietmaker_last_tie_out_timestamp_seconds": "QuietmakerTieOutStale",
    "quietmaker_last_reconciliation_timestamp_seconds": "QuietmakerReconciliationStale",
    "quietmaker_ledger_backlog_oldest_timestamp_seconds": "QuietmakerLedgerBacklog",
}
"""What each job says when it last was done, and who is told when that is long ago."""


def alerts() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (ROOT / "deploy" / "prometheus" / "rules").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            found |= {rule["alert"]: rule["expr"] for rule in group["rules"] if "alert" in rule}
    return found


@pytest.mark.parametrize(("metric", "alert"), JOBS.items())
def test_a_job_that_stands_still_is_told_of_by_its_age(metric: str, alert: str) -> None:
    assert metric in {family.name for family in catalogue()}
    assert metric in alerts()[alert]
    assert "time() -" in alerts()[alert]


def test_no_job_depends_on_a_clock_of_the_host() -> None:
    for script in (ROOT / "deploy").rglob("*.sh"):
        assert "cron" not in script.read_text(encoding="utf-8"), script
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    for service in compose["services"].values():
        assert service["restart"] == "unless-stopped"
