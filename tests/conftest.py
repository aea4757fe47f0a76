"""What every test shares: how Hypothesis runs, that nothing leaves this machine, and no skips in CI."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.spread import spread

importlib.import_module("tests.kit.loopback.sitecustomize")
_LOOPBACK = Path(__file__).with_name("kit") / "loopback"
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(_LOOPBACK), os.environ.get("PYTHONPATH")))
)

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

_LONGEST_NAME = 80
_skipped: list[str] = []


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Keep bytes and long texts out of names: made anew in each process, they differ; names may not."""
    odd = isinstance(val, str) and (len(val) > _LONGEST_NAME or not val.isprintable())
    return argname if odd or isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, in every worker."""
    items[:] = spread(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail in CI when anything was skipped: a test that does not run proves nothing."""
    if os.environ.get("CI") and _skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why the run failed."""
    if os.environ.get("CI") and _skipped:
        terminalreporter.section("skipped, which fails in CI")
        for nodeid in _skipped:
            terminalreporter.write_line(nodeid)
