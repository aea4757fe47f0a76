"""The predecessor's 84 critical tests were all green and imported no production code. Each of ours does."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PRODUCTION: Final = frozenset({"quietmaker", "actors", "supervisors", "bench", "setup"})
TESTS: Final = ROOT / "tests"
_OTHERS: Final = {
    *("test_loopback.py", "test_production_code.py", "test_catalogue.py"),
    *("test_pykka_contract.py", "test_spread.py"),
}
"""What keeps the tests themselves in order, and what holds a library to what we build on."""


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return frozenset(found)


@cache
def helpers(path: Path) -> frozenset[Path]:
    """Return what of the tests a file uses: modules that it imports, and the fixtures around it."""
    named = {ROOT / Path(*name.split(".")).with_suffix(".py") for name in imported(path)}
    around = {folder / "conftest.py" for folder in path.parents if folder.is_relative_to(TESTS)}
    return frozenset(each for each in named | (around - {TESTS / "conftest.py"}) if each.is_file())


@cache
def together(path: Path) -> frozenset[Path]:
    """Return a file and every helper that it uses, near or far."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += helpers(one)
    return frozenset(found)


def reaches(path: Path) -> bool:
    """Return whether a file imports production code, by itself or through a helper of the tests."""
    return any(imports_production(each) for each in together(path))


def imports_production(path: Path) -> bool:
    """Return whether a file imports production code, or runs the program in a process of its own."""
    if any(name.partition(".")[0] in PRODUCTION for name in imported(path)):
        return True
    return '"supervisors.cli"' in path.read_text(encoding="utf-8")


def asserts(path: Path) -> bool:
    """Return whether a file can fail by what it says, or by what a helper says for it."""
    texts = (each.read_text(encoding="utf-8") for each in together(path))
    return any("assert " in text or "pytest.raises" in text for text in texts)


def modules() -> list[Path]:
    """Return every file of tests."""
    return sorted(path for path in TESTS.rglob("test_*.py") if path.name not in _OTHERS)


def test_every_test_imports_what_it_tests() -> None:
    assert len(modules()) > 150
    assert not [str(path) for path in modules() if not reaches(path)]


def test_every_test_can_fail() -> None:
    assert not [str(path) for path in modules() if not asserts(path)]


def test_a_test_of_nothing_is_found(tmp_path: Path) -> None:
    empty = tmp_path / "test_nothing.py"
    empty.write_text("import json\n\ndef test_it() -> None:\n    print(json)\n")
    assert not reaches(empty)
    assert not asserts(empty)
