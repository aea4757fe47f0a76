"""What the image is pinned to: the runtime's distributions, as they are installed in the environment at hand.

``python -m tests.kit.constraints`` (`make lock`) writes deploy/constraints.txt anew.
"""

from __future__ import annotations

import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PLACE: Final = Path(__file__).parents[2] / "deploy" / "constraints.txt"
_HEAD: Final = "# What the image is built with. Written by `make lock`.\n"


def runtime(name: str = "quietmaker") -> dict[str, str]:
    """Return the version of everything that a distribution needs at run time, by name, itself left out."""
    found: dict[str, str] = {}
    waiting = [name]
    while waiting:
        one = distribution(waiting.pop())
        for text in one.requires or ():
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            key = canonicalize_name(need.name)
            if key not in found:
                found[key] = distribution(key).version
                waiting.append(key)
    return found


def pinned() -> dict[str, str]:
    """Return what the file pins."""
    lines = PLACE.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {name: version for name, _, version in pairs}


def main() -> None:
    """Write the file."""
    lines = [f"{name}=={version}\n" for name, version in sorted(runtime().items())]
    PLACE.write_text(_HEAD + "".join(lines), encoding="utf-8")
    sys.stdout.write(f"wrote {PLACE}: {len(lines)} distributions\n")


if __name__ == "__main__":
    main()
