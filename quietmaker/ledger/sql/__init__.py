"""Named queries: SQL lives in .sql files, a block per query under its ``-- name:`` line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MARK: Final = "-- name: "


def load(file: str) -> Mapping[str, str]:
    """Return the queries of one file of this package, by name."""
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    blocks = text.split(_MARK)[1:]
    return {name.strip(): body.strip() for name, _, body in (b.partition("\n") for b in blocks)}
