"""Prometheus for tests: the programs that `make prometheus` fetched."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import urllib3
import yaml

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".tools/prometheus"
DEPLOY: Final = ROOT / "deploy/prometheus"
RULES: Final = tuple(sorted((DEPLOY / "rules").glob("*.yaml")))

needs_prometheus = pytest.mark.skipif(
    not (TOOLS / "promtool").exists(), reason="there is no Prometheus; run make prometheus"
)


def promtool(*args: str | Path, stdin: str | None = None) -> str:
    """Run promtool, which must find nothing wrong; return what it says."""
    done = subprocess.run(
        [TOOLS / "promtool", *map(str, args)],
        capture_output=True,
        text=True,
        input=stdin,
        check=False,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


FASTER: Final = 60
"""So many times shorter are the periods of the copy of the rules that the tests evaluate."""
_PERIOD: Final = re.compile(r"\[(\d+)([smhd])\]")
_AGE: Final = re.compile(r"(time\(\) - .*?> )60\b")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def faster_rules(folder: Path) -> None:
    """Write a copy of the rules whose periods are short; a minute of age becomes ten seconds."""
    for path in RULES:
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                rule["expr"] = _AGE.sub(r"\g<1>10", _PERIOD.sub(_shorter, rule["expr"]))
                if "for" in rule:
                    rule["for"] = f"{max(_seconds(rule['for']) // FASTER, 1)}s"
        (folder / path.name).write_text(yaml.safe_dump(document))


def _shorter(period: re.Match[str]) -> str:
    # Less than three scrapes have no rate.
    return f"[{max(int(period[1]) * _UNITS[period[2]] // FASTER, 3)}s]"


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * _UNITS[duration[-1]]


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        """Ask the one at this port."""
        self.port = port
        self._http = urllib3.PoolManager(retries=False, timeout=10)

    def get(self, path: str, **fields: str) -> Any:
        """Ask the API; return the data of the answer."""
        answer = self._http.request("GET", f"http://127.0.0.1:{self.port}{path}", fields=fields)
        assert answer.status == 200, (fields, answer.data)
        return answer.json()["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values of an instant query."""
        data = self.get("/api/v1/query", query=expression)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in data["result"]]

    def firing(self) -> set[str]:
        """Return the alerts that fire."""
        alerts = self.get("/api/v1/alerts")["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}

    def fired(self, since: float) -> set[str]:
        """Return the alerts that fired at some time since then."""
        back = max(int(time.time() - since), 1)
        found = self.query(
            f'max by (alertname) (max_over_time(ALERTS{{alertstate="firing"}}[{back}s]))'
        )
        return {labels["alertname"] for labels, _ in found}

    def leave(self) -> None:
        """Let go of the connections to it."""
        self._http.clear()


@contextlib.contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """Run one that scrapes a target every second, with the faster rules, until the block ends."""
    rules = folder / "rules"
    rules.mkdir(parents=True)
    faster_rules(rules)
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{rules}/*.yaml"],
        "scrape_configs": [
            {"job_name": "quietmaker", "static_configs": [{"targets": [target]}]},
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                TOOLS / "prometheus",
                f"--config.file={folder}/prometheus.yaml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
        running = Prometheus(port)
        try:
            _await_ready(running, folder / "prometheus.log")
            yield running
        finally:
            running.leave()
            process.terminate()
            process.wait(30)


def _await_ready(running: Prometheus, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib3.exceptions.HTTPError, AssertionError):
            running.get("/api/v1/status/runtimeinfo")
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
