"""The compiled core: what a wheel holds decides exactly what its sources say."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import MISSING, dataclass, field
from pathlib import Path

import pytest

from bench.native import ROOT, environment, native
from setup import COMPILED, compilable, spell_out

SOURCE = '''
@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Something told."""

    at: int
    names: list[str] = field(default_factory=list)
    derived: int = field(init=False)

    def __post_init__(self) -> None:
        """Derive."""
        object.__setattr__(self, "derived", self.at + 1)


class Plain:
    """No dataclass."""

    at: int = 0
'''


def test_a_constructor_is_spelled_out_without_moving_a_line() -> None:
    spelled = spell_out(SOURCE)
    lines, before = spelled.split("\n"), SOURCE.split("\n")
    assert len(lines) == len(before)
    changed = [row for row, line in enumerate(before) if lines[row] != line]
    assert [before[row].strip() for row in changed] == [before[1], ""]
    assert "init=False" in lines[1]
    class_of = {
        node.name: node for node in ast.parse(spelled).body if isinstance(node, ast.ClassDef)
    }
    assert "__init__" not in ast.unparse(class_of["Plain"])


def test_a_spelled_constructor_does_what_the_dataclass_would() -> None:
    scope: dict[str, object] = {"dataclass": dataclass, "field": field, "MISSING": MISSING}
    # Frozen instances are only written past `__setattr__` by compiled code; thawed, both can run here.
    thawed = SOURCE.replace("frozen=True, ", "")
    told = []
    for source in (thawed, spell_out(thawed)):
        exec(source, scope)
        kind = scope["Told"]
        assert callable(kind)
        told.append([repr(kind(at=3)), repr(kind(at=3, names=["a"]))])
        with pytest.raises(TypeError):
            kind(3)
    assert told[0] == told[1]


def test_the_compiled_core_decides_byte_for_byte_what_the_sources_decide(tmp_path: Path) -> None:
    if missing := compilable():
        pytest.skip(f"nothing to compare: {missing}")
    library = native()
    for glob in COMPILED:
        for path in ROOT.glob(glob):
            place = library / path.relative_to(ROOT).with_suffix("")
            assert list(place.parent.glob(f"{place.name}.*.so")), f"{place} is not compiled"
    for number, options in enumerate(MARKETS):
        files = [tmp_path / f"{number}-compiled.jsonl", tmp_path / f"{number}-sources.jsonl"]
        assert _replay(library, files[0], *options)
        assert not _replay(ROOT, files[1], *options)
        compiled, sources = (file.read_bytes() for file in files)
        assert b'"decision":"round_trip"' in sources
        assert compiled == sources


MARKETS = (
    ("--duration", "2400"),
    (
        *("--duration", "1200", "--without", "insufficient_volatility"),
        *("--without", "spread_below_required", "--without", "tick_too_coarse"),
        *("--set", "defaults.quote.sides=[bid, ask]", "--set", "defaults.quote.improve_ticks=1"),
        *("--set", "defaults.exits.max_lifetime_seconds=30"),
        *("--set", "paper.fill_model=touch"),
    ),
)
"""As configured, and one that meets every kind of order, exit and refusal much more often."""


def _replay(folder: Path, decisions: Path, *options: str) -> bool:
    """Replay with the library of a folder and return whether it says that it is compiled."""
    command = [sys.executable, "-P", "-m", "supervisors.cli", "replay", "synthetic", "--one-model"]
    done = subprocess.run(
        [*command, "--json", *options, "--decisions", str(decisions)],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return bool(json.loads(done.stdout)["compiled"])
