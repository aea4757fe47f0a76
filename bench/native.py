"""The library as a wheel holds it, its core compiled, in a folder that is named after its sources.

The working tree itself is never compiled: a stale binary would shadow an edited source. The folder's name
holds a digest of everything that goes into it, so that an edit leads to a new one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "build" / "native"
PACKAGES: Final = ("quietmaker", "actors", "supervisors")


def native() -> Path:
    """Return the folder to put on the path; without a C compiler it holds the sources alone."""
    place = FOLDER / _digest()
    if place.exists():
        return place
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in sorted(FOLDER.iterdir(), key=lambda each: each.stat().st_mtime)[:-3]:
        shutil.rmtree(old, ignore_errors=True)
    fresh = FOLDER / f"{place.name}.{os.getpid()}"
    print("compiling the core, once for these sources ...", file=sys.stderr, flush=True)
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(fresh)],
        cwd=ROOT,
        check=True,
        stdout=sys.stderr,
    )
    try:
        fresh.rename(place)
    except OSError:  # another process was faster
        shutil.rmtree(fresh)
    return place


def environment(library: Path) -> dict[str, str]:
    """Return an environment in which Python, told `-P`, imports the library from this folder."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(library), str(ROOT)))}


def _digest() -> str:
    digest = hashlib.sha256(f"{sys.version} {version('mypy')}".encode())
    files = [
        ROOT / "setup.py",
        *(path for name in PACKAGES for path in (ROOT / name).rglob("*.py")),
    ]
    for path in sorted(files):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
