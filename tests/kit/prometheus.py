"""Prometheus for tests: the programs that `make prometheus` fetched."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

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
