"""The take-profit function was called in the place of the stop, with four arguments: a TypeError at the stop.

A review had found it three weeks before. Whatever calls a rule with anything but what it takes does not pass
the type checker, which every change has to, in every package; and each rule is a value in one table of one
type, so that there is one call to get right.

Incident P17.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from quietmaker.core.exits import RULES
from tests.core.exit_stories import STORIES

ROOT: Final = Path(__file__).parents[2]
MISTAKE: Final = """
from quietmaker.core.exits import View, take_profit

def stop(view: View) -> object:
    return take_profit(view, view.near, view.far, view.now)
"""


def test_the_mistake_does_not_pass_the_type_checker(tmp_path: Path) -> None:
    file = tmp_path / "mistake.py"
    file.write_text(MISTAKE)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    assert "Too many arguments" in done.stdout


def test_every_package_is_checked_strictly_by_what_every_change_must_pass() -> None:
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert mypy["strict"]
    assert {"quietmaker", "actors", "supervisors", "tests"} <= {*mypy["packages"]}
    makefile = (ROOT / "Makefile").read_text()
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()
    assert "\ntest: lint" in makefile
    assert "mypy" in makefile.partition("\nlint:")[2].partition("\n\n")[0]


def test_every_rule_that_leaves_a_position_is_called_by_a_test_that_sees_it_decide() -> None:
    assert set(STORIES) >= set(RULES)
