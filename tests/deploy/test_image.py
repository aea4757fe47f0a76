"""The Dockerfile and what it is pinned to. That the image builds and runs, `make image-check` tells."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from supervisors.cli import VERBS
from tests.kit import constraints

ROOT: Final = Path(__file__).parents[2]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """Return what the Dockerfile says, as word and rest."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def last(word: str) -> str:
    """Return the last instruction of a kind."""
    return [rest for each, rest in instructions() if each == word][-1]


def test_it_is_built_in_two_stages_from_bases_that_can_be_chosen() -> None:
    assert [rest for word, rest in instructions() if word == "FROM"] == [
        "${BUILD_BASE} AS build",
        "${BASE}",
    ]
    assert ":latest" not in DOCKERFILE


def test_it_runs_as_nobody_in_particular() -> None:
    assert last("USER") == "10001:10001"


def test_it_needs_no_shell_once_it_is_built() -> None:
    entry, command = json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))
    assert (entry, command[0] in VERBS) == (["quietmaker"], True)
    health = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert health == ["quietmaker", "health"]
    assert last("STOPSIGNAL") == "SIGTERM"


def test_there_is_no_image_without_the_commit_that_it_is_of() -> None:
    assert 'RUN test -n "${REVISION}"' in DOCKERFILE
    assert 'QUIETMAKER_REVISION="${REVISION}"' in last("ENV")
    assert 'org.opencontainers.image.revision="${REVISION}"' in last("LABEL")


def test_the_context_holds_what_the_build_reads_and_no_secret() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in allowed if not line.startswith("#")) == "*"
    named = {line.removeprefix("!") for line in allowed if line.startswith("!")}
    assert named == {
        *("wheels", "pyproject.toml", "setup.py", "README.md"),
        *("quietmaker", "actors", "supervisors", "config", "deploy/constraints.txt"),
    }
    for name in named - {"wheels"}:
        assert (ROOT / name).exists()


def test_everything_of_the_runtime_is_pinned_within_what_the_project_allows() -> None:
    pinned = constraints.pinned()
    assert set(constraints.runtime()) <= set(pinned), "run make lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["dependencies"]
    for need in map(Requirement, wanted):
        assert need.specifier.contains(pinned[need.name.lower()]), need


def test_the_scripts_are_of_a_plain_shell() -> None:
    sourced = ROOT / "deploy" / "common.sh"
    scripts = sorted(set(ROOT.glob("deploy/**/*.sh")) - {sourced})
    assert subprocess.run(["sh", "-n", sourced], check=False).returncode == 0
    assert {path.name for path in scripts} >= {"build.sh", "wheels.sh", "init.sh", "roles.sh"}
    for path in scripts:
        assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n"), path
        assert path.stat().st_mode & 0o111, path
        assert subprocess.run(["sh", "-n", path], check=False).returncode == 0
