"""Which build runs: the version, and the commit it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from quietmaker import __version__
from quietmaker.core import trader

VARIABLE: Final = "QUIETMAKER_REVISION"
"""Set by the container image, which carries no repository."""
UNKNOWN: Final = "unknown"


def version() -> str:
    """Return the version of the program."""
    return __version__


def compiled() -> bool:
    """Return whether the trading core runs compiled, as a wheel built beside a C compiler holds it."""
    return not str(trader.__file__).endswith(".py")


def revision(env: Mapping[str, str], root: Path | None = None) -> str:
    """Return the commit: from the environment, else from the checkout that the code runs in.

    Args:
        env: the environment.
        root: folder of the checkout; the one of this file when None.
    """
    if env.get(VARIABLE):
        return env[VARIABLE]
    try:
        git = _folder((root or Path(__file__).resolve().parents[1]) / ".git")
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head or UNKNOWN
        return _resolve(_common(git), head.removeprefix("ref: "))
    except (OSError, ValueError):
        return UNKNOWN


def _folder(git: Path) -> Path:
    """Return git's folder; in a worktree `.git` is a file that names it."""
    if git.is_dir():
        return git
    return git.parent / git.read_text(encoding="utf-8").strip().removeprefix("gitdir: ")


def _common(git: Path) -> Path:
    """Return the folder of the branches, which worktrees share."""
    shared = git / "commondir"
    return git / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git


def _resolve(git: Path, ref: str) -> str:
    loose = git / ref
    if loose.is_file():
        return loose.read_text(encoding="ascii").strip()
    for line in (git / "packed-refs").read_text(encoding="ascii").splitlines():
        commit, _, name = line.partition(" ")
        if name == ref:
            return commit
    return UNKNOWN
