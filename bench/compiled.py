"""The replay benchmark with the core compiled: `python -m bench.compiled`.

The core, the matching core and the replay engine are typed so that mypyc can compile them as they are.
This copies the library into a folder of its own, compiles these modules there with the C compiler, and
runs `bench.replay` against the copy. The working tree is never compiled in place: a stale binary would
shadow an edited source, and tests would no longer test what one reads.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
MODULES: Final = (
    "quietmaker/core/*.py",
    "quietmaker/exchange/account.py",
    "quietmaker/exchange/depth.py",
    "quietmaker/exchange/latency.py",
    "quietmaker/exchange/levels.py",
    "quietmaker/exchange/matching.py",
    "quietmaker/exchange/orders.py",
    "quietmaker/exchange/refusals.py",
    "quietmaker/exchange/venue.py",
    "quietmaker/market/columns.py",
    "quietmaker/replay/engine.py",
    "quietmaker/replay/stats.py",
)


def main() -> None:
    """Copy, compile, run."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for package in ("quietmaker", "bench", "config"):
            shutil.copytree(
                ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        files = [
            str(path.relative_to(copy)) for glob in MODULES for path in sorted(copy.glob(glob))
        ]
        compiler = Path(sys.executable).with_name("mypyc")
        environment = os.environ | {"MYPYC_OPT_LEVEL": "3", "PYTHONPATH": str(copy)}
        done = subprocess.run(
            [str(compiler), "--config-file=", "--ignore-missing-imports", *files],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"mypyc failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        command = [sys.executable, "-m", "bench.replay", *sys.argv[1:]]
        sys.exit(subprocess.run(command, cwd=copy, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
