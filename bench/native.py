"""The library as a wheel holds it, its core compiled, in a folder that is named after its sources.

The working tree itself is never compiled: a stale binary would shadow an edited source. The folder's name
holds digests of what is compiled and of everything that goes into it, so that an edit leads to a new one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from setup import COMPILED, compilable

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "build" / "native"
PACKAGES: Final = ("quietmaker", "actors", "supervisors")


def native() -> Path:
    """Return the folder to put on the path; without a C compiler it holds the sources alone."""
    compiled = _digest([path for glob in COMPILED for path in ROOT.glob(glob)])
    everything = _digest([path for name in PACKAGES for path in (ROOT / name).rglob("*.py")])
    place = FOLDER / f"{compiled}-{everything}"
    if place.exists():
        return place
    FOLDER.mkdir(parents=True, exist_ok=True)
    fresh = FOLDER / f"{place.name}.{os.getpid()}"
    donor = next((each for each in FOLDER.glob(f"{compiled}-*") if not each.suffix), None)
    if donor is None:
        _build(fresh)
    else:
        _copy(fresh, donor)
    try:
        fresh.rename(place)
    except OSError:  # another process was faster
        shutil.rmtree(fresh)
    for old in sorted(FOLDER.iterdir(), key=lambda each: each.stat().st_mtime)[:-4]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def _build(fresh: Path) -> None:
    print("compiling the core, once for these sources ...", file=sys.stderr, flush=True)
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(fresh)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


def _copy(fresh: Path, donor: Path) -> None:
    """Take what is compiled from a folder in which only other sources differ."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, fresh / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in donor.rglob("*.so"):
        shutil.copy2(path, fresh / path.relative_to(donor))


def environment(library: Path) -> dict[str, str]:
    """Return an environment in which Python, told `-P`, imports the library from this folder."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(library), str(ROOT)))}


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{sys.version} {version('mypy')} {compilable()}".encode())
    for path in sorted([ROOT / "setup.py", *paths]):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
