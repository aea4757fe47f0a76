"""Alert rules: each fires when it should and not before, reads metrics that exist, and has a runbook."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from supervisors.cli import root
from tests.deploy.names import faults
from tests.kit.prometheus import DEPLOY, ROOT, RULES, needs_prometheus, promtool

HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
TESTS = sorted((DEPLOY / "tests").glob("*.yaml"))


@dataclass(frozen=True)
class Alert:
    """One alert rule."""

    name: str
    expr: str
    rule: dict[str, Any]

    def __str__(self) -> str:
        return self.name


def alerts() -> list[Alert]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [
        Alert(rule["alert"], rule["expr"], rule)
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]


ALERTS = alerts()
each = pytest.mark.parametrize("alert", ALERTS, ids=str)


@needs_prometheus
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    promtool("check", "rules", "--lint=all", *RULES)
    promtool("check", "config", DEPLOY / "prometheus.yaml")


@needs_prometheus
def test_every_alert_fires_in_time_and_not_before() -> None:
    promtool("test", "rules", *TESTS)


def test_every_alert_is_tested_for_not_yet_and_for_firing() -> None:
    told: dict[str, list[bool]] = {}
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for question in test["promql_expr_test"]:
                name = re.search(r'alertname="(\w+)",alertstate="firing"', question["expr"])
                assert name is not None, question
                told.setdefault(name[1], []).append(bool(question["exp_samples"]))
    always = {"Watchdog": [True]}
    assert told == {alert.name: [False, True] for alert in ALERTS} | always


@each
def test_an_alert_reads_only_metrics_labels_and_values_that_exist(alert: Alert) -> None:
    assert list(faults(alert.expr)) == []


@each
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: Alert) -> None:
    rule = alert.rule
    assert alert.name == "Watchdog" or alert.name.startswith("Quietmaker")
    assert rule["labels"]["severity"] in {"critical", "warning", "info", "none"}
    assert alert.name == "Watchdog" or "for" in rule
    texts = rule["annotations"]
    assert set(texts) == {"summary", "description", "runbook_url"}
    assert texts["runbook_url"] == f"deploy/prometheus/runbooks/{alert.name}.md"


@each
def test_the_runbook_says_what_it_means_and_what_to_do(alert: Alert) -> None:
    text = (ROOT / alert.rule["annotations"]["runbook_url"]).read_text()
    assert text.startswith(f"# {alert.name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    assert all(len(part.split()) >= 4 for part in parts)


def test_every_runbook_has_its_alert() -> None:
    assert {path.stem for path in (DEPLOY / "runbooks").iterdir()} == {each.name for each in ALERTS}


def commands(path: Path) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("path", sorted((DEPLOY / "runbooks").iterdir()), ids=lambda p: p.stem)
def test_the_commands_and_settings_of_a_runbook_exist(path: Path) -> None:
    for line in commands(path):
        words = line.split()
        assert words[0] in {"quietmaker", "curl", "df"}, line
        if words[0] == "quietmaker":
            parses(words[1:])
    for quoted in re.findall(r"`quietmaker ([^`]*)`", path.read_text()):
        command_of(quoted.split())
    known = (ROOT / "docs/configuration.md").read_text()
    for key in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", path.read_text()):
        assert f"`{key}`" in known or f"`{key.rpartition('.')[2]}`" in known, key


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that the words name, and what is left of them."""
    command: click.Command = root
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {' '.join(words)}"
        command, words = found, words[1:]
    return command, words


def parses(words: list[str]) -> None:
    """Check that the command takes these arguments."""
    command, rest = command_of(words)
    assert not isinstance(command, click.Group), words
    above = click.Context(root, info_name="quietmaker", **root.context_settings)
    command.make_context(command.name, rest, parent=above)


def test_a_metric_label_or_value_that_does_not_exist_is_found() -> None:
    assert list(faults("quietmaker_reddy == 0")) == ["there is no metric quietmaker_reddy"]
    assert list(faults('quietmaker_ready{side="buy"}')) == ["quietmaker_ready has no label side"]
    wrong = 'quietmaker_alerts_total{kind="taker_fil"}'
    assert list(faults(wrong)) == ["kind of quietmaker_alerts_total is never taker_fil"]
    assert list(faults('rate(quietmaker_position_hold_seconds_sum{job="quietmaker"}[5m])')) == []
