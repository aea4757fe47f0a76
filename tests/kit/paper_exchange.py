"""A paper exchange in a process of its own, as an operator starts it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from supervisors.exchange_instance import FILE, ExchangeInstance

ROOT = Path(__file__).parents[2]
PATIENCE = 45.0


@contextlib.contextmanager
def paper_exchange(
    home: Path, settings: Mapping[str, str] | None = None, *args: str
) -> Iterator[ExchangeInstance]:
    """Run one on free ports until the block ends; it must then end well.

    Args:
        home: its QUIETMAKER_HOME.
        settings: what is set by --set.
        args: further options.
    """
    overrides = [
        part for key, value in (settings or {}).items() for part in ("--set", f"{key}={value}")
    ]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "supervisors.cli", "exchange"),
            *("--watch-stdin", "--port", "0", "--tls-port", "0", *overrides, *args),
        ],
        cwd=ROOT,
        env={**os.environ, "QUIETMAKER_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    reader = threading.Thread(target=process.stdout.read)  # a full pipe would halt it
    try:
        for line in process.stdout:
            if json.loads(line)["event"] == "exchange_listening":
                break
        reader.start()
        yield ExchangeInstance.read(home / "exchange" / FILE)
    finally:
        process.stdin.close()
        if reader.is_alive():
            reader.join(PATIENCE)
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
