"""Run tests on the compiled core, as a wheel holds it: `python -m tests.kit.on_compiled [PYTEST ARGUMENTS]`.

pytest puts the working tree first on the path, so that the compiled library is imported before it starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from typing import Final

import pytest

from bench.native import environment, native

INSIDE: Final = "QUIETMAKER_TESTS_ON_COMPILED"
TESTS: Final = (
    "core",
    "properties",
    "scenarios",
    "exchange",
    "replay",
    "coinbase/test_wire.py",
    "coinbase/test_samples.py",
    "coinbase/test_recorded_session.py",
    "coinbase/test_market_stream.py",
    "coinbase/test_user_stream.py",
)


def main() -> int:
    """Start anew with the compiled library on the path, or run the tests there."""
    chosen = sys.argv[1:] or [f"tests/{name}" for name in TESTS]
    if INSIDE not in os.environ:
        command = [sys.executable, "-P", "-m", "tests.kit.on_compiled", *chosen]
        return subprocess.run(
            command, env=environment(native()) | {INSIDE: "1"}, check=False
        ).returncode
    core = import_module("quietmaker.core.trader").__file__
    if str(core).endswith(".py"):
        sys.stderr.write(f"error: {core} is not compiled; is there a C compiler?\n")
        return 1
    return int(pytest.main(["-n", "0", *chosen]))


if __name__ == "__main__":
    sys.exit(main())
