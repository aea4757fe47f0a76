"""A paper exchange in a process of its own, as an operator starts it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from supervisors.exchange_instance import FILE, ExchangeInstance

ROOT = Path(__file__).parents[2]
PATIENCE = 45.0


@contextlib.contextmanager
def paper_exchange(
    home: Path, settings: Mapping[str, str] | None = None
) -> Iterator[ExchangeInstance]:
    """Run one on free ports until the block ends; it must then end well."""
    overrides = [
        part for key, value in (settings or {}).items() for part in ("--set", f"{key}={value}")
    ]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "supervisors.cli", "exchange"),
            *("--watch-stdin", "--port", "0", "--tls-port", "0", *overrides),
        ],
        cwd=ROOT,
        env={**os.environ, "QUIETMAKER_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        for line in process.stdout:
            if json.loads(line)["event"] == "exchange_listening":
                break
        yield ExchangeInstance.read(home / "exchange" / FILE)
    finally:
        process.stdin.close()
        process.stdout.read()
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
