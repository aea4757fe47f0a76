"""Every incident that needs a scenario is named by one: its number stands in the first words of a file."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
TRADING: Final = (
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    19,
    22,
    24,
    25,
    26,
    27,
)
FILTER: Final = ("F1", "F2", "F3", "F4", "F5", "P20", "A10", "C1", "C8")
DEPLOYMENT: Final = ("W1", "W3", "W5", "W8", "C2", "C3", "C4", "C5", "C6", "C7")
_NAMED: Final = re.compile(r"^Incidents? ((?:[A-Z]\d+(?:, )?)+)\.$", re.MULTILINE)


def named() -> dict[str, list[str]]:
    """Return the scenario files by the incidents that they name."""
    found: dict[str, list[str]] = {}
    for path in sorted(HERE.glob("test_*.py")):
        words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        for line in _NAMED.findall(words):
            for number in line.split(", "):
                found.setdefault(number, []).append(path.name)
    return found


def test_every_incident_of_the_books_has_its_scenario() -> None:
    books = {f"A{number}" for number in range(1, 13)} | {"W4", "W6", "W7"}
    assert not books - set(named())


def test_every_incident_of_trading_has_its_scenario() -> None:
    assert not {f"P{number}" for number in TRADING} - set(named())


def test_every_incident_of_the_filter_has_its_scenario() -> None:
    assert not set(FILTER) - set(named())


def test_every_incident_of_deployment_has_its_scenario() -> None:
    assert not set(DEPLOYMENT) - set(named())


def test_every_scenario_names_its_incident() -> None:
    claimed = {name for files in named().values() for name in files}
    others = {path.name for path in HERE.glob("test_*.py")} - {Path(__file__).name}
    assert others == claimed
